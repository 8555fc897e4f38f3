//! Sizes of firmware, out of its ELF file.

use std::fs;
use std::path::Path;

use crate::lab::Outcome;
use crate::{expect, fail};

/// What an image takes, in octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Code, constants, and what statics begin with.
    pub(crate) flash: u64,
    /// Statics.
    pub(crate) ram: u64,
    /// Whether it holds an allocator.
    pub(crate) has_heap: bool,
}

/// Reads the sizes of a 32-bit little-endian ELF file.
pub(crate) fn sizes(file: &Path) -> Outcome<Sizes> {
    expect!(file.is_file(), "{} is not built", file.display());
    let elf = fs::read(file)?;
    expect!(elf.starts_with(b"\x7fELF\x01\x01"), "{} is no firmware", file.display());
    let (offset, size, count) = (word(&elf, 28)?, half(&elf, 42)?, half(&elf, 44)?);
    let mut sizes = Sizes { flash: 0, ram: 0, has_heap: false };
    for n in 0..count {
        let header = offset as usize + (n * size) as usize;
        if word(&elf, header)? != LOADED {
            continue;
        }
        let (address, in_file) = (word(&elf, header + 8)?, word(&elf, header + 16)?);
        sizes.flash += in_file;
        if address >= RAM {
            sizes.ram += word(&elf, header + 20)?;
        }
    }
    expect!(sizes.flash > 0 && sizes.ram > 0, "{}: {sizes:?}", file.display());
    // What every allocator is called through, in the table of names.
    sizes.has_heap = elf.windows(NAME.len()).any(|octets| octets == NAME);
    Ok(sizes)
}

fn word(elf: &[u8], at: usize) -> Outcome<u64> {
    match elf.get(at..at + 4).and_then(|octets| octets.try_into().ok()) {
        Some(octets) => Ok(u32::from_le_bytes(octets).into()),
        None => fail!("the ELF file is cut off"),
    }
}

fn half(elf: &[u8], at: usize) -> Outcome<u64> {
    Ok(word(elf, at)? & 0xffff)
}

const LOADED: u64 = 1;
/// Where RAM begins on a Cortex-M.
const RAM: u64 = 0x2000_0000;
const NAME: &[u8] = b"__rust_alloc";
