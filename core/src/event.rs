//! Facts for logs, metrics and the console.

use core::net::{Ipv4Addr, SocketAddr};

use crate::config::NAME_LEN;
use crate::credentials::Refusal;
use crate::crypto::{EspSuite, IkeSuite};
use crate::discard::DropReason;
use crate::ids::{PeerId, SaId, SessionId, TunnelId};
use crate::time::Duration;

/// A short text that came from a peer: not trusted, may hold anything but is valid UTF-8.
pub type Name = heapless::String<NAME_LEN>;

/// The part of `bytes` that is valid UTF-8 and fits a [`Name`].
pub fn name_of(bytes: &[u8]) -> Name {
    let mut name = Name::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars().filter(|character| !character.is_control()) {
            if name.push(character).is_err() {
                return name;
            }
        }
    }
    name
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An IKE SA is established.
    PeerUp {
        /// With whom.
        peer: PeerId,
        /// Where.
        remote: SocketAddr,
        /// Algorithms.
        suite: IkeSuite,
    },
    /// A peer is gone.
    PeerDown {
        /// Who.
        peer: PeerId,
        /// Where it was.
        remote: SocketAddr,
        /// Why.
        cause: DownCause,
    },
    /// A peer's packets come from another address or port now.
    PeerMoved {
        /// Who.
        peer: PeerId,
        /// From where on.
        remote: SocketAddr,
    },
    /// A pair of IPsec SAs is installed.
    SaUp {
        /// The pair.
        sa: SaId,
        /// With whom.
        peer: PeerId,
        /// Algorithms.
        suite: EspSuite,
    },
    /// An L2TP control connection is established.
    TunnelUp {
        /// Which.
        tunnel: TunnelId,
        /// Where.
        remote: SocketAddr,
        /// The name that the client calls itself.
        host_name: Name,
    },
    /// A session has its address and carries traffic.
    SessionUp {
        /// Which.
        session: SessionId,
        /// Where.
        remote: SocketAddr,
        /// Who.
        user: Name,
        /// Where to.
        hub: Name,
        /// The client's address in the hub.
        address: Ipv4Addr,
        /// Time since the call came up.
        took: Duration,
    },
    /// A session is over.
    SessionDown {
        /// Which.
        session: SessionId,
        /// Where it was.
        remote: SocketAddr,
        /// Who.
        user: Name,
        /// Why.
        cause: DownCause,
    },
    /// A dial failed: the one line that says why.
    DialFailed(DialFailure),
    /// A table or quota refused a newcomer.
    Refused {
        /// From where.
        remote: Option<SocketAddr>,
        /// Which limit.
        reason: DropReason,
    },
}

/// Why something that was up is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownCause {
    /// The peer said goodbye.
    PeerClosed,
    /// Nothing was heard for too long.
    Silence,
    /// The same client dialled again.
    Replaced,
    /// We are shutting down, or an administrator ended it.
    Administrative,
    /// Its lifetime ended and it was not renewed.
    Expired,
    /// The DHCP server took the address back.
    LeaseLost,
    /// It failed; a [`DialFailure`] says why.
    Failed,
    /// What carried it is down.
    CarrierDown,
}

/// How far a failed dial came, and why it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct DialFailure {
    /// From where.
    pub remote: SocketAddr,
    /// Where it ended.
    pub stage: Stage,
    /// Most likely why.
    pub cause: FailureCause,
    /// User, if a name was given.
    pub user: Name,
    /// What the client offered, in phase 1 or 2; empty where that is not the matter.
    pub offered: Offered,
}

/// The stages of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// IKE main mode.
    Phase1,
    /// IKE quick mode.
    Phase2,
    /// L2TP control connection and call.
    L2tp,
    /// PPP link.
    Lcp,
    /// User and password.
    Authentication,
    /// The address.
    Address,
}

/// Why a dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// None of the offered algorithms is acceptable.
    NoProposal,
    /// Message 5 did not decrypt or verify: the pre-shared keys differ.
    WrongKey,
    /// The client stopped answering.
    Silence,
    /// The client ended it.
    PeerClosed,
    /// User or password refused.
    Refused(Refusal),
    /// No DHCP server answered on the hub.
    NoDhcpAnswer,
    /// The DHCP server has no address to give.
    NoAddress,
    /// The two sides cannot agree on PPP options.
    PppOptions,
    /// A limit of ours.
    Limit(DropReason),
    /// The client sent something it may not.
    Protocol(DropReason),
}

/// One offered transform, with the numbers of the wire (IKE attribute values).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferedTransform {
    /// Encryption algorithm, or ESP transform id.
    pub cipher: u16,
    /// Key length in bits; 0 where there is none.
    pub key_bits: u16,
    /// Hash, or authentication algorithm.
    pub hash: u16,
    /// Group; 0 where there is none.
    pub group: u16,
}

/// What a client offered, as far as it fits.
pub type Offered = heapless::Vec<OfferedTransform, 16>;
