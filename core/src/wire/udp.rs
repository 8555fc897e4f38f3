//! UDP over IPv4 (RFC 768): source port 16, destination port 16, length 16, checksum 16.
//!
//! A checksum of zero means that there is none; one that computes to zero is sent as all ones.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::Error;
use super::checksum::{Sum, pseudo_header};
use super::ipv4::{self, Protocol};
use crate::buf::{Reader, Writer};

/// A datagram that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads the payload of an IPv4 packet between these addresses and verifies the checksum.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Length`], [`Error::Checksum`].
    pub fn parse(bytes: &'a [u8], from: Ipv4Addr, to: Ipv4Addr) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let (source, destination) = (reader.u16()?, reader.u16()?);
        let len = usize::from(reader.u16()?);
        let checksum = reader.u16()?;
        let payload_len = len.checked_sub(HEADER_LEN).ok_or(Error::Length)?;
        let payload = reader.take(payload_len)?;
        let datagram = bytes.get(..len).ok_or(Error::Truncated)?;
        let sum = pseudo_header(from, to, Protocol::UDP.0, len).with(datagram);
        if checksum != 0 && sum.finish() != 0 {
            return Err(Error::Checksum);
        }
        Ok(Self { source, destination, payload })
    }
}

/// The ports of a datagram, without a look at the rest.
///
/// # Errors
/// [`Error::Truncated`].
pub fn ports(bytes: &[u8]) -> Result<(u16, u16), Error> {
    let mut reader = Reader::new(bytes);
    Ok((reader.u16()?, reader.u16()?))
}

/// Writes a whole IPv4 packet with a datagram that holds what `payload` writes.
pub fn emit(
    writer: &mut Writer<'_>,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: impl FnOnce(&mut Writer<'_>),
) {
    let header = ipv4::Header::new(Protocol::UDP, *source.ip(), *destination.ip());
    header.emit(writer, |writer| {
        let start = writer.len();
        writer.u16(source.port());
        writer.u16(destination.port());
        writer.u32(0);
        payload(writer);
        let len = writer.len() - start;
        writer.set_u16(start + LEN_AT, len as u16);
        let datagram = writer.written().get(start..).unwrap_or_default();
        let sum: Sum = pseudo_header(header.source, header.destination, Protocol::UDP.0, len);
        let checksum = match sum.with(datagram).finish() {
            0 => 0xffff,
            checksum => checksum,
        };
        writer.set_u16(start + CHECKSUM_AT, checksum);
    });
}

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

const LEN_AT: usize = 4;
const CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 68);
    const TO: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 67);

    fn packet(payload: &[u8], room: &mut [u8]) -> usize {
        let mut writer = Writer::new(room);
        emit(&mut writer, FROM, TO, |writer| writer.put(payload));
        writer.finish().unwrap()
    }

    fn parse(packet: &[u8]) -> Result<Datagram<'_>, Error> {
        let packet = ipv4::Packet::parse(packet)?;
        Datagram::parse(packet.payload, packet.header.source, packet.header.destination)
    }

    #[test]
    fn a_datagram_round_trips_and_damage_is_refused() {
        let mut room = [0; 64];
        let len = packet(b"hello", &mut room);
        let expected = Datagram { source: 68, destination: 67, payload: b"hello" };
        assert_eq!(parse(&room[..len]), Ok(expected));
        assert_eq!(ports(&room[20..len]), Ok((68, 67)));
        for at in 20..len {
            let mut damaged = room;
            damaged[at] ^= 1;
            assert!(parse(&damaged[..len]).is_err(), "octet {at}");
        }
    }

    #[test]
    fn a_checksum_of_zero_is_none_and_is_never_sent() {
        let mut room = [0; 64];
        let len = packet(b"hello", &mut room);
        room[26..28].fill(0);
        assert!(parse(&room[..len]).is_ok());
        room[28] ^= 1;
        assert!(parse(&room[..len]).is_ok());
        // The payload that makes everything else sum up to all ones.
        let len = packet(&[0, 0], &mut room);
        let payload = [room[26], room[27]];
        let len = packet(&payload, &mut room[..len]);
        assert_eq!(room[26..28], [0xff, 0xff]);
        assert!(parse(&room[..len]).is_ok());
    }
}
