//! PPP frames as L2TP carries them: no flags, no escapes, no FCS (RFC 1661 §2, RFC 1662 §3.1,
//! RFC 2661 §5.1).
//!
//! ```text
//! | FF 03, may be missing | protocol: 2 octets, 1 if compressed | information, padding |
//! ```

pub mod chap;
pub mod cp;
pub mod ipcp;
pub mod ipv6cp;
pub mod lcp;
pub mod pap;

use super::Error;
use crate::buf::{Reader, Writer};

/// Number of a PPP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// An IPv4 packet (RFC 1332).
    pub const IPV4: Self = Self(0x0021);
    /// An IPv6 packet (RFC 5072).
    pub const IPV6: Self = Self(0x0057);
    /// Internet Protocol Control Protocol (RFC 1332).
    pub const IPCP: Self = Self(0x8021);
    /// IPv6 Control Protocol (RFC 5072).
    pub const IPV6CP: Self = Self(0x8057);
    /// Compression Control Protocol (RFC 1962), and with it MPPE.
    pub const CCP: Self = Self(0x80fd);
    /// Link Control Protocol (RFC 1661).
    pub const LCP: Self = Self(0xc021);
    /// Password Authentication Protocol (RFC 1334).
    pub const PAP: Self = Self(0xc023);
    /// Challenge Handshake Authentication Protocol (RFC 1994).
    pub const CHAP: Self = Self(0xc223);
    /// Extensible Authentication Protocol (RFC 3748).
    pub const EAP: Self = Self(0xc227);
}

/// A frame taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the information is.
    pub protocol: Protocol,
    /// Information and padding.
    pub information: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes `frame` apart, with or without address, control and the protocol's first octet.
    ///
    /// Compressed fields are accepted whether or not they were negotiated: no protocol number
    /// begins with FF, and the last octet of every number, and no other, is odd (RFC 1661 §2).
    ///
    /// # Errors
    /// [`Error::Truncated`] if it ends within its header.
    pub fn parse(frame: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(frame.strip_prefix(ADDRESS_CONTROL).unwrap_or(frame));
        let first = reader.u8()?;
        let protocol = if first & 1 == 1 {
            u16::from(first)
        } else {
            u16::from_be_bytes([first, reader.u8()?])
        };
        Ok(Self { protocol: Protocol(protocol), information: reader.rest() })
    }
}

/// Writes the header of a frame, nothing left out.
pub fn emit_header(writer: &mut Writer<'_>, protocol: Protocol) {
    writer.put(ADDRESS_CONTROL);
    writer.u16(protocol.0);
}

/// Octets of a header of which nothing is left out.
pub const HEADER_LEN: usize = 4;
/// All stations, unnumbered information (RFC 1662 §3.1).
pub const ADDRESS_CONTROL: &[u8; 2] = &[0xff, 0x03];

#[cfg(test)]
mod tests;
