//! The chance of a client: everything it draws follows from its seed.
//!
//! SplitMix64 (Steele, Lea, Flood 2014). It is not for secrets: whoever knows the seed knows
//! every key. The clients protect nothing.

/// A generator whose output is determined by its seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A generator for `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub(super) const fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 32 bits.
    pub(super) const fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    /// 16 bits, not zero: an identifier.
    pub(super) const fn id16(&mut self) -> u16 {
        loop {
            let drawn = (self.u64() >> 48) as u16;
            if drawn != 0 {
                return drawn;
            }
        }
    }

    /// 32 bits, large enough for an SPI (RFC 4303 §2.1 keeps the first 256).
    pub(super) const fn spi(&mut self) -> u32 {
        loop {
            let drawn = self.u32();
            if drawn > 255 {
                return drawn;
            }
        }
    }

    /// Fills `octets`.
    pub(super) fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            let drawn = self.u64().to_be_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }

    /// `N` octets.
    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.fill(&mut octets);
        octets
    }
}
