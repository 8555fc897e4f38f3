//! ESP (RFC 4303) in transport mode: one SA of each direction, opened and sealed.
//!
//! CBC with HMAC (RFC 3602, RFC 2404, RFC 4868, RFC 2451) and GCM (RFC 4106). Not done: extended
//! sequence numbers, tunnel mode.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{AesGcm, Nonce, Tag};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _};
use des::{Des, TdesEde3};

use super::algorithm::{Cipher, EspCipher, Hash, KeyedHash};
use super::random::Random;

/// The algorithms and keys of one direction.
pub(super) struct Keys {
    cipher: CipherKey,
    mac: Option<(KeyedHash, usize)>,
}

enum CipherKey {
    Des(Des),
    TripleDes(TdesEde3),
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
    Gcm128(AesGcm<Aes128, U12>, [u8; 4]),
    Gcm192(AesGcm<Aes192, U12>, [u8; 4]),
    Gcm256(AesGcm<Aes256, U12>, [u8; 4]),
}

macro_rules! with_cbc {
    ($key:expr, $mode:ident, $iv:expr, $data:expr, $run:ident, $otherwise:expr) => {
        match $key {
            CipherKey::Des(key) => run_cbc!($mode, key, $iv, $data, $run),
            CipherKey::TripleDes(key) => run_cbc!($mode, key, $iv, $data, $run),
            CipherKey::Aes128(key) => run_cbc!($mode, key, $iv, $data, $run),
            CipherKey::Aes192(key) => run_cbc!($mode, key, $iv, $data, $run),
            CipherKey::Aes256(key) => run_cbc!($mode, key, $iv, $data, $run),
            _ => $otherwise,
        }
    };
}

macro_rules! run_cbc {
    ($mode:ident, $key:expr, $iv:expr, $data:expr, $run:ident) => {{
        let iv = Array::try_from($iv).ok()?;
        let mut mode = cbc::$mode::inner_iv_init($key.clone(), &iv);
        mode.$run(Array::slice_as_chunks_mut($data).0);
    }};
}

macro_rules! with_gcm {
    ($key:expr, $otherwise:expr, |$gcm:ident, $salt:ident| $run:expr) => {
        match $key {
            CipherKey::Gcm128($gcm, $salt) => $run,
            CipherKey::Gcm192($gcm, $salt) => $run,
            CipherKey::Gcm256($gcm, $salt) => $run,
            _ => $otherwise,
        }
    };
}

impl Keys {
    /// `None` if the material is too short, or the cipher has no such mode.
    pub(super) fn new(
        cipher: EspCipher,
        mac: Option<(Hash, usize)>,
        material: &[u8],
    ) -> Option<Self> {
        let (key, mac_key) = material.split_at_checked(cipher.key_len())?;
        let cipher = match cipher {
            EspCipher::Cbc(Cipher::Des) => CipherKey::Des(Des::new_from_slice(key).ok()?),
            EspCipher::Cbc(Cipher::TripleDes) => {
                CipherKey::TripleDes(TdesEde3::new_from_slice(key).ok()?)
            }
            EspCipher::Cbc(Cipher::Aes128) => CipherKey::Aes128(Aes128::new_from_slice(key).ok()?),
            EspCipher::Cbc(Cipher::Aes192) => CipherKey::Aes192(Aes192::new_from_slice(key).ok()?),
            EspCipher::Cbc(Cipher::Aes256) => CipherKey::Aes256(Aes256::new_from_slice(key).ok()?),
            EspCipher::Gcm(cipher) => {
                let (key, salt) = key.split_last_chunk::<4>()?;
                match cipher {
                    Cipher::Aes128 => CipherKey::Gcm128(AesGcm::new_from_slice(key).ok()?, *salt),
                    Cipher::Aes192 => CipherKey::Gcm192(AesGcm::new_from_slice(key).ok()?, *salt),
                    Cipher::Aes256 => CipherKey::Gcm256(AesGcm::new_from_slice(key).ok()?, *salt),
                    Cipher::Des | Cipher::TripleDes => return None,
                }
            }
        };
        let mac = mac.map(|(hash, icv_len)| (KeyedHash::new(hash, mac_key), icv_len));
        Some(Self { cipher, mac })
    }

    const fn is_gcm(&self) -> bool {
        self.mac.is_none()
    }

    const fn block_len(&self) -> usize {
        match self.cipher {
            CipherKey::Des(_) | CipherKey::TripleDes(_) => 8,
            CipherKey::Aes128(_) | CipherKey::Aes192(_) | CipherKey::Aes256(_) => 16,
            CipherKey::Gcm128(..) | CipherKey::Gcm192(..) | CipherKey::Gcm256(..) => 4,
        }
    }

    const fn iv_len(&self) -> usize {
        if self.is_gcm() { 8 } else { self.block_len() }
    }

    /// A packet with `parts` as its payload, one after the other.
    fn seal(&self, sa: &mut Outbound, next_header: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let (block, iv_len) = (self.block_len(), self.iv_len());
        let text_len: usize = parts.iter().map(|part| part.len()).sum();
        let padded = (text_len + 2).next_multiple_of(block);
        let mut packet = Vec::with_capacity(8 + iv_len + padded + 32);
        packet.extend_from_slice(&sa.spi.to_be_bytes());
        packet.extend_from_slice(&sa.sequence.to_be_bytes());
        packet.resize(8 + iv_len, 0);
        if self.is_gcm() {
            packet[8..16].copy_from_slice(&u64::from(sa.sequence).to_be_bytes());
        } else {
            sa.random.fill(&mut packet[8..]);
        }
        parts.iter().for_each(|part| packet.extend_from_slice(part));
        packet.extend(1..=(padded - text_len - 2) as u8);
        packet.extend([(padded - text_len - 2) as u8, next_header]);
        let (head, text) = packet.split_at_mut(8 + iv_len);
        let tag = with_gcm!(&self.cipher, None, |gcm, salt| {
            let nonce = nonce(*salt, &head[8..])?;
            Some(gcm.encrypt_inout_detached(&nonce, &head[..8], InOutBuf::from(&mut *text)).ok()?)
        });
        if let Some(tag) = tag {
            packet.extend_from_slice(&tag);
            return Some(packet);
        }
        with_cbc!(&self.cipher, Encryptor, &head[8..], text, encrypt_blocks, return None);
        let (mac, icv_len) = self.mac.as_ref()?;
        let icv = mac.digest(&[&packet]);
        packet.extend_from_slice(icv.get(..*icv_len)?);
        Some(packet)
    }

    /// Where the payload stands in `packet`, once it is verified and decrypted in place, and what
    /// it is.
    fn open(&self, packet: &mut [u8]) -> Option<(std::ops::Range<usize>, u8)> {
        let start = 8 + self.iv_len();
        let icv_len = self.mac.as_ref().map_or(16, |(_, icv_len)| *icv_len);
        let end = packet.len().checked_sub(icv_len)?;
        let text_len = end.checked_sub(start)?;
        if text_len == 0 || !text_len.is_multiple_of(self.block_len()) {
            return None;
        }
        let (message, icv) = packet.split_at_mut(end);
        if let Some((mac, icv_len)) = &self.mac {
            if mac.digest(&[message]).get(..*icv_len)? != icv {
                return None;
            }
            let (head, text) = message.split_at_mut(start);
            with_cbc!(&self.cipher, Decryptor, &head[8..], text, decrypt_blocks, return None);
        } else {
            let (head, text) = message.split_at_mut(start);
            let tag = Tag::try_from(&*icv).ok()?;
            with_gcm!(&self.cipher, return None, |gcm, salt| {
                let (nonce, text) = (nonce(*salt, &head[8..])?, InOutBuf::from(text));
                gcm.decrypt_inout_detached(&nonce, &head[..8], text, &tag).ok()?;
            });
        }
        let [pad_len, next_header] = *packet.get(end - 2..end)? else { return None };
        let text_end = (end - 2).checked_sub(usize::from(pad_len)).filter(|&at| at >= start)?;
        // Monotonic padding is checked: it is what every sender here uses (RFC 4303 §2.4).
        let is_right = (1..).zip(&packet[text_end..end - 2]).all(|(is, &octet)| is == octet);
        is_right.then_some((start..text_end, next_header))
    }
}

fn nonce(salt: [u8; 4], iv: &[u8]) -> Option<Nonce<U12>> {
    Nonce::<U12>::try_from(&[&salt[..], iv].concat()[..]).ok()
}

/// What we send on.
pub(super) struct Outbound {
    pub(super) spi: u32,
    /// Of the next packet.
    pub(super) sequence: u32,
    random: Random,
}

/// A pair of SAs.
pub(super) struct EspPair {
    pub(super) spi_in: u32,
    pub(super) outbound: Outbound,
    keys_in: Keys,
    keys_out: Keys,
    replay: Replay,
    pub(super) in_udp: bool,
}

impl EspPair {
    pub(super) fn new(
        spi_in: u32,
        keys_in: Keys,
        spi_out: u32,
        keys_out: Keys,
        in_udp: bool,
    ) -> Self {
        let random = Random::new(u64::from(spi_in) << 32 | u64::from(spi_out));
        let outbound = Outbound { spi: spi_out, sequence: 1, random };
        Self { spi_in, outbound, keys_in, keys_out, replay: Replay::default(), in_udp }
    }

    /// A UDP datagram, in `parts`, as an ESP packet; `None` at the end of the numbers.
    pub(super) fn seal(&mut self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let next = self.outbound.sequence.checked_add(1)?;
        let packet = self.keys_out.seal(&mut self.outbound, UDP, parts)?;
        self.outbound.sequence = next;
        Some(packet)
    }

    /// Verifies and decrypts in place; where the UDP datagram stands.
    pub(super) fn open(&mut self, packet: &mut [u8]) -> Option<std::ops::Range<usize>> {
        let sequence = packet.get(4..8)?;
        let sequence = u32::from_be_bytes([sequence[0], sequence[1], sequence[2], sequence[3]]);
        if !self.replay.is_new(sequence) {
            return None;
        }
        let (range, next_header) = self.keys_in.open(packet)?;
        self.replay.accept(sequence);
        (next_header == UDP).then_some(range)
    }
}

/// The anti-replay window (RFC 4303 §3.4.3), 64 wide.
#[derive(Debug, Default)]
struct Replay {
    last: u32,
    /// Bit n: `last - n` was seen.
    seen: u64,
}

impl Replay {
    fn is_new(&self, sequence: u32) -> bool {
        let Some(age) = self.last.checked_sub(sequence) else { return true };
        sequence != 0 && age < 64 && self.seen >> age & 1 == 0
    }

    fn accept(&mut self, sequence: u32) {
        if let Some(age) = self.last.checked_sub(sequence) {
            self.seen |= 1 << age;
        } else {
            self.seen = self.seen.checked_shl(sequence - self.last).unwrap_or(0) | 1;
            self.last = sequence;
        }
    }
}

/// The next header of a UDP datagram.
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(cipher: EspCipher, mac: Option<(Hash, usize)>) -> [EspPair; 2] {
        let len = cipher.key_len() + mac.map_or(0, |(hash, _)| hash.digest_len());
        let material: Vec<u8> = (0..len as u8).collect();
        let keys = || Keys::new(cipher, mac, &material).expect("keys");
        [EspPair::new(7, keys(), 9, keys(), true), EspPair::new(9, keys(), 7, keys(), true)]
    }

    #[test]
    fn every_suite_opens_what_it_sealed_once() {
        let ciphers = [Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];
        let cbc = ciphers.into_iter().flat_map(|cipher| {
            let hashes = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
            hashes.map(|hash| (EspCipher::Cbc(cipher), Some((hash, hash.icv_len()))))
        });
        let gcm = [Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];
        for (cipher, mac) in cbc.chain(gcm.map(|cipher| (EspCipher::Gcm(cipher), None))) {
            let [mut here, mut there] = pair(cipher, mac);
            for len in [0, 1, 13, 14, 100] {
                let text = vec![0x42; len];
                let mut packet = here.seal(&[&text[..len / 2], &text[len / 2..]]).expect("sealed");
                let mut copy = packet.clone();
                let mut bent = packet.clone();
                *bent.last_mut().expect("an octet") ^= 1;
                assert_eq!(there.open(&mut bent), None, "{cipher:?} {mac:?}");
                let range = there.open(&mut packet).expect("opened");
                assert_eq!(packet[range], text, "{cipher:?} {mac:?}");
                assert_eq!(there.open(&mut copy), None, "a copy is refused");
            }
        }
    }

    #[test]
    fn late_packets_are_taken_within_the_window_only() {
        let mut replay = Replay::default();
        for (sequence, is_new) in
            [(0, false), (1, true), (1, false), (70, true), (6, false), (7, true), (7, false)]
        {
            assert_eq!(replay.is_new(sequence), is_new, "{sequence}");
            if is_new {
                replay.accept(sequence);
            }
        }
    }
}
