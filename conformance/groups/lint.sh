# What can be said about the source without running it.
# shellcheck shell=bash disable=SC2034
packages=(
  ca-certificates rustc-web cargo-web rust-web-clippy rustfmt-web rust-web-src shellcheck
)
rust=yes

cases() {
  local crate
  export CARGO_TERM_COLOR=never
  check fmt cargo fmt --all --check
  for crate in core runtime-std runtime-embassy sim conformance; do
    check "clippy-$crate" lint_clippy "$crate" --all-targets
  done
  check clippy-runtime-std-all lint_clippy runtime-std --all-targets --all-features
  check clippy-core-no-alloc lint_clippy core --lib --no-default-features
  check doc lint_doc
  check shell lint_shell
  check bare-thumbv7em lint_bare_metal thumbv7em-none-eabihf
  check bare-riscv32imac lint_bare_metal riscv32imac-unknown-none-elf
  check tidy lint_tree tidy
  check layers lint_tree layers
  check licences lint_tree licences
  if cargo deny --version >/dev/null 2>&1; then
    check advisories cargo deny check
  else
    skip advisories 'no cargo-deny here; it also needs the network, for the advisory database'
  fi
}

# lint_clippy FOLDER OPTION…: the crate's own folder, so that it is checked with its own features.
lint_clippy() {
  cd "$1" || return 1
  shift
  cargo clippy --locked --quiet --no-deps "$@" -- -D warnings
}

# The documentation is for those who work on this, so it holds private items and links to them.
lint_doc() {
  RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' \
    cargo doc --locked --quiet --workspace --no-deps --document-private-items
}

# SC2154: shellcheck does not see what a sourcing script sets.
lint_shell() {
  find conformance .ci -type f \( -name '*.sh' -o -perm -u+x \) -print0 |
    xargs -0 shellcheck --shell=bash --severity=warning --exclude=SC2154
}

# The core with nothing but `core` beneath it: there is no alloc to be found, and no std.
#
# Debian's compiler is named by its path, since another one may stand first in PATH. What is built
# is not run, so nothing is optimised.
lint_bare_metal() {
  local options=(--release -Zbuild-std=core --no-default-features --package kumihimo-core)
  RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/bare \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG=0 \
    /usr/bin/cargo build --locked --quiet "${options[@]}" --target "$1"
}

# Rules of the project's own, in conformance/src; `cargo run` is quiet about everything else.
lint_tree() {
  cargo run --locked --quiet --package kumihimo-conformance --bin tree -- "$@" || return 1
  [ "$1" != licences ] || echo "$(grep -c '^name = ' Cargo.lock) packages in Cargo.lock" >&3
}
