//! Sockets of UDP and of IP protocol 50, ready for [`super::mmsg`].
#![allow(unsafe_code, reason = "socket options are set through pointers")]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use kumihimo_core::addr::Outer;

use super::checked;
use super::name::Name;

/// Opens and binds a nonblocking socket that reports to which address each datagram came.
///
/// # Errors
/// What the system says: the port is taken, the privilege is missing, the address is not here.
pub fn open(outer: Outer, address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let (kind, protocol) = match outer {
        Outer::Udp => (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        Outer::Esp => (libc::SOCK_RAW, libc::IPPROTO_ESP),
    };
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed; the new descriptor is ours alone.
    let socket =
        unsafe { OwnedFd::from_raw_fd(checked(libc::socket(family, kind | flags, protocol))?) };
    if address.is_ipv4() {
        set(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        // Without DF: a path that is narrower than the clients believe still carries them.
        set(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
    } else {
        if outer == Outer::Udp {
            // A raw socket of IPv6 never takes IPv4.
            set(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    grow(&socket, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
    grow(&socket, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF);
    bind(&socket, address)?;
    Ok(socket)
}

/// The address that a socket is bound to.
///
/// # Errors
/// What the system says.
pub fn local_address(socket: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    let mut name = Name::empty();
    let mut len = size_of::<Name>() as libc::socklen_t;
    // SAFETY: `name` is as long as `len` says, and both outlive the call.
    checked(unsafe {
        libc::getsockname(socket.as_raw_fd(), (&raw mut name).cast(), &raw mut len)
    })?;
    name.address().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The MTU of the route from here to `remote`, in octets of a whole IP packet.
///
/// # Errors
/// What the system says: no route, most likely.
pub fn route_mtu(remote: IpAddr) -> io::Result<u16> {
    let unspecified: SocketAddr = match remote {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(unspecified)?;
    // Connecting a datagram socket only looks up the route.
    socket.connect((remote, 4500))?;
    let (level, option) = match remote {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let mut mtu: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, and both pointers outlive the call.
    checked(unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut mtu).cast(), &raw mut len)
    })?;
    Ok(mtu.clamp(0, i32::from(u16::MAX)) as u16)
}

/// How many datagrams found no room in the socket, or were broken, since it was opened. `None`
/// before Linux 4.12.
///
/// The socket says the same with datagrams that come later (`SO_RXQ_OVFL`): to this one there need
/// be none, and those that come carry nothing more.
pub fn drops(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut counts = [0_u32; DROPS + 1];
    let mut len = size_of_val(&counts) as libc::socklen_t;
    // SAFETY: the array is as long as `len` says, and both outlive the call.
    checked(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            counts.as_mut_ptr().cast(),
            &raw mut len,
        )
    })
    .ok()?;
    (len as usize >= size_of_val(&counts)).then_some(counts[DROPS])
}

/// Makes the kernel refuse groups on `socket`: without checksums it cuts none (`udp(7)`).
#[cfg(test)]
pub(crate) fn refuse_groups(socket: &OwnedFd) {
    set(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
}

fn bind(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let name = Name::of(address);
    let len = Name::len_of(address);
    // SAFETY: `name` is at least `len` octets long and outlives the call.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), len) })?;
    Ok(())
}

/// Asks for a large buffer: beyond the system's limit if we may, up to it if not.
fn grow(socket: &OwnedFd, force: libc::c_int, ask: libc::c_int) {
    if set(socket, libc::SOL_SOCKET, force, BUFFER_OCTETS).is_err() {
        // The default size works too, it only loses bursts sooner.
        let _ = set(socket, libc::SOL_SOCKET, ask, BUFFER_OCTETS);
    }
}

fn set(
    socket: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, which outlives the call.
    checked(unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), len)
    })?;
    Ok(())
}

const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
/// Half a second at 60 Mbit/s, or the burst of a batch of everyone at once.
const BUFFER_OCTETS: libc::c_int = 4 << 20;
