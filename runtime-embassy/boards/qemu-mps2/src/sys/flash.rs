//! NOR flash that is a file of the host: erased octets are 0xff, and writing only clears bits.

use core::ffi::CStr;

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::sys::semihosting::File;

/// The flash.
#[derive(Debug)]
pub struct HostFlash {
    file: File,
}

/// A place that is not there or not on a boundary, or a host that refuses.
#[derive(Debug, Clone, Copy)]
pub struct FlashError(NorFlashErrorKind);

impl HostFlash {
    /// Opens `kumihimo.flash` where QEMU was started, or makes it, erased.
    pub fn open() -> Result<Self, FlashError> {
        if let Ok(file) = File::open_to_write(NAME)
            && file.len() == Ok(LEN)
        {
            return Ok(Self { file });
        }
        let mut flash = Self { file: File::create(NAME).map_err(|_| OTHER)? };
        for sector in 0..LEN / SECTOR_LEN {
            flash.erase_sector(sector * SECTOR_LEN)?;
        }
        Ok(flash)
    }

    fn erase_sector(&mut self, offset: usize) -> Result<(), FlashError> {
        let blank = [0xff; CHUNK_LEN];
        for place in (offset..offset + SECTOR_LEN).step_by(CHUNK_LEN) {
            self.file.write(place, &blank).map_err(|_| OTHER)?;
        }
        Ok(())
    }
}

impl ReadNorFlash for HostFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), FlashError> {
        within(offset, octets.len(), 1)?;
        self.file.read(offset as usize, octets).map_err(|_| OTHER)
    }

    fn capacity(&self) -> usize {
        LEN
    }
}

impl NorFlash for HostFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_LEN;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        within(from, to.saturating_sub(from) as usize, SECTOR_LEN)?;
        for offset in (from as usize..to as usize).step_by(SECTOR_LEN) {
            self.erase_sector(offset)?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), FlashError> {
        within(offset, octets.len(), Self::WRITE_SIZE)?;
        for (n, chunk) in octets.chunks(CHUNK_LEN).enumerate() {
            let place = offset as usize + n * CHUNK_LEN;
            let mut cells = [0; CHUNK_LEN];
            let cells = &mut cells[..chunk.len()];
            self.file.read(place, cells).map_err(|_| OTHER)?;
            cells.iter_mut().zip(chunk).for_each(|(cell, octet)| *cell &= octet);
            self.file.write(place, cells).map_err(|_| OTHER)?;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for HostFlash {}

impl ErrorType for HostFlash {
    type Error = FlashError;
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

fn within(offset: u32, len: usize, boundary: usize) -> Result<(), FlashError> {
    let offset = offset as usize;
    if !offset.is_multiple_of(boundary) || !len.is_multiple_of(boundary) {
        return Err(FlashError(NorFlashErrorKind::NotAligned));
    }
    match offset.checked_add(len) {
        Some(end) if end <= LEN => Ok(()),
        _ => Err(FlashError(NorFlashErrorKind::OutOfBounds)),
    }
}

const OTHER: FlashError = FlashError(NorFlashErrorKind::Other);
const NAME: &CStr = c"kumihimo.flash";
/// As on many a board: four sectors at the end of the flash.
const LEN: usize = 4 * SECTOR_LEN;
const SECTOR_LEN: usize = 4096;
const CHUNK_LEN: usize = 256;
