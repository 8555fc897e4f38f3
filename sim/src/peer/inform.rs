//! DHCPINFORM over the tunnel (RFC 2131 §4.4.3): what a client asks for that IPCP cannot tell,
//! routes above all. Windows and Apple's clients send it after IPCP.

use std::net::{Ipv4Addr, SocketAddrV4};

use kumihimo_core::time::{Duration, Instant};

use super::ip;
use super::random::Random;

/// What a DHCP server told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Informed {
    /// Which server (option 54).
    pub server: Option<Ipv4Addr>,
    /// Name servers (option 6).
    pub dns: Vec<Ipv4Addr>,
    /// Routes as they stand in option 121 (RFC 3442), or in Microsoft's 249.
    pub routes: Vec<u8>,
}

/// A question that is asked until it is answered.
#[derive(Debug)]
pub(super) struct Inform {
    address: Ipv4Addr,
    id: [u8; 4],
    /// Made up: a PPP link has no hardware address.
    hardware: [u8; 6],
    tries: u32,
    at: Option<Instant>,
    is_answered: bool,
}

impl Inform {
    /// A client at `address` that asks from `now` on.
    pub(super) fn new(now: Instant, address: Ipv4Addr, random: &mut Random) -> Self {
        let (mut id, mut hardware) = ([0; 4], [0; 6]);
        random.fill(&mut id);
        random.fill(&mut hardware);
        hardware[0] = hardware[0] & 0xfc | 2;
        Self { address, id, hardware, tries: 0, at: Some(now), is_answered: false }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// The IPv4 packet to send now, if one is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.at.filter(|&at| at <= now)?;
        self.tries += 1;
        self.at = (self.tries < TRIES).then(|| now + EVERY);
        let mut message = vec![1, 1, 6, 0];
        message.extend(self.id);
        message.extend([0; 4]);
        message.extend(self.address.octets());
        message.extend([0; 12]);
        message.extend(self.hardware);
        message.resize(HEAD_LEN, 0);
        message.extend(COOKIE);
        message.extend([53, 1, INFORM, 61, 7, 1]);
        message.extend(self.hardware);
        // Routes, name servers, NetBIOS, domain: as Windows asks.
        message.extend([55, 5, 6, 44, 15, 121, 249, 255]);
        let from = SocketAddrV4::new(self.address, CLIENT_PORT);
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
        Some(ip::udp(from, to, &message))
    }

    /// Takes a packet that came out of the tunnel; what it told if it is the first answer.
    pub(super) fn handle(&mut self, packet: &ip::Ipv4<'_>) -> Option<Informed> {
        let ip::Content::Udp { from_port, to_port, payload } = packet.content else { return None };
        if self.is_answered {
            return None;
        }
        let (head, options) = payload.split_at_checked(HEAD_LEN)?;
        let is_mine = (from_port, to_port) == (SERVER_PORT, CLIENT_PORT)
            && packet.to == self.address
            && head[0] == 2
            && head[4..8] == self.id
            && head[12..16] == self.address.octets()
            && head[28..34] == self.hardware;
        let mut rest = options.strip_prefix(&COOKIE).filter(|_| is_mine)?;
        let (mut informed, mut is_ack) = (Informed::default(), false);
        while let [code, tail @ ..] = rest {
            if *code == 255 {
                break;
            }
            if *code == 0 {
                rest = tail;
                continue;
            }
            let (len, tail) = tail.split_first()?;
            let (value, tail) = tail.split_at_checked(usize::from(*len))?;
            match code {
                53 => is_ack = value == [ACK],
                54 => informed.server = value.first_chunk::<4>().map(|&ip| ip.into()),
                6 => informed.dns = value.as_chunks::<4>().0.iter().map(|&ip| ip.into()).collect(),
                121 | 249 => informed.routes = value.to_vec(),
                // An INFORM never leads to a lease (RFC 2131 §4.3.5).
                51 => return None,
                _ => {}
            }
            rest = tail;
        }
        if !is_ack {
            return None;
        }
        // After the last try it still listens; one answer is enough.
        (self.at, self.is_answered) = (None, true);
        Some(informed)
    }
}

/// Octets in front of the options.
const HEAD_LEN: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// Types of DHCP messages.
const INFORM: u8 = 8;
const ACK: u8 = 5;
/// How often it asks, and how often at most (guess).
const EVERY: Duration = Duration::from_secs(3);
const TRIES: u32 = 4;
