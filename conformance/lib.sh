# Functions of conformance/run and of the groups in conformance/groups.
#
# A group file sets `packages` (Debian packages) and, unless it needs no compiler, `rust=yes`, and
# defines `cases`, which runs them. A group of shell cases calls `check` for each and `skip` for
# what cannot run, and gets its summary from here; a group with a harness of its own sets
# `summary=own` and lets the harness print it.
# shellcheck shell=bash

# What the lab of group clients needs: guests, and the namespaces around them.
# shellcheck disable=SC2034
guest_packages=(
  user-mode-linux strongswan-starter strongswan-charon libcharon-extra-plugins
  libstrongswan-extra-plugins libstrongswan-standard-plugins xl2tpd ppp socat iperf3 iproute2
  iputils-ping nftables tcpdump kmod mount procps util-linux
)

# run_group GROUP [CASE…]
run_group() {
  group=$1; shift
  packages=() rust=no summary=here passed=0 failed=0 skipped=0 selected=("$@") known=()
  local outcome=0
  # shellcheck disable=SC1090
  . "conformance/groups/$group.sh"
  install_packages "${packages[@]}" || return 1
  [ "$rust" = no ] || need_rust || return 1
  echo "== $group"
  cases "$@" || outcome=$?
  [ "$summary" = here ] || return "$outcome"
  unknown_cases || return 2
  echo "$group: $passed passed, $failed failed, $skipped skipped"
  [ "$outcome" -eq 0 ] && [ "$failed" -eq 0 ]
}

# check CASE COMMAND…: one case. It passes when the command succeeds; the last line that it prints
# to descriptor 3 is its figure. Its output is kept in a log and shown when it fails.
check() {
  local name=$1 folder=$logs/$group start=$EPOCHREALTIME ended=0 figure took
  shift
  known+=("$name")
  is_selected "$name" || return 0
  mkdir -p "$folder"
  progress "$name" &
  local progress=$!
  ("$@") >"$folder/$name.log" 2>&1 3>"$folder/$name.figure" </dev/null || ended=$?
  kill $progress 2>/dev/null || true
  wait $progress 2>/dev/null || true
  took=$(seconds_since "$start")
  figure=$(tail -n1 "$folder/$name.figure")
  if [ $ended -eq 0 ]; then
    passed=$((passed + 1))
    printf 'ok    %-24s %s(%s s)\n' "$name" "${figure:+$figure }" "$took"
  else
    failed=$((failed + 1))
    printf 'FAIL  %-24s %sstatus %s (%s s)\n' "$name" "${figure:+$figure, }" "$ended" "$took"
    echo "      log: $folder/$name.log"
    tail -n 25 "$folder/$name.log" | sed 's/^/      /'
  fi
}

# skip CASE WHY
skip() {
  known+=("$1")
  is_selected "$1" || return 0
  skipped=$((skipped + 1))
  printf 'skip  %-24s %s\n' "$1" "$2"
}

is_selected() {
  [ ${#selected[@]} -gt 0 ] || return 0
  local name
  for name in "${selected[@]}"; do [ "$name" != "$1" ] || return 0; done
  return 1
}

unknown_cases() {
  local name
  for name in "${selected[@]}"; do
    [[ " ${known[*]} " == *" $name "* ]] && continue
    echo "conformance/run: group $group has no case $name; it has: ${known[*]}" >&2
    return 1
  done
}

# A long case shows that it is alive.
progress() {
  local waited=0
  while sleep 30; do
    waited=$((waited + 30))
    echo "…     running: $1 $waited s"
  done
}

seconds_since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }

# install_packages PACKAGE…: what is not there yet. Services that come with it are not started, now
# or at the next boot: the machine's ports stay free. Those that were there stay as they are.
install_packages() {
  local missing=() package
  for package in "$@"; do
    [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "conformance/run: installing ${missing[*]}"
  local log=$logs/apt.log outcome=0 enabled service
  mkdir -p "$logs"
  enabled=$(enabled_services)
  without_starts apt_install "${missing[@]}" >>"$log" 2>&1 || outcome=$?
  for service in $(comm -13 <(echo "$enabled") <(enabled_services)); do
    disable_service "$service" >>"$log" 2>&1 || true
  done
  if [ $outcome -ne 0 ]; then
    echo "conformance/run: apt-get install ${missing[*]} failed, see $log" >&2
    tail -n 15 "$log" >&2
    return 1
  fi
}

# without_starts COMMAND…: while it runs, no package starts a service. In a shell of its own, whose
# end takes that back.
without_starts() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  "$@"
)

# enabled_services: what starts at boot, sorted: units of systemd, and scripts of SysV's init.
enabled_services() {
  local link
  for link in /etc/systemd/system/*.wants/*.* /etc/rc[2-5].d/S??*; do
    [ -L "$link" ] || continue
    link=${link##*/}
    case $link in
      S??*) echo "${link#S??}" ;;
      *) echo "$link" ;;
    esac
  done | sort -u
}

# disable_service SERVICE: as enabled_services has it.
disable_service() {
  case $1 in
    *.*) systemctl -q disable "$1" || deb-systemd-helper disable "$1" ;;
    *) update-rc.d "$1" disable ;;
  esac
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -q -o DPkg::Lock::Timeout=600)
  "${apt[@]}" install -y --no-install-recommends "$@" && return 0
  # The lists may be old or absent.
  "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"
}

# A cargo of the version that Cargo.toml asks for, or Debian's.
need_rust() {
  install_packages gcc libc6-dev ca-certificates || return 1
  enough_rust && return 0
  install_packages rustc-web cargo-web rust-web-clippy rustfmt-web rust-web-src || return 1
  hash -r
  enough_rust || {
    echo "conformance/run: cargo $(wanted_rust) is needed, there is: $(cargo --version)" >&2
    return 1
  }
}

wanted_rust() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml; }

enough_rust() {
  local there
  there=$(cargo --version 2>/dev/null) || return 1
  there=${there#cargo }
  printf '%s\n%s\n' "$(wanted_rust)" "${there%% *}" | sort -CV
}
