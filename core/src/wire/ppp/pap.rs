//! The Password Authentication Protocol (RFC 1334 §2.2).
//!
//! ```text
//! Authenticate-Request: | length | peer id | length | password |
//! Authenticate-Ack/Nak: | length | message |
//! ```

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// Code of an Authenticate-Request.
pub const REQUEST: u8 = 1;
/// Code of an Authenticate-Ack.
pub const ACK: u8 = 2;
/// Code of an Authenticate-Nak.
pub const NAK: u8 = 3;

/// The data of an Authenticate-Request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The user's name.
    pub name: &'a [u8],
    /// The user's password.
    pub password: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads the data of a packet.
    ///
    /// # Errors
    /// [`Error::Truncated`] if it is shorter than its lengths say.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data);
        let mut counted = || {
            let len = reader.u8()?;
            reader.take(usize::from(len))
        };
        Ok(Self { name: counted()?, password: counted()? })
    }

    /// Writes the data of a packet.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        for text in [self.name, self.password] {
            emit_counted(writer, text);
        }
    }
}

/// Writes the data of an Authenticate-Ack or Authenticate-Nak.
pub fn emit_message(writer: &mut Writer<'_>, message: &[u8]) {
    emit_counted(writer, message);
}

fn emit_counted(writer: &mut Writer<'_>, text: &[u8]) {
    writer.u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
    writer.put(text.get(..usize::from(u8::MAX)).unwrap_or(text));
}
