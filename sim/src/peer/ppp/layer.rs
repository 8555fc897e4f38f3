//! The option negotiation that LCP and IPCP share (RFC 1661 §4), for a side that always wants to
//! be up.

use kumihimo_core::time::Instant;

use crate::peer::resend::{Due, Resend};
use crate::profile::Retry;

/// Type and value of an option.
pub(super) type Opt = (u8, Vec<u8>);

/// What is said to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ack,
    Nak(Vec<Opt>),
    Reject(Vec<Opt>),
}

/// What a protocol thinks of options.
pub(super) trait Rules {
    /// What we want.
    fn request(&self) -> Vec<Opt>;
    /// What we say to what the peer wants.
    fn judge(&mut self, options: &[Opt]) -> Verdict;
    /// The peer would like these better.
    fn on_nak(&mut self, options: &[Opt]);
    /// The peer does not know these.
    fn on_reject(&mut self, options: &[Opt]);
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Up,
    Down,
    /// The peer ends it.
    Ended,
    /// It does not answer, or does not agree.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    RequestSent,
    AckReceived,
    AckSent,
    Opened,
}

/// One control protocol.
#[derive(Debug)]
pub(super) struct Layer<R> {
    protocol: u16,
    pub(super) rules: R,
    state: State,
    retry: Retry,
    id: u8,
    /// Identifier of the last Configure-Request.
    request_id: u8,
    resend: Option<Resend>,
    /// Requests of the peer that we did not agree to.
    refused: u32,
    frames: Vec<(u16, Vec<u8>)>,
}

impl<R: Rules> Layer<R> {
    pub(super) const fn new(protocol: u16, rules: R, retry: Retry) -> Self {
        Self {
            protocol,
            rules,
            state: State::Closed,
            retry,
            id: 0,
            request_id: 0,
            resend: None,
            refused: 0,
            frames: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, now: Instant) {
        if self.state == State::Closed {
            self.state = State::RequestSent;
            self.request(now);
        }
    }

    /// Asks anew although it is open; tells whether it was.
    pub(super) fn begin_again(&mut self, now: Instant) -> bool {
        let was_open = self.state == State::Opened;
        if was_open {
            self.state = State::RequestSent;
            self.request(now);
        }
        was_open
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Opened
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.resend = None;
    }

    /// Says that we end it.
    pub(super) fn terminate(&mut self) {
        self.id = self.id.wrapping_add(1);
        self.say(TERMINATE_REQUEST, self.id, &[]);
        self.close();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.resend.as_ref().map(Resend::deadline)
    }

    pub(super) fn take_frames(&mut self) -> Vec<(u16, Vec<u8>)> {
        core::mem::take(&mut self.frames)
    }

    /// A new identifier, for an echo.
    pub(super) fn next_id(&mut self) -> u8 {
        self.id = self.id.wrapping_add(1);
        self.id
    }

    pub(super) fn say(&mut self, code: u8, id: u8, data: &[u8]) {
        let mut packet = vec![code, id];
        packet.extend((4 + data.len() as u16).to_be_bytes());
        packet.extend_from_slice(data);
        self.frames.push((self.protocol, packet));
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Change> {
        match self.resend.as_mut()?.due(now) {
            Due::NotYet => None,
            Due::Again(packet) => {
                self.frames.push((self.protocol, packet));
                if self.state == State::AckReceived {
                    self.state = State::RequestSent;
                }
                None
            }
            Due::Never => {
                self.close();
                Some(Change::Failed)
            }
        }
    }

    /// Takes a packet of codes 1 to 6.
    pub(super) fn handle(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Change> {
        if self.state == State::Closed {
            if packet.code == TERMINATE_REQUEST {
                self.say(TERMINATE_ACK, packet.id, &[]);
            }
            return None;
        }
        match packet.code {
            CONFIGURE_REQUEST => self.on_request(now, packet),
            CONFIGURE_ACK if self.is_answer(packet) => self.on_ack(now, packet),
            CONFIGURE_NAK if self.is_answer(packet) => {
                let options = parse_options(packet.data)?;
                self.on_refusal(now, |rules| rules.on_nak(&options))
            }
            CONFIGURE_REJECT if self.is_answer(packet) => {
                let options = parse_options(packet.data)?;
                self.on_refusal(now, |rules| rules.on_reject(&options))
            }
            TERMINATE_REQUEST => {
                self.say(TERMINATE_ACK, packet.id, &[]);
                self.close();
                Some(Change::Ended)
            }
            TERMINATE_ACK if self.state == State::Opened => {
                self.state = State::RequestSent;
                self.request(now);
                Some(Change::Down)
            }
            _ => None,
        }
    }

    fn is_answer(&self, packet: &Packet<'_>) -> bool {
        packet.id == self.request_id
    }

    fn request(&mut self, now: Instant) {
        self.request_id = self.next_id();
        let options = emit_options(&self.rules.request());
        self.say(CONFIGURE_REQUEST, self.request_id, &options);
        let packet = self.frames.last().map(|frame| frame.1.clone()).unwrap_or_default();
        self.resend = Some(Resend::new(now, packet, self.retry));
    }

    fn on_request(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Change> {
        let options = parse_options(packet.data)?;
        let was_open = self.state == State::Opened;
        if was_open {
            self.state = State::RequestSent;
            self.request(now);
        }
        match self.rules.judge(&options) {
            Verdict::Ack => {
                self.say(CONFIGURE_ACK, packet.id, packet.data);
                if self.state == State::AckReceived {
                    self.state = State::Opened;
                    self.resend = None;
                    return Some(Change::Up);
                }
                self.state = State::AckSent;
            }
            Verdict::Nak(options) | Verdict::Reject(options) if self.refused >= REFUSALS_MAX => {
                self.say(CONFIGURE_REJECT, packet.id, &emit_options(&options));
            }
            Verdict::Nak(options) => self.refuse(CONFIGURE_NAK, packet.id, &options),
            Verdict::Reject(options) => self.refuse(CONFIGURE_REJECT, packet.id, &options),
        }
        was_open.then_some(Change::Down)
    }

    fn refuse(&mut self, code: u8, id: u8, options: &[Opt]) {
        self.refused += u32::from(code == CONFIGURE_NAK);
        self.say(code, id, &emit_options(options));
        if self.state == State::AckSent {
            self.state = State::RequestSent;
        }
    }

    fn on_ack(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Change> {
        if packet.data != emit_options(&self.rules.request()) {
            return None;
        }
        match self.state {
            State::RequestSent => {
                self.state = State::AckReceived;
                // The peer's own request may be lost: ask again later.
                let packet = self.resend.as_ref().map(|it| it.message().to_vec());
                self.resend = packet.map(|packet| Resend::new(now, packet, self.retry));
                None
            }
            State::AckSent => {
                self.state = State::Opened;
                self.resend = None;
                Some(Change::Up)
            }
            State::Opened | State::AckReceived => {
                let was_open = self.state == State::Opened;
                self.state = State::RequestSent;
                self.request(now);
                was_open.then_some(Change::Down)
            }
            State::Closed => None,
        }
    }

    fn on_refusal(&mut self, now: Instant, learn: impl FnOnce(&mut R)) -> Option<Change> {
        let was_open = self.state == State::Opened;
        learn(&mut self.rules);
        if matches!(self.state, State::AckReceived | State::Opened) {
            self.state = State::RequestSent;
        }
        self.request(now);
        was_open.then_some(Change::Down)
    }
}

/// A control packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'p> {
    pub(super) code: u8,
    pub(super) id: u8,
    pub(super) data: &'p [u8],
}

impl<'p> Packet<'p> {
    pub(super) fn parse(octets: &'p [u8]) -> Option<Self> {
        let [code, id, high, low, ..] = *octets else { return None };
        let data = octets.get(4..usize::from(u16::from_be_bytes([high, low])))?;
        Some(Self { code, id, data })
    }
}

pub(super) fn emit_options(options: &[Opt]) -> Vec<u8> {
    let one = |(kind, value): &Opt| [&[*kind, 2 + value.len() as u8], &value[..]].concat();
    options.iter().flat_map(one).collect()
}

pub(super) fn parse_options(mut octets: &[u8]) -> Option<Vec<Opt>> {
    let mut list = Vec::new();
    while let [kind, len, ..] = *octets {
        list.push((kind, octets.get(2..usize::from(len))?.to_vec()));
        octets = &octets[usize::from(len)..];
    }
    octets.is_empty().then_some(list)
}

const CONFIGURE_REQUEST: u8 = 1;
const CONFIGURE_ACK: u8 = 2;
const CONFIGURE_NAK: u8 = 3;
const CONFIGURE_REJECT: u8 = 4;
pub(super) const TERMINATE_REQUEST: u8 = 5;
const TERMINATE_ACK: u8 = 6;
/// Max-Failure (RFC 1661 §4.6).
const REFUSALS_MAX: u32 = 5;
