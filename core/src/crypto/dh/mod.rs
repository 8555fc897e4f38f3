//! Diffie-Hellman as jobs.
//!
//! A job takes milliseconds, so the core only describes it: [`DhJob`] goes out with a request,
//! the runtime calls [`DhJob::run`] where that holds up no packet, and [`DhResult`] comes back.
//! MODP groups are those of RFC 2409 §6 and RFC 3526, ECP groups those of RFC 5903. Exponents are
//! 256 to 320 bits long (RFC 3526 §8), which makes them several times cheaper and no weaker.
//! Everything runs in constant time. Key pairs are used once; nothing is cached here.

#[cfg(feature = "ecp")]
mod ecp;
#[cfg(not(feature = "ecp"))]
#[path = "no_ecp.rs"]
mod ecp;
mod modp;

use super::{Group, Rng, Secret};

/// A public value: [`Group::public_len`] octets.
pub type Public = heapless::Vec<u8, 512>;

/// A key exchange to be computed: our public value and, where the peer's is known, the secret.
#[derive(Clone, Debug)]
pub struct DhJob {
    /// In which group.
    pub group: Group,
    /// Our exponent or scalar.
    pub private: Secret<66>,
    /// The peer's public value, as it came; [`Group::public_len`] octets.
    pub peer_public: Option<Public>,
    /// Whether our public value is asked for; not in the second half of an initiator's exchange.
    pub wants_public: bool,
}

impl DhJob {
    /// A job with a new private value: for a responder with the peer's public value, for an
    /// initiator without it.
    ///
    /// `None` if the peer's value has not the group's length, or the group is not built in.
    pub fn new(group: Group, rng: &mut Rng, peer_public: Option<&[u8]>) -> Option<Self> {
        let peer_public = match peer_public {
            Some(value) => Some(checked(group, value)?),
            None => None,
        };
        let private = if group.is_ecp() { ecp::draw(group, rng)? } else { modp::draw(group, rng) };
        Some(Self { group, private, peer_public, wants_public: true })
    }

    /// The second half of an initiator's exchange: the private value of its first job meets the
    /// peer's answer. The result holds no public value.
    ///
    /// `None` if the peer's value has not the group's length.
    pub fn agree(group: Group, private: Secret<66>, peer_public: &[u8]) -> Option<Self> {
        let peer_public = Some(checked(group, peer_public)?);
        Some(Self { group, private, peer_public, wants_public: false })
    }

    /// Computes; takes a millisecond on a server, up to a second on a board.
    pub fn run(&self) -> DhResult {
        let result = if self.group.is_ecp() { ecp::run(self) } else { modp::run(self) };
        result.unwrap_or(DhResult::BadPublic)
    }
}

/// What a [`DhJob`] yields.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "no allocator to box the large one")]
pub enum DhResult {
    /// The values.
    Done {
        /// Our public value, [`Group::public_len`] octets; empty if it was not asked for.
        public: Public,
        /// The shared secret, padded to the group's length: g^xy, or the x coordinate of the
        /// common point (RFC 5903 §9). Empty without a peer's value.
        shared: Secret<512>,
    },
    /// The peer's value is outside the group, or one of its trivial elements.
    BadPublic,
}

fn checked(group: Group, value: &[u8]) -> Option<Public> {
    Public::from_slice(value).ok().filter(|value| value.len() == group.public_len())
}

#[cfg(test)]
mod tests;
