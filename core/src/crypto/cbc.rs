//! CBC over whole messages, with a key that is used once and forgotten.
//!
//! For IKE messages (RFC 2409 §B), which are few. ESP keeps expanded keys: [`super::transform`].

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::array::{Array, ArraySize};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use des::TdesEde3;

use super::Cipher;

/// The key, the IV or the data has not the length that the cipher needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

/// Encrypts `data` in place.
///
/// # Errors
/// [`BadLength`] unless `key` has [`Cipher::key_len`] octets, `iv` has [`Cipher::block_len`] and
/// `data` a multiple of that; nothing is changed then.
pub fn encrypt(cipher: Cipher, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), BadLength> {
    match cipher {
        Cipher::TripleDes => encrypt_with::<Encryptor<TdesEde3>>(key, iv, data),
        Cipher::Aes128 => encrypt_with::<Encryptor<Aes128Enc>>(key, iv, data),
        Cipher::Aes192 => encrypt_with::<Encryptor<Aes192Enc>>(key, iv, data),
        Cipher::Aes256 => encrypt_with::<Encryptor<Aes256Enc>>(key, iv, data),
    }
}

/// Decrypts `data` in place.
///
/// # Errors
/// As [`encrypt`].
pub fn decrypt(cipher: Cipher, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), BadLength> {
    match cipher {
        Cipher::TripleDes => decrypt_with::<Decryptor<TdesEde3>>(key, iv, data),
        Cipher::Aes128 => decrypt_with::<Decryptor<Aes128Dec>>(key, iv, data),
        Cipher::Aes192 => decrypt_with::<Decryptor<Aes192Dec>>(key, iv, data),
        Cipher::Aes256 => decrypt_with::<Decryptor<Aes256Dec>>(key, iv, data),
    }
}

fn encrypt_with<M: BlockModeEncrypt + KeyIvInit>(
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<(), BadLength> {
    let mut mode = M::new_from_slices(key, iv).map_err(|_| BadLength)?;
    mode.encrypt_blocks(whole_blocks::<<M as BlockSizeUser>::BlockSize>(data)?);
    Ok(())
}

fn decrypt_with<M: BlockModeDecrypt + KeyIvInit>(
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<(), BadLength> {
    let mut mode = M::new_from_slices(key, iv).map_err(|_| BadLength)?;
    mode.decrypt_blocks(whole_blocks::<<M as BlockSizeUser>::BlockSize>(data)?);
    Ok(())
}

fn whole_blocks<N: ArraySize>(data: &mut [u8]) -> Result<&mut [Array<u8, N>], BadLength> {
    match Array::slice_as_chunks_mut(data) {
        (blocks, []) => Ok(blocks),
        _ => Err(BadLength),
    }
}

#[cfg(test)]
mod tests;
