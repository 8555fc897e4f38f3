//! Diffie-Hellman as jobs.

use super::{Group, Secret};

/// A key exchange to be computed: our public value and, where the peer's is known, the secret.
#[derive(Debug)]
pub struct DhJob {
    /// In which group.
    pub group: Group,
    /// Our exponent or scalar.
    pub private: Secret<66>,
    /// The peer's public value, as it came; [`Group::public_len`] octets.
    pub peer_public: Option<heapless::Vec<u8, 512>>,
}

/// What a [`DhJob`] yields.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "no allocator to box the large one")]
pub enum DhResult {
    /// The values.
    Done {
        /// Our public value, [`Group::public_len`] octets.
        public: heapless::Vec<u8, 512>,
        /// The shared secret, padded to the group's length; empty without a peer's value.
        shared: Secret<512>,
    },
    /// The peer's value is outside the group, or one of its trivial elements.
    BadPublic,
}
