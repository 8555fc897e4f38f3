//! L2TPv2 as an access concentrator (RFC 2661): one tunnel, one incoming call.
//!
//! Not done: tunnel authentication, hidden AVPs, sequence numbers on data messages.

mod channel;
mod message;

use kumihimo_core::time::Instant;

use super::random::Random;
use super::{Reason, Stage};
use crate::profile::L2tpHabits;
use channel::{Channel, Received};
use message::{Message, assigned, result, text, u16_avp};

/// What happened to the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It carries frames from here on.
    CallUp,
    /// It was never up.
    Failed(Stage, Reason),
    /// It is over.
    Closed(Reason),
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    AwaitSccrp,
    AwaitIcrp,
    Up,
    Over,
}

/// The access concentrator.
#[derive(Debug)]
pub(super) struct Lac {
    habits: &'static L2tpHabits,
    state: State,
    tunnel: u16,
    session: u16,
    peer_tunnel: u16,
    peer_session: u16,
    serial: u32,
    channel: Channel,
    heard_at: Instant,
    hello_at: Option<Instant>,
    events: Vec<Event>,
}

impl Lac {
    pub(super) fn new(habits: &'static L2tpHabits, random: &mut Random) -> Self {
        Self {
            habits,
            state: State::Idle,
            tunnel: random.id16(),
            session: random.id16(),
            peer_tunnel: 0,
            peer_session: 0,
            serial: random.u32(),
            channel: Channel::new(habits.retry),
            heard_at: Instant::ZERO,
            hello_at: None,
            events: Vec::new(),
        }
    }

    /// Sends SCCRQ.
    pub(super) fn dial(&mut self, now: Instant) {
        let habits = self.habits;
        let mut sccrq = Message::new(SCCRQ);
        sccrq.push(2, &[1, 0]);
        sccrq.push(3, &habits.framing.to_be_bytes());
        if let Some(bearer) = habits.bearer {
            sccrq.push(4, &bearer.to_be_bytes());
        }
        if let Some(firmware) = habits.firmware {
            sccrq.push(6, &firmware.to_be_bytes());
        }
        sccrq.push(7, habits.host_name.as_bytes());
        if let Some(vendor) = habits.vendor_name {
            sccrq.push(8, vendor.as_bytes());
        }
        sccrq.push(9, &self.tunnel.to_be_bytes());
        sccrq.push(10, &habits.window.to_be_bytes());
        habits.extra.iter().for_each(|avp| sccrq.push_vendor(avp.vendor, avp.kind, avp.value));
        self.state = State::AwaitSccrp;
        self.channel.send(now, 0, sccrq);
    }

    /// Whether the server has answered for the tunnel.
    pub(super) const fn has_tunnel(&self) -> bool {
        matches!(self.state, State::AwaitIcrp | State::Up)
    }

    /// Sends ICRQ so many times, for calls that are never connected.
    pub(super) fn ask_for_calls(&mut self, now: Instant, count: u16) {
        if !self.has_tunnel() {
            return;
        }
        for number in 1..=count {
            let mut icrq = Message::new(ICRQ);
            icrq.push(14, &self.session.wrapping_add(number).max(1).to_be_bytes());
            icrq.push(15, &self.serial.wrapping_add(number.into()).to_be_bytes());
            self.channel.send(now, 0, icrq);
        }
    }

    /// Says CDN and StopCCN, as far as there is something to end.
    pub(super) fn hang_up(&mut self, now: Instant) {
        if matches!(self.state, State::Idle | State::Over) {
            return;
        }
        if self.peer_session != 0 {
            let mut cdn = Message::new(CDN);
            // 3: administrative reasons.
            cdn.push(1, &[0, 3]);
            cdn.push(14, &self.session.to_be_bytes());
            self.channel.send(now, self.peer_session, cdn);
        }
        let mut stop = Message::new(STOP_CCN);
        stop.push(9, &self.tunnel.to_be_bytes());
        // 6: the requester is being shut down.
        stop.push(1, &[0, 6]);
        self.channel.send(now, 0, stop);
        self.channel.flush(now);
        self.state = State::Over;
        self.hello_at = None;
    }

    /// Takes an L2TP message; returns the frame where it carries one.
    pub(super) fn handle<'m>(&mut self, now: Instant, message: &'m [u8]) -> Option<&'m [u8]> {
        let [flags, version, ..] = *message else { return None };
        if version & 0x0f != 2 {
            return None;
        }
        if flags & 0x80 == 0 {
            return self.on_data(now, flags, message);
        }
        if self.state == State::Idle {
            return None;
        }
        let hears = |kind| kind != HELLO || self.habits.answers_hello;
        let received = self.channel.receive(now, self.tunnel, message, hears)?;
        self.note_life(now);
        if let Received::Message { session, avps } = received {
            self.on_message(now, session, &avps);
        }
        self.channel.acknowledge(now);
        None
    }

    /// What stands in front of a frame of `len` octets.
    pub(super) fn data_header(&self, len: usize) -> Vec<u8> {
        let ids = [self.peer_tunnel.to_be_bytes(), self.peer_session.to_be_bytes()].concat();
        if self.habits.data_length {
            let total = (len as u16).saturating_add(8).to_be_bytes();
            [&[0x40, 2], &total[..], &ids].concat()
        } else {
            [&[0, 2][..], &ids].concat()
        }
    }

    pub(super) fn take_sent(&mut self) -> Vec<Vec<u8>> {
        self.channel.take_sent(self.peer_tunnel)
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.channel.deadline(), self.hello_at].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.channel.handle_timeout(now).is_err() {
            self.fail(Reason::Silence);
        }
        let Some(after) = self.habits.hello_after.filter(|_| self.hello_at.is_some()) else {
            return;
        };
        if self.heard_at + after > now {
            self.hello_at = Some(self.heard_at + after);
        } else if self.hello_at.is_some_and(|at| at <= now) {
            self.hello_at = Some(now + after);
            self.channel.send(now, 0, Message::new(HELLO));
        }
    }

    fn note_life(&mut self, now: Instant) {
        self.heard_at = now;
    }

    fn fail(&mut self, reason: Reason) {
        let event = match self.state {
            State::Idle | State::Over => return,
            State::AwaitSccrp => Event::Failed(Stage::Tunnel, reason),
            State::AwaitIcrp => Event::Failed(Stage::Call, reason),
            State::Up => Event::Closed(reason),
        };
        self.state = State::Over;
        self.hello_at = None;
        self.events.push(event);
    }

    fn on_data<'m>(&mut self, now: Instant, flags: u8, message: &'m [u8]) -> Option<&'m [u8]> {
        let mut at = 2;
        let mut end = message.len();
        if flags & 0x40 != 0 {
            end = usize::from(u16_at(message, at)?);
            at += 2;
        }
        let ids = [u16_at(message, at)?, u16_at(message, at + 2)?];
        at += 4;
        if flags & 0x08 != 0 {
            at += 4;
        }
        if flags & 0x02 != 0 {
            at += 2 + usize::from(u16_at(message, at)?);
        }
        // An LNS may send the first frames before it has our ICCN.
        let is_up = matches!(self.state, State::Up);
        if !is_up || ids != [self.tunnel, self.session] {
            return None;
        }
        self.note_life(now);
        message.get(at..end)
    }

    fn on_message(&mut self, now: Instant, session: u16, avps: &[message::Avp]) {
        let Some(kind) = u16_avp(avps, 0) else { return };
        match (kind, self.state) {
            (SCCRP, State::AwaitSccrp) => {
                let Some(theirs) = assigned(avps, 9) else {
                    return self.fail(Reason::Malformed);
                };
                self.peer_tunnel = theirs;
                self.channel.set_window(u16_avp(avps, 10).unwrap_or(4));
                self.channel.send(now, 0, Message::new(SCCCN));
                let mut icrq = Message::new(ICRQ);
                icrq.push(14, &self.session.to_be_bytes());
                icrq.push(15, &self.serial.to_be_bytes());
                if let Some(bearer) = self.habits.bearer {
                    icrq.push(18, &bearer.to_be_bytes());
                }
                self.channel.send(now, 0, icrq);
                self.state = State::AwaitIcrp;
            }
            (ICRP, State::AwaitIcrp) if session == self.session => {
                let Some(theirs) = assigned(avps, 14) else {
                    return self.fail(Reason::Malformed);
                };
                self.peer_session = theirs;
                let mut iccn = Message::new(ICCN);
                iccn.push(24, &100_000_000_u32.to_be_bytes());
                iccn.push(19, &1_u32.to_be_bytes());
                self.channel.send(now, theirs, iccn);
                self.state = State::Up;
                self.hello_at = self.habits.hello_after.map(|after| now + after);
                self.events.push(Event::CallUp);
            }
            (STOP_CCN, _) => {
                self.fail(Reason::Refused { code: result(avps), text: text(avps) });
            }
            (CDN, _) if session == self.session => {
                let reason = Reason::Refused { code: result(avps), text: text(avps) };
                let was = self.state;
                self.fail(reason);
                // The tunnel stands still; the client takes it down.
                if was != State::Over {
                    self.peer_session = 0;
                    self.state = State::AwaitIcrp;
                }
            }
            _ => {}
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

const SCCRQ: u16 = 1;
const SCCRP: u16 = 2;
const SCCCN: u16 = 3;
const STOP_CCN: u16 = 4;
const HELLO: u16 = 6;
const ICRQ: u16 = 10;
const ICRP: u16 = 11;
const ICCN: u16 = 12;
const CDN: u16 = 14;
