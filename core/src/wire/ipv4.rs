//! The IPv4 header (RFC 791 §3.1).
//!
//! ```text
//! version 4, words 4 | type of service 8 | total length 16
//! identification 16                      | 0, DF, MF, offset 13
//! time to live 8     | protocol 8        | checksum 16
//! source 32
//! destination 32
//! options, up to 40 octets
//! ```
//!
//! Options are skipped when read and never written. Fragments are recognised, not reassembled.

use core::net::Ipv4Addr;

use super::Error;
use super::checksum::Sum;
use crate::buf::{Reader, Writer};

/// The protocol that an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
}

/// The header of a packet, without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Identification, which the fragments of a packet share.
    pub ident: u16,
    /// Routers must not fragment the packet.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Where this fragment belongs, in units of 8 octets.
    pub fragment_offset: u16,
    /// Routers that may still forward it.
    pub ttl: u8,
    /// What it carries.
    pub protocol: Protocol,
    /// From whom.
    pub source: Ipv4Addr,
    /// For whom.
    pub destination: Ipv4Addr,
}

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// Octets of the header, options included.
    pub header_len: usize,
    /// What it carries, without what a link layer padded.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet and verifies its header checksum.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Version`], [`Error::Length`], [`Error::Checksum`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version >> 4 != 4 {
            return Err(Error::Version);
        }
        let header_len = usize::from(version & 0x0f) * 4;
        if header_len < HEADER_LEN {
            return Err(Error::Length);
        }
        let tos = reader.u8()?;
        let total_len = usize::from(reader.u16()?);
        let (ident, fragment) = (reader.u16()?, reader.u16()?);
        let (ttl, protocol) = (reader.u8()?, Protocol(reader.u8()?));
        reader.u16()?;
        let header = Header {
            tos,
            ident,
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & !FLAGS,
            ttl,
            protocol,
            source: reader.array::<4>()?.into(),
            destination: reader.array::<4>()?.into(),
        };
        if total_len < header_len {
            return Err(Error::Length);
        }
        let packet = bytes.get(..total_len).ok_or(Error::Truncated)?;
        let (head, payload) = packet.split_at_checked(header_len).ok_or(Error::Truncated)?;
        if Sum::new().with(head).finish() != 0 {
            return Err(Error::Checksum);
        }
        Ok(Self { header, header_len, payload })
    }

    /// Octets of the whole packet.
    pub const fn len(&self) -> usize {
        self.header_len + self.payload.len()
    }

    /// Whether there is no octet: never, since there is a header.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Header {
    /// The header of a packet that we make: not to be fragmented, 64 hops.
    pub const fn new(protocol: Protocol, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self {
            tos: 0,
            ident: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            source,
            destination,
        }
    }

    /// Whether the packet is a part of one.
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Writes the header, then what `payload` writes, then length and checksum.
    pub fn emit(&self, writer: &mut Writer<'_>, payload: impl FnOnce(&mut Writer<'_>)) {
        let start = writer.len();
        writer.u8(0x40 | (HEADER_LEN / 4) as u8);
        writer.u8(self.tos);
        writer.u16(0);
        writer.u16(self.ident);
        let dont_fragment = if self.dont_fragment { DONT_FRAGMENT } else { 0 };
        let more_fragments = if self.more_fragments { MORE_FRAGMENTS } else { 0 };
        writer.u16(dont_fragment | more_fragments | (self.fragment_offset & !FLAGS));
        writer.u8(self.ttl);
        writer.u8(self.protocol.0);
        writer.u16(0);
        writer.put(&self.source.octets());
        writer.put(&self.destination.octets());
        let end = writer.len();
        payload(writer);
        writer.set_u16(start + TOTAL_LEN_AT, (writer.len() - start) as u16);
        let head = writer.written().get(start..end).unwrap_or_default();
        let checksum = Sum::new().with(head).finish();
        writer.set_u16(start + CHECKSUM_AT, checksum);
    }
}

/// The broadcast address of the subnet that `address` is in; `None` where there is none: a
/// prefix of 31 (RFC 3021) or 32.
pub fn subnet_broadcast(address: Ipv4Addr, prefix_len: u8) -> Option<Ipv4Addr> {
    let host = host_mask(prefix_len);
    (host > 1).then(|| Ipv4Addr::from(u32::from(address) | host))
}

/// Whether `a` and `b` are in one subnet.
pub fn same_subnet(a: Ipv4Addr, b: Ipv4Addr, prefix_len: u8) -> bool {
    (u32::from(a) ^ u32::from(b)) & !host_mask(prefix_len) == 0
}

/// The mask of a prefix.
pub fn mask_of(prefix_len: u8) -> Ipv4Addr {
    Ipv4Addr::from(!host_mask(prefix_len))
}

/// The prefix of a mask; `None` if its ones are not in front.
pub fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let ones = bits.leading_ones();
    (ones + bits.trailing_zeros() >= 32).then_some(ones as u8)
}

fn host_mask(prefix_len: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0)
}

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

const TOTAL_LEN_AT: usize = 2;
const CHECKSUM_AT: usize = 10;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
/// DF, MF and the reserved bit.
const FLAGS: u16 = 0xe000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP/IP header as it is widely used to teach the checksum (Wikipedia, "Internet
    /// checksum", example of an IPv4 header): checksum 0xb861.
    const EXAMPLE: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];

    fn example() -> [u8; 0x73] {
        let mut bytes = [0; 0x73];
        bytes[..20].copy_from_slice(&EXAMPLE);
        bytes
    }

    #[test]
    fn a_header_round_trips() {
        let bytes = example();
        let packet = Packet::parse(&bytes).unwrap();
        let expected = Header::new(
            Protocol::UDP,
            Ipv4Addr::new(192, 168, 0, 1),
            Ipv4Addr::new(192, 168, 0, 199),
        );
        assert_eq!((packet.header, packet.header_len, packet.len()), (expected, 20, 0x73));
        let mut room = [0xee; 0x80];
        let mut writer = Writer::new(&mut room);
        writer.u8(7);
        expected.emit(&mut writer, |writer| writer.zeros(0x73 - 20));
        assert_eq!(writer.written()[1..], bytes);
    }

    #[test]
    fn padding_is_cut_and_damage_is_refused() {
        let mut padded = [0xff; 0x90];
        padded[..0x73].copy_from_slice(&example());
        assert_eq!(Packet::parse(&padded).unwrap().payload, [0; 0x73 - 20]);
        for at in 0..20 {
            let mut damaged = example();
            damaged[at] ^= 0x10;
            assert!(Packet::parse(&damaged).is_err(), "octet {at}");
        }
        for len in 0..0x73 {
            assert_eq!(Packet::parse(&example()[..len]), Err(Error::Truncated), "{len}");
        }
    }

    #[test]
    fn options_are_skipped_and_fragments_are_seen() {
        let mut bytes = [0; 28];
        bytes[..20].copy_from_slice(&EXAMPLE);
        bytes[0] = 0x46;
        bytes[3] = 28;
        bytes[6] = 0x20;
        bytes[10..12].fill(0);
        let checksum = Sum::new().with(&bytes[..24]).finish();
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.header_len, packet.payload.len()), (24, 4));
        assert!(packet.header.is_fragment() && !packet.header.dont_fragment);
        bytes[0] = 0x44;
        assert_eq!(Packet::parse(&bytes), Err(Error::Length));
    }

    #[test]
    fn masks_and_prefixes_belong_together() {
        for prefix_len in 0..=32 {
            assert_eq!(prefix_of(mask_of(prefix_len)), Some(prefix_len));
        }
        assert_eq!(prefix_of(Ipv4Addr::new(255, 0, 255, 0)), None);
        let address = Ipv4Addr::new(192, 168, 30, 10);
        assert_eq!(subnet_broadcast(address, 24), Some(Ipv4Addr::new(192, 168, 30, 255)));
        assert_eq!(subnet_broadcast(address, 31), None);
        assert_eq!(subnet_broadcast(address, 32), None);
        assert!(same_subnet(address, Ipv4Addr::new(192, 168, 31, 1), 23));
        assert!(!same_subnet(address, Ipv4Addr::new(192, 168, 31, 1), 24));
        assert!(same_subnet(address, Ipv4Addr::new(8, 8, 8, 8), 0));
    }
}
