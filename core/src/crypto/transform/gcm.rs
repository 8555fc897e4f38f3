//! AES-GCM with a 16-octet ICV in ESP (RFC 4106).

use core::ops::Range;

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit as _};
use aes_gcm::{AesGcm, Nonce, Tag};

use super::{HEADER_LEN, Tampered};
use crate::crypto::Cipher;

/// Decryption and encryption use the same keys.
pub(super) type GcmOpener = GcmKey;
/// Decryption and encryption use the same keys.
pub(super) type GcmSealer = GcmKey;

pub(super) struct GcmKey {
    cipher: GcmCipher,
    salt: [u8; 4],
}

enum GcmCipher {
    Aes128(AesGcm<Aes128Enc, U12>),
    Aes192(AesGcm<Aes192Enc, U12>),
    Aes256(AesGcm<Aes256Enc, U12>),
}

impl GcmKey {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        let (key, salt) = key.split_last_chunk::<4>()?;
        let cipher = match cipher {
            Cipher::TripleDes => return None,
            Cipher::Aes128 => GcmCipher::Aes128(AesGcm::new_from_slice(key).ok()?),
            Cipher::Aes192 => GcmCipher::Aes192(AesGcm::new_from_slice(key).ok()?),
            Cipher::Aes256 => GcmCipher::Aes256(AesGcm::new_from_slice(key).ok()?),
        };
        Some(Self { cipher, salt: *salt })
    }

    pub(super) fn open(&self, packet: &mut [u8]) -> Result<Range<usize>, Tampered> {
        let len = packet.len();
        let (message, icv) = packet.split_last_chunk_mut::<ICV_LEN>().ok_or(Tampered)?;
        let (aad, nonce, text) = self.parts(message)?;
        if text.is_empty() || !text.len().is_multiple_of(4) {
            return Err(Tampered);
        }
        let (text, tag) = (InOutBuf::from(text), Tag::from(*icv));
        match &self.cipher {
            GcmCipher::Aes128(gcm) => gcm.decrypt_inout_detached(&nonce, aad, text, &tag),
            GcmCipher::Aes192(gcm) => gcm.decrypt_inout_detached(&nonce, aad, text, &tag),
            GcmCipher::Aes256(gcm) => gcm.decrypt_inout_detached(&nonce, aad, text, &tag),
        }
        .map_err(|_| Tampered)?;
        Ok(HEADER_LEN + IV_LEN..len - ICV_LEN)
    }

    pub(super) fn seal(&self, packet: &mut [u8]) -> Result<(), Tampered> {
        let (message, icv) = packet.split_last_chunk_mut::<ICV_LEN>().ok_or(Tampered)?;
        let (aad, nonce, text) = self.parts(message)?;
        let text = InOutBuf::from(text);
        let tag = match &self.cipher {
            GcmCipher::Aes128(gcm) => gcm.encrypt_inout_detached(&nonce, aad, text),
            GcmCipher::Aes192(gcm) => gcm.encrypt_inout_detached(&nonce, aad, text),
            GcmCipher::Aes256(gcm) => gcm.encrypt_inout_detached(&nonce, aad, text),
        };
        *icv = tag.map_err(|_| Tampered)?.into();
        Ok(())
    }

    /// Takes a packet without its ICV apart (RFC 4106 §4, §5).
    fn parts<'p>(&self, message: &'p mut [u8]) -> Result<Parts<'p>, Tampered> {
        let (aad, rest) = message.split_at_mut_checked(HEADER_LEN).ok_or(Tampered)?;
        let (iv, text) = rest.split_first_chunk_mut::<IV_LEN>().ok_or(Tampered)?;
        let mut nonce = Nonce::<U12>::default();
        let octets = self.salt.iter().chain(iv.iter());
        nonce.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        Ok((aad, nonce, text))
    }
}

/// Associated data, nonce and text.
type Parts<'p> = (&'p [u8], Nonce<U12>, &'p mut [u8]);

const IV_LEN: usize = 8;
const ICV_LEN: usize = 16;
