//! Socket addresses as the kernel reads and writes them.
#![allow(unsafe_code, reason = "unions of sockaddr, as the system calls want them")]

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// A `sockaddr` of IPv4 or IPv6.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    /// No address: family 0.
    pub(super) const fn empty() -> Self {
        Self {
            v6: libc::sockaddr_in6 {
                sin6_family: libc::AF_UNSPEC as libc::sa_family_t,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
                sin6_scope_id: 0,
            },
        }
    }

    /// The `sockaddr` of `address`.
    pub(super) fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self {
                v4: libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                    sin_zero: [0; 8],
                },
            },
            SocketAddr::V6(v6) => Self {
                v6: libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                },
            },
        }
    }

    /// The address; `None` if the kernel wrote none, or one of another family.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: every variant begins with the family, and the family says which one it is;
        // all bit patterns of the fields are valid.
        unsafe {
            match libc::c_int::from(self.family) {
                libc::AF_INET => {
                    let ip = self.v4.sin_addr.s_addr.to_ne_bytes().into();
                    Some(SocketAddrV4::new(ip, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let (ip, port) = (self.v6.sin6_addr.s6_addr.into(), self.v6.sin6_port);
                    let scope = self.v6.sin6_scope_id;
                    Some(SocketAddrV6::new(ip, u16::from_be(port), 0, scope).into())
                }
                _ => None,
            }
        }
    }

    /// Octets of the `sockaddr` of `address`.
    pub(super) const fn len_of(address: SocketAddr) -> libc::socklen_t {
        let octets = match address {
            SocketAddr::V4(_) => size_of::<libc::sockaddr_in>(),
            SocketAddr::V6(_) => size_of::<libc::sockaddr_in6>(),
        };
        octets as libc::socklen_t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_way_into_a_sockaddr_and_back() {
        for text in ["192.0.2.7:4500", "[2001:db8::7]:500", "[fe80::1%3]:1701"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Name::of(address).address(), Some(address));
        }
        assert_eq!(Name::empty().address(), None);
    }
}
