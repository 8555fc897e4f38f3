//! The packet that LCP, the network control protocols, PAP, CHAP and EAP share, and the options
//! within (RFC 1661 §5, §6).
//!
//! ```text
//! | code | identifier | length: 2 octets | data, length - 4 octets | padding |
//! | type | length     | data, length - 2 octets |  …
//! ```

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// A packet of a control protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is; see [`code`] for those that every control protocol has.
    pub code: u8,
    /// Tells which request a reply belongs to.
    pub id: u8,
    /// The rest, without padding.
    pub data: &'a [u8],
    /// The whole packet, without padding.
    pub whole: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; what stands behind its length is padding.
    ///
    /// # Errors
    /// [`Error::Truncated`] if `information` is shorter than it says, [`Error::Length`] if it
    /// says less than its own header.
    pub fn parse(information: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(information);
        let (code, id, len) = (reader.u8()?, reader.u8()?, usize::from(reader.u16()?));
        let data = reader.take(len.checked_sub(HEADER_LEN).ok_or(Error::Length)?)?;
        let whole = Reader::new(information).take(len)?;
        Ok(Self { code, id, data, whole })
    }
}

/// Writes a packet around what `data` writes.
pub fn emit(writer: &mut Writer<'_>, code: u8, id: u8, data: impl FnOnce(&mut Writer<'_>)) {
    let start = writer.len();
    writer.u8(code);
    writer.u8(id);
    writer.u16(0);
    data(writer);
    let len = writer.len().saturating_sub(start);
    writer.set_u16(start.saturating_add(2), u16::try_from(len).unwrap_or(u16::MAX));
}

/// One option as it stands in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Its type.
    pub kind: u8,
    /// Its value.
    pub data: &'a [u8],
    /// Type, length and value: what a Configure-Reject repeats.
    pub whole: &'a [u8],
}

/// The options of a packet. The first malformed one ends it with an error.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

/// The options in `data`.
pub const fn choices(data: &[u8]) -> Choices<'_> {
    Choices(data)
}

impl<'a> Iterator for Choices<'a> {
    type Item = Result<Choice<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (choice, rest) = split_choice(self.0)
            .map_or_else(|error| (Err(error), &[] as &[u8]), |(choice, rest)| (Ok(choice), rest));
        self.0 = rest;
        Some(choice)
    }
}

fn split_choice(bytes: &[u8]) -> Result<(Choice<'_>, &[u8]), Error> {
    let mut reader = Reader::new(bytes);
    let (kind, len) = (reader.u8()?, usize::from(reader.u8()?));
    let data = reader.take(len.checked_sub(2).ok_or(Error::Length)?)?;
    let whole = Reader::new(bytes).take(len)?;
    Ok((Choice { kind, data, whole }, reader.rest()))
}

/// Writes one option.
pub fn emit_choice(writer: &mut Writer<'_>, kind: u8, data: &[u8]) {
    writer.u8(kind);
    writer.u8(u8::try_from(data.len().saturating_add(2)).unwrap_or(u8::MAX));
    writer.put(data);
}

/// Codes that every control protocol has (RFC 1661 §5).
pub mod code {
    /// Configure-Request.
    pub const CONFIGURE_REQUEST: u8 = 1;
    /// Configure-Ack.
    pub const CONFIGURE_ACK: u8 = 2;
    /// Configure-Nak.
    pub const CONFIGURE_NAK: u8 = 3;
    /// Configure-Reject.
    pub const CONFIGURE_REJECT: u8 = 4;
    /// Terminate-Request.
    pub const TERMINATE_REQUEST: u8 = 5;
    /// Terminate-Ack.
    pub const TERMINATE_ACK: u8 = 6;
    /// Code-Reject.
    pub const CODE_REJECT: u8 = 7;
}

/// Octets in front of a packet's data.
pub const HEADER_LEN: usize = 4;
