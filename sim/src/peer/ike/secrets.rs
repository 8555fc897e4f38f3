//! What the keys of an IKE SA are made of (RFC 2409 §5, appendix B).

use super::message::{ENCRYPTED, Header, LEN, Payload, emit_chain, kind, parse_chain};
use crate::peer::algorithm::{Cipher, Hash, decrypt_cbc, encrypt_cbc};

/// The SKEYID family, and the key of its messages.
#[derive(Clone, Debug)]
pub(super) struct Secrets {
    pub(super) hash: Hash,
    pub(super) cipher: Cipher,
    pub(super) id: Vec<u8>,
    pub(super) d: Vec<u8>,
    pub(super) a: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Secrets {
    /// From the pre-shared key, the nonces of initiator and responder and the common secret.
    pub(super) fn derive(
        (hash, cipher): (Hash, Cipher),
        psk: &[u8],
        nonces: [&[u8]; 2],
        cookies: [[u8; 8]; 2],
        shared: &[u8],
    ) -> Self {
        let [cookie_i, cookie_r] = &cookies;
        let id = hash.hmac(psk, &nonces);
        let d = hash.hmac(&id, &[shared, cookie_i, cookie_r, &[0]]);
        let a = hash.hmac(&id, &[&d, shared, cookie_i, cookie_r, &[1]]);
        let e = hash.hmac(&id, &[&a, shared, cookie_i, cookie_r, &[2]]);
        let mut key = e.clone();
        if key.len() < cipher.key_len() {
            let mut block = hash.hmac(&e, &[&[0]]);
            key.clone_from(&block);
            while key.len() < cipher.key_len() {
                block = hash.hmac(&e, &[&block]);
                key.extend_from_slice(&block);
            }
        }
        key.truncate(cipher.key_len());
        Self { hash, cipher, id, d, a, key }
    }

    /// The first IV of phase 1.
    pub(super) fn first_iv(&self, publics: [&[u8]; 2]) -> Vec<u8> {
        self.cut(self.hash.digest(&publics))
    }

    /// The first IV of another exchange; `last` is the last block of phase 1.
    pub(super) fn exchange_iv(&self, last: &[u8], message_id: u32) -> Vec<u8> {
        self.cut(self.hash.digest(&[last, &message_id.to_be_bytes()]))
    }

    fn cut(&self, mut iv: Vec<u8>) -> Vec<u8> {
        iv.truncate(self.cipher.block_len());
        iv
    }

    /// Keying material of ESP for one direction (RFC 2409 §5.5).
    pub(super) fn keymat(
        &self,
        shared: &[u8],
        spi: u32,
        nonces: [&[u8]; 2],
        len: usize,
    ) -> Vec<u8> {
        let seed = [shared, &[3], &spi.to_be_bytes(), nonces[0], nonces[1]].concat();
        let mut block = self.hash.hmac(&self.d, &[&seed]);
        let mut material = block.clone();
        while material.len() < len {
            block = self.hash.hmac(&self.d, &[&block, &seed]);
            material.extend_from_slice(&block);
        }
        material.truncate(len);
        material
    }

    /// Encrypts `payloads` under `iv`, which becomes the next one.
    pub(super) fn seal(
        &self,
        mut header: Header,
        payloads: &[Payload],
        iv: &mut Vec<u8>,
    ) -> Vec<u8> {
        header.flags |= ENCRYPTED;
        let mut message = header.emit(payloads);
        let block = self.cipher.block_len();
        let padding = (message.len() - LEN).next_multiple_of(block) + LEN - message.len();
        message.resize(message.len() + padding, 0);
        let len = message.len() as u32;
        message[24..LEN].copy_from_slice(&len.to_be_bytes());
        encrypt_cbc(self.cipher, &self.key, iv, &mut message[LEN..]);
        *iv = message[message.len() - block..].to_vec();
        message
    }

    /// Decrypts `body`; returns its payloads, how it looked in plain, and the next IV.
    pub(super) fn open(&self, header: &Header, body: &[u8], iv: &[u8]) -> Option<Opened> {
        let block = self.cipher.block_len();
        if header.flags & ENCRYPTED == 0 || body.is_empty() || !body.len().is_multiple_of(block) {
            return None;
        }
        let next_iv = body[body.len() - block..].to_vec();
        let mut plain = body.to_vec();
        decrypt_cbc(self.cipher, &self.key, iv, &mut plain);
        let (payloads, len) = parse_chain(header.first, &plain)?;
        plain.truncate(len);
        Some(Opened { payloads, plain, next_iv })
    }

    /// The payloads of phase 2 behind the hash that covers them and `prefix`.
    pub(super) fn hashed(&self, prefix: &[&[u8]], payloads: Vec<Payload>) -> Vec<Payload> {
        let hash = self.hash.hmac(&self.a, &[&prefix.concat(), &emit_chain(&payloads)]);
        let mut all = vec![(kind::HASH, hash)];
        all.extend(payloads);
        all
    }

    /// Whether the hash in front of the payloads covers them and `prefix`.
    pub(super) fn covers(&self, prefix: &[&[u8]], opened: &Opened) -> bool {
        let Some((kind::HASH, hash)) = opened.payloads.first() else { return false };
        let Some(rest) = opened.plain.get(4 + hash.len()..) else { return false };
        self.hash.hmac(&self.a, &[&prefix.concat(), rest]) == *hash
    }
}

/// A message that was decrypted.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) payloads: Vec<Payload>,
    /// Without its padding.
    pub(super) plain: Vec<u8>,
    pub(super) next_iv: Vec<u8>,
}
