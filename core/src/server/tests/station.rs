//! A machine on the Ethernet behind a bridge: ARP, ping, and a DHCP server of its own.

use std::vec::Vec;

use super::packet::{self, ARP, BROADCAST, IPV4, Ip};
use crate::server::BridgeId;

#[derive(Debug)]
pub(super) struct Station {
    pub(super) bridge: BridgeId,
    pub(super) mac: [u8; 6],
    pub(super) ip: [u8; 4],
    /// First address that its DHCP server leases, if it runs one.
    pub(super) leases_from: Option<[u8; 4]>,
    /// Who got an address, in the order of the addresses.
    pub(super) leased: Vec<[u8; 6]>,
    /// DHCP messages that came: type and the client's MAC address.
    pub(super) dhcp: Vec<(u8, [u8; 6])>,
    /// Every frame that came to it.
    pub(super) frames: Vec<Vec<u8>>,
    /// IPv4 packets for it, pings apart.
    pub(super) heard: Vec<Ip>,
    /// Neighbours by ARP.
    pub(super) neighbours: Vec<([u8; 4], [u8; 6])>,
}

impl Station {
    pub(super) fn new(bridge: BridgeId, number: u8) -> Self {
        Self {
            bridge,
            mac: [2, 0, 0, 0, 0, number],
            ip: [192, 168, 30, 200 + number],
            leases_from: None,
            leased: Vec::new(),
            dhcp: Vec::new(),
            frames: Vec::new(),
            heard: Vec::new(),
            neighbours: Vec::new(),
        }
    }

    /// Takes a frame and returns what it answers.
    pub(super) fn handle(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let to: [u8; 6] = frame[..6].try_into().unwrap();
        if to != self.mac && to[0] & 1 == 0 {
            return Vec::new();
        }
        self.frames.push(frame.to_vec());
        let from: [u8; 6] = frame[6..12].try_into().unwrap();
        match u16::from_be_bytes([frame[12], frame[13]]) {
            ARP => self.on_arp(&frame[14..]).into_iter().collect(),
            IPV4 => self.on_ipv4(from, &frame[14..]).into_iter().collect(),
            kind => panic!("{kind:04x} is not spoken here"),
        }
    }

    fn on_arp(&mut self, arp: &[u8]) -> Option<Vec<u8>> {
        let mac: [u8; 6] = arp[8..14].try_into().unwrap();
        let ip: [u8; 4] = arp[14..18].try_into().unwrap();
        self.neighbours.retain(|known| known.0 != ip);
        self.neighbours.push((ip, mac));
        let asks_us = arp[7] == 1 && arp[24..28] == self.ip;
        asks_us.then(|| {
            let reply = packet::arp(2, (self.mac, self.ip), (mac, ip));
            packet::ethernet(mac, self.mac, ARP, &reply)
        })
    }

    fn on_ipv4(&mut self, from: [u8; 6], bytes: &[u8]) -> Option<Vec<u8>> {
        let ip = Ip::parse(bytes);
        if ip.protocol == 17 && ip.payload[..4] == [0, 68, 0, 67] {
            return self.on_dhcp(&ip.payload[8..]);
        }
        if ip.to == self.ip
            && let Some(pong) = ip.pong()
        {
            return Some(packet::ethernet(from, self.mac, IPV4, &pong));
        }
        self.heard.push(ip);
        None
    }

    fn on_dhcp(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let client: [u8; 6] = message[28..34].try_into().unwrap();
        let kind = option(message, 53)?[0];
        self.dhcp.push((kind, client));
        let first = self.leases_from?;
        let answer = match kind {
            1 => 2,
            3 => 5,
            7 => {
                self.leased.retain(|mac| *mac != client);
                return None;
            }
            _ => return None,
        };
        let place = self.leased.iter().position(|mac| *mac == client).unwrap_or_else(|| {
            self.leased.push(client);
            self.leased.len() - 1
        });
        let mut address = first;
        address[3] += place as u8;
        let mut reply = message[..236].to_vec();
        reply[0] = 2;
        reply[16..20].copy_from_slice(&address);
        reply.extend([99, 130, 83, 99, 53, 1, answer, 1, 4, 255, 255, 255, 0]);
        reply.extend([51, 4, 0, 0, 2, 0x58, 54, 4]);
        reply.extend(self.ip);
        reply.push(255);
        let ip = packet::udp((self.ip, 67), (address, 68), &reply);
        Some(packet::ethernet(client, self.mac, IPV4, &ip))
    }

    /// Asks who has `ip`.
    pub(super) fn ask(&self, ip: [u8; 4]) -> Vec<u8> {
        let ask = packet::arp(1, (self.mac, self.ip), ([0; 6], ip));
        packet::ethernet(BROADCAST, self.mac, ARP, &ask)
    }

    pub(super) fn mac_of(&self, ip: [u8; 4]) -> Option<[u8; 6]> {
        self.neighbours.iter().find(|known| known.0 == ip).map(|known| known.1)
    }

    pub(super) fn has_pong(&self, from: [u8; 4], id: u16) -> bool {
        self.heard.iter().any(|ip| ip.from == from && ip.echo() == Some((0, id)))
    }
}

/// The value of an option in a DHCP message.
fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = &message[240..];
    while let [kind, len, after @ ..] = rest {
        if *kind == 255 {
            break;
        }
        let (value, next) = after.split_at(usize::from(*len));
        if *kind == wanted {
            return Some(value);
        }
        rest = next;
    }
    None
}
