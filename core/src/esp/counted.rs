//! Sums of all that ESP counts, for tests and reports: they walk the tables.

use super::Esp;

/// What ESP counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Pairs of SAs.
    pub pairs: usize,
    /// SPIs that are reserved for a pair.
    pub reserved: usize,
    /// Both, as the quotas of peers count them.
    pub of_peers: usize,
    /// Deadlines of pairs.
    pub timers: usize,
}

impl Esp<'_> {
    /// Counts everything. It walks the tables: for tests and for reports, not for each packet.
    pub fn counted(&self) -> Counted {
        let (pairs, of_peers) = self.sadb.sums();
        let reserved = self.len().saturating_sub(pairs);
        Counted { pairs, reserved, of_peers, timers: self.wheel.armed_count() }
    }
}
