//! The CMSDK UART as console: both directions through rings that interrupts fill and drain.

use core::convert::Infallible;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embedded_io_async::{ErrorType, Read, Write};

use crate::sys::interrupts;
use crate::sys::map::{UART0, irq};
use crate::sys::register::Registers;

/// Switches the UART on.
pub fn start() {
    REGISTERS.write(BAUD_DIVIDER, 16);
    REGISTERS.write(CONTROL, TX | RX | TX_INTERRUPT | RX_INTERRUPT);
    interrupts::enable(irq::UART0_RX);
    interrupts::enable(irq::UART0_TX);
}

/// The console's two directions.
#[derive(Debug)]
pub struct Serial;

impl ErrorType for Serial {
    type Error = Infallible;
}

impl Read for Serial {
    async fn read(&mut self, octets: &mut [u8]) -> Result<usize, Infallible> {
        Ok(RECEIVED.read(octets).await)
    }
}

impl Write for Serial {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, Infallible> {
        let written = TO_SEND.write(octets).await;
        send_next();
        Ok(written)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        // What is in the ring leaves by itself.
        Ok(())
    }
}

/// Sends without interrupts and rings, for the last words before a reset.
pub fn write_now(octets: &[u8]) {
    for octet in octets {
        while REGISTERS.read(STATE) & TX_FULL != 0 {}
        REGISTERS.write(DATA, u32::from(*octet));
    }
}

/// Text that goes out by [`write_now`].
#[derive(Debug)]
pub struct LastWords;

impl core::fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        write_now(text.as_bytes());
        Ok(())
    }
}

/// Interrupt: an octet has come.
pub extern "C" fn on_receive() {
    REGISTERS.write(INTERRUPTS, RX);
    while REGISTERS.read(STATE) & RX_FULL != 0 {
        let octet = REGISTERS.read(DATA) as u8;
        // Input that nobody reads is lost, as on any serial line.
        let _ = RECEIVED.try_write(&[octet]);
    }
}

/// Interrupt: an octet has left.
pub extern "C" fn on_sent() {
    REGISTERS.write(INTERRUPTS, TX);
    send_next();
}

fn send_next() {
    critical_section::with(|_| {
        while REGISTERS.read(STATE) & TX_FULL == 0 {
            let mut octet = [0];
            if TO_SEND.try_read(&mut octet).is_err() {
                return;
            }
            REGISTERS.write(DATA, u32::from(octet[0]));
        }
    });
}

type Ring<const N: usize> = Pipe<CriticalSectionRawMutex, N>;

static TO_SEND: Ring<1024> = Ring::new();
static RECEIVED: Ring<256> = Ring::new();

// SAFETY: the UART is there on all three boards, and it does no DMA.
const REGISTERS: Registers = unsafe { Registers::at(UART0) };

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CONTROL: usize = 0x08;
/// Reads as the interrupts that are pending; a 1 clears one.
const INTERRUPTS: usize = 0x0c;
const BAUD_DIVIDER: usize = 0x10;

const TX_FULL: u32 = 1 << 0;
const RX_FULL: u32 = 1 << 1;
const TX: u32 = 1 << 0;
const RX: u32 = 1 << 1;
const TX_INTERRUPT: u32 = 1 << 2;
const RX_INTERRUPT: u32 = 1 << 3;
