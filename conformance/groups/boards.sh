# The server on small hardware. `conformance/run boards --all` builds every board; without it, one
# of those that do not run in QEMU takes its turn, chosen by the commit.
# shellcheck shell=bash disable=SC2034
# shellcheck source=conformance/router.sh
. conformance/router.sh
# shellcheck source=conformance/firmware.sh
. conformance/firmware.sh
# shellcheck source=conformance/sizes.sh
. conformance/sizes.sh
packages=("${router_packages[@]}" "${firmware_packages[@]}")
rust=yes

cases() {
  boards_options
  check harness cargo build --release --locked -q -p kumihimo-conformance --bins
  check qemu-mps2 firmware qemu-mps2 an386 thumbv7em-none-eabihf an386
  check qemu-mps2-8 firmware qemu-mps2 an386,clients-8 thumbv7em-none-eabihf an386-clients-8
  turn qemu-mps2-an385 firmware qemu-mps2 an385 thumbv7m-none-eabi an385
  turn qemu-mps2-an500 firmware qemu-mps2 an500 thumbv7em-none-eabihf an500
  firmware_cases
  check host-tap host_tap
  check router-aarch64 router_build aarch64
  check router-aarch64-dial router_dial aarch64 qemu-aarch64-static dial-udp
  check router-aarch64-dial-esp router_dial aarch64 qemu-aarch64-static dial-esp
  real_board nucleo-h753zi h753 thumbv7em-none-eabihf
  real_board w5500-evb-pico2 '' thumbv8m.main-none-eabihf
  turn router-armv7 router_build armv7
  turn router-armv7-dial router_dial armv7 qemu-arm-static dial-udp
  turn router-mipsel router_build mipsel
  turn router-mipsel-dial router_dial mipsel qemu-mipsel-static dial-udp
}

# The boards' runner on a TAP device of this machine, dialled by the simulator's clients.
host_tap() {
  local target=${CARGO_TARGET_DIR:-$root/target}/debug said
  cargo build --locked -q -p kumihimo-embassy --example tap || return 1
  cargo build --locked -q -p kumihimo-sim || return 1
  said=$(runtime-embassy/examples/tap.sh "$target/examples/tap" "$target/kumihimo-sim") || {
    echo "$said"
    return 1
  }
  echo "$(grep -c '^ok' <<<"$said") clients dialled in" >&3
}

# Takes `--all` out of the words that conformance/run takes for cases.
boards_options() {
  local word words=()
  all=no
  for word in "${selected[@]}"; do
    if [ "$word" = --all ]; then all=yes; else words+=("$word"); fi
  done
  selected=("${words[@]}")
  turn_now=${BOARDS[$(($(git rev-list --count HEAD 2>/dev/null || date +%j) % ${#BOARDS[@]}))]}
}

# turn CASE COMMAND…: a case of a board whose turn it is; of any that was named, or with --all.
turn() {
  if [ "$all" = yes ] || [ ${#selected[@]} -gt 0 ] || [[ $1 == "$turn_now"* ]]; then
    check "$@"
  else
    skip "$1" 'not its turn; --all builds every board'
  fi
}

# The boards that take turns; their cases begin with these words.
BOARDS=(nucleo-h753zi w5500-evb-pico2 router-armv7 router-mipsel)
