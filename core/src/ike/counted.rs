//! Sums of all that IKE counts, for tests and reports: they walk the tables.

use super::Ike;
use super::table::{QuickStep, Step};

/// What IKE counts, all addresses together.
///
/// At any time `held` equals `sas`, and `half_open` equals `negotiations`: a count that does not
/// is an address that pays for what it no longer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// IKE SAs.
    pub sas: usize,
    /// IKE SAs, as the quotas of addresses count them.
    pub held: usize,
    /// Main modes under way, and those whose last answer is kept to be repeated.
    pub negotiations: usize,
    /// Main modes, as the quotas of addresses count them.
    pub half_open: usize,
    /// Pairs of IPsec SAs that IKE looks after.
    pub children: usize,
    /// Quick modes under way, and those whose last answer is kept to be repeated.
    pub exchanges: usize,
    /// Key exchanges that were asked for, and whose result is waited for.
    pub questions: usize,
    /// Names by which peers, negotiations and pairs are found.
    pub names: usize,
    /// Deadlines of peers and negotiations.
    pub timers: usize,
}

impl Ike<'_> {
    /// Counts everything. It walks the tables: for tests and for reports, not for each message.
    pub fn counted(&self) -> Counted {
        let (held, half_open) = self.quotas.sums();
        let phase1 = self.negotiations.iter().filter(|(_, found)| {
            matches!(found.step, Step::AwaitDh(_) | Step::AwaitPublic { .. } | Step::AwaitShared(_))
        });
        let phase2 = self.exchanges.iter().filter(|(_, found)| {
            matches!(
                found.step,
                QuickStep::AwaitDh(_)
                    | QuickStep::AwaitPublic { .. }
                    | QuickStep::AwaitShared { .. }
            )
        });
        Counted {
            sas: self.sas.len(),
            held,
            negotiations: self.negotiations.len(),
            half_open,
            children: self.children.len(),
            exchanges: self.exchanges.len(),
            questions: phase1.count() + phase2.count(),
            names: self.by_initiator.len() + self.by_identity.len() + self.by_spi.len(),
            timers: self.wheel.armed_count(),
        }
    }
}
