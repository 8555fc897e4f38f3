//! Reliable delivery of control messages (RFC 2661 §5.8, Appendix A), for one tunnel.
//!
//! Messages of ours wait as what they say, not as packets: a resent one carries the newest Nr.
//! Messages of the client that come early wait in their place of the receive window. What is not
//! here: sending itself, and the decision when a silent client is gone.

use heapless::Deque;

use super::reply::Reply;
use crate::discard::DropReason;
use crate::time::{Duration, Instant, earliest};
use crate::wire::l2tp::{Fault, MessageKind};

/// A client's message, as it waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inbound {
    pub(super) kind: MessageKind,
    /// Session id of the header: ours.
    pub(super) session: u16,
    /// Assigned session id: the client's; 0 if there is none.
    pub(super) assigned: u16,
    pub(super) sequencing: bool,
    pub(super) fault: Option<Fault>,
}

/// Both directions of a control connection.
#[derive(Debug)]
pub(super) struct Channel {
    queue: Deque<Reply, { QUEUE + 1 }>,
    /// Ns of the first message in the queue.
    first_ns: u16,
    /// How many of the queue have been sent at least once.
    sent: u16,
    /// How many of the queue have been sent since the last loss.
    in_flight: u16,
    window: Window,
    retries: u32,
    resend_at: Option<Instant>,
    /// Ns that we expect next.
    next_nr: u16,
    early: [Option<Inbound>; RECEIVE_WINDOW as usize],
    ack_at: Option<Instant>,
}

impl Channel {
    /// A channel to a client that has `peer_window` places for messages under way.
    pub(super) fn new(peer_window: u16, next_nr: u16) -> Self {
        Self {
            queue: Deque::new(),
            first_ns: 0,
            sent: 0,
            in_flight: 0,
            window: Window::new(peer_window),
            retries: 0,
            resend_at: None,
            next_nr,
            early: [None; RECEIVE_WINDOW as usize],
            ack_at: None,
        }
    }

    /// Ns that we expect next.
    pub(super) const fn next_nr(&self) -> u16 {
        self.next_nr
    }

    /// Ns of the next message that is new, and of an acknowledgement.
    pub(super) const fn next_ns(&self) -> u16 {
        self.first_ns.wrapping_add(self.sent)
    }

    /// Puts `message` behind those that wait.
    pub(super) fn push(&mut self, message: Reply) -> bool {
        self.room() > 0 && self.queue.push_back(message).is_ok()
    }

    /// Throws away what has never been sent and puts `message`, the last one, behind the rest.
    pub(super) fn push_last(&mut self, message: Reply) {
        while self.queue.len() > usize::from(self.sent) {
            self.queue.pop_back();
        }
        // One place is kept free for this.
        let _ = self.queue.push_back(message);
        self.early = [None; RECEIVE_WINDOW as usize];
    }

    /// How many messages [`Channel::push`] still takes.
    pub(super) fn room(&self) -> usize {
        QUEUE.saturating_sub(self.queue.len())
    }

    /// Whether every message has been acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Works on the Nr of a received header; tells whether it acknowledges anything new.
    ///
    /// # Errors
    /// [`DropReason::OutsideWindow`] for a number that we have not sent.
    pub(super) fn on_nr(&mut self, now: Instant, nr: u16) -> Result<bool, DropReason> {
        let acked = nr.wrapping_sub(self.first_ns);
        if acked == 0 || acked >= HALF {
            return Ok(false);
        }
        if acked > self.sent {
            return Err(DropReason::OutsideWindow);
        }
        for _ in 0..acked {
            self.queue.pop_front();
        }
        self.first_ns = nr;
        self.sent -= acked;
        self.in_flight = self.in_flight.saturating_sub(acked);
        self.window.on_ack(acked);
        self.retries = 0;
        self.resend_at = (self.in_flight > 0).then(|| now + back_off(0));
        Ok(true)
    }

    /// Where a message with number `ns` stands.
    pub(super) const fn order(&self, ns: u16) -> Order {
        match ns.wrapping_sub(self.next_nr) {
            ahead @ 0..RECEIVE_WINDOW => Order::Inside(ahead),
            ahead if ahead >= HALF => Order::Old,
            _ => Order::Outside,
        }
    }

    /// Keeps `message`, which stands `ahead` places behind the next one.
    pub(super) fn keep(&mut self, ahead: u16, message: Inbound) -> Result<(), DropReason> {
        match self.early.get_mut(usize::from(ahead)) {
            Some(place @ None) => {
                *place = Some(message);
                Ok(())
            }
            Some(_) => Err(DropReason::Duplicate),
            None => Err(DropReason::OutsideWindow),
        }
    }

    /// Takes the next message in order, if it has come; it will be acknowledged.
    pub(super) fn take_next(&mut self, now: Instant) -> Option<Inbound> {
        let next = self.early.first_mut()?.take()?;
        self.early.rotate_left(1);
        self.next_nr = self.next_nr.wrapping_add(1);
        self.ack_by(now + ACK_DELAY);
        Some(next)
    }

    /// Sees to it that an acknowledgement leaves at `at` at the latest.
    pub(super) fn ack_by(&mut self, at: Instant) {
        self.ack_at = earliest(self.ack_at, Some(at));
    }

    /// Whether an acknowledgement must leave now; it counts as sent.
    pub(super) fn take_ack(&mut self, now: Instant) -> bool {
        let due = self.ack_at.is_some_and(|at| at <= now);
        if due {
            self.ack_at = None;
        }
        due
    }

    /// The next message that the windows let out, with its Ns; it counts as sent.
    pub(super) fn take_to_send(&mut self, now: Instant) -> Option<(u16, Reply)> {
        if self.in_flight >= self.window.size {
            return None;
        }
        let reply = *self.queue.iter().nth(usize::from(self.in_flight))?;
        let ns = self.first_ns.wrapping_add(self.in_flight);
        self.in_flight += 1;
        self.sent = self.sent.max(self.in_flight);
        self.resend_at.get_or_insert(now + back_off(0));
        self.ack_at = None;
        Some((ns, reply))
    }

    /// Opens the windows for everything that waits: the last message must leave.
    pub(super) fn open_windows(&mut self) {
        self.window = Window { size: QUEUE as u16 + 1, ..self.window };
    }

    /// The first message that is not acknowledged, with its Ns, to be sent once more.
    pub(super) fn repeat(&mut self) -> Option<(u16, Reply)> {
        let reply = *self.queue.front().filter(|_| self.sent > 0)?;
        self.ack_at = None;
        Some((self.first_ns, reply))
    }

    /// The first message that is not acknowledged, if its time has come to be sent once more.
    ///
    /// The others follow when it is acknowledged.
    pub(super) fn take_to_resend(&mut self, now: Instant) -> Option<(u16, Reply)> {
        self.resend_at.filter(|&at| at <= now)?;
        let (ns, reply) = self.repeat()?;
        self.retries = self.retries.saturating_add(1);
        self.in_flight = 1;
        self.window.on_loss();
        let patience = match reply {
            // Some phones never answer HELLO: no use in asking them every eight seconds.
            Reply::Hello if self.retries > RETRIES_MAX => HELLO_REPEAT,
            _ => back_off(self.retries),
        };
        self.resend_at = Some(now + patience);
        Some((ns, reply))
    }

    /// When a message must be resent.
    pub(super) const fn resend_at(&self) -> Option<Instant> {
        self.resend_at
    }

    /// When an acknowledgement must leave.
    pub(super) const fn ack_at(&self) -> Option<Instant> {
        self.ack_at
    }

    /// Moves both counters to the end of their range, as if that many messages had passed.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, ns: u16, nr: u16) {
        assert!(self.queue.is_empty());
        (self.first_ns, self.next_nr) = (ns, nr);
    }
}

/// Where a message stands in the order of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// In the receive window, that many places behind the next one.
    Inside(u16),
    /// Received before.
    Old,
    /// Too far ahead.
    Outside,
}

/// The smaller of the client's receive window and the congestion window.
#[derive(Clone, Copy, Debug)]
struct Window {
    size: u16,
    threshold: u16,
    acked: u16,
    peer: u16,
}

impl Window {
    fn new(peer: u16) -> Self {
        let peer = peer.clamp(1, QUEUE as u16);
        Self { size: 1, threshold: peer, acked: 0, peer }
    }

    /// Slow start below the threshold, one place for each full window above.
    fn on_ack(&mut self, count: u16) {
        for _ in 0..count {
            self.acked += 1;
            if self.size < self.threshold || self.acked >= self.size {
                self.size = self.size.saturating_add(1).min(self.peer);
                self.acked = 0;
            }
        }
    }

    fn on_loss(&mut self) {
        self.threshold = (self.size / 2).max(1);
        self.size = 1;
        self.acked = 0;
    }
}

/// How long to wait for an answer after `retries` repetitions: 1, 2, 4, 8, 8, … seconds.
pub(super) fn back_off(retries: u32) -> Duration {
    Duration::from_secs(1_u64.checked_shl(retries).unwrap_or(8).clamp(1, 8))
}

/// Messages that wait or are under way, over which one place is kept for the last.
pub(super) const QUEUE: usize = 8;
/// The receive window that we announce.
pub(super) const RECEIVE_WINDOW: u16 = 8;
/// Repetitions after which RFC 2661 §5.8 gives up.
pub(super) const RETRIES_MAX: u32 = 5;
/// Time for RETRIES_MAX repetitions to be answered: 1 + 2 + 4 + 8 + 8 + 8 seconds.
pub(super) const CYCLE: Duration = Duration::from_secs(31);
/// How long an acknowledgement waits for a message to ride on.
const ACK_DELAY: Duration = Duration::from_millis(30);
/// How often a HELLO is repeated to a client that does not answer it and is alive.
const HELLO_REPEAT: Duration = Duration::from_secs(60);
/// Numbers from here on lie in the past (RFC 2661 §5.8).
const HALF: u16 = 0x8000;
