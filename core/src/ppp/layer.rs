//! One control protocol at work: the automaton with its timer, counters and packets (RFC 1661
//! §4.4 to §5.7).
//!
//! Loss, duplication and reordering are what it is made for:
//! - Every repeated request is answered again, also one that was Acked before the layer opened:
//!   an opened layer repeats the Ack a few times before it takes the request for a new
//!   negotiation. RFC 1661 renegotiates at once, and a late copy would take a working link down.
//! - The Ack to a good request waits until our own request was Acked, or until the peer has
//!   repeated its own twice: so the peer opens last. One that opened first, and whose Ack to us
//!   was lost, would see our request again, and RFC 1661 has it take the working layer down.
//! - Only the first reply to our newest request counts. A repeated request keeps its identifier,
//!   so that a reply to an earlier copy is welcome.

use super::automaton::{self, Action, Event, State};
use super::options::{Judgement, Options};
use super::{Out, send};
use crate::buf::Writer;
use crate::canary::{Fault, is_planted};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::time::{Duration, Instant};
use crate::wire;
use crate::wire::ppp::cp::{self, Packet, code};

/// What a layer tells the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// It came up.
    pub up: bool,
    /// It went down.
    pub down: bool,
    /// It is over.
    pub finished: bool,
    /// The two sides will not agree.
    pub hopeless: bool,
    /// An Echo-Request is to be answered: with LCP's magic number, so the link writes it.
    pub echo: bool,
}

/// A control protocol's state, with its options.
#[derive(Debug)]
pub(super) struct Layer<O> {
    /// Ours and the peer's.
    pub options: O,
    state: State,
    /// Identifier given out last.
    id: u8,
    /// Identifier of our newest Configure-Request.
    request_id: u8,
    /// Whether our newest Configure-Request has had no reply.
    awaits_reply: bool,
    /// The restart counter.
    restarts: u8,
    /// Requests sent without a reply, to wait less at first.
    tries: u8,
    /// Naks sent since the last Ack.
    naks_sent: u8,
    /// Naks and Rejects received since the layer was up.
    naks_received: u8,
    /// The peer's request that we Acked last.
    acked: Option<Acked>,
    /// The Ack that waits for our own request to be Acked.
    held: Option<HeldAck>,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Acked {
    id: u8,
    fingerprint: u64,
    /// How often it came again: since the layer is open, or while the Ack waits.
    repeats: u8,
    opened_at: Instant,
}

/// A Configure-Ack not sent yet.
#[derive(Clone, Copy, Debug)]
struct HeldAck {
    id: u8,
    len: u8,
    data: [u8; HELD_LEN_MAX],
}

impl HeldAck {
    /// The Ack to a request; `None` if that is too long to be kept.
    fn to(packet: &Packet<'_>) -> Option<Self> {
        let mut data = [0; HELD_LEN_MAX];
        data.get_mut(..packet.data.len())?.copy_from_slice(packet.data);
        Some(Self { id: packet.id, len: u8::try_from(packet.data.len()).ok()?, data })
    }
}

/// How a Configure-Request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Ack,
    Nak,
    Reject,
}

impl<O: Options> Layer<O> {
    /// A layer whose lower layer is down and that is closed.
    pub(super) const fn new(options: O) -> Self {
        Self {
            options,
            state: State::Initial,
            id: 0,
            request_id: 0,
            awaits_reply: false,
            restarts: 0,
            tries: 0,
            naks_sent: 0,
            naks_received: 0,
            acked: None,
            held: None,
            deadline: None,
        }
    }

    /// Whether packets of what it controls may pass.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Opened
    }

    /// Whether it takes packets.
    pub(super) fn is_up(&self) -> bool {
        !matches!(self.state, State::Initial | State::Starting)
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The lower layer is up: everything is negotiated anew.
    pub(super) fn handle_up(&mut self, now: Instant, rng: &mut Rng, out: &mut Out) -> Signals {
        self.options.reset(rng);
        self.acked = None;
        self.awaits_reply = false;
        self.naks_sent = 0;
        self.naks_received = 0;
        self.apply(now, Event::Up, None, out)
    }

    /// Lets `event`, neither a packet nor the timer nor [`Event::Up`], happen.
    pub(super) fn happen(&mut self, now: Instant, event: Event, out: &mut Out) -> Signals {
        self.apply(now, event, None, out)
    }

    /// The restart timer is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Out) -> Signals {
        if self.deadline.is_none_or(|at| at > now) {
            return Signals::default();
        }
        self.deadline = None;
        let event = if self.restarts > 0 { Event::TimeoutMore } else { Event::TimeoutLast };
        self.apply(now, event, None, out)
    }

    /// Takes a packet of the codes that every control protocol has; others are unknown codes.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Signals, DropReason> {
        if !self.is_up() {
            return Err(DropReason::LinkDown);
        }
        let event = match packet.code {
            code::CONFIGURE_REQUEST => return self.on_request(now, packet, out),
            code::CONFIGURE_ACK => self.on_ack(packet)?,
            code::CONFIGURE_NAK | code::CONFIGURE_REJECT => {
                return self.on_nak(now, rng, packet, out);
            }
            code::TERMINATE_REQUEST => Event::TerminateRequest,
            code::TERMINATE_ACK => Event::TerminateAck,
            code::CODE_REJECT => match packet.data.first() {
                Some(code::CONFIGURE_REQUEST..=code::CODE_REJECT) => Event::RejectFatal,
                Some(_) => Event::RejectMinor,
                None => return Err(DropReason::Truncated),
            },
            _ => Event::UnknownCode,
        };
        Ok(self.apply(now, event, Some(packet), out))
    }

    /// Identifier for a packet of our own that is no reply.
    pub(super) const fn next_id(&mut self) -> u8 {
        self.id = self.id.wrapping_add(1);
        self.id
    }

    fn on_request(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Signals, DropReason> {
        let reply = self.judge(packet.data)?;
        if self.state == State::Opened
            && let Some(acked) = &mut self.acked
        {
            if acked.fingerprint == fingerprint(packet.data) && acked.repeats < REPEATS_MAX {
                acked.repeats += 1;
                acked.id = packet.id;
                send_ack::<O>(packet.id, packet.data, out);
                return Ok(Signals::default());
            }
            let behind = acked.id.wrapping_sub(packet.id);
            let fresh = now.since(acked.opened_at) < STRAGGLERS_FOR;
            if fresh && (1..=STRAGGLERS_BEHIND).contains(&behind) {
                return Err(DropReason::Duplicate);
            }
        }
        let event = match reply {
            Reply::Ack => Event::GoodRequest,
            Reply::Nak | Reply::Reject => Event::BadRequest,
        };
        Ok(self.apply(now, event, Some(packet), out))
    }

    /// Checks that an Ack repeats our request (RFC 1661 §5.2).
    fn on_ack(&mut self, packet: &Packet<'_>) -> Result<Event, DropReason> {
        if !self.is_closing() {
            self.expect_reply(packet)?;
            let mut room = [0; 64];
            let mut writer = Writer::new(&mut room);
            self.options.emit_request(&mut writer);
            if writer.written() != packet.data {
                return Err(DropReason::UnexpectedPpp);
            }
            self.awaits_reply = false;
        }
        Ok(Event::Ack)
    }

    fn on_nak(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Signals, DropReason> {
        if !self.is_closing() {
            self.expect_reply(packet)?;
            cp::choices(packet.data).try_for_each(|choice| choice.map(drop))?;
            self.awaits_reply = false;
            self.naks_received = self.naks_received.saturating_add(1);
            let mut agreeable = self.naks_received <= NAKS_RECEIVED_MAX;
            for choice in cp::choices(packet.data).flatten() {
                let handled = if packet.code == code::CONFIGURE_NAK {
                    self.options.handle_nak(&choice, rng)
                } else {
                    self.options.handle_reject(&choice)
                };
                agreeable &= handled.is_ok();
            }
            if !agreeable {
                return Ok(Signals { hopeless: true, ..Signals::default() });
            }
        }
        Ok(self.apply(now, Event::Nak, Some(packet), out))
    }

    fn expect_reply(&self, packet: &Packet<'_>) -> Result<(), DropReason> {
        match (packet.id == self.request_id, self.awaits_reply) {
            (true, true) => Ok(()),
            (true, false) => Err(DropReason::Duplicate),
            (false, _) => Err(DropReason::UnexpectedPpp),
        }
    }

    /// Whether it is closed or closing: no reply matters any more.
    pub(super) fn is_closing(&self) -> bool {
        use State::{Closed, Closing, Stopped, Stopping};
        matches!(self.state, Closed | Stopped | Closing | Stopping)
    }

    fn judge(&self, request: &[u8]) -> Result<Reply, wire::Error> {
        let mut reply = Reply::Ack;
        for choice in cp::choices(request) {
            reply = match self.judge_one(&choice?) {
                Judgement::Reject => Reply::Reject,
                Judgement::Nak(_) | Judgement::Insist(_) if reply == Reply::Ack => Reply::Nak,
                _ => reply,
            };
        }
        if reply == Reply::Ack && self.options.missing(request).is_some() {
            reply = Reply::Nak;
        }
        Ok(reply)
    }

    fn judge_one(&self, choice: &cp::Choice<'_>) -> Judgement {
        match self.options.judge(choice) {
            Judgement::Nak(_) if self.naks_sent >= MAX_FAILURE => Judgement::Reject,
            judgement => judgement,
        }
    }

    /// Carries out the automaton's step.
    fn apply(
        &mut self,
        now: Instant,
        event: Event,
        packet: Option<&Packet<'_>>,
        out: &mut Out,
    ) -> Signals {
        let mut signals = Signals::default();
        let Some((actions, next)) = automaton::step(self.state, event) else {
            return signals;
        };
        for &action in actions {
            self.act(action, next, packet, &mut signals, out);
        }
        self.state = next;
        if next != State::AckSent {
            self.held = None;
        }
        if signals.up {
            self.naks_received = 0;
            if let Some(acked) = &mut self.acked {
                acked.repeats = 0;
                acked.opened_at = now;
            }
        }
        self.arm(now, actions);
        signals
    }

    fn act(
        &mut self,
        action: Action,
        next: State,
        packet: Option<&Packet<'_>>,
        signals: &mut Signals,
        out: &mut Out,
    ) {
        match (action, packet) {
            (Action::LayerUp, _) => {
                self.send_held(out);
                signals.up = true;
            }
            (Action::LayerDown, _) => signals.down = true,
            (Action::LayerStarted, _) => {}
            (Action::LayerFinished, _) => signals.finished = true,
            (Action::InitRestartCount, _) => {
                let closing = matches!(next, State::Closing | State::Stopping);
                self.restarts = if closing { MAX_TERMINATE } else { MAX_CONFIGURE };
                self.tries = 0;
            }
            (Action::ZeroRestartCount, _) => self.restarts = 0,
            (Action::SendRequest, _) => self.send_request(out),
            (Action::SendTerminateRequest, _) => {
                self.restarts = self.restarts.saturating_sub(1);
                send(out, O::PROTOCOL, code::TERMINATE_REQUEST, self.next_id(), |_| {});
            }
            (Action::SendAck, Some(packet)) => self.on_good_request(packet, next, out),
            (Action::SendNak, Some(packet)) => self.send_refusal(packet, out),
            (Action::SendTerminateAck, Some(packet)) => {
                send(out, O::PROTOCOL, code::TERMINATE_ACK, packet.id, |_| {});
            }
            (Action::SendCodeReject, Some(packet)) => {
                let id = self.next_id();
                let rejected = packet.whole.get(..REJECTED_LEN_MAX).unwrap_or(packet.whole);
                send(out, O::PROTOCOL, code::CODE_REJECT, id, |writer| writer.put(rejected));
            }
            (Action::SendEchoReply, _) => signals.echo = true,
            (_, None) => {}
        }
    }

    /// Sends a Configure-Request: a new one, or the same again while there is no reply.
    fn send_request(&mut self, out: &mut Out) {
        if !self.awaits_reply {
            self.request_id = self.next_id();
        }
        self.awaits_reply = true;
        self.restarts = self.restarts.saturating_sub(1);
        let options = &self.options;
        send(out, O::PROTOCOL, code::CONFIGURE_REQUEST, self.request_id, |writer| {
            options.emit_request(writer);
        });
    }

    fn take_over(&mut self, packet: &Packet<'_>, repeats: u8) {
        self.options.reset_peer();
        cp::choices(packet.data).flatten().for_each(|choice| self.options.accept(&choice));
        self.naks_sent = 0;
        self.acked = Some(Acked {
            id: packet.id,
            fingerprint: fingerprint(packet.data),
            repeats,
            opened_at: Instant::ZERO,
        });
    }

    /// Acks a request now or keeps the Ack for later.
    fn on_good_request(&mut self, packet: &Packet<'_>, next: State, out: &mut Out) {
        let same = self.acked.filter(|acked| acked.fingerprint == fingerprint(packet.data));
        let repeats = match same {
            Some(acked) if next == self.state => acked.repeats.saturating_add(1),
            _ => 0,
        };
        self.take_over(packet, repeats);
        self.held = HeldAck::to(packet);
        let is_now = repeats >= HELD_REPEATS || is_planted(Fault::ClientOpensFirst);
        if next == State::Opened || is_now || self.held.is_none() {
            self.held = None;
            send_ack::<O>(packet.id, packet.data, out);
        }
    }

    fn send_held(&mut self, out: &mut Out) {
        let Some(HeldAck { id, len, data }) = self.held.take() else { return };
        send_ack::<O>(id, data.get(..usize::from(len)).unwrap_or_default(), out);
    }

    /// Sends a Configure-Reject if an option is to be rejected, else a Configure-Nak.
    fn send_refusal(&mut self, packet: &Packet<'_>, out: &mut Out) {
        let rejects = self.judge(packet.data) == Ok(Reply::Reject);
        let choices = cp::choices(packet.data).flatten();
        if rejects {
            send(out, O::PROTOCOL, code::CONFIGURE_REJECT, packet.id, |writer| {
                for choice in choices {
                    if self.judge_one(&choice) == Judgement::Reject {
                        writer.put(choice.whole);
                    }
                }
            });
            return;
        }
        if self.naks_sent > 0 && is_planted(Fault::NakNotRepeated) {
            return;
        }
        send(out, O::PROTOCOL, code::CONFIGURE_NAK, packet.id, |writer| {
            for choice in choices {
                if let Judgement::Nak(value) | Judgement::Insist(value) = self.judge_one(&choice) {
                    cp::emit_choice(writer, choice.kind, &value);
                }
            }
            if let Some((kind, value)) = self.options.missing(packet.data) {
                cp::emit_choice(writer, kind, &value);
            }
        });
        self.naks_sent = self.naks_sent.saturating_add(1);
    }

    /// Sets the restart timer as the new state needs it.
    fn arm(&mut self, now: Instant, actions: &[Action]) {
        use State::{AckRcvd, AckSent, Closing, ReqSent, Stopping};
        if !matches!(self.state, Closing | Stopping | ReqSent | AckRcvd | AckSent) {
            self.deadline = None;
            return;
        }
        let sent = actions
            .iter()
            .any(|action| matches!(action, Action::SendRequest | Action::SendTerminateRequest));
        let zeroed = actions.contains(&Action::ZeroRestartCount);
        if sent || zeroed || self.deadline.is_none() {
            let first = zeroed || self.tries < QUICK_TRIES;
            self.tries = self.tries.saturating_add(1);
            self.deadline = Some(now + if first { RESTART_FIRST } else { RESTART });
        }
    }
}

fn send_ack<O: Options>(id: u8, data: &[u8], out: &mut Out) {
    send(out, O::PROTOCOL, code::CONFIGURE_ACK, id, |writer| writer.put(data));
}

/// Tells two requests apart (FNV-1a). A peer that forges a collision only fools itself.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Max-Configure (RFC 1661 §4.6 has 10; the quick tries make up for time, not for patience).
const MAX_CONFIGURE: u8 = 15;
/// Max-Terminate.
const MAX_TERMINATE: u8 = 2;
/// Max-Failure.
const MAX_FAILURE: u8 = 5;
/// The restart timer.
const RESTART: Duration = Duration::from_secs(3);
/// The restart timer of the first tries: a loss on the way should not cost three seconds.
const RESTART_FIRST: Duration = Duration::from_secs(1);
/// Tries that wait [`RESTART_FIRST`].
const QUICK_TRIES: u8 = 5;
/// Naks and Rejects of ours after which the two sides will not agree.
const NAKS_RECEIVED_MAX: u8 = 20;
/// Copies of an Acked request that an open layer Acks again.
const REPEATS_MAX: u8 = 5;
/// Options of a request whose Ack may wait, in octets; stock clients send up to 30 once they agree.
const HELD_LEN_MAX: usize = 40;
/// Copies of a request after which its Ack waits no longer: the peer may wait for it too.
const HELD_REPEATS: u8 = 2;
/// Time in which requests older than the Acked one may still arrive.
const STRAGGLERS_FOR: Duration = Duration::from_secs(10);
/// How much older they are, in identifiers.
const STRAGGLERS_BEHIND: u8 = 16;
/// Octets of an unknown packet that a Code-Reject repeats; within every MRU that we accept.
const REJECTED_LEN_MAX: usize = 512;
