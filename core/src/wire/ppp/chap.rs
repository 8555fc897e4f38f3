//! The Challenge Handshake Authentication Protocol (RFC 1994 §4) and the fields that MS-CHAPv2
//! puts into it (RFC 2759 §3 to §6).
//!
//! ```text
//! Challenge, Response: | value size | value | name |
//! MS-CHAPv2 response:  | peer challenge: 16 | reserved: 8 | NT response: 24 | flags: 1 |
//! Success:             "S=<40 digits> M=<text>"
//! Failure:             "E=<number> R=<0 or 1> C=<32 digits> V=3 M=<text>"
//! ```

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// Code of a Challenge.
pub const CHALLENGE: u8 = 1;
/// Code of a Response.
pub const RESPONSE: u8 = 2;
/// Code of a Success.
pub const SUCCESS: u8 = 3;
/// Code of a Failure.
pub const FAILURE: u8 = 4;

/// Algorithm of CHAP as RFC 1994 has it.
pub const MD5: u8 = 0x05;
/// Algorithm of MS-CHAP (RFC 2433).
pub const MS_CHAP_V1: u8 = 0x80;
/// Algorithm of MS-CHAPv2 (RFC 2759 §2).
pub const MS_CHAP_V2: u8 = 0x81;

/// The data of a Challenge or Response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valued<'a> {
    /// What the algorithm puts there.
    pub value: &'a [u8],
    /// Name of the sender.
    pub name: &'a [u8],
}

impl<'a> Valued<'a> {
    /// Reads the data of a packet.
    ///
    /// # Errors
    /// [`Error::Truncated`] if it is shorter than its value, [`Error::Length`] if there is none.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let len = usize::from(reader.u8()?);
        if len == 0 {
            return Err(Error::Length);
        }
        let value = reader.take(len)?;
        Ok(Self { value, name: reader.rest() })
    }

    /// Writes the data of a packet.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.u8(u8::try_from(self.value.len()).unwrap_or(u8::MAX));
        writer.put(self.value);
        writer.put(self.name);
    }
}

/// The value of an MS-CHAPv2 Response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MsChapV2Response {
    /// The client's own challenge.
    pub peer_challenge: [u8; 16],
    /// The proof.
    pub nt_response: [u8; 24],
}

impl MsChapV2Response {
    /// Octets of the value.
    pub const LEN: usize = 49;

    /// Reads the value; reserved octets and flags say nothing and are not looked at.
    ///
    /// # Errors
    /// [`Error::Length`] if it is not exactly [`Self::LEN`] octets.
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        if value.len() != Self::LEN {
            return Err(Error::Length);
        }
        let mut reader = Reader::new(value);
        let peer_challenge = reader.array()?;
        reader.take(8)?;
        Ok(Self { peer_challenge, nt_response: reader.array()? })
    }

    /// Writes the value.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.put(&self.peer_challenge);
        writer.zeros(8);
        writer.put(&self.nt_response);
        writer.u8(0);
    }
}

/// Writes the message of a Success (RFC 2759 §5).
pub fn emit_success(writer: &mut Writer<'_>, authenticator_response: &[u8; 20], message: &[u8]) {
    writer.put(b"S=");
    emit_digits(writer, authenticator_response);
    writer.put(b" M=");
    writer.put(message);
}

/// The message of a Failure (RFC 2759 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Windows' error number.
    pub error: u16,
    /// Whether the client may try again, with `challenge`.
    pub retry: bool,
    /// What the next response has to answer.
    pub challenge: &'a [u8; 16],
    /// Text for the user.
    pub message: &'a [u8],
}

impl Failure<'_> {
    /// Writes the message.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.put(b"E=");
        for place in [100, 10, 1] {
            writer.u8(b'0' + (self.error / place % 10) as u8);
        }
        writer.put(if self.retry { b" R=1 C=" } else { b" R=0 C=" });
        emit_digits(writer, self.challenge);
        writer.put(b" V=3 M=");
        writer.put(self.message);
    }
}

fn emit_digits(writer: &mut Writer<'_>, bytes: &[u8]) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
    for &byte in bytes {
        writer.put(&[digit(byte >> 4), digit(byte & 15)]);
    }
}
