//! What stands inside a server node: a whole server, driven in one of three ways.
//!
//! Each way takes what has arrived, in one turn, and gives what leaves, so that worlds, stories
//! and checks need not know which one they have.

use kumihimo::config_file::Settings;
use kumihimo_core::addr::Path;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, BridgeId, Census, Command, Request};
use kumihimo_core::time::Instant;

/// Something that has come to a server.
#[derive(Debug)]
pub enum Arrival {
    /// A datagram.
    Datagram {
        /// Between which addresses.
        path: Path,
        /// Payload of UDP, or of IP protocol 50.
        payload: Vec<u8>,
    },
    /// An Ethernet frame.
    Frame {
        /// On which bridge.
        bridge: BridgeId,
        /// From the destination address on, without FCS.
        frame: Vec<u8>,
    },
    /// What the outer network says about a path.
    PathMtu {
        /// Between which addresses.
        path: Path,
        /// Octets of a whole IP packet.
        mtu: u16,
    },
    /// The answer to a [`Departure::Question`].
    Answer {
        /// To which.
        id: RequestId,
        /// The answer.
        answer: Box<Answer>,
    },
    /// An administrator's order.
    Command(Command),
    /// A new configuration.
    Settings(Box<Settings>),
    /// The time has passed that a [`Departure::Computation`] takes.
    Compute,
}

/// Something that leaves a server.
#[derive(Debug)]
pub enum Departure {
    /// A datagram.
    Datagram {
        /// Between which addresses.
        path: Path,
        /// Payload of UDP, or of IP protocol 50.
        payload: Vec<u8>,
    },
    /// An Ethernet frame.
    Frame {
        /// On which bridge.
        bridge: BridgeId,
        /// From the destination address on, without FCS.
        frame: Vec<u8>,
    },
    /// A question that the outside has to answer.
    Question {
        /// Which.
        id: RequestId,
        /// What is asked.
        request: Box<Request>,
    },
    /// Something is to be computed, by whom the machine has of its own.
    Computation,
    /// A fact.
    Event(Event),
    /// The verdict on [`Arrival::Settings`]: whether they are in force, or why not.
    Configured(Result<(), String>),
}

/// A server and its driver.
pub trait Machine {
    /// Takes these arrivals and whatever is due, and works until there is nothing more to do.
    ///
    /// # Errors
    /// Which rule of the drive contract did not hold.
    fn turn(
        &mut self,
        now: Instant,
        arrivals: &mut Vec<Arrival>,
        departures: &mut Vec<Departure>,
    ) -> Result<(), String>;

    /// When the next turn is due if nothing arrives before.
    fn deadline(&self) -> Option<Instant>;

    /// How full the tables are.
    fn census(&self) -> Census;

    /// What was dropped so far.
    fn drops(&self) -> DropCounters;

    /// Buffers that are free, and all buffers.
    fn buffers(&self) -> (usize, usize);

    /// How many packets could not be received so far for want of a buffer.
    fn starved(&self) -> u64;

    /// Takes so many free buffers away, or gives all back that were taken; tells how many are
    /// taken now.
    fn hoard(&mut self, count: usize) -> usize;
}
