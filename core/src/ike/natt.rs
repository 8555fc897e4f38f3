//! NAT detection (RFC 3947 §3) and what we make a client believe about it.
//!
//! With encapsulation policy `udp`, the peer's hash is deliberately wrong over IPv4: every client
//! then thinks that it stands behind a NAT, moves to port 4500 and puts ESP into UDP, which
//! passes firewalls that know nothing of protocol 50.

use core::net::{IpAddr, SocketAddr};

use crate::addr::Path;
use crate::config::EncapsulationPolicy;
use crate::crypto::prf::{Digest, digest};
use crate::crypto::{Hash, Rng};
use crate::wire::isakmp::Cookie;

use super::quirk;
use super::vendor::Capabilities;

/// What the peer's NAT discovery payloads say, and what ours will say.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    /// We stand behind a NAT: the peer knows us by another address.
    pub(super) we_are_behind_nat: bool,
    /// The hashes we send: of the peer's address, then of ours.
    pub(super) hashes: [Digest; 2],
}

impl Discovery {
    /// Judges the peer's hashes `theirs`: of our address first, then of its own.
    pub(super) fn judge<'a>(
        (hash, cookies): (Hash, (Cookie, Cookie)),
        path: &Path,
        policy: EncapsulationPolicy,
        capabilities: Capabilities,
        mut theirs: impl Iterator<Item = &'a [u8]>,
        rng: &mut Rng,
    ) -> Self {
        let honest = |address| address_hash(hash, cookies, address);
        let (remote, local) = (honest(path.remote), honest(path.local));
        let of_us = theirs.next();
        let we_are_behind_nat = of_us.is_some_and(|value| !local.equals(value));
        let hide =
            path.remote.is_ipv4() && (policy == EncapsulationPolicy::Udp || we_are_behind_nat);
        let remote = if hide { Digest::filled(remote.len(), |any| rng.fill(any)) } else { remote };
        let parroted = of_us
            .filter(|_| quirk::MICROSOFT_NAT_D.enabled && capabilities.microsoft)
            .filter(|value| value.len() == local.len())
            .and_then(Digest::copy_of);
        Self { we_are_behind_nat, hashes: [remote, parroted.unwrap_or(local)] }
    }
}

/// HASH(CKY-I | CKY-R | IP | Port) (RFC 3947 §3.2).
pub(super) fn address_hash(hash: Hash, cookies: (Cookie, Cookie), address: SocketAddr) -> Digest {
    let port = address.port().to_be_bytes();
    let hash_of = |ip: &[u8]| digest(hash, &[&cookies.0.0, &cookies.1.0, ip, &port]);
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => hash_of(&ip.octets()),
        IpAddr::V6(ip) => hash_of(&ip.octets()),
    }
}
