//! The authentication phase, whichever method was agreed on.

use super::Out;
use super::chap::Chap;
use super::lcp::Method;
use super::pap::Pap;
use crate::credentials::{Refusal, Verdict};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::FailureCause;
use crate::time::{Duration, Instant};
use crate::wire::ppp::Protocol;
use crate::wire::ppp::cp::Packet;

/// The method at work.
pub(super) enum Auth {
    Chap(Chap),
    Pap(Pap),
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing new.
    None,
    /// The client may enter.
    Accepted,
    /// The client may not enter, but may try again.
    Refused(Refusal),
    /// It is over.
    Failed(FailureCause),
}

impl Auth {
    /// Begins with `method`, as server `name`.
    pub(super) fn begin(
        now: Instant,
        rng: &mut Rng,
        method: Method,
        name: &str,
        out: &mut Out,
    ) -> Self {
        match method {
            Method::MsChapV2 => Self::Chap(Chap::begin(now, rng, name, out)),
            Method::Pap => Self::Pap(Pap::begin(now)),
        }
    }

    /// The protocol whose packets it takes.
    pub(super) const fn protocol(&self) -> Protocol {
        match self {
            Self::Chap(_) => Protocol::CHAP,
            Self::Pap(_) => Protocol::PAP,
        }
    }

    /// Takes a packet; tells the name's fingerprint when it asks a question.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Option<u64>, DropReason> {
        match self {
            Self::Chap(chap) => chap.handle(now, packet, out),
            Self::Pap(pap) => pap.handle(now, packet, out),
        }
    }

    /// Takes the answer to the question.
    pub(super) fn handle_verdict(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        verdict: &Verdict,
        out: &mut Out,
    ) -> Progress {
        match self {
            Self::Chap(chap) => chap.handle_verdict(now, rng, verdict, out),
            Self::Pap(pap) => pap.handle_verdict(now, verdict, out),
        }
    }

    /// The timer may be due.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        name: &str,
        out: &mut Out,
    ) -> Progress {
        if self.deadline().is_none_or(|at| at > now) {
            return Progress::None;
        }
        self.disarm();
        match self {
            Self::Chap(chap) => chap.on_timeout(now, rng, name, out),
            Self::Pap(pap) => pap.on_timeout(now, out),
        }
    }

    /// The client has gone on: it knows that it was accepted.
    pub(super) const fn confirm(&mut self) {
        if let Self::Chap(chap) = self {
            chap.confirm();
        }
    }

    /// The link ends: nothing is waited for any more.
    pub(super) const fn disarm(&mut self) {
        match self {
            Self::Chap(chap) => chap.disarm(),
            Self::Pap(pap) => pap.disarm(),
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Chap(chap) => chap.deadline(),
            Self::Pap(pap) => pap.deadline(),
        }
    }
}

/// Whether a refused client may try again on the same link.
pub(super) const fn may_retry(refusal: Refusal, attempts: u8) -> bool {
    matches!(refusal, Refusal::UnknownUser | Refusal::WrongPassword) && attempts < ATTEMPTS_MAX
}

/// How long a question may remain unanswered: push confirmations take their time.
pub(super) const VERDICT_WITHIN: Duration = Duration::from_secs(180);
/// How long a user may take to type a name and a password.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Wrong answers until the link ends.
const ATTEMPTS_MAX: u8 = 3;
