//! The control messages that say to which of our addresses a datagram came, from which one the
//! answer leaves (`ip(7)`, RFC 3542 §6), and how long the datagrams of a group are (`udp(7)`).
#![allow(unsafe_code, reason = "control messages are laid out by hand")]

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

/// Room for packet information and the length of segments, aligned as their headers want.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control([u8; CONTROL_LEN]);

impl Control {
    /// Nothing.
    pub(super) const EMPTY: Self = Self([0; CONTROL_LEN]);

    /// Where the kernel reads and writes.
    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    /// Octets that the kernel may write.
    pub(super) const fn capacity() -> usize {
        CONTROL_LEN
    }

    /// Makes this a message that sends from `local`; returns its length.
    pub(super) fn set_source(&mut self, local: IpAddr, remote: SocketAddr) -> usize {
        *self = Self::EMPTY;
        match (local, remote) {
            (IpAddr::V4(local), _) => {
                let address = libc::in_addr { s_addr: u32::from_ne_bytes(local.octets()) };
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: address,
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.write(libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            (IpAddr::V6(local), remote) => {
                // A link-local address means nothing without its interface.
                let scope = match remote {
                    SocketAddr::V6(remote) => remote.scope_id(),
                    SocketAddr::V4(_) => 0,
                };
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: local.octets() },
                    ipi6_ifindex: scope,
                };
                self.write(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        }
    }

    /// Adds, behind the `len` octets there are, that the payload is datagrams of `segment` octets
    /// and a last one of no more; returns the length of both messages.
    pub(super) fn add_segment(&mut self, len: usize, segment: u16) -> usize {
        self.write_at(len, libc::SOL_UDP, libc::UDP_SEGMENT, segment)
    }

    /// The address that a datagram was sent to, from the `len` octets that the kernel wrote.
    pub(super) fn destination(&self, len: usize) -> Option<IpAddr> {
        let (level, kind, _) = self.header(len)?;
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info: libc::in_pktinfo = self.read(len)?;
                Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()))
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info: libc::in6_pktinfo = self.read(len)?;
                Some(IpAddr::from(info.ipi6_addr.s6_addr))
            }
            _ => None,
        }
    }

    fn write<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, info: T) -> usize {
        self.write_at(0, level, kind, info)
    }

    /// Writes a message at `at`; returns where the next one goes, or `at` if it does not fit.
    fn write_at<T: Copy>(
        &mut self,
        at: usize,
        level: libc::c_int,
        kind: libc::c_int,
        info: T,
    ) -> usize {
        let len = (HEADER_LEN + size_of::<T>()).next_multiple_of(align_of::<usize>());
        let Some(room) = self.0.get_mut(at..at + len) else { return at };
        let header = libc::cmsghdr {
            cmsg_len: HEADER_LEN + size_of::<T>(),
            cmsg_level: level,
            cmsg_type: kind,
        };
        // SAFETY: both writes stay within `room`, which is as long as both, and do not depend
        // on alignment.
        unsafe {
            let start = room.as_mut_ptr();
            start.cast::<libc::cmsghdr>().write_unaligned(header);
            start.add(HEADER_LEN).cast::<T>().write_unaligned(info);
        }
        at + len
    }

    fn header(&self, len: usize) -> Option<(libc::c_int, libc::c_int, usize)> {
        if !(HEADER_LEN..=CONTROL_LEN).contains(&len) {
            return None;
        }
        // SAFETY: the array is longer than a header, whose bit patterns are all valid.
        let header = unsafe { self.0.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        Some((header.cmsg_level, header.cmsg_type, header.cmsg_len))
    }

    /// The content of the message as `T`, one of the kernel's plain structs of integers.
    fn read<T: Copy>(&self, len: usize) -> Option<T> {
        const { assert!(HEADER_LEN + size_of::<T>() <= CONTROL_LEN) };
        let (.., message_len) = self.header(len)?;
        if message_len > len || message_len < HEADER_LEN + size_of::<T>() {
            return None;
        }
        let mut info = MaybeUninit::<T>::uninit();
        // SAFETY: the source lies within the array, the target is as long, and the callers
        // name only structs of integers, for which every bit pattern is valid.
        unsafe {
            let from = self.0.as_ptr().add(HEADER_LEN);
            info.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(from, size_of::<T>());
            Some(info.assume_init())
        }
    }
}

const HEADER_LEN: usize = size_of::<libc::cmsghdr>();
const CONTROL_LEN: usize = 64;
const _: () = assert!(
    HEADER_LEN.is_multiple_of(align_of::<usize>()),
    "CMSG_DATA follows the header without padding"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_packet_information_is_no_address() {
        let mut control = Control::EMPTY;
        assert_eq!(control.destination(0), None);
        assert_eq!(control.destination(CONTROL_LEN), None);
        let len = control.write(libc::SOL_SOCKET, libc::SCM_RIGHTS, 7_i32);
        assert_eq!(control.destination(len), None);
        let len = control.set_source("192.0.2.1".parse().unwrap(), "192.0.2.2:1".parse().unwrap());
        assert_eq!(control.destination(HEADER_LEN + 4), None);
        assert!(control.destination(len).is_some());
    }
}
