# The firmware of real boards, and what it takes of flash and RAM. For conformance/run.
# shellcheck shell=bash

# real_board BOARD FEATURE TARGET: two cases, that it is built, and that it keeps its ceilings.
real_board() {
  local elf=${CARGO_TARGET_DIR:-$root/target}/boards/$1.elf figure
  rm -f "$elf"
  turn "$1" real_board_build "$@"
  [ -f "$elf" ] || { turn "$1-sizes" false; return 0; }
  figure=$(firmware_sizes "$elf")
  turn "$1-sizes" show_figure "$figure"
}

real_board_build() {
  local target=${CARGO_TARGET_DIR:-$root/target}
  (firmware "$1" "$2" "$3" "$1") || return 1
  # The RP2350's also becomes the file that its boot loader takes.
  [ "$1" != w5500-evb-pico2 ] ||
    "$target/release/uf2" "$target/boards/$1.elf" "$target/boards/$1.uf2"
}

show_figure() {
  echo "$1" >&3
  [[ $1 != *over ]]
}

# firmware_sizes ELF: sums the segments that are loaded; those in RAM have their initial values in
# flash too. The stack is not in the file: what is left of RAM is far more than it may have here.
firmware_sizes() {
  local kind virtual physical in_file in_memory flash=0 ram=0 verdict=''
  while read -r kind _ virtual physical in_file in_memory _; do
    [ "$kind" = LOAD ] || continue
    [ $((physical)) -ge $((RAM_START)) ] || flash=$((flash + in_file))
    [ $((virtual)) -lt $((RAM_START)) ] || ram=$((ram + in_memory))
  done < <(readelf -lW "$1")
  ram=$((ram + STACK_OCTETS))
  [ "$flash" -gt 0 ] && [ $flash -le $FLASH_OCTETS_MAX ] && [ $ram -le $RAM_OCTETS_MAX ] ||
    verdict=' over'
  printf 'flash %s of %s KiB, RAM with %s KiB of stack %s of %s KiB%s\n' \
    $((flash / 1024)) $((FLASH_OCTETS_MAX / 1024)) $((STACK_OCTETS / 1024)) \
    $((ram / 1024)) $((RAM_OCTETS_MAX / 1024)) "$verdict"
}

FLASH_OCTETS_MAX=$((384 * 1024))
RAM_OCTETS_MAX=$((192 * 1024))
# Measured on the board in QEMU: a key exchange, and the packet task that interrupts it.
STACK_OCTETS=$((36 * 1024))
# Both chips have their flash below, and their RAM from here on.
RAM_START=0x20000000
