#!/usr/bin/env bash
# left-alone.sh PROGRAMS FOLDER: a machine that runs a SoftEther of its own, with an
# administrator's password, finds it as it was after the lab dialled into another one: from
# dial-real.sh, and from the harness of group clients. PROGRAMS are the built ones; logs go to
# FOLDER. The figure on descriptor 3 is the number of its files.
#
# The machine is pretended: its folders are covers, which only this script sees.
set -eu
lab=$(dirname "$(realpath "$0")")
state=(/var/lib/softether /var/log/softether /run/softether)

# listing: names, owners, times and contents; and what SoftEther leaves in /tmp.
listing() {
  find "${state[@]}" /tmp/.unicode_cache_* /tmp/.[0-9]* -printf '%p %y %m %U:%G %s %T@\n' \
    2>/dev/null | sort
  find "${state[@]}" -type f -exec sha256sum {} + 2>/dev/null | sort
}

# unchanged WHAT COMMAND…: fails where the listing is another after the command.
unchanged() {
  local what=$1 before
  shift
  before=$(listing)
  "$@" || { echo "$what: the command failed"; return 1; }
  diff <(echo "$before") <(echo "$(listing)") || { echo "$what: not left alone"; return 1; }
}

# set_up FOLDER: the machine's server is started and gets its password.
set_up() {
  local said
  [ -z "$(find "${state[@]}" -mindepth 1)" ] || { echo 'no pretended machine'; return 1; }
  ip link set lo up
  "$lab/covered" /tmp -- /usr/libexec/softether/vpnserver/vpnserver execsvc &
  mkdir -p "$1"
  printf '%s\n' 'ServerPasswordSet secret' Flush >"$1/password"
  for _ in $(seq 50); do
    said=$(timeout 10 "$lab/covered" /tmp -- /usr/libexec/softether/vpncmd/vpncmd \
      localhost:5555 /SERVER /IN:/dev/fd/3 3<"$1/password" </dev/null) && return 0
    sleep 0.2
  done
  echo "$said"
  return 1
}

pretended() {
  local programs=$1 folder=$2 said
  # SoftEther's processes end with the namespace.
  unshare --net --pid --fork --kill-child --mount-proc "$0" --set-up "$folder"
  unchanged dial-real.sh "$lab/dial-real.sh" softether "$programs/kumihimo-sim" \
    "$programs/kumihimo" "$folder/dial-real" --profile CP-CROS
  unchanged clients "$programs/clients" --server softether --logs "$folder" dial-udp
  said="$(find "${state[@]}" -type f | wc -l) files of the machine's SoftEther are the same"
  { echo "$said" >&3; } 2>/dev/null || echo "$said"
}

case $1 in
  --set-up) set_up "$2" ;;
  --pretended) pretended "$2" "$3" ;;
  *)
    pretend=("$lab/covered" "${state[@]}" -- "$0" --pretended "$1" "$2")
    # One that runs here writes its logs meanwhile.
    ! pgrep -x -r R,S,D vpnserver >/dev/null || exec "${pretend[@]}"
    unchanged 'this machine' "${pretend[@]}"
    ;;
esac
