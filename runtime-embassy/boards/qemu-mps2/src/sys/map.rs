//! Where things are on the three boards, and on which interrupt line.

/// The processor's clock, which `SysTick` counts.
pub const CPU_HZ: u32 = 25_000_000;

/// The first of the two single timers, which counts the processor's clock.
pub const TIMER: usize = 0x4000_0000;
/// UART 0.
pub const UART0: usize = 0x4000_4000;
/// The watchdog.
pub const WATCHDOG: usize = 0x4000_8000;

/// The LAN9118.
#[cfg(any(feature = "an385", feature = "an386"))]
pub const ETHERNET: usize = 0x4020_0000;
/// The LAN9118.
#[cfg(feature = "an500")]
pub const ETHERNET: usize = 0xa000_0000;

/// Interrupt lines.
pub mod irq {
    /// UART 0 has received.
    pub const UART0_RX: u16 = 0;
    /// UART 0 has sent.
    pub const UART0_TX: u16 = 1;
    /// The LAN9118.
    pub const ETHERNET: u16 = 13;
    /// No device is on this line: the packet executor pends it by software.
    pub const PACKETS: u16 = 31;
    /// How many there are.
    pub const COUNT: usize = 32;
}
