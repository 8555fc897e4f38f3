//! Watchdog and the reason of the last reset.

use core::cell::RefCell;

use embassy_rp::Peri;
use embassy_rp::pac;
use embassy_rp::peripherals::WATCHDOG;
use embassy_rp::watchdog::{self, Watchdog};
use embassy_time::Duration;
use kumihimo_embassy::{Board, ResetReason};

/// The board's own abilities.
pub struct Pico2 {
    watchdog: RefCell<Watchdog>,
    reason: ResetReason,
}

impl Pico2 {
    /// Starts the watchdog.
    pub fn start(watchdog: Peri<'static, WATCHDOG>) -> Self {
        let mut watchdog = Watchdog::new(watchdog);
        let reason = take_reason(&mut watchdog);
        watchdog.pause_on_debug(true);
        watchdog.start(PERIOD);
        Self { watchdog: RefCell::new(watchdog), reason }
    }
}

impl Board for Pico2 {
    fn feed(&self) {
        self.watchdog.borrow_mut().feed(PERIOD);
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

/// Everything but the oscillators, as the watchdog does it.
fn reset(note: u32) -> ! {
    pac::WATCHDOG.scratch0().write(|w| *w = note);
    pac::PSM.wdsel().write_value(pac::psm::regs::Wdsel(ALL_BUT_OSCILLATORS));
    pac::WATCHDOG.ctrl().modify(|w| w.set_trigger(true));
    loop {
        cortex_m::asm::nop();
    }
}

/// The watchdog's own reason, which other resets clear (RP2350 datasheet §12.9.7), and for a reset
/// that was asked for, the note that was left; else what the power manager saw.
fn take_reason(watchdog: &mut Watchdog) -> ResetReason {
    let note = watchdog.get_scratch(0);
    watchdog.set_scratch(0, 0);
    match (watchdog.reset_reason(), note) {
        (Some(watchdog::ResetReason::TimedOut), _) => return ResetReason::Watchdog,
        (Some(watchdog::ResetReason::Forced), NOTE_COMMAND) => return ResetReason::Command,
        (Some(watchdog::ResetReason::Forced), NOTE_PANIC) => return ResetReason::Panic,
        (Some(watchdog::ResetReason::Forced), _) => return ResetReason::Unknown,
        (None, _) => {}
    }
    let chip = pac::POWMAN.chip_reset().read();
    if chip.had_run_low() {
        ResetReason::Pin
    } else if chip.had_bor() {
        ResetReason::BrownOut
    } else if chip.had_por() {
        ResetReason::PowerOn
    } else {
        ResetReason::Unknown
    }
}

const PERIOD: Duration = Duration::from_secs(8);
const NOTE_COMMAND: u32 = 0x4b4d_0001;
const NOTE_PANIC: u32 = 0x4b4d_0002;
/// `WDSEL` without `ROSC` and `XOSC`.
const ALL_BUT_OSCILLATORS: u32 = 0x01ff_ffff & !0b1100;
