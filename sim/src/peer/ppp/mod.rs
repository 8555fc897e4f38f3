//! PPP (RFC 1661) as the side that dials: LCP, authentication, IPCP, echo.
//!
//! IPv6CP and CCP are begun where the profile does so, to see how they are refused; nothing comes
//! of them.

mod auth;
mod ipcp;
mod layer;
mod lcp;

use std::net::Ipv4Addr;

use kumihimo_core::time::Instant;

use super::random::Random;
use super::{Again, Reason, Stage};
use crate::profile::PppHabits;
use auth::{Auth, Outcome};
use ipcp::IpcpRules;
use layer::{Change, Layer, Packet};
use lcp::LcpRules;

/// What happened to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It carries IPv4.
    Up { address: Ipv4Addr, gateway: Option<Ipv4Addr>, dns: Vec<Ipv4Addr> },
    /// One of its layers was open, and begins again.
    Relapsed,
    /// It was never up.
    Failed(Stage, Reason),
    /// It is over.
    Closed(Reason),
}

/// The link.
#[derive(Debug)]
pub(super) struct Link {
    habits: &'static PppHabits,
    user: String,
    password: String,
    lcp: Layer<LcpRules>,
    ipcp: Layer<IpcpRules>,
    auth: Option<Auth>,
    /// Whether we may send network packets.
    is_proven: bool,
    /// The address that was told.
    told: Option<Ipv4Addr>,
    echo_at: Option<Instant>,
    unanswered: u32,
    heard_at: Instant,
    frames: Vec<(u16, Vec<u8>)>,
    events: Vec<Event>,
}

impl Link {
    pub(super) fn new(
        habits: &'static PppHabits,
        (user, password): (&str, &str),
        random: &mut Random,
    ) -> Self {
        Self {
            habits,
            user: user.to_owned(),
            password: password.to_owned(),
            lcp: Layer::new(LCP, LcpRules::new(habits, random.u32()), habits.retry),
            ipcp: Layer::new(IPCP, IpcpRules::new(habits), habits.retry),
            auth: None,
            is_proven: false,
            told: None,
            echo_at: None,
            unanswered: 0,
            heard_at: Instant::ZERO,
            frames: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Begins.
    pub(super) fn open(&mut self, now: Instant) {
        self.lcp.open(now);
    }

    /// Does a step once more that is over.
    pub(super) fn begin_again(&mut self, now: Instant, again: Again) {
        match again {
            Again::Link if self.lcp.begin_again(now) => self.on_lcp_change(now, Change::Down),
            Again::Network if self.ipcp.begin_again(now) => {
                self.on_ipcp_change(now, Change::Down);
            }
            Again::Proof => {
                if let Some(auth) = &mut self.auth {
                    auth.repeat();
                }
            }
            _ => {}
        }
    }

    /// Says goodbye.
    pub(super) fn hang_up(&mut self) {
        if !self.lcp.is_closed() {
            self.lcp.terminate();
            self.ipcp.close();
        }
        self.echo_at = None;
    }

    /// Takes a frame; returns the IPv4 packet where it carries one.
    pub(super) fn handle<'f>(
        &mut self,
        now: Instant,
        random: &mut Random,
        frame: &'f [u8],
    ) -> Option<&'f [u8]> {
        let frame = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
        let (protocol, information) = match *frame {
            [first, ..] if first & 1 == 1 => (u16::from(first), &frame[1..]),
            [first, second, ..] => (u16::from_be_bytes([first, second]), &frame[2..]),
            _ => return None,
        };
        self.heard_at = now;
        if protocol == IPV4 {
            return (self.told.is_some() && self.ipcp.is_open()).then_some(information);
        }
        if protocol == LCP {
            self.on_lcp(now, &Packet::parse(information)?);
        } else if self.lcp.is_open() {
            self.on_other(now, random, protocol, information);
        }
        None
    }

    /// The octets in front of an IPv4 packet.
    pub(super) fn ipv4_header(&self) -> Option<&'static [u8]> {
        let rules = &self.lcp.rules;
        self.ipcp.is_open().then_some(
            match (rules.may_compress_address, rules.may_compress_protocol) {
                (true, true) => &[0x21],
                (true, false) => &[0, 0x21],
                (false, true) => &[0xff, 3, 0x21],
                (false, false) => &[0xff, 3, 0, 0x21],
            },
        )
    }

    /// Frames to send.
    pub(super) fn take_frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = core::mem::take(&mut self.frames);
        frames.extend(self.lcp.take_frames());
        frames.extend(self.auth.iter_mut().flat_map(Auth::take_frames));
        frames.extend(self.ipcp.take_frames());
        let short = self.lcp.rules.may_compress_address && self.lcp.is_open();
        let emit = |(protocol, packet): (u16, Vec<u8>)| {
            // LCP itself is never compressed (RFC 1661 §6.6).
            let head: &[u8] = if short && protocol != LCP { &[] } else { &[0xff, 3] };
            [head, &protocol.to_be_bytes(), &packet].concat()
        };
        frames.into_iter().map(emit).collect()
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let auth = self.auth.as_ref().and_then(Auth::deadline);
        let layers = [self.lcp.deadline(), self.ipcp.deadline(), auth, self.echo_at];
        layers.into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(change) = self.lcp.handle_timeout(now) {
            self.on_lcp_change(now, change);
        }
        if let Some(change) = self.ipcp.handle_timeout(now) {
            self.on_ipcp_change(now, change);
        }
        if let Some(outcome) = self.auth.as_mut().and_then(|auth| auth.handle_timeout(now)) {
            self.on_outcome(now, outcome);
        }
        self.echo(now);
    }

    fn echo(&mut self, now: Instant) {
        let Some(habit) = self.habits.echo else { return };
        if self.echo_at.is_none_or(|at| at > now) {
            return;
        }
        if self.unanswered >= habit.misses {
            self.echo_at = None;
            return self.end(Stage::Link, Reason::DeadPeer);
        }
        self.unanswered += 1;
        self.echo_at = Some(now + habit.after);
        let id = self.lcp.next_id();
        let magic = self.lcp.rules.magic.to_be_bytes();
        self.lcp.say(ECHO_REQUEST, id, &magic);
    }

    fn on_lcp(&mut self, now: Instant, packet: &Packet<'_>) {
        match packet.code {
            1..=6 => {
                if let Some(change) = self.lcp.handle(now, packet) {
                    self.on_lcp_change(now, change);
                }
            }
            ECHO_REQUEST if self.lcp.is_open() => {
                let mut data = self.lcp.rules.magic.to_be_bytes().to_vec();
                data.extend_from_slice(packet.data.get(4..).unwrap_or_default());
                self.lcp.say(ECHO_REPLY, packet.id, &data);
            }
            ECHO_REPLY => self.unanswered = 0,
            PROTOCOL_REJECT if packet.data.starts_with(&IPCP.to_be_bytes()) => {
                self.end(Stage::Network, Reason::Refused { code: 0, text: String::new() });
            }
            // Code-Reject, Protocol-Reject of what we only tried, an echo too early,
            // Discard-Request.
            7 | PROTOCOL_REJECT | ECHO_REQUEST | 11 => {}
            _ => {
                let id = self.lcp.next_id();
                let copy = [&[packet.code, packet.id], packet.data].concat();
                self.lcp.say(7, id, &copy);
            }
        }
    }

    fn on_lcp_change(&mut self, now: Instant, change: Change) {
        match change {
            Change::Up => self.on_lcp_up(now),
            Change::Down => {
                self.events.push(Event::Relapsed);
                self.ipcp.close();
                self.auth = None;
                self.is_proven = false;
                self.echo_at = None;
            }
            Change::Ended => self.end(Stage::Link, Reason::PeerClosed),
            Change::Failed => self.end(Stage::Link, Reason::Silence),
        }
    }

    fn on_lcp_up(&mut self, now: Instant) {
        let who = (&self.user[..], &self.password[..]);
        match self.lcp.rules.method {
            Some(method) => {
                self.auth = Some(Auth::begin(now, method, who, self.habits.retry));
            }
            None => self.begin_network(now),
        }
        self.unanswered = 0;
        self.echo_at = self.habits.echo.map(|habit| now + habit.after);
    }

    fn on_outcome(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Proven => self.begin_network(now),
            Outcome::Failed(reason) => self.end(Stage::Authentication, reason),
        }
    }

    fn begin_network(&mut self, now: Instant) {
        self.is_proven = true;
        self.ipcp.open(now);
        if self.habits.asks_ipv6cp {
            self.frames.push((IPV6CP, vec![1, 1, 0, 14, 1, 10, 2, 0, 0, 0, 0, 0, 0, 1]));
        }
        if self.habits.asks_ccp {
            // MPPE and MPPC, as Windows asks for (RFC 3078 §2).
            self.frames.push((CCP, vec![1, 1, 0, 10, 18, 6, 1, 0, 0, 0xe1]));
        }
    }

    fn on_other(&mut self, now: Instant, random: &mut Random, protocol: u16, octets: &[u8]) {
        match protocol {
            auth::PAP | auth::CHAP => {
                let (Some(packet), Some(auth)) = (Packet::parse(octets), &mut self.auth) else {
                    return;
                };
                if let Some(outcome) = auth.handle(now, random, protocol, &packet) {
                    self.on_outcome(now, outcome);
                }
            }
            IPCP if self.is_proven => {
                let Some(packet) = Packet::parse(octets) else { return };
                if let Some(change) = self.ipcp.handle(now, &packet) {
                    self.on_ipcp_change(now, change);
                }
            }
            // The server will repeat it.
            IPCP => {}
            // Its answers to what we tried; its own tries are refused.
            IPV6CP | CCP if octets.first().is_some_and(|&code| code != 1) => {}
            _ => {
                let id = self.lcp.next_id();
                let data = [&protocol.to_be_bytes(), octets].concat();
                self.lcp.say(PROTOCOL_REJECT, id, &data);
            }
        }
    }

    fn on_ipcp_change(&mut self, _now: Instant, change: Change) {
        match change {
            Change::Up => {
                let rules = &self.ipcp.rules;
                let address = rules.address;
                if address.is_unspecified() {
                    return self.end(Stage::Network, Reason::NoAddress);
                }
                if self.told.replace(address) != Some(address) {
                    let (gateway, dns) = (rules.gateway, rules.dns());
                    self.events.push(Event::Up { address, gateway, dns });
                }
            }
            // It may come back with the same address.
            Change::Down => self.events.push(Event::Relapsed),
            Change::Ended => self.end(Stage::Network, Reason::PeerClosed),
            Change::Failed => self.end(Stage::Network, Reason::Silence),
        }
    }

    fn end(&mut self, stage: Stage, reason: Reason) {
        let event = match self.told.take() {
            Some(_) => Event::Closed(reason),
            None => Event::Failed(stage, reason),
        };
        self.events.push(event);
    }
}

const LCP: u16 = 0xc021;
const IPCP: u16 = 0x8021;
const IPV6CP: u16 = 0x8057;
const CCP: u16 = 0x80fd;
const IPV4: u16 = 0x21;
const PROTOCOL_REJECT: u8 = 8;
const ECHO_REQUEST: u8 = 9;
const ECHO_REPLY: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::CP_CROS;

    fn heard(link: &mut Link, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut random = Random::new(1);
        assert_eq!(link.handle(Instant::ZERO, &mut random, frame), None);
        link.take_frames()
    }

    /// SoftEther sends an echo request before the link is open, and offers EAP first.
    #[test]
    fn an_early_echo_does_not_disturb_the_negotiation() {
        let mut link = Link::new(&CP_CROS.ppp, ("jiro", "pass"), &mut Random::new(1));
        link.open(Instant::ZERO);
        let request = link.take_frames().remove(0);
        let echo = [&[0xff, 3, 0xc0, 0x21, 9, 0, 0, 8][..], &[0; 4]].concat();
        assert!(heard(&mut link, &echo).is_empty());
        let offer = [0xff, 3, 0xc0, 0x21, 1, 0, 0, 8, 3, 4, 0xc2, 0x27];
        let nak = heard(&mut link, &offer).remove(0);
        assert_eq!(nak[4..], [3, 0, 0, 9, 3, 5, 0xc2, 0x23, 0x81]);
        let mut ack = request;
        ack[4] = 2;
        assert!(heard(&mut link, &ack).is_empty());
        let offer = [0xff, 3, 0xc0, 0x21, 1, 1, 0, 9, 3, 5, 0xc2, 0x23, 0x81];
        assert_eq!(heard(&mut link, &offer).remove(0)[4..6], [2, 1]);
        assert!(link.lcp.is_open());
    }
}
