//! L2TPv2 packets (RFC 2661 §3.1, §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-------------------------------+
//! |T L . . S . O P . . . .|  Ver  |  length of everything (if L)  |
//! +-------------------------------+-------------------------------+
//! |           tunnel id           |          session id           |
//! +-------------------------------+-------------------------------+
//! |           Ns (if S)           |           Nr (if S)           |
//! +-------------------------------+-------------------------------+
//! |      offset size (if O)       |      that many octets ...
//! +-------------------------------+-------------------------------+
//! ```
//!
//! T marks a control message: AVPs follow. Otherwise a PPP frame follows. L2TPv3 (RFC 3931) is
//! only told apart by [`version`], not parsed.

mod avp;
mod message;

pub use avp::{ATTRIBUTES, Attribute, AttributeSpec, Avp, Avps};
pub use message::{
    Fault, MESSAGES, Message, MessageKind, MessageSpec, ResultCode, SCCRP_LEN_MIN, STOP_CCN_LEN,
    emit_ack, emit_cdn, emit_hello, emit_icrp, emit_sccrp, emit_stop_ccn,
};

use core::num::NonZeroU16;
use core::ops::Range;

use super::Error;
use crate::buf::{Reader, Writer};

/// The version field of an L2TP packet over UDP: 2 for L2TPv2, 3 for L2TPv3, 1 for L2F.
pub fn version(message: &[u8]) -> Option<u8> {
    message.get(1).map(|octet| octet & 0x0f)
}

/// An L2TPv2 packet.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// A control message.
    Control(Control<'a>),
    /// A PPP frame.
    Data(Data),
}

/// A control message: its header and its AVPs.
#[derive(Clone, Debug)]
pub struct Control<'a> {
    /// The receiver's tunnel id; 0 in the first message.
    pub tunnel: u16,
    /// The receiver's session id; 0 where no call is meant.
    pub session: u16,
    /// Number of this message.
    pub ns: u16,
    /// Number of the message that the sender expects next.
    pub nr: u16,
    /// The AVPs; none in an acknowledgement (ZLB).
    pub avps: Avps<'a>,
}

/// The header of a data message, and where its PPP frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The receiver's tunnel id.
    pub tunnel: u16,
    /// The receiver's session id.
    pub session: u16,
    /// Octets of the packet that are the PPP frame; never empty.
    pub ppp: Range<usize>,
}

impl<'a> Packet<'a> {
    /// Reads the packet in `message`, the payload of a UDP datagram.
    ///
    /// Octets behind the length that the packet names are ignored, and so are sequence numbers
    /// and the offset of data. AVPs are not looked at yet.
    ///
    /// # Errors
    /// [`Error::Version`] for anything but version 2, [`Error::Unsupported`] for a control
    /// message without L and S or with O, [`Error::Length`] for a length that cannot be.
    pub fn parse(message: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(message);
        let flags = reader.u16()?;
        if flags & VERSION != VERSION_2 {
            return Err(Error::Version);
        }
        let mut length = message.len();
        if flags & LENGTH != 0 {
            length = usize::from(reader.u16()?);
        }
        let head = message.len() - reader.len();
        if length < head {
            return Err(Error::Length);
        }
        let mut reader = Reader::new(message.get(head..length).ok_or(Error::Truncated)?);
        let (tunnel, session) = (reader.u16()?, reader.u16()?);
        if flags & TYPE != 0 {
            if flags & (LENGTH | SEQUENCE | OFFSET) != LENGTH | SEQUENCE {
                return Err(Error::Unsupported);
            }
            let (ns, nr) = (reader.u16()?, reader.u16()?);
            let avps = Avps::new(reader.rest());
            return Ok(Self::Control(Control { tunnel, session, ns, nr, avps }));
        }
        if flags & SEQUENCE != 0 {
            reader.u32()?;
        }
        if flags & OFFSET != 0 {
            let pad = reader.u16()?;
            reader.take(usize::from(pad))?;
        }
        if reader.is_empty() {
            return Err(Error::Truncated);
        }
        Ok(Self::Data(Data { tunnel, session, ppp: length - reader.len()..length }))
    }
}

/// The header that goes in front of a PPP frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// The peer's tunnel id.
    pub tunnel: NonZeroU16,
    /// The peer's session id.
    pub session: NonZeroU16,
    /// Ns, where the peer demanded sequence numbers.
    pub sequence: Option<u16>,
}

impl DataHeader {
    /// Octets of the longest header.
    pub const LEN_MAX: usize = 12;

    /// Octets of this header.
    pub const fn len(&self) -> usize {
        if self.sequence.is_some() { Self::LEN_MAX } else { 8 }
    }

    /// Whether it has no octets: never.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes the header for a PPP frame of `ppp_len` octets.
    ///
    /// It always names its length: every client reads that. A frame of more than 65 523 octets,
    /// which no buffer holds, has its length cut.
    pub fn emit(&self, writer: &mut Writer<'_>, ppp_len: usize) {
        let sequence = if self.sequence.is_some() { SEQUENCE } else { 0 };
        writer.u16(LENGTH | sequence | VERSION_2);
        writer.u16(u16::try_from(self.len().saturating_add(ppp_len)).unwrap_or(u16::MAX));
        writer.u16(self.tunnel.get());
        writer.u16(self.session.get());
        if let Some(ns) = self.sequence {
            writer.u16(ns);
            // Nr means nothing in data messages.
            writer.u16(0);
        }
    }
}

/// The header of a control message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlHeader {
    /// The peer's tunnel id.
    pub tunnel: u16,
    /// The peer's session id, or 0.
    pub session: u16,
    /// Number of this message.
    pub ns: u16,
    /// Number of the message that we expect next.
    pub nr: u16,
}

impl ControlHeader {
    /// Writes the header, then what `body` writes, then the length of both.
    fn emit(&self, writer: &mut Writer<'_>, body: impl FnOnce(&mut Writer<'_>)) {
        let start = writer.len();
        writer.u16(TYPE | LENGTH | SEQUENCE | VERSION_2);
        writer.u16(0);
        writer.u16(self.tunnel);
        writer.u16(self.session);
        writer.u16(self.ns);
        writer.u16(self.nr);
        body(writer);
        let length = writer.len() - start;
        writer.set_u16(start + 2, u16::try_from(length).unwrap_or(u16::MAX));
    }
}

const TYPE: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const VERSION: u16 = 0x000f;
const VERSION_2: u16 = 2;
/// Octets of a control header, and so of an acknowledgement.
pub const CONTROL_LEN: usize = 12;

#[cfg(test)]
mod tests;
