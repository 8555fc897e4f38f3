//! Watchdog and the reason of the last reset.

use core::cell::RefCell;

use embassy_stm32::Peri;
use embassy_stm32::pac;
use embassy_stm32::peripherals::IWDG1;
use embassy_stm32::wdg::IndependentWatchdog;
use kumihimo_embassy::{Board, ResetReason};

/// The board's own abilities.
pub struct Nucleo {
    watchdog: RefCell<IndependentWatchdog<'static, IWDG1>>,
    reason: ResetReason,
}

impl Nucleo {
    /// Starts the watchdog, which nothing stops again. To be called after the clocks run, since
    /// the note of the last reset is in a domain that they open.
    pub fn start(watchdog: Peri<'static, IWDG1>) -> Self {
        let reason = take_reason();
        let mut watchdog = IndependentWatchdog::new(watchdog, WATCHDOG_US);
        watchdog.unleash();
        Self { watchdog: RefCell::new(watchdog), reason }
    }
}

impl Board for Nucleo {
    fn feed(&self) {
        self.watchdog.borrow_mut().pet();
    }

    fn reset_reason(&self) -> ResetReason {
        self.reason
    }

    fn reboot(&self) -> ! {
        reset(NOTE_COMMAND)
    }
}

/// Resets because of a state that must not be.
pub fn panic() -> ! {
    reset(NOTE_PANIC)
}

fn reset(note: u32) -> ! {
    pac::RTC.bkpr(0).write(|w| w.set_bkp(note));
    cortex_m::asm::dsb();
    cortex_m::peripheral::SCB::sys_reset()
}

/// The reset flags (RM0433 §8.7.39), and for a reset by software the note that was left. The pin's
/// flag stands beside most others, since every reset pulls it low.
fn take_reason() -> ResetReason {
    let flags = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|w| w.set_rmvf(true));
    let note = pac::RTC.bkpr(0).read().bkp();
    pac::RTC.bkpr(0).write(|w| w.set_bkp(0));
    if flags.iwdg1rstf() || flags.wwdg1rstf() {
        ResetReason::Watchdog
    } else if flags.sftrstf() {
        match note {
            NOTE_COMMAND => ResetReason::Command,
            NOTE_PANIC => ResetReason::Panic,
            _ => ResetReason::Unknown,
        }
    } else if flags.porrstf() {
        ResetReason::PowerOn
    } else if flags.borrstf() {
        ResetReason::BrownOut
    } else if flags.pinrstf() {
        ResetReason::Pin
    } else {
        ResetReason::Unknown
    }
}

/// Longer than the erase of a flash sector, which holds up whoever feeds it.
const WATCHDOG_US: u32 = 8_000_000;
const NOTE_COMMAND: u32 = 0x4b4d_0001;
const NOTE_PANIC: u32 = 0x4b4d_0002;
