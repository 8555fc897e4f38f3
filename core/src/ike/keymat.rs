//! Keys, IVs and hashes of IKEv1 with a pre-shared key (RFC 2409 §5 and Appendix B).

use crate::crypto::prf::{Digest, digest, hmac};
use crate::crypto::{Cipher, Hash, IkeSuite, Secret};
use crate::ipsec::EspKey;
use crate::wire::isakmp::{Cookie, protocol};

/// A block of cipher text that becomes an IV.
pub(super) type Block = heapless::Vec<u8, 16>;

/// The key of an IKE cipher.
pub(super) type CipherKey = Secret<32>;

/// What phase 1 yields.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// SKEYID, for the hashes of phase 1.
    pub(super) skeyid: Digest,
    /// SKEYID_d, from which keys of IPsec SAs are derived.
    pub(super) derive: Digest,
    /// SKEYID_a, which authenticates messages of phase 2.
    pub(super) auth: Digest,
    /// What encrypts messages, made from SKEYID_e.
    pub(super) cipher: CipherKey,
}

/// Derives the keys of an IKE SA from both nonces, both cookies and the shared secret.
pub(super) fn phase1_keys(
    suite: IkeSuite,
    psk: &[u8],
    nonces: (&[u8], &[u8]),
    cookies: (Cookie, Cookie),
    shared: &[u8],
) -> Keys {
    let hash = suite.hash;
    let skeyid = hmac(hash, psk, &[nonces.0, nonces.1]);
    let step = |previous: &[u8], number: u8| {
        let parts = [previous, shared, &cookies.0.0, &cookies.1.0, &[number]];
        hmac(hash, skeyid.expose(), &parts)
    };
    let derive = step(&[], 0);
    let auth = step(derive.expose(), 1);
    let encrypt = step(auth.expose(), 2);
    let cipher = cipher_key(hash, suite.cipher, encrypt.expose());
    Keys { skeyid, derive, auth, cipher }
}

/// Cuts or stretches SKEYID_e to the cipher's key (RFC 2409 Appendix B).
fn cipher_key(hash: Hash, cipher: Cipher, skeyid_e: &[u8]) -> CipherKey {
    CipherKey::filled(cipher.key_len(), |key| {
        if key.len() <= skeyid_e.len() {
            copy_prefix(key, skeyid_e);
            return;
        }
        let mut block = hmac(hash, skeyid_e, &[&[0]]);
        for piece in key.chunks_mut(hash.digest_len()) {
            copy_prefix(piece, block.expose());
            block = hmac(hash, skeyid_e, &[block.expose()]);
        }
    })
}

/// HASH_I or HASH_R (RFC 2409 §5): `first` are the public value and the cookie of the side that
/// sends it, `second` those of the other.
pub(super) fn phase1_hash(
    hash: Hash,
    skeyid: &[u8],
    first: (&[u8], Cookie),
    second: (&[u8], Cookie),
    offer: &[u8],
    id: &[u8],
) -> Digest {
    hmac(hash, skeyid, &[first.0, second.0, &first.1.0, &second.1.0, offer, id])
}

/// The first IV of phase 1: from the public values of initiator and responder.
pub(super) fn phase1_iv(suite: IkeSuite, publics: (&[u8], &[u8])) -> Block {
    block_of(suite, &digest(suite.hash, &[publics.0, publics.1]))
}

/// The first IV of an exchange of phase 2: from the last block of phase 1.
pub(super) fn phase2_iv(suite: IkeSuite, last: &[u8], message_id: u32) -> Block {
    block_of(suite, &digest(suite.hash, &[last, &message_id.to_be_bytes()]))
}

fn block_of(suite: IkeSuite, digest: &Digest) -> Block {
    digest.expose().iter().take(suite.cipher.block_len()).copied().collect()
}

/// KEYMAT of an ESP SA of `len` octets (RFC 2409 §5.5); `shared` is empty without PFS.
pub(super) fn esp_key(
    hash: Hash,
    skeyid_d: &[u8],
    shared: &[u8],
    spi: u32,
    nonces: (&[u8], &[u8]),
    len: usize,
) -> EspKey {
    let spi = spi.to_be_bytes();
    let block = |previous: &[u8]| {
        hmac(hash, skeyid_d, &[previous, shared, &[protocol::ESP], &spi, nonces.0, nonces.1])
    };
    EspKey::filled(len, |key| {
        let mut current = block(&[]);
        for piece in key.chunks_mut(hash.digest_len()) {
            copy_prefix(piece, current.expose());
            current = block(current.expose());
        }
    })
}

fn copy_prefix(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
