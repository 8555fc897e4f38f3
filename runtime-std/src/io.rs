//! What the engine needs of the world: packets and time, and someone who does the rest.
//!
//! The simulator implements both traits over simulated networks; [`crate::linux`] and
//! [`crate::desk`] over real ones. Nothing here is async and nothing is a system call.

use kumihimo_core::addr::Path;
use kumihimo_core::buf::{Frame, Pool};
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, BridgeId, Command, Input, Request};
use kumihimo_core::time::Instant;

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

    /// Carries out the outside's part of a new configuration.
    fn adopt(&mut self, change: Self::Change);

    /// How much was lost so far because it could not be sent.
    fn unsent(&self) -> u64;
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
