//! The addresses of this machine.
#![allow(unsafe_code, reason = "getifaddrs hands out a linked list")]

use std::io;
use std::net::IpAddr;
use std::ptr;

use super::checked;
use super::name::Name;

/// The addresses of all interfaces that are up, loopback included.
///
/// # Errors
/// What the system says.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut list: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: on success `list` is a valid list that is ours until it is freed below.
    checked(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: entries are valid until the list is freed, and end with a null pointer.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        if entry.ifa_flags & libc::IFF_UP as libc::c_uint == 0 || entry.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: every address begins with its family.
        let family = libc::c_int::from(unsafe { (*entry.ifa_addr).sa_family });
        let len = match family {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => continue,
        };
        let mut name = Name::empty();
        // SAFETY: an address of this family has `len` octets, and `Name` has room for them.
        unsafe {
            let from = entry.ifa_addr.cast::<u8>();
            (&raw mut name).cast::<u8>().copy_from_nonoverlapping(from, len);
        }
        addresses.extend(name.address().map(|address| address.ip()));
    }
    // SAFETY: the list came from getifaddrs and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loopback_address_is_one_of_ours() {
        let loopback = std::net::Ipv4Addr::LOCALHOST.into();
        assert!(super::addresses().unwrap().contains(&loopback));
    }
}
