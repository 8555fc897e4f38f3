//! IKEv1 (RFC 2408, RFC 2409, RFC 2407) with pre-shared keys: main mode, quick mode,
//! informational exchanges, NAT traversal (RFC 3947 and its drafts), dead peer detection
//! (RFC 3706).
//!
//! [`Ike`] owns its peers, their IKE SAs and what is known of their IPsec SAs. It answers, and
//! where a lifetime nears its end and the peer does not act, it renews. Messages go in with
//! [`Ike::handle_datagram`]; what is to be done comes out as [`Action`]s.
//!
//! Three kinds of state, each in a table of fixed size:
//! - a *negotiation* is phase 1 on its way, with everything that both sides hash;
//! - a *peer* exists once phase 1 has verified who it is;
//! - an *exchange* is a quick mode on its way.
//!
//! To an address that has not proven that it receives, only questions are answered, never
//! longer than they were but for a small budget, and nothing is sent on a timer (`quota`).
//! It deliberately does not do aggressive mode, certificates, XAUTH, fragmentation or IKEv2.

mod action;
mod attach;
mod counted;
mod crowd;
mod informational;
mod keymat;
mod main_mode;
mod message;
mod natt;
mod peer;
mod proposal;
mod quick_mode;
pub mod quirk;
mod quota;
mod rekey;
mod renewal;
mod settings;
mod storage;
mod table;
mod timer;
mod vendor;

use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::addr::Path;
use crate::config::IpsecConfig;
use crate::crypto::Rng;
use crate::crypto::dh::DhResult;
use crate::discard::DropReason;
use crate::ids::PeerId;
use crate::ipsec::{Spi, SpiSource};
use crate::limits::Limits;
use crate::store::{Index, Slab, Wheel};
use crate::time::Instant;
use crate::wire::isakmp::{Cookie, HEADER_LEN, Header, exchange};

pub use action::{ACTIONS_MAX, Action, DhToken, Job, Out};
pub use counted::Counted;
pub use quota::Quota;
pub use storage::{Arrays, Lengths, Storage};
pub use table::{Child, Exchange, IkeSa, Negotiation, Peer};

use action::Waiting;
use quota::Quotas;
use settings::Settings;
use table::{ChildKey, ExchangeKey, NegotiationKey, Role, SaKey};

/// What is lent to IKE for one call.
pub struct Cx<'c> {
    /// The time.
    pub now: Instant,
    /// Randomness.
    pub rng: &'c mut Rng,
    /// Where SPIs come from.
    pub spis: &'c mut dyn SpiSource,
}

/// The IKE component.
pub struct Ike<'a> {
    settings: Settings,
    limits: Limits,
    sas: Slab<'a, SaKey, IkeSa>,
    negotiations: Slab<'a, NegotiationKey, Negotiation>,
    peers: Slab<'a, PeerId, Peer>,
    children: Slab<'a, ChildKey, Child>,
    exchanges: Slab<'a, ExchangeKey, Exchange>,
    /// Negotiations that we answer, by address and cookie of the initiator.
    by_initiator: Index<'a>,
    /// Peers by address and identity.
    by_identity: Index<'a>,
    /// IPsec SAs by our SPI.
    by_spi: Index<'a>,
    /// First the peers by slot, then the negotiations.
    wheel: Wheel<'a>,
    quotas: Quotas<'a>,
    /// Paces events that strangers can cause.
    alarms: Alarms,
    fingerprint_key: [u8; 16],
}

/// A message that arrived.
#[derive(Clone, Copy)]
struct Arrival {
    path: Path,
    header: Header,
    /// Fingerprint of the message, to recognise repetitions.
    request: u64,
    /// Octets of the message.
    len: usize,
}

impl<'a> Ike<'a> {
    /// A component without peers in the memory `storage`, which was made for `limits`.
    pub fn new(
        storage: Storage<'a>,
        limits: &Limits,
        config: &IpsecConfig<'_>,
        rng: &mut Rng,
    ) -> Self {
        Self {
            settings: Settings::new(config),
            limits: *limits,
            sas: Slab::new(storage.sas),
            negotiations: Slab::new(storage.negotiations),
            peers: Slab::new(storage.peers),
            children: Slab::new(storage.children),
            exchanges: Slab::new(storage.exchanges),
            by_initiator: Index::new(storage.by_initiator, rng.array()),
            by_identity: Index::new(storage.by_identity, rng.array()),
            by_spi: Index::new(storage.by_spi, rng.array()),
            wheel: Wheel::new(storage.nodes),
            quotas: Quotas::new(storage.quotas, rng.array()),
            alarms: Alarms::default(),
            fingerprint_key: rng.array(),
        }
    }

    /// Replaces the settings; they count for what is negotiated from now on.
    pub fn configure(&mut self, config: &IpsecConfig<'_>) {
        self.settings = Settings::new(config);
    }

    /// Takes an ISAKMP message, whose header comes first; it is decrypted in place.
    ///
    /// # Errors
    /// Why it was dropped; there may be actions all the same.
    pub fn handle_datagram(
        &mut self,
        cx: &mut Cx<'_>,
        path: Path,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let (header, body) = Header::parse(message)?;
        let len = HEADER_LEN + body.len();
        let message = message.get_mut(..len).unwrap_or_default();
        let arrival = Arrival { path, header, request: self.fingerprint(message), len };
        if header.initiator == Cookie::NONE {
            return Err(DropReason::UnknownCookie);
        }
        if header.responder == Cookie::NONE {
            return self.on_first(cx, &arrival, message, out);
        }
        let sa = self.find_sa(&header).ok_or(DropReason::UnknownCookie)?;
        match header.exchange {
            exchange::MAIN_MODE => self.on_main_mode(cx, sa, &arrival, message, out),
            exchange::QUICK_MODE => self.on_quick_mode(cx, sa, &arrival, message, out),
            exchange::INFORMATIONAL => self.on_informational(cx, sa, &arrival, message, out),
            _ => Err(DropReason::UnexpectedExchange),
        }
    }

    /// Takes the result of [`Action::Dh`].
    ///
    /// # Errors
    /// [`DropReason::StaleAnswer`] if nobody waits for it any more; else what is wrong with it.
    pub fn handle_dh(
        &mut self,
        cx: &mut Cx<'_>,
        token: DhToken,
        result: &DhResult,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        match token.0 {
            Waiting::Phase1(key) => self.on_phase1_dh(cx, key, result, out),
            Waiting::Phase2(key) => self.on_phase2_dh(cx, key, result, out),
        }
    }

    /// When to call [`Ike::handle_timeout`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.wheel.deadline()
    }

    /// Number of peers.
    pub const fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Number of negotiations on their way.
    pub const fn negotiation_count(&self) -> usize {
        self.negotiations.len()
    }

    /// The peer in slot `index`, for one who walks all slots below [`Ike::peer_capacity`] step
    /// by step.
    pub fn peer_at(&self, index: u32) -> Option<PeerId> {
        self.peers.key_at(index)
    }

    /// Number of peers that fit.
    pub fn peer_capacity(&self) -> usize {
        self.peers.capacity()
    }

    /// Where a peer is.
    pub fn path_of(&self, peer: PeerId) -> Option<Path> {
        self.peers.find(peer).map(|peer| peer.path)
    }

    /// The IKE SA that a message belongs to: our cookie names the slot.
    fn find_sa(&self, header: &Header) -> Option<SaKey> {
        let at = |cookie: Cookie| {
            let [a, b, c, ..] = cookie.0;
            self.sas.key_at(u32::from_be_bytes([0, a, b, c]))
        };
        let answered = at(header.responder).filter(|&key| {
            self.sas.find(key).is_some_and(|sa| {
                sa.role == Role::Responder
                    && sa.ours == header.responder
                    && sa.theirs == header.initiator
            })
        });
        answered.or_else(|| {
            at(header.initiator).filter(|&key| {
                self.sas.find(key).is_some_and(|sa| {
                    sa.role == Role::Initiator
                        && sa.ours == header.initiator
                        && (sa.theirs == header.responder || sa.theirs == Cookie::NONE)
                })
            })
        })
    }

    /// The IPsec SA with our SPI `spi`.
    fn find_child(&self, spi: Spi) -> Option<ChildKey> {
        let has = |&key: &ChildKey| {
            self.children.find(key).is_some_and(|child| child.terms.spi_in == spi)
        };
        let hash = self.by_spi.hash(&spi);
        let slot =
            self.by_spi.find(hash, |slot| self.children.key_at(slot).as_ref().is_some_and(has))?;
        self.children.key_at(slot)
    }

    fn fingerprint(&self, message: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.fingerprint_key);
        hasher.write(message);
        hasher.finish()
    }
}

/// A cookie that names slot `slot`.
fn cookie_of(slot: u32, rng: &mut Rng) -> Cookie {
    let [_, a, b, c] = slot.to_be_bytes();
    let [d, e, f, g, h] = rng.array();
    //= RFC 2408 §2.5.3: a cookie of zeros means that there is none.
    Cookie([a, b, c, d, e, f, g, h | 1])
}

/// Lets through a few events in each second.
#[derive(Debug, Default)]
struct Alarms {
    second: u64,
    count: u32,
}

impl Alarms {
    fn may_ring(&mut self, now: Instant) -> bool {
        let second = now.as_micros() / 1_000_000;
        if second != self.second {
            *self = Self { second, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= ALARMS_PER_SECOND
    }
}

const ALARMS_PER_SECOND: u32 = 20;

#[cfg(test)]
pub(crate) mod tests;
