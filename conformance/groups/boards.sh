# The server on small hardware. `conformance/run boards --all` builds every board; without it, one
# of those that are only built takes its turn, chosen by the commit.
# shellcheck shell=bash disable=SC2034
# shellcheck source=conformance/router.sh
. conformance/router.sh
packages=("${router_packages[@]}")
rust=yes

cases() {
  boards_options
  check router-aarch64 router_build aarch64
  check router-aarch64-dial router_dial aarch64 qemu-aarch64-static dial-udp
  check router-aarch64-dial-esp router_dial aarch64 qemu-aarch64-static dial-esp
  turn router-armv7 router_build armv7
  turn router-mipsel router_build mipsel
}

# Takes `--all` out of the words that conformance/run takes for cases.
boards_options() {
  local word words=()
  all=no turns=0
  for word in "${selected[@]}"; do
    if [ "$word" = --all ]; then all=yes; else words+=("$word"); fi
  done
  selected=("${words[@]}")
  turn_now=$(($(git rev-list --count HEAD 2>/dev/null || date +%j) % TURNS))
}

# turn CASE COMMAND…: a case whose turn it is, or that was named, or with --all.
turn() {
  local number=$turns
  turns=$((turns + 1))
  if [ "$all" = yes ] || [ ${#selected[@]} -gt 0 ] || [ "$number" -eq "$turn_now" ]; then
    check "$@"
  else
    skip "$1" 'not its turn; --all builds every board'
  fi
}

# How many cases take turns.
TURNS=2
