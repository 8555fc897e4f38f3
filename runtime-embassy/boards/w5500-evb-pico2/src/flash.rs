//! The last 16 KiB of flash, for the settings.
//!
//! While flash is erased or written nothing can be read from it, the code included: the driver
//! does it from RAM with interrupts off. An erase takes 45 ms (400 at most), in which the W5500
//! keeps up to 16 KiB of frames. It happens only when the console saves.

use embassy_rp::Peri;
use embassy_rp::flash::{self, Blocking, ERASE_SIZE, Error, Flash};
use embassy_rp::peripherals::FLASH;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

/// Flash of the settings, whose offsets begin at 0.
pub struct SettingsFlash(Flash<'static, FLASH, Blocking, FLASH_LEN>);

impl SettingsFlash {
    /// The flash.
    pub fn new(flash: Peri<'static, FLASH>) -> Self {
        Self(Flash::new_blocking(flash))
    }
}

impl ErrorType for SettingsFlash {
    type Error = Error;
}

impl ReadNorFlash for SettingsFlash {
    const READ_SIZE: usize = flash::READ_SIZE;

    async fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), Error> {
        self.0.blocking_read(place(offset, octets.len())?, octets)
    }

    fn capacity(&self) -> usize {
        SETTINGS_LEN as usize
    }
}

impl NorFlash for SettingsFlash {
    const WRITE_SIZE: usize = flash::WRITE_SIZE;
    const ERASE_SIZE: usize = ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let len = to.checked_sub(from).ok_or(Error::OutOfBounds)?;
        let start = place(from, len as usize)?;
        self.0.blocking_erase(start, start + len)
    }

    async fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), Error> {
        self.0.blocking_write(place(offset, octets.len())?, octets)
    }
}

/// The place in flash of `len` octets at `offset` of the settings.
fn place(offset: u32, len: usize) -> Result<u32, Error> {
    let room = SETTINGS_LEN.checked_sub(offset).ok_or(Error::OutOfBounds)?;
    if len > room as usize {
        return Err(Error::OutOfBounds);
    }
    Ok(FLASH_LEN as u32 - SETTINGS_LEN + offset)
}

/// The board has a W25Q16.
const FLASH_LEN: usize = 2 * 1024 * 1024;
/// Octets of this flash, which `build.rs` keeps free of code: four sectors.
pub const SETTINGS_LEN: u32 = 4 * ERASE_SIZE as u32;
