//! The table of interrupt handlers, and the priority of each line.
//!
//! Devices come before packets and packets before thread mode, where Diffie-Hellman runs.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, scb};

use crate::sys::map::irq;
use crate::sys::{executor, lan9118, uart};

/// A line of the interrupt controller.
#[derive(Debug, Clone, Copy)]
pub struct Line(pub u16);

// SAFETY: the number of a line is the number that was given, for ever.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        self.0
    }
}

/// Sets the priorities. No line is on yet.
pub fn init(peripherals: &mut cortex_m::Peripherals) {
    for line in [irq::UART0_RX, irq::UART0_TX, irq::ETHERNET] {
        // SAFETY: no critical section relies on priorities.
        unsafe { peripherals.NVIC.set_priority(Line(line), DEVICES) };
    }
    // SAFETY: as above.
    unsafe {
        peripherals.NVIC.set_priority(Line(irq::PACKETS), PACKETS);
        peripherals.SCB.set_priority(scb::SystemHandler::SysTick, DEVICES);
    }
}

/// Lets a line interrupt from now on.
pub fn enable(line: u16) {
    // SAFETY: critical sections mask all lines, not single ones.
    unsafe { NVIC::unmask(Line(line)) };
}

/// Lower numbers go first; the hardware has at least the three upper bits.
const DEVICES: u8 = 0x40;
const PACKETS: u8 = 0x80;

/// An entry of the table, in the form that the hardware reads.
#[repr(C)]
pub union Vector {
    handler: extern "C" fn(),
    reserved: usize,
}

extern "C" fn unexpected() {
    panic!("an interrupt without a handler")
}

#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Vector; irq::COUNT] = {
    let mut table = [const { Vector { handler: unexpected } }; irq::COUNT];
    table[irq::UART0_RX as usize] = Vector { handler: uart::on_receive };
    table[irq::UART0_TX as usize] = Vector { handler: uart::on_sent };
    table[irq::ETHERNET as usize] = Vector { handler: lan9118::on_interrupt };
    table[irq::PACKETS as usize] = Vector { handler: executor::on_packets };
    table
};
