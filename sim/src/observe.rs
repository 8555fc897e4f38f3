//! What happens in a world, as told to those who watch: the checks, the trace, the timeline.

use std::any::Any;
use std::fmt;

use kumihimo_core::time::{Duration, Instant};

use crate::net::{Datagram, LinkId, NatId, PortId};
use crate::world::{Node, NodeId};

/// Watches a world, and may find that it is wrong. Checks are observers.
pub trait Observer: Any {
    /// Something happened.
    ///
    /// # Errors
    /// What is wrong with that; the run ends here.
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure>;

    /// `node` has been called, and has come to rest.
    ///
    /// # Errors
    /// As for [`Self::on`].
    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        let _ = (at, id, node);
        Ok(())
    }
}

/// Something that happened.
#[derive(Debug)]
pub enum Happening<'h> {
    /// A node sent a datagram.
    Sent {
        /// Who.
        node: NodeId,
        /// What, as its sender wrote the addresses.
        packet: &'h Packet,
    },
    /// A datagram came to a node.
    Delivered {
        /// To whom.
        node: NodeId,
        /// What, as it came out of the network.
        packet: &'h Packet,
    },
    /// A datagram was lost.
    Lost {
        /// Where.
        place: Place,
        /// Why.
        why: Loss,
        /// What.
        packet: &'h Packet,
    },
    /// A node put a frame on a LAN.
    FrameSent {
        /// Who.
        node: NodeId,
        /// Where.
        port: PortId,
        /// From the destination address on, without FCS.
        frame: &'h [u8],
    },
    /// A frame came to a node.
    FrameDelivered {
        /// To whom.
        node: NodeId,
        /// Where.
        port: PortId,
        /// From the destination address on, without FCS.
        frame: &'h [u8],
    },
    /// A frame was lost on the way to a port.
    FrameLost {
        /// On the way to which.
        port: PortId,
        /// Why.
        why: Loss,
        /// What.
        frame: &'h [u8],
    },
    /// A node says what it did or saw.
    Fact {
        /// Who.
        node: NodeId,
        /// What.
        fact: &'h dyn Fact,
    },
    /// The scenario did something to the world.
    Scene {
        /// What.
        text: &'h str,
    },
}

/// Something that a node tells the observers: any type that can be printed. An observer that knows
/// the type takes it out with [`fact_as`]; the trace prints it.
pub trait Fact: Any + fmt::Debug + fmt::Display {}
impl<T: Any + fmt::Debug + fmt::Display> Fact for T {}

/// The fact as a `T`, if it is one.
pub fn fact_as<T: Fact>(fact: &dyn Fact) -> Option<&T> {
    (fact as &dyn Any).downcast_ref()
}

/// A fact of free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A fact: the node is now in this state. The timeline draws a bar for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub &'static str);

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is {}", self.0)
    }
}

/// A fact: the node's clock was set forward by so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leapt(pub Duration);

impl fmt::Display for Leapt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its clock leaps by {} ms", self.0.as_millis())
    }
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its number in this run; copies that the network makes share it.
    pub id: u64,
    /// Who sent it.
    pub sender: NodeId,
    /// When.
    pub sent_at: Instant,
    /// What.
    pub datagram: Datagram,
}

/// Where a datagram was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a link.
    Link(LinkId),
    /// In a NAT box.
    Nat(NatId),
    /// Between links: there is no way to that address.
    Zone,
    /// At a node that is switched off.
    Node(NodeId),
}

/// Why something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// By chance.
    Chance,
    /// By chance, with its neighbours.
    Burst,
    /// A bit was flipped, and the checksum told.
    Checksum,
    /// The link is cut.
    Cut,
    /// A rule said so.
    Rule,
    /// It is longer than the link's MTU.
    TooLong,
    /// The queue in front of the link was full.
    QueueFull,
    /// Nobody has that address.
    NoRoute,
    /// The NAT box has no mapping for it.
    NoMapping,
    /// The NAT box has no port left.
    NoPort,
    /// The NAT box does not let this protocol through.
    Protocol,
    /// The node is switched off.
    Off,
}

/// A check that failed, and so the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the check. Shrinking keeps to failures of the same check.
    pub check: String,
    /// When, by the world's clock.
    pub at: Instant,
    /// What was seen.
    pub text: String,
}

impl Failure {
    /// A failure of `check` at `at`.
    pub fn new(check: &str, at: Instant, text: impl Into<String>) -> Self {
        Self { check: check.into(), at, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = crate::world::seconds(self.at);
        write!(f, "{} at {secs:.6} s: {}", self.check, self.text)
    }
}
