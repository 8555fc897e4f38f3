//! TAP devices: made when opened, gone when closed.
#![allow(unsafe_code, reason = "devices are configured with ioctl")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use super::checked;

/// Makes the TAP device `name` and brings it up; it is removed when the file is closed.
///
/// Reads and writes are nonblocking and move one Ethernet frame each.
///
/// # Errors
/// What the system says: no privilege (`CAP_NET_ADMIN`), the name belongs to another device.
pub fn open(name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which outlives the call.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    bring_up(name)?;
    Ok(file)
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
