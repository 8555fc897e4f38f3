//! The kernel's own IPsec policies, which could take our packets away (`NETLINK_XFRM`).
#![allow(unsafe_code, reason = "a netlink socket is opened by hand")]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{FromRawFd as _, OwnedFd};

use super::checked;

/// What one policy of the kernel applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Our side: address and length of the prefix.
    pub local: (IpAddr, u8),
    /// The other side.
    pub remote: (IpAddr, u8),
    /// IP protocol; 0 for all.
    pub protocol: u8,
    /// Our port and which bits of it count.
    pub local_port: (u16, u16),
}

/// All policies for packets to and from this machine, except those of single sockets.
///
/// # Errors
/// What the system says: `EPERM` without `CAP_NET_ADMIN`, `EPROTONOSUPPORT` where the kernel has
/// no IPsec at all.
pub fn policies() -> io::Result<Vec<Policy>> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed; the new descriptor is ours alone.
    let socket = unsafe {
        OwnedFd::from_raw_fd(checked(libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_XFRM))?)
    };
    let mut socket = File::from(socket);
    socket.write_all(&request())?;
    let mut policies = Vec::new();
    let mut answer = vec![0; 65_536];
    loop {
        let len = socket.read(&mut answer)?;
        if parse(answer.get(..len).unwrap_or_default(), &mut policies)? == Progress::Done {
            return Ok(policies);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

/// A dump request: header and an empty policy identifier.
fn request() -> [u8; HEADER_LEN + POLICY_ID_LEN] {
    let mut request = [0; HEADER_LEN + POLICY_ID_LEN];
    let len = request.len() as u32;
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request[0..4].copy_from_slice(&len.to_ne_bytes());
    request[4..6].copy_from_slice(&GET_POLICY.to_ne_bytes());
    request[6..8].copy_from_slice(&flags.to_ne_bytes());
    request
}

/// Adds the policies of one answer, which is a row of messages.
fn parse(mut answer: &[u8], policies: &mut Vec<Policy>) -> io::Result<Progress> {
    while let Some((len, kind)) = word(answer, 0).zip(half(answer, 4)) {
        let len = (len as usize).max(HEADER_LEN);
        let body = answer.get(HEADER_LEN..len).unwrap_or_default();
        match libc::c_int::from(kind) {
            libc::NLMSG_DONE => return Ok(Progress::Done),
            libc::NLMSG_ERROR => {
                let code = word(body, 0).unwrap_or_default().cast_signed();
                return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
            }
            _ => policies.extend(policy(body)),
        }
        answer = answer.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Progress::More)
}

/// A `struct xfrm_userpolicy_info`; `None` for what does not concern this machine's own packets.
fn policy(body: &[u8]) -> Option<Policy> {
    let family = half(body, 40)?;
    let (to, from) = (address(body.get(0..16)?, family)?, address(body.get(16..32)?, family)?);
    let (to_len, from_len) = (*body.get(42)?, *body.get(43)?);
    let port = |at: usize| half(body, at).map(u16::from_be);
    let protocol = *body.get(44)?;
    match *body.get(DIRECTION)? {
        IN => {
            let local_port = (port(32)?, port(34)?);
            Some(Policy { local: (to, to_len), remote: (from, from_len), protocol, local_port })
        }
        OUT => {
            let local_port = (port(36)?, port(38)?);
            Some(Policy { local: (from, from_len), remote: (to, to_len), protocol, local_port })
        }
        _ => None,
    }
}

fn address(octets: &[u8], family: u16) -> Option<IpAddr> {
    match libc::c_int::from(family) {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets.get(..4)?).ok()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
        _ => None,
    }
}

fn half(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

const HEADER_LEN: usize = 16;
const POLICY_ID_LEN: usize = 64;
/// `XFRM_MSG_GETPOLICY`.
const GET_POLICY: u16 = 0x15;
/// Where `dir` stands: after selector (56), lifetimes (64 + 32), priority and index (4 + 4).
const DIRECTION: usize = 160;
const IN: u8 = 0;
const OUT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = vec![0; HEADER_LEN];
        message[0..4].copy_from_slice(&((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.extend(body);
        message
    }

    fn l2tp_policy(direction: u8) -> Vec<u8> {
        let mut body = vec![0; 168];
        body[0..4].copy_from_slice(&[192, 0, 2, 1]);
        body[16..20].copy_from_slice(&[198, 51, 100, 0]);
        body[32..36].copy_from_slice(&[0x06, 0xa5, 0xff, 0xff]);
        body[40..42].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        (body[42], body[43], body[44], body[DIRECTION]) = (32, 24, 17, direction);
        body
    }

    #[test]
    fn a_dump_is_read_to_its_end() {
        let mut answer = message(0x13, &l2tp_policy(IN));
        answer.extend(message(0x13, &l2tp_policy(2)));
        let mut policies = Vec::new();
        assert_eq!(parse(&answer, &mut policies).unwrap(), Progress::More);
        let expected = Policy {
            local: ("192.0.2.1".parse().unwrap(), 32),
            remote: ("198.51.100.0".parse().unwrap(), 24),
            protocol: 17,
            local_port: (1701, 0xffff),
        };
        assert_eq!(policies, [expected]);
        let done = message(libc::NLMSG_DONE as u16, &[0; 4]);
        assert_eq!(parse(&done, &mut policies).unwrap(), Progress::Done);
        let refused = message(libc::NLMSG_ERROR as u16, &(-libc::EPERM).to_ne_bytes());
        let error = parse(&refused, &mut policies).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        assert_eq!(parse(&answer[..40], &mut policies).unwrap(), Progress::More);
    }

    #[test]
    fn the_kernel_answers_or_says_why_not() {
        if let Err(error) = policies() {
            let known = [libc::EPERM, libc::EPROTONOSUPPORT, libc::EAFNOSUPPORT];
            assert!(known.contains(&error.raw_os_error().unwrap_or_default()), "{error}");
        }
    }
}
