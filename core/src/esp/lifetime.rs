//! How long a pair of SAs lives, and how much of that is used.

use crate::ipsec::Lifetime;
use crate::time::Instant;

/// What one direction has protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Packets.
    pub packets: u64,
    /// Octets inside them.
    pub bytes: u64,
}

/// The ends of a pair of SAs; the limit of octets holds for each direction by itself.
#[derive(Clone, Debug)]
pub(super) struct Life {
    ends_at: Instant,
    most_bytes: u64,
    inbound: Usage,
    outbound: Usage,
    told: bool,
}

impl Life {
    pub(super) fn new(now: Instant, lifetime: Lifetime) -> Self {
        Self {
            ends_at: now + lifetime.time,
            most_bytes: lifetime.bytes.unwrap_or(u64::MAX),
            inbound: Usage::default(),
            outbound: Usage::default(),
            told: false,
        }
    }

    pub(super) const fn ends_at(&self) -> Instant {
        self.ends_at
    }

    pub(super) const fn inbound(&self) -> Usage {
        self.inbound
    }

    pub(super) const fn outbound(&self) -> Usage {
        self.outbound
    }

    /// Whether the hard end is reached, of time or of octets.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.ends_at || self.is_worn_out()
    }

    /// Whether the hard end of octets is reached.
    pub(super) fn is_worn_out(&self) -> bool {
        self.most() >= self.most_bytes
    }

    pub(super) fn on_received(&mut self, len: usize) {
        count(&mut self.inbound, len);
    }

    pub(super) fn on_sent(&mut self, len: usize) {
        count(&mut self.outbound, len);
    }

    /// Whether it is time for a successor, since three quarters of the octets or seven eighths
    /// of the sequence numbers are used; true once only.
    pub(super) fn wants_successor(&mut self, sequence: u32) -> bool {
        let soft = self.most_bytes - self.most_bytes / 4;
        let wants = self.most() >= soft || sequence >= SOFT_SEQUENCE;
        wants && !core::mem::replace(&mut self.told, true)
    }

    fn most(&self) -> u64 {
        self.inbound.bytes.max(self.outbound.bytes)
    }
}

fn count(usage: &mut Usage, len: usize) {
    usage.packets = usage.packets.saturating_add(1);
    usage.bytes = usage.bytes.saturating_add(len as u64);
}

/// Seven eighths of all sequence numbers.
const SOFT_SEQUENCE: u32 = u32::MAX / 8 * 7;
