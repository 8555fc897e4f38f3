//! Hash functions and HMAC over pieces of a message.
//!
//! HMAC (RFC 2104) with the negotiated hash is the PRF of IKE (RFC 2409 §4). It takes keys of
//! any length: one longer than the hash's block is hashed first.

use hmac::digest::{Digest as _, FixedOutput, KeyInit as _, OutputSizeUser, Update};
use hmac::{EagerHash, Hmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::{Hash, Secret};

/// The output of a hash function or PRF: [`Hash::digest_len`] octets.
pub type Digest = Secret<64>;

/// The hash of `parts`, one after the other.
pub fn digest(hash: Hash, parts: &[&[u8]]) -> Digest {
    match hash {
        Hash::Md5 => absorb(Md5::new(), parts),
        Hash::Sha1 => absorb(Sha1::new(), parts),
        Hash::Sha256 => absorb(Sha256::new(), parts),
        Hash::Sha384 => absorb(Sha384::new(), parts),
        Hash::Sha512 => absorb(Sha512::new(), parts),
    }
}

/// The HMAC of `parts`, one after the other, under `key` of any length.
pub fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]]) -> Digest {
    match hash {
        Hash::Md5 => keyed::<Md5>(key, parts),
        Hash::Sha1 => keyed::<Sha1>(key, parts),
        Hash::Sha256 => keyed::<Sha256>(key, parts),
        Hash::Sha384 => keyed::<Sha384>(key, parts),
        Hash::Sha512 => keyed::<Sha512>(key, parts),
    }
}

fn keyed<D: EagerHash>(key: &[u8], parts: &[&[u8]]) -> Digest {
    match Hmac::<D>::new_from_slice(key) {
        Ok(state) => absorb(state, parts),
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

fn absorb<T: Update + FixedOutput>(mut state: T, parts: &[&[u8]]) -> Digest {
    for part in parts {
        state.update(part);
    }
    Secret::filled(<T as OutputSizeUser>::output_size(), |out| {
        if let Ok(out) = out.try_into() {
            state.finalize_into(out);
        }
    })
}

#[cfg(test)]
mod tests;
