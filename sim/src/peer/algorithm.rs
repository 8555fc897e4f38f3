//! Algorithms by their numbers on the wire, and the primitives under them.
//!
//! Numbers: RFC 2409 appendix A, RFC 2407 §4.4.4 and §4.5, RFC 3602, RFC 4106, RFC 4868.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use des::{Des, TdesEde3};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha384, Sha512};

/// A block cipher with its key length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Cipher {
    Des,
    TripleDes,
    Aes128,
    Aes192,
    Aes256,
}

impl Cipher {
    /// Octets of the key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// Octets of a block.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Des | Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// Its number in phase 1, and its key length in bits where that is an attribute.
    pub const fn ike_number(self) -> (u16, Option<u16>) {
        match self {
            Self::Des => (1, None),
            Self::TripleDes => (5, None),
            Self::Aes128 | Self::Aes192 | Self::Aes256 => (7, Some(8 * self.key_len() as u16)),
        }
    }
}

/// A hash, and what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Its number in phase 1.
    pub const fn ike_number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha256 => 4,
            Self::Sha384 => 5,
            Self::Sha512 => 6,
        }
    }

    /// The number of its HMAC in phase 2.
    pub const fn esp_number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha256 => 5,
            Self::Sha384 => 6,
            Self::Sha512 => 7,
        }
    }

    /// Octets of a digest.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Octets of the HMAC that travel in ESP.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 => 12,
            Self::Sha256 | Self::Sha384 | Self::Sha512 => self.digest_len() / 2,
        }
    }

    /// The hash of `parts`, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let octets = parts.concat();
        match self {
            Self::Md5 => Md5::digest(octets).to_vec(),
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
            Self::Sha384 => Sha384::digest(octets).to_vec(),
            Self::Sha512 => Sha512::digest(octets).to_vec(),
        }
    }

    /// The HMAC of `parts`, one after the other.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        KeyedHash::new(self, key).digest(parts)
    }
}

/// A cipher of ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspCipher {
    /// CBC, which needs a MAC beside it.
    Cbc(Cipher),
    /// GCM with an ICV of 16 octets (RFC 4106).
    Gcm(Cipher),
}

impl EspCipher {
    /// Number of the transform, and key length in bits where that is an attribute.
    pub const fn number(self) -> (u8, Option<u16>) {
        match self {
            Self::Cbc(Cipher::Des) => (2, None),
            Self::Cbc(Cipher::TripleDes) => (3, None),
            Self::Cbc(cipher) => (12, Some(8 * cipher.key_len() as u16)),
            Self::Gcm(cipher) => (20, Some(8 * cipher.key_len() as u16)),
        }
    }

    /// Octets of keying material; GCM's salt counts.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Cbc(cipher) => cipher.key_len(),
            Self::Gcm(cipher) => cipher.key_len() + 4,
        }
    }
}

/// An HMAC key ready for use.
#[derive(Clone, Debug)]
pub(super) struct KeyedHash(Keyed);

#[derive(Clone, Debug)]
enum Keyed {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl KeyedHash {
    /// HMAC with `hash` under `key`, of any length.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    pub(super) fn new(hash: Hash, key: &[u8]) -> Self {
        let any = "a key of any length";
        Self(match hash {
            Hash::Md5 => Keyed::Md5(Hmac::new_from_slice(key).expect(any)),
            Hash::Sha1 => Keyed::Sha1(Hmac::new_from_slice(key).expect(any)),
            Hash::Sha256 => Keyed::Sha256(Hmac::new_from_slice(key).expect(any)),
            Hash::Sha384 => Keyed::Sha384(Hmac::new_from_slice(key).expect(any)),
            Hash::Sha512 => Keyed::Sha512(Hmac::new_from_slice(key).expect(any)),
        })
    }

    /// The HMAC of `parts`.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> Vec<u8> {
        macro_rules! finish {
            ($state:expr) => {{
                let mut state = $state.clone();
                parts.iter().for_each(|part| state.update(part));
                state.finalize().into_bytes().to_vec()
            }};
        }
        match &self.0 {
            Keyed::Md5(state) => finish!(state),
            Keyed::Sha1(state) => finish!(state),
            Keyed::Sha256(state) => finish!(state),
            Keyed::Sha384(state) => finish!(state),
            Keyed::Sha512(state) => finish!(state),
        }
    }
}

/// Encrypts `data`, whole blocks, in place.
pub(super) fn encrypt_cbc(cipher: Cipher, key: &[u8], iv: &[u8], data: &mut [u8]) {
    match cipher {
        Cipher::Des => encrypt::<Encryptor<Des>>(key, iv, data),
        Cipher::TripleDes => encrypt::<Encryptor<TdesEde3>>(key, iv, data),
        Cipher::Aes128 => encrypt::<Encryptor<Aes128>>(key, iv, data),
        Cipher::Aes192 => encrypt::<Encryptor<Aes192>>(key, iv, data),
        Cipher::Aes256 => encrypt::<Encryptor<Aes256>>(key, iv, data),
    }
}

/// Decrypts `data`, whole blocks, in place.
pub(super) fn decrypt_cbc(cipher: Cipher, key: &[u8], iv: &[u8], data: &mut [u8]) {
    match cipher {
        Cipher::Des => decrypt::<Decryptor<Des>>(key, iv, data),
        Cipher::TripleDes => decrypt::<Decryptor<TdesEde3>>(key, iv, data),
        Cipher::Aes128 => decrypt::<Decryptor<Aes128>>(key, iv, data),
        Cipher::Aes192 => decrypt::<Decryptor<Aes192>>(key, iv, data),
        Cipher::Aes256 => decrypt::<Decryptor<Aes256>>(key, iv, data),
    }
}

fn encrypt<M: BlockModeEncrypt + KeyIvInit>(key: &[u8], iv: &[u8], data: &mut [u8]) {
    let mut mode = M::new_from_slices(key, iv).expect("lengths that fit");
    mode.encrypt_blocks(Array::slice_as_chunks_mut(data).0);
}

fn decrypt<M: BlockModeDecrypt + KeyIvInit>(key: &[u8], iv: &[u8], data: &mut [u8]) {
    let mut mode = M::new_from_slices(key, iv).expect("lengths that fit");
    mode.decrypt_blocks(Array::slice_as_chunks_mut(data).0);
}
