//! The reliable channel of control messages (RFC 2661 §5.8, appendix A).
//!
//! Without slow start: a client has never more than three messages to send.

use std::collections::VecDeque;

use kumihimo_core::time::Instant;

use super::message::{Avp, Message, parse, u16_avp};
use super::u16_at;
use crate::peer::resend::{Due, Resend};
use crate::profile::Retry;

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// The next message in order.
    Message { session: u16, avps: Vec<Avp> },
    /// Nothing new.
    Nothing,
}

/// Both directions of the channel.
#[derive(Debug)]
pub(super) struct Channel {
    retry: Retry,
    /// Number of the next message that we send.
    next_send: u16,
    /// Number of the next message that we await.
    next_receive: u16,
    window: u16,
    /// Session and text of messages that are not acknowledged; the first `under_way` were sent.
    waiting: VecDeque<(u16, Message)>,
    under_way: usize,
    /// Number of the first one of `waiting`.
    first: u16,
    resend: Option<Resend>,
    owes_ack: bool,
    /// Session, number, body.
    sent: Vec<(u16, u16, Vec<u8>)>,
}

/// The peer did not acknowledge.
#[derive(Debug)]
pub(super) struct Silent;

impl Channel {
    pub(super) const fn new(retry: Retry) -> Self {
        Self {
            retry,
            next_send: 0,
            next_receive: 0,
            // What one may assume before the peer says more.
            window: 4,
            waiting: VecDeque::new(),
            under_way: 0,
            first: 0,
            resend: None,
            owes_ack: false,
            sent: Vec::new(),
        }
    }

    pub(super) fn set_window(&mut self, window: u16) {
        self.window = window.max(1);
    }

    pub(super) fn send(&mut self, now: Instant, session: u16, message: Message) {
        self.waiting.push_back((session, message));
        self.advance(now);
    }

    /// Sends what waits, whether the window allows it or not: there is no time left.
    pub(super) fn flush(&mut self, now: Instant) {
        self.window = u16::MAX;
        self.advance(now);
        self.resend = None;
    }

    fn advance(&mut self, now: Instant) {
        while self.under_way < self.waiting.len() && self.under_way < usize::from(self.window) {
            let (session, message) = &self.waiting[self.under_way];
            self.sent.push((*session, self.next_send, message.octets().to_vec()));
            self.next_send = self.next_send.wrapping_add(1);
            self.under_way += 1;
            self.owes_ack = false;
        }
        if self.under_way > 0 && self.resend.is_none() {
            self.resend = Some(Resend::new(now, Vec::new(), self.retry));
        }
    }

    /// Takes a control message; `None` if it is none of ours.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        tunnel: u16,
        message: &[u8],
        hears: impl Fn(u16) -> bool,
    ) -> Option<Received> {
        // T, L and S, version 2.
        if message.first()? & 0xcb != 0xc8 || usize::from(u16_at(message, 2)?) > message.len() {
            return None;
        }
        let body = message.get(12..usize::from(u16_at(message, 2)?))?;
        if u16_at(message, 4)? != tunnel {
            return None;
        }
        let (ns, nr) = (u16_at(message, 8)?, u16_at(message, 10)?);
        self.on_ack(now, nr);
        if body.is_empty() {
            return Some(Received::Nothing);
        }
        let ahead = ns.wrapping_sub(self.next_receive);
        if ahead >= 0x8000 {
            // Known: our acknowledgement was lost.
            self.owes_ack = parse(body).and_then(|avps| u16_avp(&avps, 0)).is_none_or(hears);
            return Some(Received::Nothing);
        }
        if ahead > 0 {
            return Some(Received::Nothing);
        }
        self.next_receive = self.next_receive.wrapping_add(1);
        let avps = parse(body)?;
        self.owes_ack = u16_avp(&avps, 0).is_none_or(hears);
        Some(Received::Message { session: u16_at(message, 6)?, avps })
    }

    fn on_ack(&mut self, now: Instant, nr: u16) {
        let count = usize::from(nr.wrapping_sub(self.first));
        if count == 0 || count > self.under_way {
            return;
        }
        self.waiting.drain(..count);
        self.under_way -= count;
        self.first = nr;
        self.resend = None;
        self.advance(now);
    }

    /// Says what was heard, unless a message says so already.
    pub(super) fn acknowledge(&mut self, _now: Instant) {
        if core::mem::take(&mut self.owes_ack) {
            self.sent.push((0, self.next_send, Vec::new()));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.resend.as_ref().map(Resend::deadline)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Silent> {
        match self.resend.as_mut().map(|resend| resend.due(now)) {
            Some(Due::Never) => {
                self.resend = None;
                Err(Silent)
            }
            Some(Due::Again(_)) => {
                for (index, (session, message)) in
                    self.waiting.iter().take(self.under_way).enumerate()
                {
                    let number = self.first.wrapping_add(index as u16);
                    self.sent.push((*session, number, message.octets().to_vec()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whole messages, with what is known of the peer at this moment.
    pub(super) fn take_sent(&mut self, peer_tunnel: u16) -> Vec<Vec<u8>> {
        let nr = self.next_receive;
        let emit = |(session, ns, body): (u16, u16, Vec<u8>)| {
            let mut message = vec![0xc8, 2];
            message.extend((12 + body.len() as u16).to_be_bytes());
            for field in [peer_tunnel, session, ns, nr] {
                message.extend(field.to_be_bytes());
            }
            message.extend(body);
            message
        };
        core::mem::take(&mut self.sent).into_iter().map(emit).collect()
    }
}
