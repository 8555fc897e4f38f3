//! What the engine needs of the world: packets and time, and someone who does the rest.
//!
//! The simulator implements both traits over simulated networks; [`crate::linux`] and
//! [`crate::desk`] over real ones. Nothing here is async and nothing is a system call.

use std::net::SocketAddr;

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::buf::{Frame, Pool};
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::{Event, Name};
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, BridgeId, Command, Input, Request};
use kumihimo_core::time::{Duration, Instant};

use crate::pause::Pause;

/// The buffers of an [`Io`]'s pool.
pub type BufOf<I> = <<I as Io>::Pool as Pool>::Buf;

/// Packets and time.
pub trait Io {
    /// Where buffers come from.
    type Pool: Pool;
    /// What has to change outside when the configuration does: sockets, devices.
    type Change;

    /// The time, which never decreases.
    fn now(&mut self) -> Instant;

    /// The time as [`Io::now`] has it, to be had for less: up to ten milliseconds behind.
    fn glance(&mut self) -> Instant {
        self.now()
    }

    /// Adds at most `most` of what has arrived to `inputs`, without blocking.
    fn recv_batch(
        &mut self,
        pool: &mut Self::Pool,
        most: usize,
        inputs: &mut Vec<Input<BufOf<Self>>>,
    );

    /// Sends all of `outgoing` in that order, without blocking, and leaves it empty.
    ///
    /// What cannot be sent now is lost.
    fn send_batch(&mut self, outgoing: &mut Vec<Outgoing<BufOf<Self>>>);

    /// Blocks until something arrives, mail included, or until `deadline`; it may end early.
    fn wait(&mut self, deadline: Option<Instant>);

    /// How long after its time the last [`Io::wait`] ended.
    fn overslept(&self) -> Duration {
        Duration::ZERO
    }

    /// Carries out the outside's part of a new configuration.
    fn adopt(&mut self, change: Self::Change);

    /// How much was lost so far because it could not be sent.
    fn unsent(&self) -> u64;

    /// Tells what was lost on its way to us, place by place.
    fn losses(&mut self, _: &mut dyn FnMut(Loss)) {}

    /// What the system knows about a pause that has just been.
    fn cause(&mut self) -> Cause {
        Cause::default()
    }
}

/// What was lost on its way to us, for we did not read it in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Datagrams of a socket.
    Socket {
        /// UDP or protocol 50.
        outer: Outer,
        /// What it is bound to.
        address: SocketAddr,
        /// How many since it was opened.
        count: u64,
    },
    /// Frames of a TAP device.
    Tap {
        /// Its name.
        name: Name,
        /// How many since it was made.
        count: u64,
    },
}

impl Loss {
    /// How many.
    pub const fn count(&self) -> u64 {
        match self {
            Self::Socket { count, .. } | Self::Tap { count, .. } => *count,
        }
    }

    /// Whether both are of one socket or device.
    pub fn is_of_the_place_of(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Socket { outer, address, .. },
                Self::Socket { outer: other_outer, address: other_address, .. },
            ) => outer == other_outer && address == other_address,
            (Self::Tap { name, .. }, Self::Tap { name: other, .. }) => name == other,
            _ => false,
        }
    }
}

/// What the system counted for this thread from a moment before a pause until after it. What it
/// does not count is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The time that all of it is about.
    pub over: Duration,
    /// How long the thread ran.
    pub ran: Option<Duration>,
    /// How long it could have run, and had no processor.
    pub waited: Option<Duration>,
    /// How often it had to wait for a page to be read.
    pub major_faults: u64,
    /// How often it gave its processor away.
    pub voluntary: u64,
    /// How often it lost its processor.
    pub involuntary: u64,
    /// How long the machine's tasks stood still for want of a processor, a disk, memory: some of
    /// them, or for memory and disk all of them.
    pub pressure: [Option<Duration>; 3],
    /// How long the machine's own host ran something else in its place, and over how long.
    pub stolen: Option<(Duration, Duration)>,
}

/// Something to be sent.
#[derive(Debug)]
pub enum Outgoing<B> {
    /// A datagram of UDP or protocol 50.
    Datagram {
        /// Between which addresses.
        path: Path,
        /// Its payload.
        payload: Frame<B>,
    },
    /// An Ethernet frame.
    Frame {
        /// On which bridge.
        bridge: BridgeId,
        /// From the destination address on, without FCS.
        frame: Frame<B>,
    },
}

/// Everything but packets and time: who answers questions, records facts, gives orders.
pub trait Desk {
    /// A new configuration.
    type Settings;
    /// See [`Io::Change`].
    type Change;

    /// The next order or answer, without blocking.
    fn next_mail(&mut self) -> Option<Mail<Self::Settings, Self::Change>>;

    /// Starts to answer a question. It may drop it, for the core asks with a time limit.
    fn ask(&mut self, id: RequestId, request: Request);

    /// Records a fact.
    fn record(&mut self, event: Event);

    /// Records how often what was dropped so far, and how much could not be sent.
    fn record_drops(&mut self, drops: &DropCounters, unsent: u64);

    /// Records what was lost on its way to us.
    fn record_loss(&mut self, _: Loss) {}

    /// Records a pause that was long.
    fn record_pause(&mut self, _: Pause, _: Cause) {}

    /// Records the longest pause so far.
    fn record_longest(&mut self, _: Pause) {}

    /// Whether the core took the configuration of the last [`Mail::Configure`].
    fn configured(&mut self, result: Result<(), kumihimo_core::config::ConfigError>);
}

/// What other threads tell the engine.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "mailboxes are made once; a box would allocate")]
pub enum Mail<S, C> {
    /// The answer to a question that was [asked](Desk::ask).
    Answer(RequestId, Answer),
    /// An order.
    Command(Command),
    /// What the outer network says about a path.
    PathMtu(Path, u16),
    /// A new configuration.
    Configure(S, C),
    /// Says goodbye to everyone and ends.
    Stop,
}
