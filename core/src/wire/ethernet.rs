//! Ethernet II (IEEE 802.3 §3): destination 6, source 6, type 2, payload. No FCS.
//!
//! Frames of 802.3 with a length instead of a type parse too: their `ether_type` is at most
//! 1500. A hub carries them; nothing else here understands them.

use super::Error;
use crate::addr::MacAddr;
use crate::buf::{Reader, Writer};

/// What the payload of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// An 802.1Q tag follows.
    pub const VLAN: Self = Self(0x8100);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// For whom.
    pub destination: MacAddr,
    /// From whom.
    pub source: MacAddr,
    /// What follows.
    pub ether_type: EtherType,
}

impl Header {
    /// Reads the header; what follows it is the payload, with padding if there is any.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(frame);
        let destination = MacAddr(reader.array()?);
        let source = MacAddr(reader.array()?);
        let ether_type = EtherType(reader.u16()?);
        Ok((Self { destination, source, ether_type }, reader.rest()))
    }

    /// Writes the header.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.put(&self.destination.0);
        writer.put(&self.source.0);
        writer.u16(self.ether_type.0);
    }

    /// The header as octets, to be pushed in front of a packet.
    pub const fn to_bytes(self) -> [u8; HEADER_LEN] {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (self.destination.0, self.source.0);
        let [m, n] = self.ether_type.0.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
    }
}

/// Octets of the header.
pub const HEADER_LEN: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_round_trips() {
        let bytes = *b"\xff\xff\xff\xff\xff\xff\x4a\x01\x02\x03\x04\x05\x08\x06rest";
        let (header, rest) = Header::parse(&bytes).unwrap();
        assert_eq!((header.ether_type, rest), (EtherType::ARP, &b"rest"[..]));
        assert!(header.destination.is_group() && !header.source.is_group());
        assert_eq!(header.to_bytes(), bytes[..14]);
        let mut room = [0; 14];
        header.emit(&mut Writer::new(&mut room));
        assert_eq!(room, bytes[..14]);
        assert_eq!(Header::parse(&bytes[..13]), Err(Error::Truncated));
    }
}
