//! What of this firmware needs `unsafe`: the interrupt of the packet executor, which runs above
//! thread mode and below the interrupts of the hardware.

use embassy_executor::{InterruptExecutor, SendSpawner};
use embassy_rp::interrupt;
use embassy_rp::interrupt::{InterruptExt as _, Priority};

/// Starts the packet executor. To be called once.
pub fn packets() -> SendSpawner {
    interrupt::SWI_IRQ_0.set_priority(Priority::P3);
    PACKETS.start(interrupt::SWI_IRQ_0)
}

/// An interrupt that no hardware raises.
#[interrupt]
fn SWI_IRQ_0() {
    // SAFETY: this is the interrupt that the executor was started on, and its only caller.
    unsafe { PACKETS.on_interrupt() }
}

static PACKETS: InterruptExecutor = InterruptExecutor::new();
