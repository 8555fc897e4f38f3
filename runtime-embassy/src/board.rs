//! What only a board can do: its watchdog, and why it was reset.

use core::fmt;

/// A board's own abilities.
pub trait Board {
    /// Holds the watchdog off for its period, which is at least 4 s.
    fn feed(&self);

    /// Why the board was reset last. The same until the next reset.
    fn reset_reason(&self) -> ResetReason;

    /// Resets the board. The next start says [`ResetReason::Command`].
    fn reboot(&self) -> !;

    /// A command of the console that only this board has: writes the answer, each line ending in
    /// `\r\n`, and tells whether there is such a command.
    fn command(&self, line: &str, answer: &mut dyn fmt::Write) -> bool {
        let _ = (line, answer);
        false
    }
}

/// Feeds the watchdog for as long as the server lives. Runs for ever, below the packet task.
///
/// A packet task that hangs shows by a heart that does not beat; a task beside this one that
/// hangs keeps this one from feeding.
#[cfg(feature = "net")]
pub async fn watch<B: Board>(board: &B, handle: crate::Handle<'_>) -> ! {
    let mut beats = None;
    loop {
        let seen = Some(handle.beats());
        if beats != seen {
            board.feed();
        }
        beats = seen;
        embassy_time::Timer::after_secs(1).await;
    }
}

/// Why a board was reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetReason {
    /// The board cannot tell.
    #[default]
    Unknown,
    /// Power came.
    PowerOn,
    /// The reset button.
    Pin,
    /// The supply fell too low.
    BrownOut,
    /// The console's `reboot` or `factory-reset`.
    Command,
    /// Nobody fed the watchdog: something hung.
    Watchdog,
    /// The firmware found itself in a state that must not be.
    Panic,
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::PowerOn => "power-on",
            Self::Pin => "reset button",
            Self::BrownOut => "brown-out",
            Self::Command => "command",
            Self::Watchdog => "watchdog",
            Self::Panic => "panic",
        })
    }
}
