//! Stories: worlds with a plot, named after what they show. U2 to U23 are complaints of users of
//! other servers; the simulator shows that they have no reason here.

pub mod basic;
pub mod exhaustion;
pub mod habits;
pub mod life;
pub mod nat;
pub mod path;
pub mod plot;
pub mod storm;
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
    path::IPV6,
    trouble::LOST_NAK,
    habits::LOSSY_DIAL,
    habits::EMPTY_REQUEST,
    habits::SHA384,
    habits::CUT_SHA256,
    life::REKEY,
    exhaustion::EXHAUSTION,
    habits::SERVER_REKEY,
    trouble::WRONG_PASSWORDS,
    habits::TEARDOWN,
    habits::DEAF,
    life::SHORT_LEASE,
    life::DHCP_GONE,
    path::ROUTES,
    path::MTU,
    life::DEAD_CLIENT,
    life::MOVED_POOL,
    trouble::RESTART,
    trouble::FULL,
    trouble::LEAP,
    storm::STORM,
    storm::FULL_STORM,
];

/// Why a story is not for this kind of server, if it is not.
pub fn why_not(story: &str, kind: NodeKind) -> Option<&'static str> {
    let mut rows = NOT_FOR_BOARDS.iter().filter(|_| kind == NodeKind::Embassy);
    rows.find(|(name, _)| *name == story).map(|&(_, why)| why)
}

/// Stories that a board cannot play, and why.
const NOT_FOR_BOARDS: &[(&str, &str)] = &[
    (path::IPV6.name, "a board speaks no IPv6 on its outer side"),
    (life::MOVED_POOL.name, "a board has no virtual DHCP server"),
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
        for kind in NodeKind::ALL {
            let mut world = World::new(Choices::seeded(7), Trace::default());
            assert_eq!((basic::DIAL.play)(&mut world, kind), Ok(()), "{}", kind.name());
        }
    }
}
