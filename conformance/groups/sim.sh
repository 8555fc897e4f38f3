# Worlds of clients, NAT boxes and servers, played in virtual time. docs/SIMULATOR.md.
# shellcheck shell=bash disable=SC2034
packages=(
  ca-certificates tshark softether-vpnserver softether-vpncmd iproute2 procps
  "${guest_packages[@]}"
)
rust=yes

cases() {
  local kind
  export CARGO_TERM_COLOR=never
  check build cargo build --release --locked --quiet -p kumihimo-sim -p kumihimo
  sim=${CARGO_TARGET_DIR:-$root/target}/release/kumihimo-sim
  check tools sim_tools
  for kind in core std embassy; do
    check "stories-$kind" sim_stories "$kind"
  done
  check seeds sim_seeds
  for kind in core std embassy; do
    check "swarm-$kind" sim_swarm "$kind" 500 swarm
    check "upheaval-$kind" sim_swarm "$kind" 500 upheaval
  done
  check twice sim_twice 50
  check decode sim_decode
  check speed sim_speed
  check dial-kumihimo sim_dial kumihimo
  check dial-softether sim_dial softether
  check left-alone sim_left_alone
  # Last, for it leaves another build behind.
  check canary sim_canary
}

# The same clients dial a real server over sockets. sim_dial kumihimo|softether
sim_dial() {
  conformance/lab/dial-real.sh "$1" "$sim" "${sim%-sim}" "$logs/sim/dial-$1"
}

# A machine with a SoftEther of its own keeps it as it is.
sim_left_alone() {
  cargo build --release --locked --quiet -p kumihimo-conformance --bin clients --bin any-cpu ||
    return 1
  conformance/lab/left-alone.sh "${sim%/*}" "$logs/sim/left-alone"
}

# The tools find and shrink a fault that is there on purpose, and none where there is none.
sim_tools() {
  local out=$logs/sim/tools story
  rm -rf "$out"
  "$sim" swarm --scenario echo --seed 1 --count 200 --twice 20 || return 1
  ! "$sim" swarm --scenario echo-canary --seed 1 --count 500 --failures 1 --shrink --out "$out" ||
    return 1
  story=$(find "$out" -path '*/shrunk/story.txt')
  [ "$(wc -l <"$story")" -lt 60 ] && ! "$sim" replay "$(dirname "$story")/run.tape" &&
    echo "the canary is a story of $(wc -l <"$story") lines" >&3
}

# sim_stories KIND
sim_stories() {
  local told=$logs/sim/stories-$1 ended=0
  mkdir -p "${told%/*}"
  "$sim" story all --node "$1" --out "$told.d" >"$told" || ended=1
  cat "$told"
  echo "$(grep -c '^ok' "$told") stories" >&3
  return $ended
}

# What was found once stays found: every tape, on every kind of node.
sim_seeds() {
  local tapes=(sim/seeds/*.tape)
  "$sim" replay --node all "${tapes[@]}" || return 1
  echo "${#tapes[@]} tapes" >&3
}

# sim_swarm KIND COUNT SCENARIO
sim_swarm() {
  "$sim" swarm --node "$1" --scenario "$3" --seed 1 --count "$2" --jobs "$(nproc)" --shrink \
    --shrink-secs 60 --out "$logs/sim/swarm" || return 1
  echo "$2 seeds" >&3
}

# One tape, one trace. sim_twice COUNT
sim_twice() {
  local scenario
  for scenario in swarm upheaval; do
    "$sim" swarm --node all --scenario "$scenario" --seed 1000 --count "$1" --twice "$1" \
      --jobs "$(nproc)" || return 1
  done
  echo "$1 seeds of each swarm on each kind" >&3
}

# An independent dissector reads a run, down to the packets inside, and finds nothing malformed.
sim_decode() {
  local folder=$logs/sim/decode capture packets inner
  rm -rf "$folder"
  "$sim" story profiles --out "$folder" || return 1
  folder=$(dirname "$folder"/*/run.tape)
  export WIRESHARK_CONFIG_DIR=$folder/wireshark
  capture=$folder/link-server.pcapng
  packets=$(sim_count "$capture" frame)
  # Every encrypted IKE message has a hash inside, and all ESP carries L2TP.
  for filter in _ws.malformed '_ws.expert.severity >= warn' 'esp.icv_bad == 1' 'esp && !l2tp' \
    'isakmp.flag_e == 1 && !(isakmp.typepayload == 8)'; do
    [ "$(sim_count "$capture" "$filter")" -eq 0 ] || {
      echo "$filter:"
      tshark -n -r "$capture" -Y "$filter" 2>&1 | head -n 20
      return 1
    }
  done
  inner=$(sim_count "$capture" 'esp && ppp && icmp')
  [ "$inner" -gt 0 ] && echo "$packets packets, $inner of them an ICMP inside PPP" >&3
}

# sim_count CAPTURE FILTER
sim_count() { tshark -n -r "$1" -Y "$2" 2>/dev/null | wc -l; }

# Virtual seconds for each second of ours.
sim_speed() {
  local figures=$logs/sim/speed
  mkdir -p "${figures%/*}"
  "$sim" speed >"$figures" || { cat "$figures"; return 1; }
  cat "$figures"
  # A day of one client in 2 s, an hour of a thousand in 60 s: printed, since a time proves nothing
  # on a machine that others use.
  awk '{ printf "%s %s virtual s a second; ", $1, $9 }
    $1 == "speed-1" && $7 >= 2 || $1 == "speed-1000" && $7 >= 60 { printf "OVER ITS TARGET; " }
  ' "$figures" >&3
}

# Every fault that can be planted in the core is found by the swarm, and shrinks; what was kept of
# each shows it still. On the other kinds of node it is found too, and then not shrunk.
sim_canary() {
  local found=$logs/sim/canary faults kind
  mkdir -p "${found%/*}"
  cargo build --release --locked --quiet -p kumihimo-sim --features canary || return 1
  faults=$("$sim" canary list)
  # A process for each, since a fault is planted in all servers of a process.
  xargs -P "$(nproc)" -n 1 "$sim" canary --shrink-secs 100 <<<"$faults" >"$found" 2>&1 ||
    { cat "$found"; return 1; }
  cat "$found"
  for kind in std embassy; do
    xargs -P "$(nproc)" -n 1 "$sim" canary --node "$kind" --shrink-secs 0 <<<"$faults" || return 1
  done
  "$sim" canary replay sim/seeds/canary-*.tape || return 1
  echo "$(grep -c '^ok' "$found") of $(wc -l <<<"$faults") planted faults found and shrunk" >&3
}
