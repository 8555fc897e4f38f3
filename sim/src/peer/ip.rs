//! As much of IPv4 as a client needs: echo and UDP, without options and fragments.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

/// A packet taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4<'p> {
    /// Source.
    pub from: Ipv4Addr,
    /// Destination.
    pub to: Ipv4Addr,
    /// What it carries.
    pub content: Content<'p>,
}

/// What an IPv4 packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'p> {
    /// ICMP echo, a request or a reply.
    Echo {
        /// Whether it asks.
        is_request: bool,
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
        /// What comes back.
        payload: &'p [u8],
    },
    /// UDP.
    Udp {
        /// Source port.
        from_port: u16,
        /// Destination port.
        to_port: u16,
        /// Its payload.
        payload: &'p [u8],
    },
    /// A protocol, with what it carries.
    Other(u8, &'p [u8]),
}

impl<'p> Ipv4<'p> {
    /// Takes `packet` apart; `None` if a length or a checksum is wrong.
    pub fn parse(packet: &'p [u8]) -> Option<Self> {
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let len = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let header = packet.get(..header_len)?;
        if packet[0] >> 4 != 4 || header_len < 20 || checksum(&[header]) != 0 {
            return None;
        }
        let body = packet.get(header_len..len)?;
        let from = Ipv4Addr::from(*header[12..].first_chunk::<4>()?);
        let to = Ipv4Addr::from(*header[16..].first_chunk::<4>()?);
        let content = match (header[9], body) {
            (ICMP, body) if checksum(&[body]) != 0 => return None,
            (ICMP, &[kind @ (0 | 8), 0, _, _, a, b, c, d, ref payload @ ..]) => {
                let [id, sequence] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
                Content::Echo { is_request: kind == 8, id, sequence, payload }
            }
            (UDP, &[a, b, c, d, e, f, g, h, ..]) => {
                let payload = body.get(8..usize::from(u16::from_be_bytes([e, f])))?;
                let pseudo = pseudo(from.into(), to.into(), UDP, 8 + payload.len());
                if (g, h) != (0, 0) && checksum(&[&pseudo, &body[..8 + payload.len()]]) != 0 {
                    return None;
                }
                let [from_port, to_port] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
                Content::Udp { from_port, to_port, payload }
            }
            (protocol, body) => Content::Other(protocol, body),
        };
        Some(Self { from, to, content })
    }

    /// The answer to an echo request.
    pub fn pong(&self) -> Option<Vec<u8>> {
        let Content::Echo { is_request: true, id, sequence, payload } = self.content else {
            return None;
        };
        Some(echo(false, self.to, self.from, (id, sequence), payload))
    }
}

/// An echo request.
pub fn ping(from: Ipv4Addr, to: Ipv4Addr, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    echo(true, from, to, (id, sequence), payload)
}

fn echo(
    is_request: bool,
    from: Ipv4Addr,
    to: Ipv4Addr,
    (id, sequence): (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let mut body = vec![if is_request { 8 } else { 0 }, 0, 0, 0];
    body.extend(id.to_be_bytes());
    body.extend(sequence.to_be_bytes());
    body.extend_from_slice(payload);
    let sum = checksum(&[&body]);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    packet(from, to, ICMP, &[&body])
}

/// A UDP datagram in IPv4.
pub fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let ends = [(*from.ip()).into(), (*to.ip()).into()];
    let header = udp_header(ends, [from.port(), to.port()], &[payload]);
    packet(*from.ip(), *to.ip(), UDP, &[&header, payload])
}

/// The header of a UDP datagram with `payload`, checksum included.
pub(super) fn udp_header(ends: [IpAddr; 2], ports: [u16; 2], payload: &[&[u8]]) -> [u8; 8] {
    let len = 8 + payload.iter().map(|part| part.len()).sum::<usize>();
    let mut header = [0; 8];
    header[..2].copy_from_slice(&ports[0].to_be_bytes());
    header[2..4].copy_from_slice(&ports[1].to_be_bytes());
    header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    let pseudo = pseudo(ends[0], ends[1], UDP, len);
    let mut parts = vec![&pseudo[..], &header];
    parts.extend_from_slice(payload);
    // Zero would say that there is none (RFC 768).
    let sum = match checksum(&parts) {
        0 => 0xffff,
        sum => sum,
    };
    header[6..].copy_from_slice(&sum.to_be_bytes());
    header
}

fn packet(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len = 20 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut packet = vec![0x45, 0];
    packet.extend((len as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum = checksum(&[&packet]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    parts.iter().for_each(|part| packet.extend_from_slice(part));
    packet
}

fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    for address in [from, to] {
        match address {
            IpAddr::V4(ip) => header.extend(ip.octets()),
            IpAddr::V6(ip) => header.extend(ip.octets()),
        }
    }
    header.extend(u32::from(protocol).to_be_bytes());
    header.extend((len as u32).to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071) of `parts`, one after the other; all but the last one have an
/// even length.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let (quads, rest) = part.as_chunks::<4>();
        sum += quads.iter().map(|quad| u64::from(u32::from_be_bytes(*quad))).sum::<u64>();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_be_bytes(last));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const ICMP: u8 = 1;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 10);
    const B: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);

    /// RFC 1071 §3.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let octets = [0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&octets]), !0xddf2);
        assert_eq!(checksum(&[&octets[..2], &octets[2..]]), !0xddf2);
    }

    #[test]
    fn what_is_made_is_read_and_what_is_bent_is_not() {
        let ping = ping(A, B, 7, 9, b"abc");
        let parsed = Ipv4::parse(&ping).expect("a packet");
        let content = Content::Echo { is_request: true, id: 7, sequence: 9, payload: b"abc" };
        assert_eq!(parsed, Ipv4 { from: A, to: B, content });
        let pong = parsed.pong().expect("an answer");
        assert_eq!(Ipv4::parse(&pong).map(|it| (it.from, it.to)), Some((B, A)));
        let udp = udp(SocketAddrV4::new(A, 5), SocketAddrV4::new(B, 6), b"hello");
        let content = Content::Udp { from_port: 5, to_port: 6, payload: b"hello" };
        assert_eq!(Ipv4::parse(&udp).map(|it| it.content), Some(content));
        for packet in [ping, udp] {
            for at in 0..packet.len() {
                let mut bent = packet.clone();
                bent[at] ^= 1;
                assert_eq!(Ipv4::parse(&bent), None, "octet {at}");
            }
        }
    }
}
