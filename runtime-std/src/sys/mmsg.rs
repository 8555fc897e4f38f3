//! Datagrams in batches, received straight into buffers of the pool (`recvmmsg(2)`,
//! `sendmmsg(2)`).
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
pub const BATCH: usize = 32;

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
    /// [`BATCH`].
    ///
    /// Returns how many left.
    ///
    /// # Errors
    /// What the system says about the first one.
    pub fn send<'d>(
        &mut self,
        socket: BorrowedFd<'_>,
        datagrams: impl Iterator<Item = (IpAddr, SocketAddr, &'d [u8])>,
    ) -> io::Result<usize> {
        let mut most = 0;
        for (local, remote, payload) in datagrams.take(BATCH) {
            // The kernel only reads what a message to be sent points to.
            let base = payload.as_ptr().cast_mut().cast();
            self.slices[most] = libc::iovec { iov_base: base, iov_len: payload.len() };
            self.names[most] = Name::of(remote);
            let control_len = if local.is_unspecified() {
                0
            } else {
                self.controls[most].set_source(local, remote)
            };
            self.headers[most] = self.header(most, Name::len_of(remote) as usize, control_len);
            most += 1;
        }
        if most == 0 {
            return Ok(0);
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
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
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

impl Default for Messages {
    fn default() -> Self {
        Self::new()
    }
}

/// Octets that one datagram may have.
const RECEIVE_LEN: usize = BUFFER_LEN - HEADROOM - TAILROOM;
