//! The IPv6 header (RFC 8200 §3): version 4, traffic class 8, flow label 20, payload length 16,
//! next header 8, hop limit 8, source and destination 128 each.
//!
//! Extension headers are not walked: `next_header` names the first of them, if there is one.

use core::net::Ipv6Addr;

use super::Error;
use super::ipv4::Protocol;
use crate::buf::Reader;

/// The header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub next_header: Protocol,
    /// Routers that may still forward it.
    pub hop_limit: u8,
    /// From whom.
    pub source: Ipv6Addr,
    /// For whom.
    pub destination: Ipv6Addr,
}

impl Header {
    /// Reads a header; with it comes what follows, without what a link layer padded.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Version`].
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(packet);
        if reader.u32()? >> 28 != 6 {
            return Err(Error::Version);
        }
        let payload_len = usize::from(reader.u16()?);
        let header = Self {
            next_header: Protocol(reader.u8()?),
            hop_limit: reader.u8()?,
            source: reader.array::<16>()?.into(),
            destination: reader.array::<16>()?.into(),
        };
        Ok((header, reader.take(payload_len)?))
    }
}

/// Octets of the header.
pub const HEADER_LEN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_and_padding_is_cut() {
        let mut bytes = [0; 46];
        bytes[0] = 0x60;
        bytes[5] = 4;
        bytes[6] = 17;
        bytes[7] = 64;
        bytes[23] = 1;
        bytes[39] = 2;
        let (header, payload) = Header::parse(&bytes).unwrap();
        assert_eq!((header.next_header, header.hop_limit), (Protocol::UDP, 64));
        assert_eq!((header.source, payload.len()), (Ipv6Addr::LOCALHOST, 4));
        assert_eq!(Header::parse(&bytes[..43]), Err(Error::Truncated));
        bytes[0] = 0x45;
        assert_eq!(Header::parse(&bytes), Err(Error::Version));
    }
}
