//! Packets as the tests write and read them, without the code under test.

use std::vec;
use std::vec::Vec;

/// The Internet checksum (RFC 1071).
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet.
pub(super) fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 20).to_be_bytes();
    let mut packet = vec![0x45, 0, len[0], len[1], 0, 1, 0, 0, 64, protocol, 0, 0];
    packet.extend(from);
    packet.extend(to);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An ICMP echo request (8) or reply (0).
pub(super) fn echo(kind: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend([0, 1]);
    message.extend(payload);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An echo request in an IPv4 packet.
pub(super) fn ping(from: [u8; 4], to: [u8; 4], id: u16) -> Vec<u8> {
    ipv4(from, to, 1, &echo(8, id, b"braid of many strands"))
}

/// A UDP datagram in an IPv4 packet, without a checksum.
pub(super) fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for field in [from.1, to.1, payload.len() as u16 + 8, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    ipv4(from.0, to.0, 17, &datagram)
}

/// A TCP SYN with this MSS, in an IPv4 packet.
pub(super) fn syn(from: [u8; 4], to: [u8; 4], mss: u16) -> Vec<u8> {
    let mut segment = vec![0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff];
    segment.extend([0, 0, 0, 0, 2, 4]);
    segment.extend(mss.to_be_bytes());
    let sum = checksum(&tcp_covered(from, to, &segment));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ipv4(from, to, 6, &segment)
}

/// The MSS of a SYN with a right checksum.
pub(super) fn mss_of(ip: &Ip) -> u16 {
    assert_eq!(ip.protocol, 6);
    assert_eq!(checksum(&tcp_covered(ip.from, ip.to, &ip.payload)), 0);
    u16::from_be_bytes([ip.payload[22], ip.payload[23]])
}

/// A segment behind its pseudo header (RFC 9293 §3.1).
fn tcp_covered(from: [u8; 4], to: [u8; 4], segment: &[u8]) -> Vec<u8> {
    [&from[..], &to, &[0, 6], &(segment.len() as u16).to_be_bytes(), segment].concat()
}

/// The same IPv4 packet with the DF bit.
pub(super) fn dont_fragment(mut packet: Vec<u8>) -> Vec<u8> {
    packet[6] |= 0x40;
    packet[10..12].fill(0);
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What a received IPv4 packet says, with its header checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ip {
    pub(super) from: [u8; 4],
    pub(super) to: [u8; 4],
    pub(super) protocol: u8,
    pub(super) payload: Vec<u8>,
}

impl Ip {
    pub(super) fn parse(packet: &[u8]) -> Self {
        assert_eq!(packet[0], 0x45, "no options are in use here");
        assert_eq!(checksum(&packet[..20]), 0);
        let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        Self {
            from: packet[12..16].try_into().unwrap(),
            to: packet[16..20].try_into().unwrap(),
            protocol: packet[9],
            payload: packet[20..len].to_vec(),
        }
    }

    /// Kind and id, if this is an ICMP echo with a right checksum.
    pub(super) fn echo(&self) -> Option<(u8, u16)> {
        let is_echo = self.protocol == 1 && matches!(self.payload[0], 0 | 8);
        (is_echo && checksum(&self.payload) == 0)
            .then(|| (self.payload[0], u16::from_be_bytes([self.payload[4], self.payload[5]])))
    }

    /// The reply to an echo request.
    pub(super) fn pong(&self) -> Option<Vec<u8>> {
        let (8, id) = self.echo()? else { return None };
        Some(ipv4(self.to, self.from, 1, &echo(0, id, &self.payload[8..])))
    }
}

/// An Ethernet frame.
pub(super) fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

/// An ARP packet for IPv4 over Ethernet: 1 asks, 2 answers.
pub(super) fn arp(operation: u16, from: ([u8; 6], [u8; 4]), to: ([u8; 6], [u8; 4])) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend(from.0);
    packet.extend(from.1);
    packet.extend(to.0);
    packet.extend(to.1);
    packet
}

pub(super) const IPV4: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const BROADCAST: [u8; 6] = [0xff; 6];
