# Router boards that run Linux: the cases of group boards that need no board. For conformance/run.
# shellcheck shell=bash

# What the dial needs beside the compilers, which conformance/cross installs itself.
# shellcheck disable=SC2034
router_packages=(
  ca-certificates gcc libc6-dev rustc-web cargo-web rust-web-src qemu-user-static
  "${guest_packages[@]}"
)

# The figure is the size of the file, which must fit beside the firmware of a small router.
router_build() {
  local name=$1 file octets
  read -r file octets < <(conformance/cross "$name") && [ -x "$file" ] || return 1
  file "$file" 2>/dev/null || true
  echo "$((octets / 1024)) KiB, ceiling $((ROUTER_OCTETS_MAX / 1024)) KiB, static" >&3
  [ "$octets" -le "$ROUTER_OCTETS_MAX" ] || return 1
  # Static means that the file names no interpreter: it runs on a router without glibc.
  ! LC_ALL=C grep -aq '/lib/ld-linux' "$file" && ! LC_ALL=C grep -aq '/lib/ld.so.1' "$file"
}

# A stock client in a guest dials the router's program, which qemu-user runs here with the system
# calls of this kernel: datagrams in batches, the TAP device, and with dial-esp a raw socket.
router_dial() {
  local name=$1 emulator=$2 case=$3 folder=$logs/boards/router-$1 file target
  target=${CARGO_TARGET_DIR:-$root/target}
  read -r file _ < <(conformance/cross "$name") || return 1
  cargo build --release --locked -q -p kumihimo-conformance --bin clients --bin any-cpu || return 1
  mkdir -p "$folder"
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$emulator" "$file" >"$folder/kumihimo"
  chmod +x "$folder/kumihimo"
  "$folder/kumihimo" version || return 1
  "$target/release/clients" --program "$folder/kumihimo" --logs "$folder" "$case" |
    tee "$folder/clients.log" || return 1
  sed -nE "s/^ok +$case +(.*) \([0-9.]+ s\)$/\1/p" "$folder/clients.log" >&3
}

ROUTER_OCTETS_MAX=$((4 * 1024 * 1024))
