//! TCP (RFC 9293 §3.1), as far as clamping the maximum segment size needs it.
//!
//! A SYN announces the largest segment its sender wants to receive in option 2 (RFC 9293 §3.7.1).
//! A router that knows a smaller MTU lowers it on the way, so that no segment needs fragments.

use super::checksum;
use super::ipv4::Protocol;

/// Lowers the maximum segment size in a SYN to `mss`, wherever among the options it stands.
///
/// `packet` is a whole IPv4 or IPv6 packet. `mss` counts for IPv4; over IPv6 it is 20 octets
/// less, for the longer header. Everything else is left alone: other packets, fragments, smaller
/// values, SYNs without the option (their sender expects the small default of RFC 9293), IPv6
/// with extension headers. Tells whether it changed the packet.
pub fn clamp_mss(packet: &mut [u8], mss: u16) -> bool {
    let Some((tcp_at, mss)) = tcp_of(packet, mss) else { return false };
    let Some(segment) = packet.get_mut(tcp_at..) else { return false };
    let header_len = match segment.first_chunk::<HEADER_LEN>() {
        Some(header) if header[FLAGS_AT] & SYN != 0 => usize::from(header[DATA_OFFSET_AT] >> 4) * 4,
        _ => return false,
    };
    let Some(header) = segment.get_mut(..header_len) else { return false };
    let mut changed = false;
    let mut at = HEADER_LEN;
    while let Some((value_at, next)) = next_mss(header, at) {
        changed |= lower(header, value_at, mss);
        at = next;
    }
    changed
}

/// Where TCP begins, and the segment size for this version of IP; `None` if this is no TCP or
/// only a fragment.
fn tcp_of(packet: &[u8], mss: u16) -> Option<(usize, u16)> {
    let octet = |at: usize| packet.get(at).copied();
    match octet(0)? >> 4 {
        4 => {
            let is_whole = octet(6)? & 0x3f == 0 && octet(7)? == 0;
            let is_tcp = octet(9)? == Protocol::TCP.0;
            let header_len = usize::from(octet(0)? & 0x0f) * 4;
            (is_whole && is_tcp && header_len >= 20).then_some((header_len, mss))
        }
        6 => {
            let is_tcp = octet(6)? == Protocol::TCP.0;
            is_tcp.then_some((40, mss.saturating_sub(20)))
        }
        _ => None,
    }
}

/// The offset of the next segment size at or behind `at`, and that of the option after it.
fn next_mss(header: &[u8], mut at: usize) -> Option<(usize, usize)> {
    loop {
        let kind = *header.get(at)?;
        if kind == END {
            return None;
        }
        if kind == NO_OPERATION {
            at += 1;
            continue;
        }
        let len = usize::from(*header.get(at + 1)?);
        // A length below 2 would stand still; one beyond the header ends the options.
        let end = at + len;
        if len < 2 || end > header.len() {
            return None;
        }
        if kind == MSS && len == 4 {
            return Some((at + 2, end));
        }
        at = end;
    }
}

/// Replaces the value at `at` by `mss` if that is less, and corrects the checksum.
fn lower(header: &mut [u8], at: usize, mss: u16) -> bool {
    let value = |header: &[u8], at: usize| {
        header.get(at..).and_then(<[u8]>::first_chunk).map(|pair| u16::from_be_bytes(*pair))
    };
    let (Some(old), Some(sum)) = (value(header, at), value(header, CHECKSUM_AT)) else {
        return false;
    };
    if old <= mss {
        return false;
    }
    let sum = checksum::update_at(at, sum, old, mss);
    for (at, value) in [(at, mss), (CHECKSUM_AT, sum)] {
        if let Some(room) = header.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *room = value.to_be_bytes();
        }
    }
    true
}

const HEADER_LEN: usize = 20;
const DATA_OFFSET_AT: usize = 12;
const FLAGS_AT: usize = 13;
const CHECKSUM_AT: usize = 16;
const SYN: u8 = 0x02;
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::buf::Writer;
    use crate::store::model::Random;
    use crate::wire::checksum::pseudo_header;
    use crate::wire::ipv4::{Header, Packet};

    extern crate std;
    use std::vec::Vec;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 10);
    const DESTINATION: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

    fn segment(flags: u8, options: &[u8]) -> Vec<u8> {
        let mut tcp =
            std::vec![0xc0, 0x01, 0x00, 0x50, 1, 2, 3, 4, 0, 0, 0, 0, 0, flags, 0xfa, 0xf0];
        tcp.extend([0; 4]);
        tcp.extend(options);
        tcp.resize(tcp.len().next_multiple_of(4), 0);
        tcp[12] = ((tcp.len() / 4) << 4) as u8;
        let sum = pseudo_header(SOURCE, DESTINATION, 6, tcp.len()).with(&tcp).finish();
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        tcp
    }

    fn packet(flags: u8, options: &[u8]) -> Vec<u8> {
        let mut room = [0; 256];
        let mut writer = Writer::new(&mut room);
        let header = Header::new(Protocol::TCP, SOURCE, DESTINATION);
        header.emit(&mut writer, |writer| writer.put(&segment(flags, options)));
        writer.written().to_vec()
    }

    fn is_valid(packet: &[u8]) -> bool {
        let tcp = Packet::parse(packet).unwrap().payload;
        pseudo_header(SOURCE, DESTINATION, 6, tcp.len()).with(tcp).finish() == 0
    }

    #[test]
    fn the_segment_size_is_lowered_wherever_it_stands() {
        let others: [&[u8]; 5] =
            [&[1], &[4, 2], &[3, 3, 7], &[8, 10, 1, 2, 3, 4, 5, 6, 7, 8], &[1, 1, 1]];
        for before in others.iter().chain(&[&[][..]]) {
            for after in &others {
                let options = [before, &[2, 4, 5, 0xb4][..], after].concat();
                let mut changed = packet(SYN, &options);
                assert!(clamp_mss(&mut changed, 1314));
                let expected = [before, &[2, 4, 5, 0x22][..], after].concat();
                assert_eq!(changed, packet(SYN, &expected));
                assert!(is_valid(&changed));
                assert!(!clamp_mss(&mut changed, 1314));
            }
        }
    }

    #[test]
    fn a_syn_with_an_acknowledgement_is_clamped_too() {
        assert!(clamp_mss(&mut packet(SYN | 0x10, &[2, 4, 5, 0xb4]), 1000));
    }

    #[test]
    fn ipv6_gets_twenty_octets_less() {
        let mut bytes = [&[0x60, 0, 0, 0, 0, 24, 6, 64][..], &[9; 32]].concat();
        bytes.extend(segment(SYN, &[2, 4, 5, 0xb4]));
        assert!(clamp_mss(&mut bytes, 1314));
        assert_eq!(bytes[62..64], 1294_u16.to_be_bytes());
    }

    #[test]
    fn everything_else_is_left_alone() {
        let option = [2, 4, 5, 0xb4];
        let mut fragment = packet(SYN, &option);
        fragment[6] = 0x20;
        let mut udp = packet(SYN, &option);
        udp[9] = 17;
        let mut offset = packet(SYN, &option);
        offset[7] = 1;
        for mut bytes in [
            fragment,
            udp,
            offset,
            packet(0x10, &option),
            packet(SYN, &[2, 4, 2, 0x18]),
            packet(SYN, &[]),
            packet(SYN, &[0, 2, 4, 5, 0xb4]),
            packet(SYN, &[3, 0, 2, 4, 5, 0xb4]),
            packet(SYN, &[3, 1, 2, 4, 5, 0xb4]),
            packet(SYN, &[3, 200, 2, 4, 5, 0xb4]),
            packet(SYN, &[2, 3, 5, 0xb4]),
            packet(SYN, &[1, 1, 1, 2]),
        ] {
            let before = bytes.clone();
            assert!(!clamp_mss(&mut bytes, 1314));
            assert_eq!(bytes, before);
        }
    }

    #[test]
    fn garbage_never_panics_and_never_grows() {
        let mut random = Random(11);
        for _ in 0..50_000 {
            let mut bytes = packet(SYN, &[1, 2, 4, 5, 0xb4, 3, 3, 7]);
            for _ in 0..random.below(6) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            bytes.truncate(random.below(bytes.len() + 1));
            clamp_mss(&mut bytes, random.next() as u16);
        }
    }
}
