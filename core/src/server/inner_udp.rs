//! The UDP header between ESP and L2TP (RFC 3193 §3).
//!
//! Its checksum is not looked at: ESP has authenticated the packet, and in transport mode a NAT
//! on the way has changed the addresses that the checksum covers (RFC 3948 §3.1.2). Over IPv4 we
//! send none; over IPv6, where it is mandatory, we send the right one.

use core::net::{IpAddr, Ipv6Addr};

use crate::addr::{L2TP_PORT, Path};
use crate::buf::{Frame, NoRoom};
use crate::discard::DropReason;
use crate::wire::checksum::Sum;

/// Removes the header of a datagram to our L2TP port and tells the peer's port.
///
/// # Errors
/// The reason to drop it.
pub(super) fn strip<B: AsRef<[u8]> + AsMut<[u8]>>(frame: &mut Frame<B>) -> Result<u16, DropReason> {
    let header = frame.bytes().first_chunk::<LEN>().ok_or(DropReason::Truncated)?;
    let [s0, s1, d0, d1, l0, l1, _, _] = *header;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < LEN || len > frame.len() {
        return Err(DropReason::BadLength);
    }
    if u16::from_be_bytes([d0, d1]) != L2TP_PORT {
        return Err(DropReason::BadSelector);
    }
    frame.truncate(len);
    frame.strip(LEN)?;
    Ok(u16::from_be_bytes([s0, s1]))
}

/// Pushes the header of a datagram from our L2TP port to `port` of the peer.
///
/// # Errors
/// [`NoRoom`] if the frame has no headroom.
pub(super) fn push<B: AsRef<[u8]> + AsMut<[u8]>>(
    frame: &mut Frame<B>,
    port: u16,
    path: &Path,
) -> Result<(), NoRoom> {
    let header = frame.push(LEN)?.first_chunk_mut::<LEN>().ok_or(NoRoom)?;
    let [s0, s1] = L2TP_PORT.to_be_bytes();
    let [d0, d1] = port.to_be_bytes();
    *header = [s0, s1, d0, d1, 0, 0, 0, 0];
    let len = u16::try_from(frame.len()).map_err(|_| NoRoom)?;
    set_u16(frame.bytes_mut(), LEN_AT, len);
    if let (IpAddr::V6(local), IpAddr::V6(remote)) = (path.local.ip(), path.remote.ip()) {
        let sum = match checksum(local, remote, frame.bytes()) {
            0 => u16::MAX,
            sum => sum,
        };
        set_u16(frame.bytes_mut(), CHECKSUM_AT, sum);
    }
    Ok(())
}

/// The checksum over a datagram and its pseudo header (RFC 8200 §8.1).
fn checksum(from: Ipv6Addr, to: Ipv6Addr, datagram: &[u8]) -> u16 {
    let len = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
    let pseudo = Sum::new().with(&from.octets()).with(&to.octets());
    pseudo.with_u16(UDP).with_u16(len).with(datagram).finish()
}

fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = value.to_be_bytes();
    }
}

/// IP protocol number of UDP.
const UDP: u16 = 17;
const LEN: usize = 8;
const LEN_AT: usize = 4;
const CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Outer;

    fn frame(bytes: &[u8]) -> Frame<[u8; 512]> {
        let mut frame = Frame::received([0; 512], bytes.len()).unwrap();
        frame.bytes_mut().copy_from_slice(bytes);
        frame
    }

    fn path(local: &str, remote: &str) -> Path {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        Path { local, remote, outer: Outer::Udp }
    }

    #[test]
    fn what_is_pushed_can_be_stripped() {
        let mut frame = frame(b"l2tp");
        push(&mut frame, 40_000, &path("192.0.2.1:4500", "192.0.2.2:4500")).unwrap();
        assert_eq!(frame.bytes(), b"\x06\xa5\x9c\x40\0\x0c\0\0l2tp");
        assert_eq!(strip(&mut frame), Err(DropReason::BadSelector));
        frame.bytes_mut()[2..4].copy_from_slice(&[0x06, 0xa5]);
        frame.append(3).unwrap();
        assert_eq!(strip(&mut frame), Ok(1701));
        assert_eq!(frame.bytes(), b"l2tp");
    }

    #[test]
    fn over_ipv6_the_checksum_is_right() {
        let mut frame = frame(b"odd");
        let path = path("[2001:db8::1]:500", "[2001:db8::2]:500");
        push(&mut frame, 1701, &path).unwrap();
        let (IpAddr::V6(from), IpAddr::V6(to)) = (path.local.ip(), path.remote.ip()) else {
            unreachable!()
        };
        assert_eq!(checksum(from, to, frame.bytes()), 0);
        assert_ne!(frame.bytes()[CHECKSUM_AT..LEN], [0, 0]);
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        assert_eq!(strip(&mut frame(b"\x06\xa5\x06\xa5\0\x09\0\0")), Err(DropReason::BadLength));
        assert_eq!(strip(&mut frame(b"\x06\xa5\x06\xa5\0\x07\0\0")), Err(DropReason::BadLength));
        assert_eq!(strip(&mut frame(b"\x06\xa5\x06")), Err(DropReason::Truncated));
    }
}
