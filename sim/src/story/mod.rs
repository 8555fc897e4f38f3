//! Stories: worlds with a plot, named after what they show. U2 to U23 are complaints of users of
//! other servers; the simulator shows that they have no reason here.

pub mod basic;
pub mod life;
pub mod nat;
pub mod plot;
pub mod town;
pub mod trouble;

use crate::scenario::{NodeKind, Scenario};

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

/// Why a story is not for this kind of server, if it is not.
pub fn why_not(story: &str, kind: NodeKind) -> Option<&'static str> {
    let mut rows = NOT_FOR_BOARDS.iter().filter(|_| kind == NodeKind::Embassy);
    rows.find(|(name, _)| *name == story).map(|&(_, why)| why)
}

/// Stories that a board cannot play, and why.
const NOT_FOR_BOARDS: &[(&str, &str)] =
    &[("u18-storm", "a board has one hub, and knows no thousand clients")];

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
        for kind in NodeKind::ALL {
            let mut world = World::new(Choices::seeded(7), Trace::default());
            assert_eq!((basic::DIAL.play)(&mut world, kind), Ok(()), "{}", kind.name());
        }
    }
}
