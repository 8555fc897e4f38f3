//! What only this board can do: its watchdog, its resets, and commands for the tests.

use core::fmt::Write;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use kumihimo_embassy::{Board, ResetReason};

use crate::sys::map::CPU_HZ;
use crate::sys::retained::{self, Cause, Reason};
use crate::sys::{clock, executor, lan9118, stack, watchdog};

/// The board, and why it was started.
pub(crate) struct Mps2 {
    reason: Option<Reason>,
}

impl Mps2 {
    /// To be made once: takes what the run before this one left.
    pub(crate) fn new() -> Self {
        Self { reason: retained::take() }
    }

    /// The last words of the run before this one.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.reason.as_ref().map(Reason::text)
    }
}

impl Board for Mps2 {
    fn feed(&self) {
        watchdog::feed();
    }

    fn reset_reason(&self) -> ResetReason {
        match self.reason.as_ref().map(|reason| reason.cause) {
            None => ResetReason::PowerOn,
            Some(Cause::Asked) => ResetReason::Command,
            Some(Cause::Watchdog) => ResetReason::Watchdog,
            Some(Cause::Panic | Cause::Fault) => ResetReason::Panic,
        }
    }

    fn reboot(&self) -> ! {
        retained::reset(Cause::Asked, format_args!("reboot"))
    }

    fn command(&self, line: &str, answer: &mut dyn Write) -> bool {
        match line {
            "figures" => figures(answer),
            "test panic" => panic!("ordered to"),
            "test hang" => loop {
                core::hint::spin_loop();
            },
            "test hang packets" => HANG.signal(()),
            _ => return false,
        }
        true
    }
}

/// Hangs when it is ordered to; for the packet executor.
pub(crate) async fn hang_there() {
    HANG.wait().await;
    loop {
        core::hint::spin_loop();
    }
}

/// One a line. Times are those of the emulated processor.
fn figures(answer: &mut dyn Write) {
    let (now, slept) = (clock::cycles(), executor::slept());
    let (ram, lost) = (stack::ram(), lan9118::Lan9118::lost());
    for (name, figure) in [
        ("cycles", now),
        ("busy", now - slept),
        ("wait-us", u64::from(executor::longest_wait() / (CPU_HZ / 1_000_000))),
        ("statics", ram.statics as u64),
        ("stack", ram.stack as u64),
        ("stack-there", ram.stack_there as u64),
        ("chip-broken", u64::from(lost.broken)),
        ("chip-overrun", u64::from(lost.overrun)),
    ] {
        // What does not fit is missed by the test that looks for it.
        let _ = write!(answer, "figure {name} {figure}\r\n");
    }
    let _ = write!(answer, "end of figures\r\n");
}

static HANG: Signal<CriticalSectionRawMutex, ()> = Signal::new();
