#!/usr/bin/env bash
# tap.sh TAP SIM: runs the example (built at TAP) in a network namespace of its own, with dnsmasq as
# the LAN's DHCP server, and lets the simulator's clients (SIM, `sim dial`) dial in over sockets.
# Needs root and dnsmasq.
set -eu
tap=$1 sim=$2 space=kumihimo-tap-$$ folder=$(mktemp -d) server='' dhcp=''

clean() {
  for process in $server $dhcp; do kill "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns del "$space"
  rm -rf "$folder"
}

inside() { ip netns exec "$space" "$@"; }

cat >"$folder/kumihimo.toml" <<'TOML'
[board]
address = "192.0.2.1/24"
gateway = "192.0.2.254"
[ipsec]
psk = "braid-8x"
[[hub]]
name = "DEFAULT"
[[hub.user]]
name = "jiro"
password = "obi-jime"
TOML

ip netns add "$space"
trap clean EXIT
inside ip link set lo up
inside timeout 90 "$tap" tap0 "$folder/kumihimo.toml" >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 50); do
  inside ip address add 192.0.2.254/24 dev tap0 2>/dev/null && break
  sleep 0.1
done
inside dnsmasq --keep-in-foreground --conf-file=/dev/null --interface=tap0 --bind-interfaces \
  --port=0 --dhcp-range=192.0.2.100,192.0.2.120,1h --dhcp-leasefile="$folder/leases" \
  --pid-file= >"$folder/dnsmasq" 2>&1 &
dhcp=$!
for _ in $(seq 50); do
  inside ping -c 1 -W 1 192.0.2.1 >/dev/null 2>&1 && break
  sleep 0.1
done
result=0
inside timeout 80 "$sim" dial --server 192.0.2.1 --psk braid-8x --user jiro --password obi-jime \
  --ping 192.0.2.254 || result=$?
[ "$result" = 0 ] || cat "$folder/log"
exit "$result"
