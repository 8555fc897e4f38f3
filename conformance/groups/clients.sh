# Stock clients in guests dial the real server. The cases are in conformance/src/clients.
# shellcheck shell=bash disable=SC2034
packages=("${guest_packages[@]}" python3)
rust=yes
summary=own

cases() {
  echo 'building kumihimo and the harness'
  cargo build --release --locked -q -p kumihimo -p kumihimo-conformance --bins ||
    { echo 'clients: 0 passed, 1 failed, 0 skipped (does not build)'; return 1; }
  "${CARGO_TARGET_DIR:-$root/target}/release/clients" "$@"
}
