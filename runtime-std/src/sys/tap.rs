//! TAP devices: made when opened, gone when closed.
//!
//! Every frame has a `virtio_net_hdr` in front (`IFF_VNET_HDR`), with which several can be written
//! as one ([`crate::gather`]). The kernel hands out every frame by itself, with its checksums.
#![allow(unsafe_code, reason = "devices are configured with ioctl")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use super::checked;
use crate::gather::{MARK_LEN, MOST, PLAIN, gather};

/// A TAP device; it is removed when this is dropped.
#[derive(Debug)]
pub struct Device {
    file: File,
    /// Whether the kernel cuts long frames of UDP (Linux 6.2).
    cuts_udp: bool,
    /// Frames to be written one by one, since the kernel has refused a long one.
    alone: usize,
}

/// Makes the TAP device `name` and brings it up.
///
/// # Errors
/// What the system says: no privilege (`CAP_NET_ADMIN`), the name belongs to another device.
pub fn open(name: &str) -> io::Result<Device> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let mut request = request(name)?;
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which outlives the call.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    // What the kernel would hand us long it can also cut; then nothing long is asked for.
    let cuts_udp = offload(&file, libc::TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6).is_ok();
    offload(&file, 0)?;
    bring_up(name)?;
    Ok(Device { file, cuts_udp, alone: 0 })
}

impl Device {
    /// A device in whose place stands `file`, which has to keep frames apart.
    #[cfg(test)]
    pub(crate) fn over(file: File) -> Self {
        Self { file, cuts_udp: false, alone: 0 }
    }

    /// Reads a frame without blocking; it stands [`MARK_LEN`] octets behind the start of `room`.
    /// Returns its length.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.file.read(room).map(|len| len.saturating_sub(MARK_LEN))
    }

    /// Writes the first of `frames`, and those behind it that can go with it; returns how many.
    ///
    /// # Errors
    /// What the system says about the first one.
    pub fn write<'f>(
        &mut self,
        mut frames: impl Iterator<Item = &'f [u8]> + Clone,
    ) -> io::Result<usize> {
        let most = if self.alone == 0 { usize::MAX } else { 1 };
        let gathered = gather(frames.clone().take(most), self.cuts_udp);
        if gathered.count > 1 {
            let mut slices = [IoSlice::new(&[]); MOST + 1];
            slices[0] = IoSlice::new(gathered.head());
            for (slice, frame) in slices[1..].iter_mut().zip(frames.clone()).take(gathered.count) {
                *slice = IoSlice::new(&frame[gathered.payload_at..]);
            }
            match self.file.write_vectored(&slices[..=gathered.count]) {
                Ok(_) => return Ok(gathered.count),
                Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
                Err(_) => self.alone = ALONE,
            }
        }
        self.alone = self.alone.saturating_sub(1);
        let Some(frame) = frames.next() else { return Ok(0) };
        self.file.write_vectored(&[IoSlice::new(&PLAIN), IoSlice::new(frame)]).map(|_| 1)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Tells the kernel which long frames we take.
fn offload(file: &File, what: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes flags, not a pointer.
    let set =
        unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(what)) };
    checked(set).map(drop)
}

fn bring_up(name: &str) -> io::Result<()> {
    // Any socket will do to configure an interface.
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    let mut request = request(name)?;
    // SAFETY: both calls read and write one ifreq, which outlives them; the first fills the
    // flags that the second reads.
    unsafe {
        checked(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        checked(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request))?;
    }
    Ok(())
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an ifreq is a name and a union of integers and addresses; zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

const TUN_F_USO4: libc::c_uint = 0x20;
const TUN_F_USO6: libc::c_uint = 0x40;
/// Frames to be written one by one before a long one is tried again.
const ALONE: usize = 10_000;
