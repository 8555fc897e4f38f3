//! The 802.1Q tag (IEEE 802.1Q §9.6): priority 3 bits, drop eligible 1, VLAN 12, then the type
//! of what follows. Only recognised: a hub carries tagged frames as they are.

use super::Error;
use super::ethernet::EtherType;
use crate::buf::Reader;

/// A tag, as it follows [`EtherType::VLAN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Priority code point, 0 to 7.
    pub priority: u8,
    /// Whether the frame may be dropped first.
    pub drop_eligible: bool,
    /// VLAN, 0 to 4095; 0 says that only the priority counts.
    pub vlan: u16,
    /// What follows the tag.
    pub ether_type: EtherType,
}

impl Tag {
    /// Reads the tag from the payload of a frame of type [`EtherType::VLAN`]; what follows it is
    /// the inner payload.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(payload);
        let control = reader.u16()?;
        let tag = Self {
            priority: (control >> 13) as u8,
            drop_eligible: control & 0x1000 != 0,
            vlan: control & 0x0fff,
            ether_type: EtherType(reader.u16()?),
        };
        Ok((tag, reader.rest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_bit_by_bit() {
        let (tag, rest) = Tag::parse(&[0xb0, 0x64, 0x08, 0x00, 0x45]).unwrap();
        let expected =
            Tag { priority: 5, drop_eligible: true, vlan: 100, ether_type: EtherType::IPV4 };
        assert_eq!((tag, rest), (expected, &[0x45][..]));
        assert_eq!(Tag::parse(&[0xb0, 0x64, 0x08]), Err(Error::Truncated));
    }
}
