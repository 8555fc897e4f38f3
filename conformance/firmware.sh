# Firmware, built by Debian's compiler: the functions of group boards that need no guest.
# shellcheck shell=bash

# shellcheck disable=SC2034
firmware_packages=(
  ca-certificates rustc-web cargo-web rust-web-src rust-web-llvm lld-22 qemu-system-arm dnsmasq-base
)

# firmware BOARD FEATURE TARGET NAME: builds a board's firmware into target/boards/NAME.elf.
#
# Debian's compiler is named by its path, since another one may stand first in PATH.
firmware() {
  local target=${CARGO_TARGET_DIR:-$root/target} started=$EPOCHREALTIME
  cd "runtime-embassy/boards/$1" || return 1
  export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target/firmware
  local options=(--release --locked --quiet --no-default-features --features "$2" --target "$3")
  /usr/bin/cargo build "${options[@]}" || return 1
  mkdir -p "$target/boards"
  cp "$CARGO_TARGET_DIR/$3/release/kumihimo-$1" "$target/boards/$4.elf" || return 1
  echo "built in $(seconds_since "$started") s" >&3
}

# firmware_cases CASE…: the cases with a guest, by their own harness, counted with the others.
firmware_cases() {
  local target=${CARGO_TARGET_DIR:-$root/target}/release line words chosen=() name
  for name in $("$target/boards" --list | awk '{ print $1 }'); do
    known+=("$name")
    ! is_selected "$name" || chosen+=("$name")
  done
  [ ${#chosen[@]} -gt 0 ] || return 0
  while IFS= read -r line; do
    if [[ $line =~ ^boards:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
      passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
      skipped=$((skipped + BASH_REMATCH[3]))
      words=counted
    else
      printf '%s\n' "$line"
    fi
  done < <("$target/boards" "${chosen[@]}" 2>&1)
  # A harness that died counted nothing.
  [ "${words:-}" = counted ] || failed=$((failed + 1))
}
