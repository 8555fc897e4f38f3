//! The packets: UDP with a mark, so that whoever gets one knows when it left.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{SystemTime, UNIX_EPOCH};

use kumihimo_sim::peer::ip::{Content, Ipv4, udp};

/// The port of everyone.
pub(super) const PORT: u16 = 5_001;
/// Octets of an IP and a UDP header.
pub(super) const HEADERS: usize = 28;

/// Microseconds by the machine's clock, which all namespaces share.
pub(super) fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// A payload of `len` octets that says when it left.
pub(super) fn payload(len: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; len.max(MARK.len() + 8)];
    stamp(&mut payload);
    payload
}

/// Renews the mark of a payload.
pub(super) fn stamp(payload: &mut [u8]) {
    payload[..MARK.len()].copy_from_slice(&MARK);
    payload[MARK.len()..MARK.len() + 8].copy_from_slice(&clock().to_be_bytes());
}

/// When a payload left, by [`clock`]; `None` if it is none of ours.
pub(super) fn left(payload: &[u8]) -> Option<u64> {
    let left = payload.strip_prefix(&MARK)?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*left))
}

/// An IP packet of `size` octets.
pub(super) fn packet(from: Ipv4Addr, to: Ipv4Addr, size: usize) -> Vec<u8> {
    let payload = payload(size - HEADERS);
    udp(SocketAddrV4::new(from, PORT), SocketAddrV4::new(to, PORT), &payload)
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Traffic, and when it left.
    Traffic(u64),
    /// The answer to a ping.
    Pong,
    Other,
}

/// Looks at an IP packet.
pub(super) fn look(packet: &[u8]) -> Arrived {
    match Ipv4::parse(packet).map(|parsed| parsed.content) {
        Some(Content::Udp { to_port: PORT, payload, .. }) => {
            left(payload).map_or(Arrived::Other, Arrived::Traffic)
        }
        Some(Content::Echo { is_request: false, .. }) => Arrived::Pong,
        _ => Arrived::Other,
    }
}

const MARK: [u8; 8] = *b"kumihimo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_long_as_asked_and_known_again() {
        let packet = packet(Ipv4Addr::new(172, 20, 1, 1), Ipv4Addr::new(172, 20, 0, 9), 500);
        assert_eq!(packet.len(), 500);
        assert!(matches!(look(&packet), Arrived::Traffic(left) if left <= clock()));
        assert_eq!(look(&packet[1..]), Arrived::Other);
    }
}
