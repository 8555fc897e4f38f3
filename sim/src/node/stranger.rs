//! Someone who is no client: repeats what was overheard from an address of its own, sends noise,
//! and dials in the names of addresses that know nothing of it.

use std::net::SocketAddr;

use kumihimo_core::time::Instant;

use crate::check::esp::{Kind, kind_of};
use crate::choice::{Choices, Lane};
use crate::net::Datagram;
use crate::observe::{Failure, Happening, Observer};
use crate::world::{Node, NodeCx, NodeId, Stimulus};

/// Someone who is no client.
#[derive(Debug, Default)]
pub struct Stranger;

impl Stranger {
    /// Sends what someone else sent, from `from`.
    pub fn repeat(&self, cx: &mut NodeCx<'_>, from: SocketAddr, overheard: &Datagram) {
        cx.send(Datagram { from, label: "repeated", ..overheard.clone() });
    }

    /// Sends what someone else sent, changed in a few places.
    pub fn distort(&self, cx: &mut NodeCx<'_>, from: SocketAddr, overheard: &Datagram) {
        let mut datagram = Datagram { from, label: "distorted", ..overheard.clone() };
        let (choices, lane) = cx.choices();
        change(&mut datagram.payload, choices, lane);
        cx.send(datagram);
    }

    /// Sends what a client has just sent, in its name, with its last octets changed.
    pub fn spoil(&self, cx: &mut NodeCx<'_>, message: &Datagram) {
        let mut datagram = Datagram { label: "spoilt", ..message.clone() };
        datagram.payload.iter_mut().rev().take(8).for_each(|octet| *octet ^= 0x55);
        cx.send(datagram);
    }

    /// Sends random octets to a port of the server.
    pub fn noise(&self, cx: &mut NodeCx<'_>, from: SocketAddr, to: SocketAddr) {
        let (choices, lane) = cx.choices();
        let len = choices.below(lane, 300) as usize;
        let octets: [u8; 300] = choices.octets(lane);
        let payload = octets[..len].to_vec();
        cx.send(Datagram { label: "noise", ..Datagram::udp(from, to, payload) });
    }

    /// Begins main modes from `from`, as short as they can be, and says so again and again.
    pub fn knock(&self, cx: &mut NodeCx<'_>, from: SocketAddr, to: SocketAddr, count: u64) {
        for number in 0..count {
            let payload = first_message(1 + number % 8);
            cx.send(Datagram { label: "IKE", ..Datagram::udp(from, to, payload) });
        }
    }
}

impl Node for Stranger {
    fn handle(&mut self, _: &mut NodeCx<'_>, _: Stimulus) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Changes one to three places.
fn change(payload: &mut Vec<u8>, choices: &mut Choices, lane: Lane) {
    for _ in 0..=choices.below(lane, 3) {
        let at = choices.below(lane, payload.len().max(1) as u64) as usize;
        match choices.below(lane, 4) {
            0 if at < payload.len() => payload[at] ^= 1 << choices.below(lane, 8),
            1 if at < payload.len() => payload[at] = choices.below(lane, 256) as u8,
            2 => payload.truncate(at),
            _ => payload.extend(choices.octets::<16>(lane)),
        }
    }
}

/// Main mode 1 with one transform: AES-128, SHA-1, group 14, pre-shared key (RFC 2409 §5.4,
/// Appendix A).
fn first_message(cookie: u64) -> Vec<u8> {
    let attributes: [[u8; 4]; 5] =
        [[0x80, 1, 0, 7], [0x80, 14, 0, 128], [0x80, 2, 0, 2], [0x80, 4, 0, 14], [0x80, 3, 0, 1]];
    let transform_len = 8 + attributes.len() * 4;
    let (proposal_len, sa_len) = (8 + transform_len, 4 + 8 + 8 + transform_len);
    let mut message = (0x6b6e_6f63_6b00_0000 + cookie).to_be_bytes().to_vec();
    message.extend([0; 8]);
    message.extend([1, 0x10, 2, 0, 0, 0, 0, 0]);
    message.extend((28 + sa_len as u32).to_be_bytes());
    message.extend([0, 0, 0, sa_len as u8, 0, 0, 0, 1, 0, 0, 0, 1]);
    message.extend([0, 0, 0, proposal_len as u8, 1, 1, 0, 1]);
    message.extend([0, 0, 0, transform_len as u8, 1, 1, 0, 0]);
    message.extend(attributes.concat());
    message
}

/// Remembers what was sent to a server, for those who repeat it.
#[derive(Debug)]
pub struct Overheard {
    server: NodeId,
    stranger: NodeId,
    datagrams: std::collections::VecDeque<Datagram>,
    /// Whose main mode is listened to.
    victim: Option<NodeId>,
    in_flight: Option<Datagram>,
}

impl Overheard {
    /// Hears what everyone but `stranger` sends to `server`, as the server gets it.
    pub const fn new(server: NodeId, stranger: NodeId) -> Self {
        let datagrams = std::collections::VecDeque::new();
        Self { server, stranger, datagrams, victim: None, in_flight: None }
    }

    /// Listens for the last message of a client's main mode.
    pub fn listen(&mut self, victim: NodeId) {
        self.victim = Some(victim);
        self.in_flight = None;
    }

    /// That message, once the client has sent it.
    pub const fn in_flight(&self) -> Option<&Datagram> {
        self.in_flight.as_ref()
    }

    /// What was heard last, number 0 first.
    pub fn nth(&self, number: usize) -> Option<&Datagram> {
        self.datagrams.get(self.datagrams.len().checked_sub(number + 1)?)
    }
}

impl Observer for Overheard {
    fn on(&mut self, _: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        if let Happening::Sent { node, packet } = happening
            && self.victim == Some(*node)
            && is_last_of_main_mode(&packet.datagram)
        {
            self.in_flight.get_or_insert_with(|| packet.datagram.clone());
        }
        if let Happening::Delivered { node, packet } = happening
            && *node == self.server
            && packet.sender != self.stranger
        {
            if self.datagrams.len() == REMEMBERED {
                self.datagrams.pop_front();
            }
            self.datagrams.push_back(packet.datagram.clone());
        }
        Ok(())
    }
}

/// Whether this is main mode 5: encrypted, and of exchange type 2.
fn is_last_of_main_mode(datagram: &Datagram) -> bool {
    let payload = &datagram.payload;
    let message = payload.strip_prefix(&[0; 4]).unwrap_or(payload);
    let kind = kind_of(datagram.outer, datagram.to.port(), payload);
    matches!(kind, Kind::Ike { is_encrypted: true, .. }) && message.get(18) == Some(&2)
}

/// How many datagrams are remembered.
pub const REMEMBERED: usize = 32;
