//! Datagrams in batches, received straight into buffers of the pool (`recvmmsg(2)`,
//! `sendmmsg(2)`).
//!
//! Datagrams of one length that leave one after the other for one place are handed over as one
//! group, which the kernel carries through its layers as a whole and cuts at the end
//! (`UDP_SEGMENT`, `udp(7)`). On the wire nothing differs.
#![allow(unsafe_code, reason = "message headers hold pointers to buffers, names and controls")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use kumihimo_core::buf::{BUFFER_LEN, Frame, HEADROOM, Pool as _, TAILROOM};

use super::name::Name;
use super::pktinfo::Control;
use crate::pool::{Buffer, BufferPool};

/// Datagrams of one system call.
pub const BATCH: usize = 64;

/// A datagram that arrived.
#[derive(Debug)]
pub struct Received {
    /// From where.
    pub remote: SocketAddr,
    /// To which of our addresses.
    pub local: IpAddr,
    /// What the socket hands out: UDP payload, or for protocol 50 over IPv4 the whole packet.
    pub frame: Frame<Buffer>,
}

/// The memory of batched system calls, of which one at a time is under way.
pub struct Messages {
    headers: Box<[libc::mmsghdr]>,
    slices: Box<[libc::iovec]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    /// Buffers taken for receiving that no datagram has filled yet.
    staged: Vec<Buffer>,
    groups: Vec<Group>,
    /// Datagrams to be sent alone, since the kernel has refused a group.
    alone: usize,
}

/// Datagrams that are sent as one message.
#[derive(Clone, Copy, Debug)]
struct Group {
    local: IpAddr,
    remote: SocketAddr,
    /// Place of the first one's slice.
    first: usize,
    count: usize,
    /// Octets of each but the last, which may be shorter.
    segment: usize,
    octets: usize,
}

impl Messages {
    /// Memory for [`BATCH`] messages.
    pub fn new() -> Self {
        // SAFETY: headers and slices are integers and pointers, for which zero is valid.
        let (header, slice) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        Self {
            headers: vec![header; BATCH].into(),
            slices: vec![slice; BATCH].into(),
            names: vec![Name::empty(); BATCH].into(),
            controls: vec![Control::EMPTY; BATCH].into(),
            staged: Vec::with_capacity(BATCH),
            groups: Vec::with_capacity(BATCH),
            alone: 0,
        }
    }

    /// Receives up to `most` datagrams without blocking and hands each to `sink`.
    ///
    /// Returns how many the kernel had, counting those that were longer than a buffer and were
    /// therefore discarded.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::WouldBlock`] where nothing waits.
    pub fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        most: usize,
        pool: &mut BufferPool,
        mut sink: impl FnMut(Received),
    ) -> io::Result<usize> {
        let most = self.stage(most.min(BATCH), pool);
        if most == 0 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        for index in 0..most {
            let octets = self.staged[index].as_mut();
            self.slices[index] = libc::iovec {
                iov_base: octets[HEADROOM..].as_mut_ptr().cast(),
                iov_len: RECEIVE_LEN,
            };
            self.names[index] = Name::empty();
            self.headers[index] = self.header(index, size_of::<Name>(), Control::capacity());
        }
        // SAFETY: the first `most` headers point to names, controls and slices of `self`, and
        // the slices to staged buffers; none of them moves or is used before the call returns.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        let count = count as usize;
        for (index, buffer) in self.staged.drain(..count).enumerate() {
            let header = &self.headers[index];
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let local = self.controls[index].destination(header.msg_hdr.msg_controllen);
            let frame = Frame::received(buffer, header.msg_len as usize);
            let (Some(remote), Some(local)) = (self.names[index].address(), local) else {
                continue;
            };
            if let (false, Ok(frame)) = (truncated, frame) {
                sink(Received { remote, local, frame });
            }
        }
        Ok(count)
    }

    /// Sends the first datagrams of `datagrams` (path's local address, remote, payload), at most
    /// [`BATCH`]; `udp` tells whether the socket is one of UDP.
    ///
    /// Returns how many left.
    ///
    /// # Errors
    /// What the system says about the first one.
    pub fn send<'d>(
        &mut self,
        socket: BorrowedFd<'_>,
        udp: bool,
        datagrams: impl Iterator<Item = (IpAddr, SocketAddr, &'d [u8])> + Clone,
    ) -> io::Result<usize> {
        let together = udp && self.alone == 0;
        let sent = self.send_groups(socket, together, datagrams.clone());
        match sent {
            Err(error) if self.groups.first().is_some_and(Group::is_several) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    return Err(error);
                }
                // An old kernel, a device without checksums, or a path that is narrower than
                // the datagrams: alone they get through.
                self.alone = ALONE;
                self.send_groups(socket, false, datagrams)
            }
            Ok(count) => {
                self.alone = self.alone.saturating_sub(count);
                Ok(count)
            }
            Err(error) => Err(error),
        }
    }

    fn send_groups<'d>(
        &mut self,
        socket: BorrowedFd<'_>,
        together: bool,
        datagrams: impl Iterator<Item = (IpAddr, SocketAddr, &'d [u8])>,
    ) -> io::Result<usize> {
        self.groups.clear();
        for (at, (local, remote, payload)) in datagrams.take(BATCH).enumerate() {
            // The kernel only reads what a message to be sent points to.
            let base = payload.as_ptr().cast_mut().cast();
            self.slices[at] = libc::iovec { iov_base: base, iov_len: payload.len() };
            match self.groups.last_mut() {
                Some(group) if together && group.takes(local, remote, payload.len()) => {
                    group.count += 1;
                    group.octets += payload.len();
                }
                _ => self.groups.push(Group::new(local, remote, at, payload.len())),
            }
        }
        let most = self.groups.len();
        if most == 0 {
            return Ok(0);
        }
        for index in 0..most {
            self.address_group(index);
        }
        // SAFETY: the first `most` headers point to names, controls and slices of `self`, and
        // the slices to payloads that `'d` keeps alive and unchanged until the call returns.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(self.groups.iter().take(count as usize).map(|group| group.count).sum())
    }

    /// Fills name, control and header of a group.
    fn address_group(&mut self, index: usize) {
        let Group { local, remote, first, count, segment, .. } = self.groups[index];
        self.names[index] = Name::of(remote);
        let control = &mut self.controls[index];
        let mut control_len =
            if local.is_unspecified() { 0 } else { control.set_source(local, remote) };
        if count > 1 {
            control_len = control.add_segment(control_len, segment as u16);
        }
        let mut header = self.header(index, Name::len_of(remote) as usize, control_len);
        header.msg_hdr.msg_iov = &raw mut self.slices[first];
        header.msg_hdr.msg_iovlen = count;
        self.headers[index] = header;
    }

    /// Takes buffers until `wanted` are there or the pool is empty; returns how many there are.
    fn stage(&mut self, wanted: usize, pool: &mut BufferPool) -> usize {
        while self.staged.len() < wanted {
            let Some(buffer) = pool.take() else { break };
            self.staged.push(buffer);
        }
        self.staged.len().min(wanted)
    }

    fn header(&mut self, index: usize, name_len: usize, control_len: usize) -> libc::mmsghdr {
        let control = match control_len {
            0 => ptr::null_mut(),
            _ => self.controls[index].as_mut_ptr(),
        };
        // SAFETY: integers and pointers, for which zero is valid; padding differs by platform,
        // so the struct cannot be written out.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_name = (&raw mut self.names[index]).cast();
        header.msg_hdr.msg_namelen = name_len as libc::socklen_t;
        header.msg_hdr.msg_iov = &raw mut self.slices[index];
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = control;
        header.msg_hdr.msg_controllen = control_len;
        header
    }
}

impl Group {
    const fn new(local: IpAddr, remote: SocketAddr, first: usize, len: usize) -> Self {
        Self { local, remote, first, count: 1, segment: len, octets: len }
    }

    /// Whether one more datagram may follow: all are as long as the first, but for the last.
    fn takes(&self, local: IpAddr, remote: SocketAddr, len: usize) -> bool {
        let is_open = self.octets == self.segment * self.count;
        let fits = len <= self.segment && len > 0 && self.octets + len <= GROUP_LEN;
        is_open && fits && self.remote == remote && self.local == local
    }

    const fn is_several(&self) -> bool {
        self.count > 1
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self::new()
    }
}

/// Octets that one datagram may have.
const RECEIVE_LEN: usize = BUFFER_LEN - HEADROOM - TAILROOM;
/// Octets that a group may have: those of one datagram.
const GROUP_LEN: usize = 65_000;
/// Datagrams to be sent alone before a group is tried again.
const ALONE: usize = 10_000;
const _: () = assert!(BATCH <= 64, "a group has at most UDP_MAX_SEGMENTS datagrams");

#[cfg(test)]
mod tests;
