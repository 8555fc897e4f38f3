# What the steps of a guest call: strongSwan, xl2tpd and pppd, started, stopped and asked.
# Sourced by every step; keeps nothing but files under /run.
#
# A fork costs 50 ms in a guest, so whatever waits does so with the shell's own means.

# nap: 50 ms without a process: nobody writes to this pipe.
exec {nap_pipe}<>/run/nap
nap() { read -rt .05 -u "$nap_pipe"; :; }

# now: microseconds since 1970, in $now.
now() { now=${EPOCHREALTIME/./}; }

# wait_for SECONDS COMMAND…: until the command succeeds; 1 when the time is over.
wait_for() {
  local now end
  now; end=$((now + $1 * 1000000)); shift
  until "$@" >/dev/null 2>&1; do
    now; [ "$now" -lt $end ] || return 1
    nap
  done
}

# shows FILE PATTERN: whether the file's text matches the shell pattern.
shows() {
  local text
  IFS= read -rd '' text 2>/dev/null <"$1"
  # shellcheck disable=SC2053
  [[ $text == *$2* ]]
}

has_ppp() { [ -e /sys/class/net/ppp0 ]; }
no_ppp() { ! has_ppp; }
has_address() { has_ppp && shows /run/ppp.log 'local  IP address'; }
no_xl2tpd() { ! pgrep -x xl2tpd; }
no_xfrm() { [ -z "$(ip xfrm state)" ]; }
ppp_address() { ip -4 -br addr show dev ppp0 | awk '{sub("/.*", "", $3); print $3}'; }

# loaded CONN: whether charon knows the connection.
loaded() { [[ $(ipsec statusall 2>/dev/null) == *" $1:  "* ]]; }

# charon_start CONN: starts strongSwan and waits until it knows CONN.
charon_start() {
  ipsec start >/dev/null 2>&1
  wait_for 20 test -S /run/charon.ctl && wait_for 20 loaded "$1" && return 0
  echo 'client: charon did not start'; tail -20 /run/charon.log; return 1
}

# ipsec_up CONN [SECONDS]: status 0 when an ESP SA stands.
ipsec_up() {
  local output
  output=$(timeout "${2:-40}" ipsec up "$1")
  printf '%s\n' "$output"
  [[ $output == *"connection '$1' established successfully"* ]]
}

# ipsec_up_repeating CONN SECONDS REPEATS: again where strongSwan gave up, within the seconds.
ipsec_up_repeating() {
  local now end left repeats=$3
  now; end=$((now + $2 * 1000000))
  until now; left=$(((end - now) / 1000000)); ipsec_up "$1" $((left > 0 ? left : 1)); do
    [ $((repeats--)) -gt 0 ] && [ $left -gt 0 ] || return 1
  done
}

xl2tpd_start() {
  xl2tpd -c /etc/xl2tpd/xl2tpd.conf -p /run/xl2tpd.pid -C /run/xl2tpd/l2tp-control -D \
    >>/run/xl2tpd.log 2>&1 &
  wait_for 5 test -p /run/xl2tpd/l2tp-control
}

# call_up SECONDS: asks xl2tpd to dial and waits for ppp0 to have an address.
call_up() {
  call_new
  echo 'c server' >/run/xl2tpd/l2tp-control
  wait_for "$1" has_address && return 0
  call_logs; return 1
}

# call_refused SECONDS: dials and waits until pppd reports a failed authentication.
call_refused() {
  call_new
  echo 'c server' >/run/xl2tpd/l2tp-control
  wait_for "$1" shows /run/ppp.log 'authentication failed' && return 0
  call_logs; return 1
}

# call_new: a log of its own for each call; the last one stays readable.
call_new() {
  [ ! -e /run/ppp.log ] || mv /run/ppp.log /run/ppp.log.before
  : >/run/ppp.log
}

call_logs() {
  echo '--- ppp.log'; cat /run/ppp.log
  echo '--- xl2tpd.log'; tail -30 /run/xl2tpd.log
}

# call_down: LCP Terminate, then CDN and StopCCN.
call_down() {
  pkill -TERM pppd
  wait_for 8 no_ppp || pkill -KILL pppd
  echo 'd server' >/run/xl2tpd/l2tp-control
  # xl2tpd takes what it reads at once for one command.
  nap; nap; nap; nap
}

# hang_up CONN: as NetworkManager does, with an xl2tpd of its own for each dial: one that could
# not deliver its StopCCN would put the next call into the tunnel that it is closing.
hang_up() {
  call_down
  pkill -TERM xl2tpd
  wait_for 2 no_xl2tpd || pkill -KILL xl2tpd
  timeout 20 ipsec down "$1" >/dev/null
  rm -f /run/xl2tpd/l2tp-control
  xl2tpd_start
}

# die: what a power cut leaves of the client; nobody hears of it.
die() {
  pkill -KILL 'starter|charon|xl2tpd|pppd'
  ip xfrm state flush
  ip xfrm policy flush
  rm -f /run/*.pid /run/charon.* /run/starter.* /run/xl2tpd/l2tp-control
  wait_for 5 no_ppp
}
