//! What IKE asks the server to do.

use crate::addr::Path;
use crate::crypto::dh::{DhJob, Public};
use crate::crypto::{Group, Secret};
use crate::discard::DropReason;
use crate::event::{DownCause, Event};
use crate::ids::PeerId;
use crate::ipsec::{SaParams, Spi};
use crate::outbox::{Outbox, Span};

use super::table::{ExchangeKey, NegotiationKey};

/// The actions of one call, in the order in which they must be carried out.
pub type Out = Outbox<Action, ACTIONS_MAX, OCTETS_MAX>;

/// Something the server has to do for IKE.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "no allocator to box the large ones")]
pub enum Action {
    /// Send an ISAKMP message; on port 4500 the server puts the non-ESP marker in front.
    Send {
        /// Between which addresses.
        path: Path,
        /// The message, in the outbox.
        message: Span,
    },
    /// Send a NAT keepalive (RFC 3948 §4).
    Keepalive {
        /// Between which addresses.
        path: Path,
    },
    /// Compute this and answer with `Ike::handle_dh`. At most one in each call.
    Dh {
        /// Comes back with the answer.
        token: DhToken,
        /// What to compute.
        job: Job,
    },
    /// Make a pair of SAs: receive on it at once, do not send yet.
    InstallSa(SaParams),
    /// Send on the pair with this inbound SPI from now on: the peer is known to receive.
    ActivateSa(Spi),
    /// Remove the pair with this inbound SPI.
    DeleteSa(Spi),
    /// The peer is elsewhere now: send its ESP there. IKE has raised the event already.
    PeerMoved {
        /// Who.
        peer: PeerId,
        /// Where it is.
        path: Path,
    },
    /// The peer is gone: remove its SAs, tunnels and sessions. IKE has raised the event already.
    PeerDown {
        /// Who.
        peer: PeerId,
        /// Why.
        cause: DownCause,
    },
    /// A fact.
    Event(Event),
}

/// A [`DhJob`] whose long part is in the outbox.
#[derive(Debug)]
pub struct Job {
    group: Group,
    private: Secret<66>,
    peer_public: Option<Span>,
    wants_public: bool,
}

impl Job {
    /// The job, whose long part is in `out`.
    pub fn assemble(self, out: &Out) -> DhJob {
        let Self { group, private, peer_public, wants_public } = self;
        let public = |span| Public::from_slice(out.bytes(span)).unwrap_or_default();
        DhJob { group, private, peer_public: peer_public.map(public), wants_public }
    }
}

/// Asks for `job`.
///
/// # Errors
/// [`DropReason::OutboxFull`].
pub(super) fn ask(out: &mut Out, waiting: Waiting, job: DhJob) -> Result<(), DropReason> {
    let DhJob { group, private, peer_public, wants_public } = job;
    let peer_public = match peer_public {
        Some(public) => {
            let span = out.emit(|writer| writer.put(&public));
            Some(span.ok_or(DropReason::OutboxFull)?)
        }
        None => None,
    };
    let job = Job { group, private, peer_public, wants_public };
    out.push(Action::Dh { token: DhToken(waiting), job });
    Ok(())
}

/// Names the exchange that waits for a Diffie-Hellman result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DhToken(pub(super) Waiting);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waiting {
    Phase1(NegotiationKey),
    Phase2(ExchangeKey),
}

#[cfg(test)]
impl DhToken {
    /// Nobody waits for this one.
    pub(crate) fn of_nobody() -> Self {
        Self(Waiting::Phase1(crate::store::Key { index: 0, generation: 0 }.into()))
    }
}

/// The most actions that one call pushes.
pub const ACTIONS_MAX: usize = 12;
/// Octets of two messages, each with a 4096-bit key exchange.
const OCTETS_MAX: usize = 2048;
