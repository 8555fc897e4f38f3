//! Stories: worlds with a plot, named after what they show. U2 to U23 are complaints of users of
//! other servers; the simulator shows that they have no reason here.

pub mod basic;
pub mod life;
pub mod nat;
pub mod plot;
pub mod town;
pub mod trouble;

use crate::scenario::Scenario;

/// All stories.
pub const STORIES: &[Scenario] = &[
    basic::DIAL,
    basic::PROFILES,
    nat::ONE_NAT,
    nat::DOUBLE_NAT,
    nat::REBINDING,
    trouble::LOST_NAK,
    life::REKEY,
    trouble::WRONG_PASSWORDS,
    life::SHORT_LEASE,
    life::DHCP_GONE,
    life::DEAD_CLIENT,
    trouble::RESTART,
    trouble::FULL,
    trouble::LEAP,
    trouble::STORM,
];

#[cfg(test)]
mod tests {
    use super::basic;
    use crate::choice::Choices;
    use crate::scenario::NodeKind;
    use crate::trace::Trace;
    use crate::world::World;

    /// Group `sim` plays the others.
    #[test]
    fn a_dial_has_a_good_end() {
        for kind in [NodeKind::Core, NodeKind::Std] {
            let mut world = World::new(Choices::seeded(7), Trace::default());
            assert_eq!((basic::DIAL.play)(&mut world, kind), Ok(()), "{}", kind.name());
        }
    }
}
