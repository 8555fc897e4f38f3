#!/usr/bin/env bash
# dial-real.sh kumihimo|softether SIM KUMIHIMO FOLDER [OPTION…]: the simulator's clients dial a
# real server over sockets, in a namespace made for it, and ping the router of its SecureNAT.
# OPTION: for `dial`, say `--profile CP-CROS`.
#
# It shows that the clients are honest: SoftEther knows nothing of this project. The last line on
# descriptor 3 is the figure of a case. Needs root; the server's log is in FOLDER.
# shellcheck disable=SC2317
set -eu
server=$1 sim=$2 kumihimo=$3 folder=$4
shift 4
lab=$(dirname "$0")
netns=kumihimo-dial-$server-$$
mkdir -p "$folder"
children=()

clean_up() {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in $(ip netns pids "$netns" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
  ip netns del "$netns" 2>/dev/null || true
}
trap clean_up EXIT
inside() { ip netns exec "$netns" "$@"; }

ip netns add "$netns"
ip -n "$netns" link set lo up
# SoftEther serves the addresses of interfaces, not those of the loopback.
ip -n "$netns" link add wire type veth peer name far
ip -n "$netns" addr add 10.9.0.1/24 dev wire
ip -n "$netns" link set wire up
ip -n "$netns" link set far up

start_kumihimo() {
  cat >"$folder/kumihimo.toml" <<'TOML'
[server]
listen = ["0.0.0.0"]
state-dir = "state"
[ipsec]
l2tp = true
l2tp-raw = true
psk = "vpn"
default-hub = "DEFAULT"
[[hub]]
name = "DEFAULT"
[hub.secure-nat]
nat = false
dhcp = true
address = "192.168.30.1/24"
pool = "192.168.30.10-192.168.30.200"
[[hub.user]]
name = "jiro"
auth = "password"
password = "pass"
TOML
  inside "$kumihimo" serve --config "$folder/kumihimo.toml" >"$folder/server.log" 2>&1 &
  children+=($!)
  for _ in $(seq 100); do
    grep -q ready "$folder/server.log" && return 0
    sleep 0.1
  done
  echo 'kumihimo serve did not become ready'
  return 1
}

start_softether() {
  inside "$lab/softether" serve >"$folder/server.log" 2>&1 &
  children+=($!)
  printf '%s\n' 'Hub DEFAULT' 'UserCreate jiro /GROUP:none /REALNAME:none /NOTE:none' \
    'UserPasswordSet jiro /PASSWORD:pass' SecureNatEnable \
    'IPsecEnable /L2TP:yes /L2TPRAW:yes /ETHERIP:no /PSK:vpn /DEFAULTHUB:DEFAULT' \
    >"$folder/commands"
  inside "$lab/softether" configure "$folder/commands"
}

"start_$server"
failed=0
# Now and then SoftEther lets a dial fail; a client dials again.
tries=1
[ "$server" != softether ] || tries=3
for carrier in '' --bare; do
  for try in $(seq "$tries"); do
    # shellcheck disable=SC2086
    inside "$sim" dial --server 10.9.0.1 --local 10.9.0.1 --ping 192.168.30.1 $carrier "$@" \
      >"$folder/dial$carrier.txt" && break
    [ "$try" -lt "$tries" ] || failed=1
  done
  cat "$folder/dial$carrier.txt"
done
count=$(cat "$folder"/dial*.txt | grep -c '^ok')
all=$(cat "$folder"/dial*.txt | wc -l)
{ echo "$count of $all dials" >&3; } 2>/dev/null || echo "$count of $all dials"
exit $failed
