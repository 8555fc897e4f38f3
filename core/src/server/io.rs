//! What goes in and what comes out.

use crate::addr::Path;
use crate::buf::Frame;
use crate::crypto::dh::{DhJob, DhResult};
use crate::event::Event;
use crate::ids::{RequestId, SessionId};
use crate::time::Instant;

/// A bridge between a hub and an Ethernet device of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BridgeId {
    /// Place of the hub in the configuration.
    pub hub: u16,
    /// Number of the bridge in that hub.
    pub bridge: u16,
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Input<B> {
    /// A datagram arrived: the payload of UDP 500, 4500 or 1701, or what follows the IP header
    /// of protocol 50.
    Datagram {
        /// Between which addresses.
        path: Path,
        /// Its payload.
        payload: Frame<B>,
    },
    /// An Ethernet frame arrived on a bridge.
    Frame {
        /// On which.
        bridge: BridgeId,
        /// From the destination address on, without FCS.
        frame: Frame<B>,
    },
    /// What the outer network says about its MTU, in octets of a whole IP packet.
    PathMtu {
        /// Between which addresses.
        path: Path,
        /// Octets.
        mtu: u16,
    },
    /// An administrator's order.
    Command(Command),
    /// The deadline of [`Output::Wait`] was reached.
    Timer,
}

#[cfg(feature = "planted-copy")]
impl<B: AsRef<[u8]> + AsMut<[u8]>> Input<B> {
    /// The same packet in another buffer, if there is one: the slowdown that ceilings must catch.
    pub(super) fn copied<P: crate::buf::Pool<Buf = B>>(mut self, pool: &mut P) -> Self {
        if let Self::Datagram { payload: packet, .. } | Self::Frame { frame: packet, .. } =
            &mut self
            && let Ok(copy) = Frame::copy_of(pool, packet.bytes())
        {
            *packet = copy;
        }
        self
    }
}

/// Something to be done outside, in this order.
#[derive(Debug)]
#[must_use]
pub enum Output<B> {
    /// Send a datagram. Dropping it equals loss.
    Transmit {
        /// Between which addresses.
        path: Path,
        /// Payload of UDP, or of IP protocol 50.
        payload: Frame<B>,
    },
    /// Put an Ethernet frame on a bridge. Dropping it equals loss.
    Frame {
        /// On which.
        bridge: BridgeId,
        /// From the destination address on, without FCS.
        frame: Frame<B>,
    },
    /// Take this question with `Server::take_request` and answer it with
    /// `Server::handle_answer`. One left unanswered times out.
    Request(RequestId),
    /// A fact.
    Event(Event),
    /// Nothing more for now. Come back with an input, or with [`Input::Timer`] at this time.
    Wait(Option<Instant>),
}

/// A question that only the outside can answer.
///
/// It is large, and so never moves through [`Output`], which every packet does.
#[derive(Debug)]
pub enum Request {
    /// Diffie-Hellman, which takes milliseconds.
    Dh(DhJob),
}

/// The answer to a [`Request`].
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "no allocator to box the large one")]
pub enum Answer {
    /// The result of [`Request::Dh`].
    Dh(DhResult),
}

/// An administrator's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Says goodbye to everyone: CDN, StopCCN and Delete. Newcomers are refused from here on.
    Shutdown,
    /// Ends one session.
    Disconnect(SessionId),
    /// Replaces the IPsec SAs of every peer by new ones now.
    Rekey,
}
