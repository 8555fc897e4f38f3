//! Writes the memory map for the linker, and the settings of a `kumihimo.toml` into the image.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), MEMORY).expect("the build folder is writable");
    println!("cargo:rustc-link-search={}", out.display());
    // Segments need not begin on pages of 64 KiB.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed=build.rs");
    kumihimo_embassy::settings::toml::build("kumihimo.toml");
}

/// Bank 1 of the flash holds the code, bank 2 the settings (`src/sys/flash.rs`), so that one can be
/// read while the other is erased. The RAM is the AXI SRAM, where the Ethernet's DMA reaches it.
const MEMORY: &str = "MEMORY {
  FLASH : ORIGIN = 0x08000000, LENGTH = 1024K
  RAM : ORIGIN = 0x24000000, LENGTH = 512K
}
";
