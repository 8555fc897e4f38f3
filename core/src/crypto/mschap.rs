//! The calculations of MS-CHAPv2 (RFC 2759 §8).
//!
//! The protocol around them is PPP's. MS-CHAPv2 is worth one DES key and protects nothing by
//! itself: it runs inside ESP. Password changes (RFC 2759 §8.9 on) are left out, and so is
//! MPPE, which IPsec makes superfluous.

use des::Des;
use des::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use md4::{Digest as _, Md4};
use sha1::Sha1;
use zeroize::Zeroizing;

/// `NtPasswordHash` (§8.3): MD4 of the password in UTF-16LE.
///
/// It is as good as the password to whoever holds it.
pub fn nt_hash(password: &str) -> [u8; 16] {
    let mut state = Md4::new();
    for unit in password.encode_utf16() {
        state.update(unit.to_le_bytes());
    }
    state.finalize().into()
}

/// `ChallengeHash` (§8.2).
///
/// `user_name` is the name as the client sent it. A client that sends `DOMAIN\user` hashes only
/// `user`, as §8.2 says, so everything up to the last backslash is left out here too. A name of
/// the form `user@hub` counts whole.
pub fn challenge_hash(
    peer_challenge: &[u8; 16],
    authenticator_challenge: &[u8; 16],
    user_name: &[u8],
) -> [u8; 8] {
    let mut state = Sha1::new();
    state.update(peer_challenge);
    state.update(authenticator_challenge);
    state.update(without_domain(user_name));
    leading(&state.finalize().into())
}

/// `GenerateNTResponse` (§8.1): what proves that the client knows the password.
///
/// Compare it with what came by [`super::Secret::equals`] or `subtle`.
pub fn nt_response(
    authenticator_challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
    user_name: &[u8],
    nt_hash: &[u8; 16],
) -> [u8; 24] {
    let challenge = challenge_hash(peer_challenge, authenticator_challenge, user_name);
    challenge_response(challenge, nt_hash)
}

/// `GenerateAuthenticatorResponse` (§8.7): what proves that we know the password.
///
/// The 20 octets that travel as `S=` and 40 upper-case hexadecimal digits.
pub fn authenticator_response(
    nt_hash: &[u8; 16],
    nt_response: &[u8; 24],
    peer_challenge: &[u8; 16],
    authenticator_challenge: &[u8; 16],
    user_name: &[u8],
) -> [u8; 20] {
    let hash_of_hash = Zeroizing::new(<[u8; 16]>::from(Md4::digest(nt_hash)));
    let mut state = Sha1::new();
    state.update(*hash_of_hash);
    state.update(nt_response);
    state.update(MAGIC_SERVER_TO_CLIENT);
    let proof = Zeroizing::new(<[u8; 20]>::from(state.finalize()));

    let challenge = challenge_hash(peer_challenge, authenticator_challenge, user_name);
    let mut state = Sha1::new();
    state.update(*proof);
    state.update(challenge);
    state.update(PAD_TO_MAKE_IT_DO_MORE);
    state.finalize().into()
}

/// `ChallengeResponse` (§8.5): the challenge under three DES keys cut from the hash.
fn challenge_response(challenge: [u8; 8], nt_hash: &[u8; 16]) -> [u8; 24] {
    let mut keys = Zeroizing::new([0_u8; 21]);
    keys.iter_mut().zip(nt_hash).for_each(|(key, octet)| *key = *octet);
    let mut response = [0; 24];
    let (thirds, _) = keys.as_chunks::<7>();
    let (blocks, _) = response.as_chunks_mut::<8>();
    for (key, block) in thirds.iter().zip(blocks) {
        let mut encrypted = Array::from(challenge);
        Des::new(&Array::from(with_parity_bits(key))).encrypt_block(&mut encrypted);
        *block = encrypted.into();
    }
    response
}

/// Spreads 56 bits over eight octets; DES ignores the lowest bit of each (§8.6).
fn with_parity_bits(key: &[u8; 7]) -> [u8; 8] {
    let [a, b, c, d, e, f, g] = *key;
    let bits = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    let mut octet = 0;
    [(); 8].map(|()| {
        octet += 1;
        ((bits >> (56 - 7 * octet)) << 1) as u8
    })
}

fn without_domain(user_name: &[u8]) -> &[u8] {
    user_name.rsplit(|&octet| octet == b'\\').next().unwrap_or(user_name)
}

fn leading(digest: &[u8; 20]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    [a, b, c, d, e, f, g, h]
}

const MAGIC_SERVER_TO_CLIENT: &[u8] = b"Magic server to client signing constant";
const PAD_TO_MAKE_IT_DO_MORE: &[u8] = b"Pad to make it do more than one iteration";

#[cfg(test)]
mod tests;
