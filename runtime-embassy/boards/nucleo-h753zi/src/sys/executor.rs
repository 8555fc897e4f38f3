//! The packet executor: it runs in an interrupt of its own, above thread mode and below the
//! interrupts of the hardware.

use embassy_executor::{InterruptExecutor, SendSpawner};
use embassy_stm32::interrupt;
use embassy_stm32::interrupt::{InterruptExt as _, Priority};

/// Starts the executor. To be called once.
pub fn packets() -> SendSpawner {
    interrupt::UART4.set_priority(Priority::P12);
    PACKETS.start(interrupt::UART4)
}

/// UART4 is not used, so its interrupt is free to be raised by software.
#[interrupt]
fn UART4() {
    // SAFETY: this is the interrupt that the executor was started on, and its only caller.
    unsafe { PACKETS.on_interrupt() }
}

static PACKETS: InterruptExecutor = InterruptExecutor::new();
