//! NAT original address payloads (RFC 3947 §5.2).
//!
//! A NAT discovery payload is a bare hash and needs no format of its own.
//!
//! ```text
//!  identification type, 1 or 5 (1) | reserved (3) | address
//! ```

use core::net::IpAddr;

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// An address as its owner sees it.
pub type Original = IpAddr;

/// The body of a NAT original address payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatOa(pub Original);

impl NatOa {
    /// Reads the body of a NAT original address payload.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for anything but an address, [`Error::Truncated`].
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        reader.take(3)?;
        match kind {
            super::id_type::IPV4 => Ok(Self(reader.array::<4>()?.into())),
            super::id_type::IPV6 => Ok(Self(reader.array::<16>()?.into())),
            _ => Err(Error::Unsupported),
        }
    }

    /// Writes the body of a NAT original address payload.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        super::Id::emit_address(self.0, 0, 0, writer);
    }
}
