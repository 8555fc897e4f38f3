//! MS-CHAPv2 as the one who proves itself (RFC 2759 §8).

use des::Des;
use des::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use md4::{Digest as _, Md4};
use sha1::Sha1;

/// What a challenge is answered with, and what the server must then say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// NT-Response.
    pub(super) response: [u8; 24],
    /// What comes after `S=`: hexadecimal digits.
    pub(super) expected: String,
}

/// Answers `challenge` for `user`, a name without a domain.
pub(super) fn answer(challenge: &[u8; 16], ours: &[u8; 16], user: &str, password: &str) -> Answer {
    let unicode: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hash = Md4::digest(unicode);
    let mixed = sha1(&[ours, challenge, user.as_bytes()]);
    let mut keys = hash.to_vec();
    keys.resize(21, 0);
    let mut response = [0; 24];
    for (key, block) in keys.chunks(7).zip(response.chunks_mut(8)) {
        let bits = key.iter().fold(0_u64, |sum, &octet| sum << 8 | u64::from(octet));
        let key: [u8; 8] = std::array::from_fn(|at| ((bits >> (49 - 7 * at)) << 1) as u8);
        let mut octets = Array::<u8, _>::try_from(&mixed[..8]).expect("eight octets");
        Des::new(&Array::from(key)).encrypt_block(&mut octets);
        block.copy_from_slice(&octets);
    }
    let proof = sha1(&[&Md4::digest(hash), &response, MAGIC_1]);
    let proof = sha1(&[&proof, &mixed[..8], MAGIC_2]);
    Answer { response, expected: proof.iter().map(|octet| format!("{octet:02X}")).collect() }
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    Sha1::digest(parts.concat()).to_vec()
}

const MAGIC_1: &[u8] = b"Magic server to client signing constant";
const MAGIC_2: &[u8] = b"Pad to make it do more than one iteration";

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2759 §9.2.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let challenge = 0x5b5d_7c7d_7b3f_2f3e_3c2c_6021_3226_2628_u128.to_be_bytes();
        let ours = 0x2140_2324_255e_262a_2829_5f2b_3a33_7c7e_u128.to_be_bytes();
        let answer = answer(&challenge, &ours, "User", "clientPass");
        let expected = "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF";
        let response: String = answer.response.iter().map(|it| format!("{it:02X}")).collect();
        assert_eq!(response, expected);
        assert_eq!(answer.expected, "407A5589115FD0D6209F510FE9C04566932CDA56");
    }
}
