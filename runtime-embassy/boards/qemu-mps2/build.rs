//! Writes the memory map for the linker.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), MEMORY).expect("the build folder is writable");
    // The table of interrupt handlers is `sys/vectors.rs`; it needs no names from here.
    fs::write(out.join("device.x"), "").expect("the build folder is writable");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
}

/// All three boards have 4 MiB of code memory at 0 and 4 MiB of RAM.
const MEMORY: &str = "MEMORY {
  FLASH : ORIGIN = 0x00000000, LENGTH = 4M
  RAM : ORIGIN = 0x20000000, LENGTH = 4M
}
";
