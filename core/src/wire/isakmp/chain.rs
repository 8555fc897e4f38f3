//! Writing a message: the types and lengths that refer to what comes later.

use super::header::{HEADER_LEN, Header};
use super::payload::{PAYLOAD_HEADER_LEN, payload_type};
use crate::buf::Writer;

/// Writes a message payload by payload.
///
/// The writer must be empty when the chain begins: offsets count from the header.
#[derive(Debug)]
pub struct Chain<'w, 'b> {
    writer: &'w mut Writer<'b>,
    /// Where the type of the next payload has to be written.
    next_at: usize,
}

impl<'w, 'b> Chain<'w, 'b> {
    /// Writes `header`, whose type of the first payload is filled in later.
    pub fn begin(header: &Header, writer: &'w mut Writer<'b>) -> Self {
        Header { next_payload: payload_type::NONE, ..*header }.emit(0, writer);
        Self { writer, next_at: NEXT_PAYLOAD_AT }
    }

    /// Adds a payload of type `kind` whose body `write` writes.
    pub fn add(&mut self, kind: u8, write: impl FnOnce(&mut Writer<'_>)) {
        let start = self.writer.len();
        if let Some(next) = self.writer.written_mut().get_mut(self.next_at) {
            *next = kind;
        }
        self.next_at = start;
        self.writer.zeros(PAYLOAD_HEADER_LEN);
        write(self.writer);
        let len = self.writer.len().saturating_sub(start);
        self.writer.set_u16(start + 2, len as u16);
    }

    /// Adds a payload with a body that is there already.
    pub fn copy(&mut self, kind: u8, body: &[u8]) {
        self.add(kind, |writer| writer.put(body));
    }

    /// Pads the body with zeros to a multiple of `block_len` (RFC 2409 Appendix B) and fills in
    /// the message's length; tells the length without padding.
    pub fn end(self, block_len: usize) -> usize {
        let len = self.writer.len();
        let body = len.saturating_sub(HEADER_LEN);
        self.writer.zeros(body.next_multiple_of(block_len.max(1)) - body);
        let padded = self.writer.len();
        self.writer.set_u32(LENGTH_AT, padded as u32);
        len
    }
}

const NEXT_PAYLOAD_AT: usize = 16;
const LENGTH_AT: usize = 24;
