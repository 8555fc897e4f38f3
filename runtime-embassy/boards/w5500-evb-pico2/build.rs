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

/// The RP2350's RAM, and the board's 2 MiB of flash but for its end, where the settings are
/// (`src/flash.rs`). The boot ROM looks for the start block in the first 4 KiB of an image.
const MEMORY: &str = "MEMORY {
  FLASH : ORIGIN = 0x10000000, LENGTH = 2048K - 16K
  RAM : ORIGIN = 0x20000000, LENGTH = 512K
}
SECTIONS {
  .start_block : ALIGN(4) {
    __start_block_addr = .;
    KEEP(*(.start_block));
    KEEP(*(.boot_info));
  } > FLASH
} INSERT AFTER .vector_table;
_stext = ADDR(.start_block) + SIZEOF(.start_block);
";
