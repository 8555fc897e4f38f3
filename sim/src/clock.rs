//! Virtual time. The world's clock moves from event to event; every node reads a clock of its own,
//! which may be ahead of it and can be set forward.

use kumihimo_core::time::{Duration, Instant};

/// The clock of one node: the world's time and a lead.
///
/// It never goes back, as the core's drive contract asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    lead: Duration,
}

impl Clock {
    /// What this clock shows at `world`.
    pub fn local(&self, world: Instant) -> Instant {
        world + self.lead
    }

    /// When this clock will show `local`; the beginning of time if it is past that.
    pub fn world(&self, local: Instant) -> Instant {
        local - self.lead
    }

    /// Sets the clock forward.
    pub fn jump(&mut self, by: Duration) {
        self.lead = self.lead + by;
    }
}
