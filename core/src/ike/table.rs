//! What the tables of IKE hold: IKE SAs, negotiations, peers, IPsec SAs, quick modes.

use core::net::SocketAddr;

use crate::addr::Path;
use crate::crypto::dh::Public;
use crate::crypto::prf::Digest;
use crate::crypto::{EspSuite, Group, IkeSuite, Secret};
use crate::ids::PeerId;
use crate::ipsec::{Encapsulation, Lifetime, Spi};
use crate::store::Key;
use crate::time::{Duration, Instant, TimerSet};
use crate::wire::isakmp::Cookie;

use super::keymat::{Block, CipherKey, Keys};
use super::natt::Discovery;
use super::vendor::Capabilities;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub(super) Key);

        impl From<Key> for $name {
            fn from(key: Key) -> Self {
                Self(key)
            }
        }

        impl From<$name> for Key {
            fn from(key: $name) -> Self {
                key.0
            }
        }
    )*};
}

keys! {
    /// Names an [`IkeSa`].
    SaKey
    /// Names a [`Negotiation`].
    NegotiationKey
    /// Names a [`Child`].
    ChildKey
    /// Names an [`Exchange`].
    ExchangeKey
}

/// Octets of a bounded length.
pub(super) type Bytes<const N: usize> = heapless::Vec<u8, N>;

/// Which side of an exchange we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Initiator,
    Responder,
}

/// An IKE SA, from its first message on. Our cookie carries the number of its slot.
#[derive(Debug)]
pub struct IkeSa {
    pub(super) ours: Cookie,
    pub(super) theirs: Cookie,
    pub(super) role: Role,
    /// The address whose quota it counts against.
    pub(super) address: core::net::IpAddr,
    pub(super) state: SaState,
}

impl IkeSa {
    /// The cookies of initiator and responder.
    pub(super) const fn cookies(&self) -> (Cookie, Cookie) {
        match self.role {
            Role::Initiator => (self.ours, self.theirs),
            Role::Responder => (self.theirs, self.ours),
        }
    }
}

/// How far an IKE SA is.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "most of them are established")]
pub(super) enum SaState {
    Negotiating(NegotiationKey),
    Established(Established),
}

/// An IKE SA that protects messages.
#[derive(Debug)]
pub(super) struct Established {
    pub(super) peer: PeerId,
    pub(super) suite: IkeSuite,
    /// SKEYID_d.
    pub(super) derive: Digest,
    /// SKEYID_a.
    pub(super) auth: Digest,
    pub(super) key: CipherKey,
    /// The last block of phase 1, from which IVs of phase 2 are made.
    pub(super) last_block: Block,
    /// When to replace it.
    pub(super) soft: Option<Instant>,
    /// When it ends.
    pub(super) hard: Instant,
    /// The negotiation it came from, kept while its last answer may be asked for again.
    pub(super) negotiation: Option<NegotiationKey>,
    /// When it joined a peer that was there already, and how (`attach`).
    pub(super) joined: Option<(Instant, Joined)>,
    /// Message ids that were used, newest last.
    pub(super) seen: heapless::Deque<u32, SEEN>,
}

impl Established {
    /// Whether `message_id` is new; remembers it.
    pub(super) fn is_new(&self, message_id: u32) -> bool {
        self.seen.iter().all(|&seen| seen != message_id)
    }

    /// Remembers that `message_id` was used.
    pub(super) fn remember(&mut self, message_id: u32) {
        if self.seen.is_full() {
            self.seen.pop_front();
        }
        let _ = self.seen.push_back(message_id);
    }
}

/// How an IKE SA joined its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It is a renewal.
    ForGood,
    /// It may be a new dial.
    ForNow,
}

/// The answer to the last request, and the fingerprint of that request.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) request: Option<u64>,
    pub(super) reply: Bytes<REPLY_LEN>,
}

impl Answered {
    /// Keeps `reply` as the answer to the request with this fingerprint.
    pub(super) fn keep(&mut self, request: u64, reply: &[u8]) {
        let kept = Bytes::from_slice(reply);
        self.request = kept.is_ok().then_some(request);
        self.reply = kept.unwrap_or_default();
    }
}

/// Phase 1 on its way.
#[derive(Debug)]
pub struct Negotiation {
    pub(super) sa: SaKey,
    /// From where the peer spoke last; where our answer went.
    pub(super) path: Path,
    /// From where it spoke first.
    pub(super) first_path: Path,
    pub(super) began: Instant,
    pub(super) expires: Instant,
    pub(super) capabilities: Capabilities,
    pub(super) suite: IkeSuite,
    pub(super) life: Duration,
    /// The body of the initiator's SA payload, which both sides hash.
    pub(super) offer: Bytes<OFFER_LEN>,
    pub(super) answered: Answered,
    /// Whether a wrong key has been reported.
    pub(super) reported: bool,
    pub(super) we_are_behind_nat: bool,
    /// The peer whose IKE SA we are about to renew; only where we are the initiator.
    pub(super) renews: Option<PeerId>,
    /// When to send our request again; only where we are the initiator.
    pub(super) resend: Resend,
    pub(super) step: Step,
}

/// When a request of ours is sent again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resend {
    pub(super) at: Option<Instant>,
    pub(super) tries: u8,
}

impl Resend {
    /// The first sending happens now.
    pub(super) fn first(now: Instant) -> Self {
        Self { at: Some(now + RESEND_FIRST), tries: 1 }
    }

    /// Another sending happens now; `false` if it was the last.
    pub(super) fn again(&mut self, now: Instant) -> bool {
        let delay = RESEND_FIRST.times(1 << self.tries.min(RESEND_TRIES));
        self.at = Some(now + delay);
        self.tries = self.tries.saturating_add(1);
        self.tries <= RESEND_TRIES
    }
}

/// What phase 1 waits for.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "no allocator to box the large ones")]
pub(super) enum Step {
    /// Message 3.
    AwaitKe,
    /// The result of Diffie-Hellman, to answer message 3.
    AwaitDh(AwaitDh),
    /// Message 5.
    AwaitId(AwaitId),
    /// Nothing: kept to answer a repeated message 5.
    Done,
    /// As initiator, message 2.
    AwaitSa,
    /// As initiator, our public value.
    AwaitPublic { private: Secret<66> },
    /// As initiator, message 4.
    AwaitTheirKe(AwaitTheirKe),
    /// As initiator, the shared secret.
    AwaitShared(AwaitShared),
    /// As initiator, message 6.
    AwaitTheirId(AwaitId),
}

#[derive(Debug)]
pub(super) struct AwaitDh {
    /// Fingerprint of message 3.
    pub(super) request: u64,
    pub(super) nonce: Bytes<NONCE_MAX>,
    pub(super) public: Public,
    pub(super) discovery: Option<Discovery>,
}

#[derive(Debug)]
pub(super) struct AwaitId {
    pub(super) keys: Keys,
    pub(super) iv: Block,
    /// Public values of initiator and responder.
    pub(super) publics: (Public, Public),
}

#[derive(Debug)]
pub(super) struct AwaitTheirKe {
    pub(super) private: Secret<66>,
    pub(super) public: Public,
    pub(super) nonce: Bytes<NONCE_LEN>,
}

#[derive(Debug)]
pub(super) struct AwaitShared {
    pub(super) public: Public,
    pub(super) nonce: Bytes<NONCE_LEN>,
    pub(super) their_public: Public,
    pub(super) their_nonce: Bytes<NONCE_MAX>,
}

/// Who a peer says it is: type and data of its phase 1 identification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) kind: u8,
    pub(super) data: Bytes<IDENTITY_LEN>,
}

/// A remote party.
#[derive(Debug)]
pub struct Peer {
    pub(super) path: Path,
    pub(super) identity: Identity,
    pub(super) capabilities: Capabilities,
    pub(super) we_are_behind_nat: bool,
    /// What protects its newest IKE SA.
    pub(super) suite: IkeSuite,
    /// Phase 1 that we began with it.
    pub(super) renewal: Option<NegotiationKey>,
    /// Its IKE SAs, newest last.
    pub(super) sas: heapless::Vec<SaKey, SAS_PER_PEER>,
    /// Its quick modes.
    pub(super) exchanges: heapless::Vec<ExchangeKey, EXCHANGES_PER_PEER>,
    /// Whether it ever had an IPsec SA that it used.
    pub(super) had_child: bool,
    /// The first of its IPsec SAs; the others hang on it.
    pub(super) children: Option<ChildKey>,
    pub(super) last_heard: Instant,
    pub(super) dpd: Dpd,
    pub(super) timers: TimerSet<TIMERS>,
}

/// Dead peer detection (RFC 3706) of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dpd {
    /// The number of our last probe.
    pub(super) sequence: u32,
    /// When it left, while no answer has come.
    pub(super) sent: Option<Instant>,
    /// The number of the peer's last probe.
    pub(super) theirs: Option<u32>,
}

/// Timers of a peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// Look whether the peer is alive.
    Liveness = 0,
    /// It has no IPsec SA: give up.
    NoChild = 1,
    /// The answer to an INITIAL-CONTACT probe is late.
    Contested = 2,
    /// Send a NAT keepalive.
    Keepalive = 3,
    /// An IKE SA, an IPsec SA or a quick mode is due.
    Parts = 4,
}

/// Number of [`Timer`]s.
pub(super) const TIMERS: usize = 5;

/// A pair of IPsec SAs, as far as IKE looks after it.
#[derive(Debug)]
pub struct Child {
    pub(super) peer: PeerId,
    /// The next pair of the same peer.
    pub(super) next: Option<ChildKey>,
    pub(super) terms: Terms,
    /// Whether the peer is known to receive on it.
    pub(super) active: bool,
    /// When to replace it.
    pub(super) soft: Option<Instant>,
    /// When it ends.
    pub(super) hard: Instant,
}

/// What quick mode agreed on.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) spi_in: Spi,
    pub(super) spi_out: Spi,
    pub(super) suite: EspSuite,
    /// PFS.
    pub(super) group: Option<Group>,
    /// Encapsulation mode as negotiated.
    pub(super) mode: u16,
    pub(super) encapsulation: Encapsulation,
    pub(super) peer_port: u16,
    pub(super) lifetime: Lifetime,
    /// Bodies of the identification payloads of the peer and of ours, if there were any.
    pub(super) ids: Option<(Bytes<QM_ID_LEN>, Bytes<QM_ID_LEN>)>,
}

/// A quick mode.
#[derive(Debug)]
pub struct Exchange {
    pub(super) peer: PeerId,
    pub(super) sa: SaKey,
    pub(super) message_id: u32,
    pub(super) path: Path,
    pub(super) iv: Block,
    pub(super) expires: Instant,
    pub(super) answered: Answered,
    pub(super) resend: Resend,
    pub(super) terms: Terms,
    /// Whether an IPsec SA has been made of its SPI.
    pub(super) installed: bool,
    /// Nonces of initiator and responder.
    pub(super) nonces: (Bytes<NONCE_MAX>, Bytes<NONCE_MAX>),
    pub(super) step: QuickStep,
}

/// What quick mode waits for.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "no allocator to box the large ones")]
pub(super) enum QuickStep {
    /// As responder, the result of Diffie-Hellman.
    AwaitDh(AwaitQuickDh),
    /// As responder, message 3 or ESP.
    AwaitThird,
    /// As initiator, our public value.
    AwaitPublic { private: Secret<66> },
    /// As initiator, message 2.
    AwaitSecond { private: Option<Secret<66>> },
    /// As initiator, the shared secret.
    AwaitShared { request: u64 },
    /// As initiator: kept to send message 3 again.
    Done,
}

/// What has to be remembered of message 1 while its answer waits for Diffie-Hellman.
#[derive(Debug)]
pub(super) struct AwaitQuickDh {
    /// Fingerprint of message 1.
    pub(super) request: u64,
    pub(super) answer: AnswerParts,
}

/// The parts of message 2 that come from message 1.
#[derive(Debug)]
pub(super) struct AnswerParts {
    /// The body of the SA payload.
    pub(super) sa: Bytes<CHOSEN_LEN>,
    /// Addresses for NAT-OA payloads, and their type.
    pub(super) originals: Option<(u8, heapless::Vec<core::net::IpAddr, 2>)>,
    /// Our lifetime, if it is shorter than what was offered.
    pub(super) notify_life: Option<Duration>,
}

/// What a negotiation is found by while it has no cookie of ours.
pub(super) type FirstContact = (SocketAddr, Cookie);

/// Octets of the longest SA payload: with it, message 1 still fits one Ethernet frame.
pub(super) const OFFER_LEN: usize = 1408;
/// Octets of the longest answer: quick mode with MODP 4096.
pub(super) const REPLY_LEN: usize = 896;
/// Octets of the longest nonce (RFC 2409 §5).
pub(super) const NONCE_MAX: usize = 256;
/// Octets of the shortest nonce.
pub(super) const NONCE_MIN: usize = 8;
/// Octets of our nonces.
pub(super) const NONCE_LEN: usize = 32;
/// Octets of the longest identity that is kept as it is.
pub(super) const IDENTITY_LEN: usize = 64;
/// Octets of the longest identification payload of quick mode: an IPv6 subnet.
pub(super) const QM_ID_LEN: usize = 36;
/// Octets of the longest SA payload of an answer.
pub(super) const CHOSEN_LEN: usize = ATTRIBUTES_LEN + 8 + 8 + 4 + 8;
/// Octets of the longest attributes of a transform that we choose; clients send up to 36.
pub(super) const ATTRIBUTES_LEN: usize = 100;
pub(super) const SAS_PER_PEER: usize = 4;
pub(super) const EXCHANGES_PER_PEER: usize = 4;
const SEEN: usize = 16;
const RESEND_FIRST: Duration = Duration::from_secs(1);
/// Sendings of a request of ours: after 1, 2, 4, 8 seconds.
const RESEND_TRIES: u8 = 5;
