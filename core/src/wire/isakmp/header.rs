//! The ISAKMP header (RFC 2408 §3.1).
//!
//! ```text
//!  initiator cookie (8) | responder cookie (8) | next payload (1) | version (1)
//!  exchange type (1) | flags (1) | message id (4) | length of the whole message (4)
//! ```

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// One side's half of an IKE SA's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// What stands for a responder that has not answered yet.
    pub const NONE: Self = Self([0; 8]);
}

/// The header of an ISAKMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Cookie of the side that began phase 1.
    pub initiator: Cookie,
    /// Cookie of the other side.
    pub responder: Cookie,
    /// Type of the first payload.
    pub next_payload: u8,
    /// Exchange type: see [`exchange`].
    pub exchange: u8,
    /// Flags: see [`flag`]. Unknown ones are kept.
    pub flags: u8,
    /// Names an exchange of phase 2; zero in phase 1.
    pub message_id: u32,
}

impl Header {
    /// Splits a datagram into header and body; octets behind the message are left out.
    ///
    /// # Errors
    /// [`Error::Version`] for another major version than 1, [`Error::Length`] for a message
    /// shorter than its header, [`Error::Truncated`] for one longer than the datagram.
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(datagram);
        let initiator = Cookie(reader.array()?);
        let responder = Cookie(reader.array()?);
        let next_payload = reader.u8()?;
        let version = reader.u8()?;
        let exchange = reader.u8()?;
        let flags = reader.u8()?;
        let message_id = reader.u32()?;
        let len = reader.u32()? as usize;
        if version >> 4 != MAJOR_VERSION {
            return Err(Error::Version);
        }
        let body = len.checked_sub(HEADER_LEN).ok_or(Error::Length)?;
        let body = reader.take(body)?;
        Ok((Self { initiator, responder, next_payload, exchange, flags, message_id }, body))
    }

    /// Writes the header of a message of `len` octets, header included.
    pub fn emit(&self, len: u32, writer: &mut Writer<'_>) {
        writer.put(&self.initiator.0);
        writer.put(&self.responder.0);
        writer.u8(self.next_payload);
        writer.u8(MAJOR_VERSION << 4);
        writer.u8(self.exchange);
        writer.u8(self.flags);
        writer.u32(self.message_id);
        writer.u32(len);
    }
}

/// Exchange types (RFC 2408 §3.1, RFC 2409 §6).
pub mod exchange {
    /// Identity protection: main mode.
    pub const MAIN_MODE: u8 = 2;
    /// Aggressive mode.
    pub const AGGRESSIVE: u8 = 4;
    /// Informational.
    pub const INFORMATIONAL: u8 = 5;
    /// Configuration and XAUTH.
    pub const TRANSACTION: u8 = 6;
    /// Quick mode.
    pub const QUICK_MODE: u8 = 32;
}

/// Header flags (RFC 2408 §3.1).
pub mod flag {
    /// The body is encrypted.
    pub const ENCRYPTED: u8 = 1;
    /// The sender waits for a CONNECTED notify.
    pub const COMMIT: u8 = 2;
    /// Authenticated but not encrypted.
    pub const AUTHENTICATED: u8 = 4;
}

/// Octets of the header.
pub const HEADER_LEN: usize = 28;
const MAJOR_VERSION: u8 = 1;
