//! IPsec on the client's side: an initiator around [`crate::ike::tests::client`], and ESP in UDP
//! of its own (AES-256-CBC with HMAC-SHA1-96).

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::vec::Vec;

use super::dialer::Datagram;
use super::packet;
use super::setup::PSK;
use super::world::SERVER_V6;
use crate::crypto::prf::hmac;
use crate::crypto::{Cipher, Hash, cbc};
use crate::ike::tests::client::{self, Agreed, Client, QuickState};

pub(super) struct Ipsec {
    pub(super) ike: Client,
    stage: Stage,
    /// What waits for its answer.
    asked: Option<Datagram>,
    repeat_at: u64,
    /// The pairs of SAs, the newest last.
    pub(super) sas: Vec<Sa>,
    /// L2TP messages that wait for the first pair.
    held: Vec<Vec<u8>>,
    next_message_id: u32,
    next_iv: u8,
    /// UDP port that L2TP has inside ESP.
    pub(super) l2tp_port: u16,
    /// Message ids of our quick modes.
    pub(super) begun: Vec<u32>,
    /// Quick modes that the server began: their first message and our answer.
    pub(super) answered: Vec<(u32, Vec<u8>, Datagram)>,
    /// Notifications and deletions that came.
    pub(super) told: Vec<(u8, Vec<u8>)>,
    /// Quick modes in which the third message is held back.
    pub(super) withholds_third: bool,
    address: IpAddr,
    /// Hears nothing of IKE any more.
    pub(super) ignores_ike: bool,
    /// Whether there is no NAT, and ESP goes without UDP.
    pub(super) is_bare: bool,
    /// Says that it has no SAs but the one that it dials.
    pub(super) initial_contact: bool,
    sent: Vec<Datagram>,
}

#[allow(clippy::large_enum_variant, reason = "a test has few of them")]
enum Stage {
    Second,
    Fourth,
    Sixth,
    Quick(u32, QuickState),
    Idle,
}

/// A pair of SAs.
pub(super) struct Sa {
    pub(super) agreed: Agreed,
    pub(super) spi_client: u32,
    pub(super) sequence: u32,
    heard: BTreeSet<u32>,
}

impl Ipsec {
    /// An initiator that is as `change` leaves it when it says its first message.
    pub(super) fn new(
        seed: u8,
        now: u64,
        address: IpAddr,
        change: impl FnOnce(&mut Client),
    ) -> Self {
        let mut ike = Client::new(seed);
        ike.psk = PSK.to_vec();
        change(&mut ike);
        let mut ipsec = Self {
            ike,
            stage: Stage::Second,
            asked: None,
            repeat_at: u64::MAX,
            sas: Vec::new(),
            held: Vec::new(),
            next_message_id: u32::from(seed) << 16,
            next_iv: seed,
            l2tp_port: 1701,
            begun: Vec::new(),
            answered: Vec::new(),
            told: Vec::new(),
            withholds_third: false,
            address,
            ignores_ike: false,
            is_bare: false,
            initial_contact: false,
            sent: Vec::new(),
        };
        let first = ipsec.ike.first();
        ipsec.ask(now, 500, first);
        ipsec
    }

    pub(super) fn deadline(&self) -> u64 {
        if self.asked.is_some() { self.repeat_at } else { u64::MAX }
    }

    pub(super) fn handle_timeout(&mut self, now: u64) {
        if let Some(asked) = self.asked.clone().filter(|_| self.repeat_at <= now) {
            self.repeat_at = now + REPEAT_US;
            self.sent.push(asked);
        }
    }

    pub(super) fn take_sent(&mut self) -> Vec<Datagram> {
        core::mem::take(&mut self.sent)
    }

    /// Replaces the newest pair of SAs.
    pub(super) fn rekey(&mut self, now: u64) {
        self.ike.quick.spi += 0x100;
        self.begin_quick(now);
    }

    /// Deletes the newest pair and the IKE SA.
    pub(super) fn hang_up(&mut self) {
        self.asked = None;
        if self.ignores_ike {
            return;
        }
        let spi = self.ike.quick.spi.to_be_bytes();
        let cookies = [&self.ike.cookies.0[..], &self.ike.cookies.1].concat();
        for body in [client::delete(3, &[&spi]), client::delete(1, &[&cookies])] {
            self.inform(&[(12, body)]);
        }
    }

    /// Deletes the newest pair, and keeps the IKE SA.
    pub(super) fn delete_pair(&mut self) {
        let spi = self.ike.quick.spi.to_be_bytes();
        self.inform(&[(12, client::delete(3, &[&spi]))]);
    }

    /// Whether the last message of main mode is under way.
    pub(super) const fn has_sent_fifth(&self) -> bool {
        matches!(self.stage, Stage::Sixth)
    }

    pub(super) fn send_l2tp(&mut self, message: Vec<u8>) {
        let iv = self.next_iv;
        self.next_iv = iv.wrapping_add(1);
        let port = self.l2tp_port;
        match self.sas.last_mut() {
            Some(sa) => {
                let packet = sa.seal(iv, &inner_udp(port, &message));
                self.sent.push((if self.is_bare { BARE } else { 4500 }, packet));
            }
            None => self.held.push(message),
        }
    }

    /// Takes a datagram; returns the L2TP message in it.
    pub(super) fn handle(&mut self, now: u64, port: u16, bytes: &[u8]) -> Option<Vec<u8>> {
        if port == 4500 && bytes == [0xff] {
            return None;
        }
        if port == BARE || (port == 4500 && !bytes.starts_with(&[0; 4])) {
            assert_eq!(port == BARE, self.is_bare);
            return self.open(bytes);
        }
        if self.ignores_ike {
            return None;
        }
        let message = if port == 4500 { &bytes[4..] } else { bytes };
        let (ours, theirs) = &self.ike.cookies;
        // What answers someone else's message in our name is not for us.
        if message[..8] == ours[..] && (*theirs == [0; 8] || message[8..16] == theirs[..]) {
            self.handle_ike(now, message);
        }
        None
    }

    fn handle_ike(&mut self, now: u64, message: &[u8]) {
        let (first, exchange, is_encrypted) = (message[16], message[18], message[19] & 1 == 1);
        let message_id = u32::from_be_bytes(message[20..24].try_into().unwrap());
        match core::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Second if exchange == 2 && first == 1 => {
                let third = self.ike.third(message);
                self.stage = Stage::Fourth;
                self.ask(now, 500, third);
            }
            Stage::Fourth if exchange == 2 && first == 4 => {
                let fifth = self.ike.fifth(message, self.initial_contact);
                self.stage = Stage::Sixth;
                if let Some(outer) = self.ike.outer {
                    let [theirs, ours] = outer.map(|address| self.ike.hash_of(address));
                    self.is_bare = self.ike.nat_d == [ours, theirs];
                }
                self.ask_marked(now, &fifth);
            }
            Stage::Sixth if exchange == 2 && is_encrypted => {
                self.ike.done(message);
                self.begin_quick(now);
            }
            Stage::Quick(id, state) if exchange == 32 && id == message_id => {
                let agreed = self.ike.quick_third(state, message);
                let third = self.marked(&agreed.third);
                let spi_client = self.ike.quick.spi;
                self.sas.push(Sa { agreed, spi_client, sequence: 0, heard: BTreeSet::new() });
                self.asked = None;
                if !self.withholds_third {
                    self.sent.push(third);
                }
                for message in core::mem::take(&mut self.held) {
                    self.send_l2tp(message);
                }
            }
            stage @ (Stage::Second | Stage::Fourth | Stage::Sixth) => self.stage = stage,
            stage => {
                self.stage = stage;
                if exchange == 5 && is_encrypted {
                    self.on_informational(message);
                } else if exchange == 32 && is_encrypted {
                    self.on_quick_mode(message_id, message);
                }
            }
        }
    }

    /// The server began a quick mode, or repeats or ends one.
    fn on_quick_mode(&mut self, message_id: u32, message: &[u8]) {
        if self.begun.contains(&message_id) {
            return;
        }
        let known = self.answered.iter().find(|known| known.0 == message_id);
        if let Some((_, first, second)) = known {
            // Message 3 needs no answer.
            if first == message {
                self.sent.push(second.clone());
            }
            return;
        }
        self.ike.quick.spi += 0x100;
        let spi_client = self.ike.quick.spi;
        let (second, agreed) = self.ike.quick_second(message, spi_client);
        self.sas.push(Sa { agreed, spi_client, sequence: 0, heard: BTreeSet::new() });
        let second = self.marked(&second);
        self.answered.push((message_id, message.to_vec(), second.clone()));
        self.sent.push(second);
    }

    fn on_informational(&mut self, message: &[u8]) {
        for (kind, body) in self.ike.read(message) {
            // R-U-THERE (RFC 3706 §5.3).
            if kind == 11 && body[6..8] == 36_136_u16.to_be_bytes() {
                let cookies = [&self.ike.cookies.0[..], &self.ike.cookies.1].concat();
                let reply = client::notify(36_137, 1, &cookies, &body[body.len() - 4..]);
                self.inform(&[(11, reply)]);
            }
            self.told.push((kind, body));
        }
    }

    fn inform(&mut self, list: &[(u8, Vec<u8>)]) {
        self.next_message_id += 1;
        let message = self.ike.informational(self.next_message_id, list);
        let message = self.marked(&message);
        self.sent.push(message);
    }

    fn begin_quick(&mut self, now: u64) {
        self.next_message_id += 1;
        let id = self.next_message_id;
        self.begun.push(id);
        let (first, state) = self.ike.quick_first(id);
        self.stage = Stage::Quick(id, state);
        self.ask_marked(now, &first);
    }

    /// An IKE message on the way that NAT detection led to.
    fn marked(&self, message: &[u8]) -> Datagram {
        match self.is_bare {
            true => (500, message.to_vec()),
            false => (4500, [&[0; 4], message].concat()),
        }
    }

    fn ask_marked(&mut self, now: u64, message: &[u8]) {
        let (port, bytes) = self.marked(message);
        self.ask(now, port, bytes);
    }

    fn ask(&mut self, now: u64, port: u16, bytes: Vec<u8>) {
        self.repeat_at = now + REPEAT_US;
        self.asked = Some((port, bytes.clone()));
        self.sent.push((port, bytes));
    }

    fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let spi = u32::from_be_bytes(packet[..4].try_into().unwrap());
        let sa = self.sas.iter_mut().find(|sa| sa.spi_client == spi)?;
        let inner = sa.open(packet);
        let field = |at: usize| u16::from_be_bytes([inner[at], inner[at + 1]]);
        assert_eq!([field(0), field(2)], [1701, self.l2tp_port]);
        assert_eq!(usize::from(field(4)), inner.len());
        match self.address {
            IpAddr::V4(_) => assert_eq!(field(6), 0, "IPv4 needs no checksum here"),
            IpAddr::V6(address) => {
                // RFC 8200 §8.1.
                assert_ne!(field(6), 0);
                let mut covered = SERVER_V6.map(u16::to_be_bytes).concat();
                covered.extend(address.octets());
                covered.extend((inner.len() as u32).to_be_bytes());
                covered.extend([0, 0, 0, 17]);
                assert_eq!(packet::checksum(&[&covered[..], &inner].concat()), 0);
            }
        }
        Some(inner[8..].to_vec())
    }
}

impl Sa {
    /// Packets that came on it.
    pub(super) fn heard_count(&self) -> usize {
        self.heard.len()
    }

    /// An ESP packet with the next sequence number (RFC 4303 §2).
    pub(super) fn seal(&mut self, iv: u8, inner: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        let mut body = inner.to_vec();
        let mut pad = 0;
        while !(body.len() + 2).is_multiple_of(16) {
            pad += 1;
            body.push(pad);
        }
        body.extend([pad, 17]);
        let key = &self.agreed.key_to_server;
        let iv = [iv; 16];
        cbc::encrypt(Cipher::Aes256, &key[..32], &iv, &mut body).unwrap();
        let mut packet = self.agreed.spi_server.to_be_bytes().to_vec();
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(iv);
        packet.extend(body);
        let icv = hmac(Hash::Sha1, &key[32..52], &[&packet]);
        packet.extend(&icv.expose()[..12]);
        packet
    }

    fn open(&mut self, packet: &[u8]) -> Vec<u8> {
        let key = &self.agreed.key_to_client;
        let (signed, icv) = packet.split_at(packet.len() - 12);
        assert_eq!(hmac(Hash::Sha1, &key[32..52], &[signed]).expose()[..12], *icv, "ICV");
        let mut body = signed[24..].to_vec();
        cbc::decrypt(Cipher::Aes256, &key[..32], &signed[8..24], &mut body).unwrap();
        let sequence = u32::from_be_bytes(packet[4..8].try_into().unwrap());
        // The network may copy a packet: what is opened twice is no fault of the server.
        self.heard.insert(sequence);
        let [.., pad, next] = body[..] else { panic!("a trailer") };
        assert_eq!(next, 17);
        body.truncate(body.len() - 2);
        let padding = body.split_off(body.len() - usize::from(pad));
        assert!(padding.iter().copied().eq(1..=pad), "padding counts up");
        body
    }
}

fn inner_udp(port: u16, message: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for field in [port, 1701, message.len() as u16 + 8, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(message);
    datagram
}

/// Stands for IP protocol 50 where a UDP port is meant.
pub(super) const BARE: u16 = 0;
const REPEAT_US: u64 = 2_000_000;
