//! MS-CHAPv2 in CHAP, as authenticator (RFC 1994, RFC 2759 §3 to §6).
//!
//! A Challenge is repeated with a new identifier and new content (RFC 1994 §4.1): pppd keeps only
//! what it computed for the newest Challenge, and would take our proof for an older one for a
//! forgery. A Success is repeated until the client goes on, since a client that lost it waits for
//! it without asking.

use super::auth::{ANSWER_WITHIN, Progress, VERDICT_WITHIN, may_retry};
use super::layer::fingerprint;
use super::{Action, Out, Question, QuestionProof, send};
use crate::credentials::{Refusal, Verdict};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::FailureCause;
use crate::time::{Duration, Instant};
use crate::wire::ppp::Protocol;
use crate::wire::ppp::chap::{self, Failure, MsChapV2Response, Valued};
use crate::wire::ppp::cp::Packet;

/// One client being authenticated.
pub(super) struct Chap {
    /// Of the Challenge, then of the Response.
    id: u8,
    /// What the next Response has to answer.
    challenge: [u8; 16],
    /// Of the Response that was taken last.
    response: u64,
    /// Responses that were taken.
    attempts: u8,
    /// How often the packet that we wait on was sent.
    sent: u8,
    state: State,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    /// A Challenge was sent.
    Challenged,
    /// The question was asked.
    AwaitingVerdict,
    /// A Success was sent, with this proof.
    Succeeded([u8; 20]),
    /// A Failure was sent; `until` bounds the wait for another try.
    Refused { refusal: Refusal, until: Instant },
}

impl Chap {
    pub(super) fn begin(now: Instant, rng: &mut Rng, name: &str, out: &mut Out) -> Self {
        let mut chap = Self {
            id: rng.u32() as u8,
            challenge: [0; 16],
            response: 0,
            attempts: 0,
            sent: 0,
            state: State::Challenged,
            deadline: None,
        };
        chap.send_challenge(now, rng, name, out);
        chap
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) const fn disarm(&mut self) {
        self.deadline = None;
    }

    pub(super) fn handle(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Option<u64>, DropReason> {
        if packet.code != chap::RESPONSE {
            return Err(DropReason::UnexpectedPpp);
        }
        let valued = Valued::parse(packet.data)?;
        let response = MsChapV2Response::parse(valued.value)?;
        let repeated = packet.id == self.id && fingerprint(packet.data) == self.response;
        let expected = match self.state {
            State::Challenged => packet.id == self.id,
            State::AwaitingVerdict | State::Succeeded(_) => false,
            // The identifier of another try is the Failure's plus one (RFC 2759 §9.4).
            State::Refused { .. } => packet.id.wrapping_sub(self.id) <= 1,
        };
        match self.state {
            State::Succeeded(_) | State::Refused { .. } if repeated => {
                self.send_answer(out);
                Ok(None)
            }
            State::AwaitingVerdict if repeated => Err(DropReason::Duplicate),
            _ if !expected => Err(DropReason::UnexpectedPpp),
            // Our own challenge thrown back: nobody draws it twice by chance.
            _ if response.peer_challenge == self.challenge => Err(DropReason::UnexpectedPpp),
            _ => {
                self.id = packet.id;
                self.response = fingerprint(packet.data);
                Ok(self.ask(now, &response, valued.name, out))
            }
        }
    }

    pub(super) fn handle_verdict(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        verdict: &Verdict,
        out: &mut Out,
    ) -> Progress {
        if !matches!(self.state, State::AwaitingVerdict) {
            return Progress::None;
        }
        self.sent = 0;
        match *verdict {
            Verdict::Accept { authenticator_response: Some(proof) } => {
                self.state = State::Succeeded(proof);
                self.send_answer(out);
                self.deadline = Some(now + RESEND_FIRST);
                Progress::Accepted
            }
            // Without the proof the client would take us for an impostor.
            Verdict::Accept { authenticator_response: None } => {
                self.refuse(now, rng, Refusal::MethodRefused, out)
            }
            Verdict::Refuse(refusal) => self.refuse(now, rng, refusal, out),
        }
    }

    pub(super) fn on_timeout(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        name: &str,
        out: &mut Out,
    ) -> Progress {
        match self.state {
            State::Challenged if self.sent < CHALLENGES_MAX => {
                self.send_challenge(now, rng, name, out);
            }
            State::Challenged => return Progress::Failed(FailureCause::Silence),
            State::AwaitingVerdict => {
                return self.handle_verdict(now, rng, &Verdict::Refuse(Refusal::Timeout), out);
            }
            State::Succeeded(_) => {
                self.send_answer(out);
                self.deadline = Some(now + RESEND).filter(|_| self.sent < ANSWERS_MAX);
            }
            State::Refused { until, .. } if self.sent < FAILURES_MAX => {
                self.send_answer(out);
                let next = if self.sent < FAILURES_MAX { now + RESEND } else { until };
                self.deadline = Some(next);
            }
            State::Refused { refusal, .. } => {
                return Progress::Failed(FailureCause::Refused(refusal));
            }
        }
        Progress::None
    }

    /// The client goes on: it has got the Success.
    pub(super) const fn confirm(&mut self) {
        if matches!(self.state, State::Succeeded(_)) {
            self.disarm();
        }
    }

    fn ask(
        &mut self,
        now: Instant,
        response: &MsChapV2Response,
        name: &[u8],
        out: &mut Out,
    ) -> Option<u64> {
        let span = out.emit(|writer| writer.put(name))?;
        self.state = State::AwaitingVerdict;
        self.attempts = self.attempts.saturating_add(1);
        self.deadline = Some(now + VERDICT_WITHIN);
        let proof = QuestionProof::MsChapV2 {
            authenticator_challenge: self.challenge,
            peer_challenge: response.peer_challenge,
            nt_response: response.nt_response,
        };
        out.push(Action::Authenticate(Question { name: span, proof }));
        Some(fingerprint(name))
    }

    fn refuse(&mut self, now: Instant, rng: &mut Rng, refusal: Refusal, out: &mut Out) -> Progress {
        self.state = State::Refused { refusal, until: now + ANSWER_WITHIN };
        self.challenge = rng.array();
        self.send_answer(out);
        self.deadline = Some(now + RESEND);
        if may_retry(refusal, self.attempts) {
            Progress::Refused(refusal)
        } else {
            Progress::Failed(FailureCause::Refused(refusal))
        }
    }

    fn send_challenge(&mut self, now: Instant, rng: &mut Rng, name: &str, out: &mut Out) {
        self.id = self.id.wrapping_add(1);
        self.challenge = rng.array();
        let challenge = Valued { value: &self.challenge, name: name.as_bytes() };
        send(out, Protocol::CHAP, chap::CHALLENGE, self.id, |writer| challenge.emit(writer));
        self.deadline = Some(now + if self.sent == 0 { RESEND_FIRST } else { RESEND });
        self.sent = self.sent.saturating_add(1);
    }

    /// Sends the Success or Failure.
    fn send_answer(&mut self, out: &mut Out) {
        self.sent = self.sent.saturating_add(1);
        match self.state {
            State::Succeeded(proof) => {
                send(out, Protocol::CHAP, chap::SUCCESS, self.id, |writer| {
                    chap::emit_success(writer, &proof, b"Welcome");
                });
            }
            State::Refused { refusal, .. } => {
                let failure = Failure {
                    error: error_number(refusal),
                    retry: may_retry(refusal, self.attempts),
                    challenge: &self.challenge,
                    message: b"Access denied",
                };
                send(out, Protocol::CHAP, chap::FAILURE, self.id, |writer| failure.emit(writer));
            }
            State::Challenged | State::AwaitingVerdict => {}
        }
    }
}

/// Windows' number for a refusal (RFC 2759 §6). That a user is unknown is not told.
const fn error_number(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::UnknownUser | Refusal::WrongPassword | Refusal::Timeout => 691,
        Refusal::Expired => 647,
        Refusal::MethodRefused | Refusal::TooManySessions | Refusal::NoRoom => 649,
    }
}

/// Wait after the first Challenge or Success: longer than any sane round trip.
const RESEND_FIRST: Duration = Duration::from_secs(2);
const RESEND: Duration = Duration::from_secs(3);
const CHALLENGES_MAX: u8 = 10;
const ANSWERS_MAX: u8 = 10;
const FAILURES_MAX: u8 = 3;
