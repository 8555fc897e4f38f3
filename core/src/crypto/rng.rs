//! The one source of randomness.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

/// A ChaCha20 generator, seeded by the runtime with entropy and by the simulator with its tape.
pub struct Rng(ChaCha20Rng);

impl Rng {
    /// A generator whose output is determined by `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// `N` random octets.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// 16 random bits.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::hex;

    /// RFC 8439 §A.1, vectors 1 and 2: the first two blocks under a key of zeros.
    #[test]
    fn the_output_is_the_key_stream_of_chacha20() {
        let mut rng = Rng::from_seed([0; 32]);
        let expected = hex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
             da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586
             9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed
             29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
        let (first, rest) = expected.split_at(60);
        assert_eq!(rng.array::<60>(), first);
        assert_eq!(rng.array::<68>(), rest);
    }

    #[test]
    fn the_state_is_wiped_when_dropped() {
        const fn wipes<T: zeroize::ZeroizeOnDrop>() {}
        wipes::<ChaCha20Rng>();
    }

    #[test]
    fn a_seed_determines_the_output() {
        let draw = |octet| {
            let mut rng = Rng::from_seed([octet; 32]);
            (rng.u16(), rng.u32(), rng.u64(), rng.array::<7>())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
