//! Why the last reset happened, kept in RAM that the start leaves alone.
//!
//! A reset does not clear RAM; a power cut does. A checksum tells the two apart.

use core::fmt::{self, Write};
use core::ptr::{addr_of, addr_of_mut};

/// Who reset the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The console was asked to.
    Asked,
    /// Nobody fed the watchdog.
    Watchdog,
    /// A panic.
    Panic,
    /// The processor found a fault.
    Fault,
}

/// Why the board was reset, with details.
#[derive(Debug, Clone, Copy)]
pub struct Reason {
    /// Who did.
    pub cause: Cause,
    text: [u8; TEXT_LEN],
}

impl Reason {
    /// The details, one line.
    pub fn text(&self) -> &str {
        let len = self.text.iter().position(|octet| *octet == 0).unwrap_or(TEXT_LEN);
        str::from_utf8(&self.text[..len]).unwrap_or_default()
    }
}

/// What the run before this one left, and nothing the next time.
pub fn take() -> Option<Reason> {
    // SAFETY: called from thread mode at the start; any bits are a valid `Kept`.
    let kept = unsafe { addr_of!(KEPT).read_volatile() };
    clear();
    if kept.magic != MAGIC || kept.check != checksum(kept.cause, &kept.text) {
        return None;
    }
    let cause = match kept.cause {
        0 => Cause::Asked,
        1 => Cause::Watchdog,
        2 => Cause::Panic,
        3 => Cause::Fault,
        _ => return None,
    };
    Some(Reason { cause, text: kept.text })
}

/// Keeps the reason, unless one is kept already, and resets the board.
pub fn reset(cause: Cause, words: fmt::Arguments<'_>) -> ! {
    cortex_m::interrupt::disable();
    let mut text = Text { octets: [0; TEXT_LEN], len: 0 };
    // What does not fit is cut off.
    let _ = text.write_fmt(words);
    let (cause, text) = (cause as u32, text.octets);
    let kept = Kept { magic: MAGIC, cause, text, check: checksum(cause, &text) };
    // SAFETY: interrupts are off, and nothing below comes back.
    unsafe {
        if addr_of!(KEPT.magic).read_volatile() != MAGIC {
            addr_of_mut!(KEPT).write_volatile(kept);
        }
    }
    cortex_m::peripheral::SCB::sys_reset()
}

fn clear() {
    // SAFETY: as in `take`.
    unsafe { addr_of_mut!(KEPT.magic).write_volatile(0) };
}

fn checksum(cause: u32, text: &[u8; TEXT_LEN]) -> u32 {
    let octets = cause.to_le_bytes();
    let all = octets.iter().chain(text);
    // FNV-1a.
    all.fold(0x811c_9dc5, |sum: u32, octet| (sum ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Kept {
    magic: u32,
    cause: u32,
    text: [u8; TEXT_LEN],
    check: u32,
}

struct Text {
    octets: [u8; TEXT_LEN],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        for octet in words.bytes() {
            let Some(place) = self.octets.get_mut(self.len) else { return Err(fmt::Error) };
            // The text is one line of the console.
            *place = if (b' '..=b'~').contains(&octet) { octet } else { b' ' };
            self.len += 1;
        }
        Ok(())
    }
}

const MAGIC: u32 = 0x6b6d_6872;
const TEXT_LEN: usize = 160;

#[unsafe(link_section = ".uninit.retained")]
static mut KEPT: Kept = Kept { magic: 0, cause: 0, text: [0; TEXT_LEN], check: 0 };
