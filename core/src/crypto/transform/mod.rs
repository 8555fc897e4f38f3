//! ESP transforms: keys expanded once for each SA, packets opened and sealed in place.
//!
//! One direction each, so that an SA holds no round keys it never uses. A packet runs from the
//! SPI to the ICV: `SPI | sequence | IV | payload, padding, trailer | ICV` (RFC 4303 §2). CBC
//! with a MAC over everything before the ICV (RFC 3602, RFC 2404, RFC 4868), or AES-GCM
//! (RFC 4106). What the padding and the trailer say, sequence numbers and IVs are the SA's
//! matter. Extended sequence numbers do not exist with IKEv1 and are left out.
//!
//! CBC encrypts block after block, which leaves most of a wide AES unit idle;
//! [`Sealer::seal_batch`] encrypts the n-th blocks of several packets together.

mod cbc;
mod gcm;
mod mac;

use core::ops::Range;

use self::cbc::{CbcDecryptor, CbcEncryptor};
use self::gcm::{GcmOpener, GcmSealer};
use self::mac::MacKey;
use super::{EspSuite, Mac};

/// The packet was changed on its way, or is not for this SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tampered;

/// Verifies and decrypts the packets of an inbound SA.
pub struct Opener(OpenerKind);

enum OpenerKind {
    Cbc { decryptor: CbcDecryptor, mac: MacKey },
    Gcm(GcmOpener),
}

impl Opener {
    /// Expands the keys of one direction: cipher key and MAC key, or key and salt.
    ///
    /// `None` if `key` has not [`EspSuite::key_len`] octets or the suite does not exist.
    pub fn new(suite: EspSuite, key: &[u8]) -> Option<Self> {
        Some(Self(match suite {
            EspSuite::Cbc { cipher, mac } => {
                let (cipher_key, mac_key) = key.split_at_checked(cipher.key_len())?;
                let decryptor = CbcDecryptor::new(cipher, cipher_key)?;
                OpenerKind::Cbc { decryptor, mac: MacKey::new(mac, mac_key)? }
            }
            EspSuite::AesGcm16 { cipher } => OpenerKind::Gcm(GcmOpener::new(cipher, key)?),
        }))
    }

    /// Verifies `packet` and decrypts it in place; tells where payload, padding and trailer are.
    ///
    /// # Errors
    /// [`Tampered`] if the ICV does not fit, which takes the same time wherever it differs, or
    /// the lengths do not. Nothing is decrypted then.
    pub fn open(&self, packet: &mut [u8]) -> Result<Range<usize>, Tampered> {
        match &self.0 {
            OpenerKind::Gcm(opener) => opener.open(packet),
            OpenerKind::Cbc { decryptor, mac } => {
                let end = packet.len().checked_sub(mac.icv_len()).ok_or(Tampered)?;
                let (message, icv) = packet.split_at_mut_checked(end).ok_or(Tampered)?;
                let (iv, text) = message
                    .get(HEADER_LEN..)
                    .and_then(|rest| rest.split_at_checked(decryptor.block_len()))
                    .ok_or(Tampered)?;
                if text.is_empty() || !text.len().is_multiple_of(iv.len()) {
                    return Err(Tampered);
                }
                mac.verify(message, icv)?;
                decryptor.decrypt(message.get_mut(HEADER_LEN..).unwrap_or_default());
                Ok(HEADER_LEN + decryptor.block_len()..end)
            }
        }
    }

    /// Changes how much of the MAC travels: between [`Mac::Sha256_128`] and [`Mac::Sha256_96`].
    ///
    /// Does nothing for another pair.
    pub fn cut_icv(&mut self, to: Mac) {
        if let OpenerKind::Cbc { mac, .. } = &mut self.0 {
            mac.cut_icv(to);
        }
    }
}

/// Encrypts and authenticates the packets of an outbound SA.
pub struct Sealer(SealerKind);

enum SealerKind {
    Cbc { encryptor: CbcEncryptor, mac: MacKey },
    Gcm(GcmSealer),
}

impl Sealer {
    /// As [`Opener::new`].
    pub fn new(suite: EspSuite, key: &[u8]) -> Option<Self> {
        Some(Self(match suite {
            EspSuite::Cbc { cipher, mac } => {
                let (cipher_key, mac_key) = key.split_at_checked(cipher.key_len())?;
                let encryptor = CbcEncryptor::new(cipher, cipher_key)?;
                SealerKind::Cbc { encryptor, mac: MacKey::new(mac, mac_key)? }
            }
            EspSuite::AesGcm16 { cipher } => SealerKind::Gcm(GcmSealer::new(cipher, key)?),
        }))
    }

    /// Encrypts `packet` in place with the IV it holds, and fills in its last octets, the ICV.
    ///
    /// # Errors
    /// [`Tampered`] if its lengths do not fit the suite; then it may be half sealed and must not
    /// be sent.
    pub fn seal(&self, packet: &mut [u8]) -> Result<(), Tampered> {
        self.seal_batch(&mut [packet])
    }

    /// Seals several packets of the SA; up to [`LANES`] at once pay.
    ///
    /// # Errors
    /// As [`Sealer::seal`], for all of them if one does not fit.
    pub fn seal_batch(&self, packets: &mut [&mut [u8]]) -> Result<(), Tampered> {
        match &self.0 {
            SealerKind::Gcm(sealer) => {
                packets.iter_mut().try_for_each(|packet| sealer.seal(packet))
            }
            SealerKind::Cbc { encryptor, mac } => {
                for group in packets.chunks_mut(LANES) {
                    encrypt_group(encryptor, mac.icv_len(), group)?;
                    for packet in group {
                        let end = packet.len().checked_sub(mac.icv_len()).ok_or(Tampered)?;
                        let (message, icv) = packet.split_at_mut_checked(end).ok_or(Tampered)?;
                        mac.write(message, icv);
                    }
                }
                Ok(())
            }
        }
    }

    /// As [`Opener::cut_icv`].
    pub fn cut_icv(&mut self, to: Mac) {
        if let SealerKind::Cbc { mac, .. } = &mut self.0 {
            mac.cut_icv(to);
        }
    }
}

fn encrypt_group(
    encryptor: &CbcEncryptor,
    icv_len: usize,
    group: &mut [&mut [u8]],
) -> Result<(), Tampered> {
    let mut texts = heapless::Vec::<&mut [u8], LANES>::new();
    for packet in group {
        let end = packet.len().checked_sub(icv_len).ok_or(Tampered)?;
        let text = packet.get_mut(HEADER_LEN..end).ok_or(Tampered)?;
        texts.push(text).map_err(|_| Tampered)?;
    }
    encryptor.encrypt(&mut texts)
}

/// Packets that are encrypted in lock-step.
pub const LANES: usize = if cfg!(feature = "speed") { 8 } else { 1 };

/// Octets of SPI and sequence number.
pub const HEADER_LEN: usize = 8;

#[cfg(test)]
mod tests;
