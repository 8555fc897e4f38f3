//! The CMSDK watchdog: a non-maskable interrupt when it is not fed, and at the second period
//! without food a reset by hardware.

use crate::sys::map::{CPU_HZ, WATCHDOG};
use crate::sys::register::Registers;

/// Starts it. From here on it wants to be fed.
pub fn start() {
    REGISTERS.write(LOCK, UNLOCK);
    REGISTERS.write(LOAD, CPU_HZ * PERIOD_S);
    REGISTERS.write(CONTROL, INTERRUPT | RESET);
    REGISTERS.write(LOCK, 0);
}

/// Holds it off for another period.
pub fn feed() {
    REGISTERS.write(LOCK, UNLOCK);
    // Counts from LOAD again.
    REGISTERS.write(INTERRUPT_CLEAR, 1);
    REGISTERS.write(LOCK, 0);
}

// SAFETY: the watchdog is there on all three boards.
const REGISTERS: Registers = unsafe { Registers::at(WATCHDOG) };

const PERIOD_S: u32 = 8;

const LOAD: usize = 0x00;
const CONTROL: usize = 0x08;
const INTERRUPT_CLEAR: usize = 0x0c;
const LOCK: usize = 0xc00;

const UNLOCK: u32 = 0x1acc_e551;
const INTERRUPT: u32 = 1 << 0;
const RESET: u32 = 1 << 1;
