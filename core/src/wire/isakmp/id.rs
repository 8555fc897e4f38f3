//! Identification payloads (RFC 2407 §4.6.2).
//!
//! ```text
//!  type (1) | protocol (1) | port (2) | data
//! ```

use core::net::IpAddr;

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// The body of an identification payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<'a> {
    /// What the data is: see [`id_type`]; unknown types are kept.
    pub kind: u8,
    /// IP protocol; zero for any.
    pub protocol: u8,
    /// Port; zero for any.
    pub port: u16,
    /// The identity.
    pub data: &'a [u8],
}

impl<'a> Id<'a> {
    /// Reads the body of an identification payload.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Length`] for an address of the wrong length.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let (kind, protocol, port) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let data = reader.rest();
        let len = match kind {
            id_type::IPV4 => 4,
            id_type::IPV4_SUBNET => 8,
            id_type::IPV6 => 16,
            id_type::IPV6_SUBNET => 32,
            _ => data.len(),
        };
        if data.len() != len {
            return Err(Error::Length);
        }
        Ok(Self { kind, protocol, port, data })
    }

    /// Writes the body of a payload that names `address`.
    pub fn emit_address(address: IpAddr, protocol: u8, port: u16, writer: &mut Writer<'_>) {
        let kind = if address.is_ipv4() { id_type::IPV4 } else { id_type::IPV6 };
        writer.u8(kind);
        writer.u8(protocol);
        writer.u16(port);
        match address {
            IpAddr::V4(address) => writer.put(&address.octets()),
            IpAddr::V6(address) => writer.put(&address.octets()),
        }
    }
}

/// Identification types (RFC 2407 §4.6.2.1).
pub mod id_type {
    /// An IPv4 address.
    pub const IPV4: u8 = 1;
    /// A domain name.
    pub const FQDN: u8 = 2;
    /// A mail address.
    pub const USER_FQDN: u8 = 3;
    /// An IPv4 address and mask.
    pub const IPV4_SUBNET: u8 = 4;
    /// An IPv6 address.
    pub const IPV6: u8 = 5;
    /// An IPv6 address and mask.
    pub const IPV6_SUBNET: u8 = 6;
    /// Octets that name a key.
    pub const KEY_ID: u8 = 11;
}
