//! The hash function as one function, which every kind of key calls.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Gives the hashes of [`SipHasher13`].
pub(super) struct CompactHasher(SipHasher13);

impl CompactHasher {
    pub(super) fn new_with_key(key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(key))
    }
}

impl Hasher for CompactHasher {
    #[inline(never)]
    fn write(&mut self, octets: &[u8]) {
        self.0.write(octets);
    }

    #[inline(never)]
    fn finish(&self) -> u64 {
        self.0.finish()
    }
}
