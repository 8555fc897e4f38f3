//! The two last sectors of bank 2, for the settings.
//!
//! The flash of the STM32H7 keeps an error correction code for every 32 octets. Where power went
//! while they were written, the code may not fit them, and reading them is a bus error (RM0433
//! §4.3.11, "ECC error"). So reads are done with that error masked, and what cannot be read is
//! given as zeros, which no record's check accepts. An erase blocks thread mode for up to 4 s;
//! packets go on, since they are in an interrupt and the code is in bank 1.

use core::arch::asm;
use core::ptr;

use cortex_m::peripheral::SCB;
use embassy_stm32::flash::{self, Blocking, Error};
use embassy_stm32::pac;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

/// Flash of the settings, whose offsets begin at 0.
pub struct SettingsFlash(flash::Flash<'static, Blocking>);

impl SettingsFlash {
    /// The flash.
    pub fn new(flash: flash::Flash<'static, Blocking>) -> Self {
        Self(flash)
    }
}

impl ErrorType for SettingsFlash {
    type Error = Error;
}

impl ReadNorFlash for SettingsFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), Error> {
        if octets.len() > self.capacity() || offset as usize > self.capacity() - octets.len() {
            return Err(Error::Size);
        }
        let mut address = flash::FLASH_BASE as u32 + START + offset;
        let mut rest = octets;
        while !rest.is_empty() {
            let until_next = WORD_LEN - address as usize % WORD_LEN;
            let (part, more) = rest.split_at_mut(until_next.min(rest.len()));
            read_word(address, part);
            address += part.len() as u32;
            rest = more;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        SETTINGS_LEN as usize
    }
}

impl NorFlash for SettingsFlash {
    const WRITE_SIZE: usize = flash::WRITE_SIZE;
    const ERASE_SIZE: usize = SECTOR_LEN as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        if to > SETTINGS_LEN {
            return Err(Error::Size);
        }
        self.0.blocking_erase(START + from, START + to)
    }

    async fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), Error> {
        if octets.len() > self.capacity() || offset as usize > self.capacity() - octets.len() {
            return Err(Error::Size);
        }
        self.0.blocking_write(START + offset, octets)
    }
}

/// Reads from within one flash word of 32 octets, zeros if its code does not fit.
fn read_word(address: u32, octets: &mut [u8]) {
    let bank = pac::FLASH.bank(1);
    bank.ccr().write(|w| w.set_clr_dbeccerr(true));
    for (address, octet) in (address..).zip(octets.iter_mut()) {
        *octet = masked(address);
    }
    if bank.sr().read().dbeccerr() {
        bank.ccr().write(|w| w.set_clr_dbeccerr(true));
        octets.fill(0);
    }
}

/// One octet; anything, if its read is a bus error.
fn masked(address: u32) -> u8 {
    // SAFETY: with FAULTMASK and BFHFNMIGN set, a bus error of a load is ignored (ARM DDI 0403
    // §B3.2.8); both are put back before anything else runs, since FAULTMASK keeps every interrupt
    // away. The caller's address is within the flash of the settings.
    unsafe {
        asm!("cpsid f", options(nostack));
        let ccr = ptr::addr_of!((*SCB::PTR).ccr).cast_mut().cast::<u32>();
        let before = ccr.read_volatile();
        ccr.write_volatile(before | BFHFNMIGN);
        asm!("dsb", "isb", options(nostack));
        let octet = (address as *const u8).read_volatile();
        asm!("dsb", options(nostack));
        ccr.write_volatile(before);
        asm!("cpsie f", options(nostack));
        octet
    }
}

/// Octets that share an error correction code.
const WORD_LEN: usize = 32;
const SECTOR_LEN: u32 = 128 * 1024;
/// Octets of this flash: two sectors.
pub const SETTINGS_LEN: u32 = 2 * SECTOR_LEN;
/// Where the settings begin, from the start of flash.
const START: u32 = flash::FLASH_SIZE as u32 - SETTINGS_LEN;
/// `CCR.BFHFNMIGN`: handlers of negative priority ignore bus errors of data accesses.
const BFHFNMIGN: u32 = 1 << 8;
