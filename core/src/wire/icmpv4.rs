//! ICMP for IPv4 (RFC 792): type 8, code 8, checksum 16, then 32 bits and data that depend on
//! the type. Echo, and the error that tells a sender about a smaller MTU (RFC 1191 §4).

use core::net::Ipv4Addr;

use super::Error;
use super::checksum::Sum;
use super::ipv4::{self, Protocol};
use crate::buf::{Reader, Writer};

/// An ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Asks for its content to be sent back.
    EchoRequest(Echo<'a>),
    /// Sends it back.
    EchoReply(Echo<'a>),
    /// The packet was too long and must not be fragmented.
    FragmentationNeeded {
        /// Octets of the longest packet that fits.
        mtu: u16,
        /// The beginning of the packet: its header and at least 8 octets more.
        packet: &'a [u8],
    },
}

/// The content of an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Tells askers apart.
    pub ident: u16,
    /// Tells questions apart.
    pub sequence: u16,
    /// Anything.
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the payload of an IPv4 packet and verifies its checksum.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Checksum`]; [`Error::Unsupported`] for other types.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let kind = (reader.u8()?, reader.u8()?);
        reader.u16()?;
        let (first, second) = (reader.u16()?, reader.u16()?);
        let rest = reader.rest();
        if Sum::new().with(bytes).finish() != 0 {
            return Err(Error::Checksum);
        }
        let echo = Echo { ident: first, sequence: second, data: rest };
        match kind {
            ECHO_REQUEST => Ok(Self::EchoRequest(echo)),
            ECHO_REPLY => Ok(Self::EchoReply(echo)),
            FRAGMENTATION_NEEDED => Ok(Self::FragmentationNeeded { mtu: second, packet: rest }),
            _ => Err(Error::Unsupported),
        }
    }

    /// Writes a whole IPv4 packet with this message.
    pub fn emit(&self, writer: &mut Writer<'_>, source: Ipv4Addr, destination: Ipv4Addr) {
        let ((kind, code), first, second, rest) = match *self {
            Self::EchoRequest(echo) => (ECHO_REQUEST, echo.ident, echo.sequence, echo.data),
            Self::EchoReply(echo) => (ECHO_REPLY, echo.ident, echo.sequence, echo.data),
            Self::FragmentationNeeded { mtu, packet } => (FRAGMENTATION_NEEDED, 0, mtu, packet),
        };
        let header = ipv4::Header::new(Protocol::ICMP, source, destination);
        header.emit(writer, |writer| {
            let start = writer.len();
            writer.u8(kind);
            writer.u8(code);
            writer.u16(0);
            writer.u16(first);
            writer.u16(second);
            writer.put(rest);
            let message = writer.written().get(start..).unwrap_or_default();
            let checksum = Sum::new().with(message).finish();
            writer.set_u16(start + CHECKSUM_AT, checksum);
        });
    }
}

const CHECKSUM_AT: usize = 2;
const ECHO_REPLY: (u8, u8) = (0, 0);
const FRAGMENTATION_NEEDED: (u8, u8) = (3, 4);
const ECHO_REQUEST: (u8, u8) = (8, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_and_damage_is_refused() {
        let echo = Echo { ident: 0x1234, sequence: 7, data: b"abcdefg" };
        let messages = [
            Message::EchoRequest(echo),
            Message::EchoReply(echo),
            Message::FragmentationNeeded { mtu: 1400, packet: b"head" },
        ];
        for message in messages {
            let mut room = [0; 64];
            let mut writer = Writer::new(&mut room);
            message.emit(&mut writer, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
            let len = writer.finish().unwrap();
            let packet = ipv4::Packet::parse(&room[..len]).unwrap();
            assert_eq!(packet.header.protocol, Protocol::ICMP);
            assert_eq!(Message::parse(packet.payload), Ok(message));
            room[24] ^= 1;
            assert_eq!(Message::parse(&room[20..len]), Err(Error::Checksum));
            assert_eq!(Message::parse(&room[20..27]), Err(Error::Truncated));
        }
    }
}
