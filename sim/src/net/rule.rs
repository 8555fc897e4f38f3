//! Scripted rules: what a story wants to happen to single packets.

use kumihimo_core::time::{Duration, Instant};

use super::{Direction, LinkId};
use crate::observe::Packet;

/// A rule that sees every packet at each link. The first rule that does not pass it decides.
pub type Rule = Box<dyn FnMut(&Crossing<'_>) -> Verdict>;

/// A rule as a handle, to take it away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(pub(crate) usize);

/// A packet that is about to cross a link.
#[derive(Debug)]
pub struct Crossing<'c> {
    /// When.
    pub at: Instant,
    /// Which.
    pub link: LinkId,
    /// Which way.
    pub direction: Direction,
    /// What, with the addresses that it has here.
    pub packet: &'c Packet,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the next rule, or the link's own faults, decide.
    Pass,
    /// It comes out of the link after this time, whatever the link is like.
    Deliver(Duration),
    /// It is lost.
    Drop,
}
