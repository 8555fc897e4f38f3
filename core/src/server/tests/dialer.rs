//! A whole client: LAC, PPP and a host behind it that answers pings.

use core::net::SocketAddr;
use std::vec::Vec;

use super::ipsec::{BARE, Ipsec};
use super::packet::{self, Ip};
use crate::l2tp::tests::lac::{self, Lac};
use crate::ppp::tests::client::{Client, Habits};

/// A datagram to a port of the server.
pub(super) type Datagram = (u16, Vec<u8>);

pub(super) struct Dialer {
    pub(super) address: SocketAddr,
    /// Its UDP port towards port 500, where it speaks IPsec; that of `address` is for 4500 then.
    pub(super) ike_port: u16,
    pub(super) ipsec: Option<Ipsec>,
    pub(super) lac: Lac,
    pub(super) ppp: Option<Client>,
    habits: Habits,
    /// IPv4 packets that came, pings apart.
    pub(super) heard: Vec<Ip>,
    /// Died without a word: hears and says nothing.
    pub(super) is_dead: bool,
    /// Says things but does not listen.
    pub(super) is_deaf: bool,
    /// Its PPP died: its L2TP answers, and its frames are lost.
    pub(super) ppp_is_dead: bool,
    /// L2TP messages that it sent.
    pub(super) said: Vec<Vec<u8>>,
    /// IPv4 packets that came, whether anyone listened or not.
    pub(super) data_count: usize,
    sent: Vec<Datagram>,
}

impl Dialer {
    pub(super) fn new(address: SocketAddr, tunnel: u16, habits: Habits) -> Self {
        Self {
            address,
            ike_port: 500,
            ipsec: None,
            lac: Lac::new(tunnel, 1),
            ppp: None,
            habits,
            heard: Vec::new(),
            is_dead: false,
            is_deaf: false,
            ppp_is_dead: false,
            said: Vec::new(),
            data_count: 0,
            sent: Vec::new(),
        }
    }

    pub(super) fn dial(&mut self, now: u64) {
        let sccrq = self.lac.dial(now);
        self.send_l2tp(sccrq);
    }

    /// CDN and StopCCN, as xl2tpd does.
    pub(super) fn hang_up(&mut self, now: u64) {
        if let Some(&(ours, theirs)) = self.lac.calls.first() {
            let cdn = self.lac.say(now, theirs, lac::cdn(ours));
            self.send_l2tp(cdn);
        }
        let stop = self.lac.say(now, 0, lac::stop_ccn(self.lac.tunnel));
        self.send_l2tp(stop);
        self.lac.calls.clear();
        self.ppp = None;
        if let Some(ipsec) = &mut self.ipsec {
            ipsec.hang_up();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.ppp.as_ref().is_some_and(Client::is_up)
    }

    /// Whether anything told it that it has no call any more.
    pub(super) fn is_down(&self) -> bool {
        let failed = self.ppp.as_ref().is_some_and(|ppp| ppp.failed.is_some());
        failed || self.lac.stopped || self.lac.heard.contains(&14)
    }

    pub(super) fn ip(&self) -> [u8; 4] {
        self.ppp.as_ref().and_then(Client::address).expect("an address")
    }

    pub(super) fn send_ip(&mut self, packet: &[u8]) {
        self.send_ppp(&[&[0xff, 3, 0, 0x21], packet].concat());
    }

    pub(super) fn ping(&mut self, to: [u8; 4], id: u16) {
        let ping = packet::ping(self.ip(), to, id);
        self.send_ip(&ping);
    }

    /// Whether `from` answered the ping `id`.
    pub(super) fn has_pong(&self, from: [u8; 4], id: u16) -> bool {
        self.heard.iter().any(|ip| ip.from == from && ip.echo() == Some((0, id)))
    }

    pub(super) fn send_ppp(&mut self, frame: &[u8]) {
        let Some(&(_, theirs)) = self.lac.calls.first().filter(|_| !self.ppp_is_dead) else {
            return;
        };
        let bytes = lac::data((self.lac.peer_tunnel, theirs), true, frame);
        self.send_l2tp(bytes);
    }

    pub(super) fn send_l2tp(&mut self, bytes: Vec<u8>) {
        if !self.is_deaf {
            self.said.push(bytes.clone());
        }
        match &mut self.ipsec {
            _ if self.is_dead => {}
            Some(ipsec) => ipsec.send_l2tp(bytes),
            None => self.sent.push((1701, bytes)),
        }
    }

    pub(super) fn take_sent(&mut self) -> Vec<Datagram> {
        let mut sent = core::mem::take(&mut self.sent);
        if let Some(ipsec) = &mut self.ipsec {
            sent.extend(ipsec.take_sent());
        }
        sent
    }

    /// Its address towards a port of the server.
    pub(super) fn address_towards(&self, port: u16) -> SocketAddr {
        match port {
            500 => SocketAddr::new(self.address.ip(), self.ike_port),
            BARE => SocketAddr::new(self.address.ip(), 0),
            _ => self.address,
        }
    }

    pub(super) fn deadline(&self) -> u64 {
        if self.is_dead {
            return u64::MAX;
        }
        let ppp = self.ppp.as_ref().and_then(Client::deadline);
        let ipsec = self.ipsec.as_ref().map_or(u64::MAX, Ipsec::deadline);
        let ppp = ppp.map_or(u64::MAX, |at| at.saturating_mul(1_000));
        ppp.min(self.lac.deadline()).min(ipsec)
    }

    pub(super) fn handle_timeout(&mut self, now: u64) {
        if let Some(ipsec) = &mut self.ipsec {
            ipsec.handle_timeout(now);
        }
        for bytes in self.lac.repeat(now) {
            self.send_l2tp(bytes);
        }
        self.poll_ppp(now);
    }

    pub(super) fn handle(&mut self, now: u64, port: u16, bytes: &[u8]) {
        if self.is_dead {
            return;
        }
        match &mut self.ipsec {
            Some(_) if port == 1701 => {}
            Some(ipsec) => {
                if let Some(message) = ipsec.handle(now, port, bytes) {
                    self.handle_l2tp(now, &message);
                }
            }
            None if port == 1701 => self.handle_l2tp(now, bytes),
            // To one who had this address before.
            None => {}
        }
    }

    fn handle_l2tp(&mut self, now: u64, bytes: &[u8]) {
        if self.is_deaf {
            self.data_count += usize::from(bytes[0] & 0x80 == 0 && is_ipv4(bytes));
            return;
        }
        if bytes[0] & 0x80 == 0 {
            return self.handle_data(now, bytes);
        }
        if bytes[4..6] != self.lac.tunnel.to_be_bytes() {
            // To one who had this address before.
            return;
        }
        for answer in self.lac.hear(now, bytes) {
            self.send_l2tp(answer);
        }
        if self.ppp.is_none() && !self.lac.calls.is_empty() {
            self.ppp = Some(Client::new(self.habits.clone()));
        }
        self.poll_ppp(now);
    }

    fn handle_data(&mut self, now: u64, bytes: &[u8]) {
        assert_eq!(bytes[1], 2, "version 2");
        assert_eq!(bytes[0] & 0x0a, 0, "neither numbers nor an offset were asked for");
        let at = if bytes[0] & 0x40 == 0 { 2 } else { 4 };
        if at == 4 {
            assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len());
        }
        let ids = [0, 2].map(|more| u16::from_be_bytes([bytes[at + more], bytes[at + more + 1]]));
        let Some(&(ours, _)) = self.lac.calls.first() else { return };
        let Some(ppp) = self.ppp.as_mut().filter(|_| ids == [self.lac.tunnel, ours]) else {
            return;
        };
        let frame = &bytes[at + 4..];
        let information = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
        match information {
            [0x21, packet @ ..] | [0, 0x21, packet @ ..] => {
                assert!(ppp.authenticated, "no data before the client has proven itself");
                let ip = Ip::parse(packet);
                match ip.pong() {
                    // Data may overtake the end of the negotiation.
                    _ if !ppp.is_up() => {}
                    Some(pong) => self.send_ip(&pong),
                    None => self.heard.push(ip),
                }
            }
            _ => ppp.handle(now / 1_000, frame),
        }
        self.poll_ppp(now);
    }

    fn poll_ppp(&mut self, now: u64) {
        let Some(ppp) = &mut self.ppp else { return };
        for frame in ppp.poll(now / 1_000) {
            self.send_ppp(&frame);
        }
    }
}

/// Whether a data message carries an IPv4 packet.
fn is_ipv4(message: &[u8]) -> bool {
    let frame = &message[if message[0] & 0x40 == 0 { 6 } else { 8 }..];
    let frame = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
    frame[0] == 0x21 || frame[..2] == [0, 0x21]
}

impl core::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let sas = self.ipsec.as_ref().map(|ipsec| ipsec.sas.len());
        write!(f, "{} with {sas:?} SAs, {:?}, {:?}", self.address, self.lac, self.ppp)
    }
}
