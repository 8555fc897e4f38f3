//! PAP as authenticator (RFC 1334 §2).
//!
//! The client repeats its request until it is answered, with another identifier each time as
//! likely as not, so a repeated request is recognised by its content.

use super::auth::{ANSWER_WITHIN, Progress, VERDICT_WITHIN, may_retry};
use super::layer::fingerprint;
use super::{Action, Out, Question, QuestionProof, send};
use crate::credentials::{Refusal, Verdict};
use crate::discard::DropReason;
use crate::event::FailureCause;
use crate::time::Instant;
use crate::wire::ppp::Protocol;
use crate::wire::ppp::cp::Packet;
use crate::wire::ppp::pap::{self, Request};

/// One client being authenticated.
pub(super) struct Pap {
    /// Of the newest request.
    id: u8,
    /// Of the request that was taken last.
    request: u64,
    /// Requests that were taken.
    attempts: u8,
    state: State,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    /// For the first request.
    Waiting,
    /// The question was asked.
    AwaitingVerdict,
    /// An Ack was sent.
    Accepted,
    /// A Nak was sent.
    Refused(Refusal),
}

impl Pap {
    pub(super) fn begin(now: Instant) -> Self {
        let deadline = Some(now + ANSWER_WITHIN);
        Self { id: 0, request: 0, attempts: 0, state: State::Waiting, deadline }
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
        if packet.code != pap::REQUEST {
            return Err(DropReason::UnexpectedPpp);
        }
        let request = Request::parse(packet.data)?;
        let repeated = self.attempts > 0 && fingerprint(packet.data) == self.request;
        match self.state {
            State::Accepted | State::Refused(_) if repeated => {
                self.id = packet.id;
                self.send_answer(out);
                Ok(None)
            }
            State::AwaitingVerdict if repeated => {
                self.id = packet.id;
                Err(DropReason::Duplicate)
            }
            State::AwaitingVerdict | State::Accepted => Err(DropReason::UnexpectedPpp),
            State::Refused(refusal) if !may_retry(refusal, self.attempts) => {
                Err(DropReason::UnexpectedPpp)
            }
            State::Waiting | State::Refused(_) => {
                self.id = packet.id;
                self.request = fingerprint(packet.data);
                Ok(self.ask(now, &request, out))
            }
        }
    }

    pub(super) fn handle_verdict(
        &mut self,
        now: Instant,
        verdict: &Verdict,
        out: &mut Out,
    ) -> Progress {
        if !matches!(self.state, State::AwaitingVerdict) {
            return Progress::None;
        }
        match *verdict {
            Verdict::Accept { .. } => {
                self.state = State::Accepted;
                self.deadline = None;
                self.send_answer(out);
                Progress::Accepted
            }
            Verdict::Refuse(refusal) => {
                self.state = State::Refused(refusal);
                self.deadline = Some(now + ANSWER_WITHIN);
                self.send_answer(out);
                if may_retry(refusal, self.attempts) {
                    Progress::Refused(refusal)
                } else {
                    Progress::Failed(FailureCause::Refused(refusal))
                }
            }
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant, out: &mut Out) -> Progress {
        match self.state {
            State::Waiting => Progress::Failed(FailureCause::Silence),
            State::AwaitingVerdict => {
                self.handle_verdict(now, &Verdict::Refuse(Refusal::Timeout), out)
            }
            State::Accepted => Progress::None,
            State::Refused(refusal) => Progress::Failed(FailureCause::Refused(refusal)),
        }
    }

    fn ask(&mut self, now: Instant, request: &Request<'_>, out: &mut Out) -> Option<u64> {
        let name = out.emit(|writer| writer.put(request.name))?;
        let password = out.emit(|writer| writer.put(request.password))?;
        self.state = State::AwaitingVerdict;
        self.attempts = self.attempts.saturating_add(1);
        self.deadline = Some(now + VERDICT_WITHIN);
        let proof = QuestionProof::Pap { password };
        out.push(Action::Authenticate(Question { name, proof }));
        Some(fingerprint(request.name))
    }

    fn send_answer(&self, out: &mut Out) {
        let (code, message): (_, &[u8]) = match self.state {
            State::Accepted => (pap::ACK, b"Welcome"),
            State::Refused(_) => (pap::NAK, b"Access denied"),
            State::Waiting | State::AwaitingVerdict => return,
        };
        send(out, Protocol::PAP, code, self.id, |writer| pap::emit_message(writer, message));
    }
}
