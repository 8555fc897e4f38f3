//! CBC with a key that serves many packets, encrypting several of them in lock-step.

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::array::Array;
use cbc::cipher::consts::U16;
use cbc::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt,
    BlockModeDecrypt as _, BlockModeEncrypt as _, BlockSizeUser, InnerIvInit as _, KeyInit as _,
};
use cbc::{Decryptor, Encryptor};
use des::TdesEde3;

use super::{LANES, Tampered};
use crate::crypto::{Cipher, Secret};

/// Round keys for encryption.
///
/// Those of 3DES would take 384 octets and cost next to nothing beside the cipher itself: they
/// are made anew for every packet.
pub(super) enum CbcEncryptor {
    TripleDes(Secret<24>),
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl CbcEncryptor {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::TripleDes => Self::TripleDes(triple_des_key(key)?),
            Cipher::Aes128 => Self::Aes128(Aes128Enc::new_from_slice(key).ok()?),
            Cipher::Aes192 => Self::Aes192(Aes192Enc::new_from_slice(key).ok()?),
            Cipher::Aes256 => Self::Aes256(Aes256Enc::new_from_slice(key).ok()?),
        })
    }

    /// Encrypts up to [`LANES`] texts in place, each of which begins with its IV.
    pub(super) fn encrypt(&self, texts: &mut [&mut [u8]]) -> Result<(), Tampered> {
        match self {
            Self::TripleDes(key) => {
                let cipher = TdesEde3::new_from_slice(key.expose()).map_err(|_| Tampered)?;
                for text in texts {
                    let (blocks, []) = Array::slice_as_chunks_mut(text) else {
                        return Err(Tampered);
                    };
                    let (iv, blocks) = blocks.split_first_mut().ok_or(Tampered)?;
                    Encryptor::inner_iv_init(&cipher, iv).encrypt_blocks(blocks);
                }
                Ok(())
            }
            Self::Aes128(cipher) => encrypt_with(cipher, texts),
            Self::Aes192(cipher) => encrypt_with(cipher, texts),
            Self::Aes256(cipher) => encrypt_with(cipher, texts),
        }
    }
}

/// Round keys for decryption.
pub(super) enum CbcDecryptor {
    TripleDes(Secret<24>),
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
}

impl CbcDecryptor {
    pub(super) fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::TripleDes => Self::TripleDes(triple_des_key(key)?),
            Cipher::Aes128 => Self::Aes128(Aes128Dec::new_from_slice(key).ok()?),
            Cipher::Aes192 => Self::Aes192(Aes192Dec::new_from_slice(key).ok()?),
            Cipher::Aes256 => Self::Aes256(Aes256Dec::new_from_slice(key).ok()?),
        })
    }

    pub(super) const fn block_len(&self) -> usize {
        match self {
            Self::TripleDes(_) => 8,
            Self::Aes128(_) | Self::Aes192(_) | Self::Aes256(_) => 16,
        }
    }

    /// Decrypts a text in place, which begins with its IV; a broken block at the end is left.
    pub(super) fn decrypt(&self, text: &mut [u8]) {
        match self {
            Self::TripleDes(key) => {
                if let Ok(cipher) = TdesEde3::new_from_slice(key.expose()) {
                    decrypt_with(&cipher, text);
                }
            }
            Self::Aes128(cipher) => decrypt_with(cipher, text),
            Self::Aes192(cipher) => decrypt_with(cipher, text),
            Self::Aes256(cipher) => decrypt_with(cipher, text),
        }
    }
}

fn triple_des_key(key: &[u8]) -> Option<Secret<24>> {
    Secret::copy_of(key).filter(|key| key.len() == Cipher::TripleDes.key_len())
}

fn decrypt_with<C: BlockCipherDecrypt>(cipher: &C, text: &mut [u8]) {
    let (blocks, _) = Array::slice_as_chunks_mut(text);
    if let Some((iv, blocks)) = blocks.split_first_mut() {
        Decryptor::inner_iv_init(cipher, iv).decrypt_blocks(blocks);
    }
}

fn encrypt_with<C>(cipher: &C, texts: &mut [&mut [u8]]) -> Result<(), Tampered>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut lanes = heapless::Vec::<Lane<'_>, LANES>::new();
    for text in texts {
        let (blocks, []) = text.as_chunks_mut() else { return Err(Tampered) };
        let (iv, blocks) = blocks.split_first_mut().ok_or(Tampered)?;
        lanes.push(Lane { chain: *iv, blocks }).map_err(|_| Tampered)?;
    }
    cipher.encrypt_with_backend(LockStep(&mut lanes));
    Ok(())
}

/// One packet on its way through the cipher.
struct Lane<'p> {
    /// The last block that was encrypted.
    chain: [u8; 16],
    /// What has not been encrypted.
    blocks: &'p mut [[u8; 16]],
}

/// Encrypts the next block of every lane at once, until all lanes are through.
struct LockStep<'l, 'p>(&'l mut [Lane<'p>]);

impl BlockSizeUser for LockStep<'_, '_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for LockStep<'_, '_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        loop {
            self.0.sort_unstable_by_key(|lane| core::cmp::Reverse(lane.blocks.len()));
            let busy = self.0.iter().filter(|lane| !lane.blocks.is_empty()).count();
            match busy.min(LANES) {
                0 => return,
                1 => encrypt_together::<B, 1>(backend, self.0),
                2 => encrypt_together::<B, 2>(backend, self.0),
                3 | 5 => encrypt_together::<B, 3>(backend, self.0),
                4..8 => encrypt_together::<B, 4>(backend, self.0),
                _ => encrypt_together::<B, LANES>(backend, self.0),
            }
        }
    }
}

/// Encrypts as many blocks of each of the first `N` lanes as the shortest of them has.
///
/// The chains do not depend on each other, so the processor works on all of them at once. That
/// beats the backends' own parallel call, which is made for up to 64 blocks.
#[inline(always)]
fn encrypt_together<B, const N: usize>(backend: &B, lanes: &mut [Lane<'_>])
where
    B: BlockCipherEncBackend<BlockSize = U16>,
{
    let Some(lanes) = lanes.first_chunk_mut::<N>() else { return };
    let steps = lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0);
    let mut chains = lanes.each_ref().map(|lane| Block::<B>::from(lane.chain));
    for step in 0..steps {
        for (lane, chain) in lanes.iter_mut().zip(&mut chains) {
            let Some(block) = lane.blocks.get_mut(step) else { return };
            *chain = xor(chain, block).into();
            backend.encrypt_block_inplace(chain);
            *block = chain.0;
        }
    }
    for (lane, chain) in lanes.iter_mut().zip(chains) {
        let blocks = core::mem::take(&mut lane.blocks);
        lane.blocks = blocks.get_mut(steps..).unwrap_or_default();
        lane.chain = chain.0;
    }
}

/// The sum of two blocks; as octets, since wider integers keep it out of vector registers.
#[inline(always)]
fn xor(one: &Array<u8, U16>, other: &[u8; 16]) -> [u8; 16] {
    let mut sum = *other;
    sum.iter_mut().zip(one).for_each(|(sum, one)| *sum ^= *one);
    sum
}
