//! The hardware of QEMU's MPS2 boards: everything in this firmware that needs `unsafe`.
//!
//! Sources: ARM's application notes AN385, AN386 and AN500 for the memory map, the technical
//! reference manuals of the Cortex-M System Design Kit (UART, watchdog) and of the Cortex-M4
//! (`SysTick`, NVIC), Microchip's data sheet of the LAN9118.

pub mod clock;
pub mod executor;
pub mod faults;
pub mod flash;
pub mod interrupts;
pub mod lan9118;
pub mod map;
pub mod register;
pub mod retained;
pub mod semihosting;
pub mod stack;
pub mod uart;
pub mod watchdog;
