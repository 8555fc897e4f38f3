//! Firmware as a file that a board's boot loader takes by drag and drop: UF2, from an ELF file.
//!
//! Formats: "USB Flashing Format (UF2)" of Microsoft, and the System V ABI's chapter on object
//! files, of which only 32-bit little-endian executables are read.

use std::collections::BTreeMap;
use std::fmt;

/// The boot ROM's name for code of an RP2350's Arm cores in the secure state (RP2350 datasheet
/// §5.5.3).
pub const RP2350_ARM_SECURE: u32 = 0xe48b_ff59;

/// Octets of code in one block.
pub const PAGE_LEN: usize = 256;

/// Octets of one block.
pub const BLOCK_LEN: usize = 512;

/// Why a file cannot be turned into UF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Not an ELF file of a 32-bit little-endian processor, or one that ends too soon.
    NotElf,
    /// Nothing in it belongs into flash.
    Empty,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotElf => "not a whole 32-bit little-endian ELF file",
            Self::Empty => "nothing in it is loaded into flash",
        })
    }
}

/// The pages of flash that an ELF file fills, by address; what it leaves out of a page is 0.
///
/// # Errors
/// [`Unfit`].
pub fn pages(elf: &[u8]) -> Result<BTreeMap<u32, [u8; PAGE_LEN]>, Unfit> {
    if elf.get(..6) != Some(&[0x7f, b'E', b'L', b'F', CLASS_32, LITTLE_ENDIAN]) {
        return Err(Unfit::NotElf);
    }
    let table = word(elf, 28)? as usize;
    let (entry_len, count) = (half(elf, 42)?, half(elf, 44)?);
    let mut pages = BTreeMap::new();
    for index in 0..count {
        let entry = elf.get(table + index * entry_len..).ok_or(Unfit::NotElf)?;
        let (offset, len) = (word(entry, 4)? as usize, word(entry, 16)? as usize);
        if word(entry, 0)? != LOAD || len == 0 {
            continue;
        }
        let address = word(entry, 12)?;
        let content = elf.get(offset..offset + len).ok_or(Unfit::NotElf)?;
        for (address, octet) in (address..).zip(content) {
            let within = address as usize % PAGE_LEN;
            let page = pages.entry(address - within as u32).or_insert([0; PAGE_LEN]);
            page[within] = *octet;
        }
    }
    if pages.is_empty() { Err(Unfit::Empty) } else { Ok(pages) }
}

/// The UF2 file for a board of `family`.
///
/// # Errors
/// [`Unfit`].
pub fn from_elf(elf: &[u8], family: u32) -> Result<Vec<u8>, Unfit> {
    let pages = pages(elf)?;
    let count = pages.len() as u32;
    let mut file = Vec::with_capacity(pages.len() * BLOCK_LEN);
    for (number, (address, page)) in (0..).zip(pages) {
        let words =
            [MAGIC, MAGIC_2, FAMILY_PRESENT, address, PAGE_LEN as u32, number, count, family];
        let start = file.len();
        file.extend(words.into_iter().flat_map(u32::to_le_bytes));
        file.extend(page);
        file.resize(start + BLOCK_LEN - 4, 0);
        file.extend(MAGIC_END.to_le_bytes());
    }
    Ok(file)
}

fn word(octets: &[u8], at: usize) -> Result<u32, Unfit> {
    let word = octets.get(at..).and_then(<[u8]>::first_chunk).ok_or(Unfit::NotElf)?;
    Ok(u32::from_le_bytes(*word))
}

fn half(octets: &[u8], at: usize) -> Result<usize, Unfit> {
    let half = octets.get(at..).and_then(<[u8]>::first_chunk).ok_or(Unfit::NotElf)?;
    Ok(usize::from(u16::from_le_bytes(*half)))
}

const CLASS_32: u8 = 1;
const LITTLE_ENDIAN: u8 = 1;
/// `PT_LOAD`.
const LOAD: u32 = 1;
const MAGIC: u32 = 0x0a32_4655;
const MAGIC_2: u32 = 0x9e5d_5157;
const MAGIC_END: u32 = 0x0ab1_6f30;
/// The last word of a block's head names a family.
const FAMILY_PRESENT: u32 = 0x2000;

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with these segments: address and content.
    fn elf(segments: &[(u32, &[u8])]) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', CLASS_32, LITTLE_ENDIAN];
        file.resize(52, 0);
        file[28..32].copy_from_slice(&52_u32.to_le_bytes());
        file[42..44].copy_from_slice(&32_u16.to_le_bytes());
        file[44..46].copy_from_slice(&(segments.len() as u16).to_le_bytes());
        let mut offset = 52 + 32 * segments.len() as u32;
        for (address, content) in segments {
            let len = content.len() as u32;
            let entry = [LOAD, offset, 0x2000_0000, *address, len, len + 8, 5, 4];
            file.extend(entry.into_iter().flat_map(u32::to_le_bytes));
            offset += len;
        }
        file.extend(segments.iter().flat_map(|(_, content)| *content));
        file
    }

    #[test]
    fn segments_become_whole_pages_in_the_order_of_their_addresses() {
        let file = elf(&[(0x1000_0300, &[7; 3]), (0x1000_00fe, &[1, 2, 3])]);
        let pages = pages(&file).unwrap();
        let starts: Vec<u32> = pages.keys().copied().collect();
        assert_eq!(starts, [0x1000_0000, 0x1000_0100, 0x1000_0300]);
        assert_eq!(pages[&0x1000_0000][254..], [1, 2]);
        assert_eq!(pages[&0x1000_0100][..2], [3, 0]);
    }

    #[test]
    fn a_block_says_where_it_belongs_and_how_many_there_are() {
        let file = from_elf(&elf(&[(0x1000_0000, &[9; 257])]), RP2350_ARM_SECURE).unwrap();
        assert_eq!(file.len(), 2 * BLOCK_LEN);
        let block = &file[BLOCK_LEN..];
        let words: Vec<u32> = (0..8).map(|n| word(block, n * 4).unwrap()).collect();
        let second = [0x1000_0100, 256, 1, 2, RP2350_ARM_SECURE];
        assert_eq!(words[..3], [0x0a32_4655, 0x9e5d_5157, 0x2000]);
        assert_eq!(words[3..], second);
        assert_eq!(block[32..34], [9, 0]);
        assert_eq!(word(block, 508).unwrap(), 0x0ab1_6f30);
    }

    #[test]
    fn what_is_no_firmware_is_refused() {
        assert_eq!(pages(b"#!/bin/sh\n"), Err(Unfit::NotElf));
        assert_eq!(pages(&elf(&[])), Err(Unfit::Empty));
        let mut cut = elf(&[(0x1000_0000, &[1; 20])]);
        cut.truncate(cut.len() - 1);
        assert_eq!(pages(&cut), Err(Unfit::NotElf));
    }
}
