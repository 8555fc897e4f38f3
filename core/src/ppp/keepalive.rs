//! Whether the client is still there.
//!
//! Anything that was heard counts, data above all. A link that is silent for a while is asked
//! with LCP Echo-Requests (RFC 1661 §5.8); nobody is dropped before the configured silence,
//! which is 120 s at least, since phones sleep.

use crate::time::{Duration, Instant};

/// The clock of one link's silence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalive {
    heard: Instant,
    next: Instant,
    dead_after: Duration,
}

/// What is to be done about the silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    /// Ask.
    Echo,
    /// Give up.
    Dead,
}

impl Keepalive {
    pub(super) fn new(now: Instant, dead_after: Duration) -> Self {
        let dead_after = dead_after.max(DEAD_AFTER_MIN);
        Self { heard: now, next: now + ECHO_EVERY, dead_after }
    }

    /// Something came.
    pub(super) const fn note_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.next
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Check {
        if now < self.next {
            return Check::Nothing;
        }
        let silence = now.since(self.heard);
        if silence >= self.dead_after {
            return Check::Dead;
        }
        if silence < ECHO_EVERY {
            self.next = self.heard + ECHO_EVERY;
            return Check::Nothing;
        }
        self.next = (now + ECHO_EVERY).min(self.heard + self.dead_after);
        Check::Echo
    }
}

const ECHO_EVERY: Duration = Duration::from_secs(30);
const DEAD_AFTER_MIN: Duration = Duration::from_secs(120);
