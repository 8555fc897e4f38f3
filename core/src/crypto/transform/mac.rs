//! HMAC with a key that serves many packets.

use cbc::cipher::array::Array;
use hmac::block_api::HmacCore;
use hmac::digest::OutputSizeUser;
use hmac::digest::block_api::{Buffer, FixedOutputCore as _, UpdateCore as _};
use hmac::{EagerHash, KeyInit as _};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use super::Tampered;
use crate::crypto::Mac;

/// The states of the hash after the inner and the outer key block, and how much of the result
/// travels.
pub(super) struct MacKey {
    state: State,
    icv_len: u8,
}

enum State {
    Sha1(HmacCore<Sha1>),
    Sha256(HmacCore<Sha256>),
    Sha384(HmacCore<Sha384>),
    Sha512(HmacCore<Sha512>),
}

impl MacKey {
    /// `None` if `key` is not as long as a digest (RFC 2404 §3, RFC 4868 §2.1.1).
    pub(super) fn new(mac: Mac, key: &[u8]) -> Option<Self> {
        if key.len() != mac.hash().digest_len() {
            return None;
        }
        let state = match mac {
            Mac::Sha1_96 => State::Sha1(HmacCore::new_from_slice(key).ok()?),
            Mac::Sha256_128 | Mac::Sha256_96 => State::Sha256(HmacCore::new_from_slice(key).ok()?),
            Mac::Sha384_192 => State::Sha384(HmacCore::new_from_slice(key).ok()?),
            Mac::Sha512_256 => State::Sha512(HmacCore::new_from_slice(key).ok()?),
        };
        Some(Self { state, icv_len: mac.icv_len() as u8 })
    }

    pub(super) const fn icv_len(&self) -> usize {
        self.icv_len as usize
    }

    pub(super) const fn cut_icv(&mut self, to: Mac) {
        if let (State::Sha256(_), Mac::Sha256_128 | Mac::Sha256_96) = (&self.state, to) {
            self.icv_len = to.icv_len() as u8;
        }
    }

    /// Compares in constant time.
    pub(super) fn verify(&self, message: &[u8], icv: &[u8]) -> Result<(), Tampered> {
        let mut expected = [0; 32];
        let expected = expected.get_mut(..self.icv_len()).ok_or(Tampered)?;
        self.write(message, expected);
        if expected.ct_eq(icv).into() { Ok(()) } else { Err(Tampered) }
    }

    /// Writes as much of the MAC of `message` as fits `icv`.
    pub(super) fn write(&self, message: &[u8], icv: &mut [u8]) {
        match &self.state {
            State::Sha1(core) => finish(core.clone(), message, icv),
            State::Sha256(core) => finish(core.clone(), message, icv),
            State::Sha384(core) => finish(core.clone(), message, icv),
            State::Sha512(core) => finish(core.clone(), message, icv),
        }
    }
}

fn finish<D: EagerHash>(mut core: HmacCore<D>, message: &[u8], icv: &mut [u8]) {
    let mut buffer = Buffer::<HmacCore<D>>::default();
    buffer.digest_blocks(message, |blocks| core.update_blocks(blocks));
    let mut full = Array::<u8, <HmacCore<D> as OutputSizeUser>::OutputSize>::default();
    core.finalize_fixed_core(&mut buffer, &mut full);
    icv.iter_mut().zip(&full).for_each(|(to, from)| *to = *from);
}
