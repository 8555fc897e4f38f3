//! From a hash to slot numbers.

use core::hash::Hasher as _;

#[cfg(feature = "speed")]
use siphasher::sip::SipHasher13 as KeyHasher;

#[cfg(not(feature = "speed"))]
use self::compact::CompactHasher as KeyHasher;
use super::{Backing, Empty, Full};

#[cfg(not(feature = "speed"))]
mod compact;

/// One place of an [`Index`].
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    hash: u32,
    /// Slot number plus one; zero when the place is free.
    value: u32,
}

impl Empty for Bucket {
    const EMPTY: Self = Self { hash: 0, value: 0 };
}

/// An open-addressing hash index, keyed so that peers cannot choose collisions.
///
/// It stores hashes and slot numbers only; the caller compares what the slots hold. Removal
/// shifts later entries back, so there are no tombstones. It holds one entry fewer than it has
/// places; make it twice as large as the table behind it.
#[derive(Debug)]
pub struct Index<'a> {
    buckets: Backing<'a, Bucket>,
    key: [u8; 16],
    len: usize,
}

impl<'a> Index<'a> {
    /// An empty index in the memory `buckets`, hashing with the secret `key`.
    pub fn new(mut buckets: Backing<'a, Bucket>, key: [u8; 16]) -> Self {
        buckets.fill(Bucket::EMPTY);
        Self { buckets, key, len: 0 }
    }

    /// Number of entries.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        self.buckets.fill(Bucket::EMPTY);
        self.len = 0;
    }

    /// The hash of something whose `Hash` feeds it.
    pub fn hash(&self, value: &impl core::hash::Hash) -> u32 {
        let mut hasher = KeyHasher::new_with_key(&self.key);
        value.hash(&mut hasher);
        hasher.finish() as u32
    }

    /// The first slot number under `hash` that `is_it` accepts.
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.probe(hash).find(|&(_, slot)| is_it(slot)).map(|(_, slot)| slot)
    }

    /// Adds slot number `slot` under `hash`.
    ///
    /// # Errors
    /// [`Full`] if only one place is free.
    pub fn insert(&mut self, hash: u32, slot: u32) -> Result<(), Full> {
        if self.len + 1 >= self.buckets.len() {
            return Err(Full);
        }
        let mut at = self.home(hash);
        while self.buckets.get(at).is_some_and(|bucket| bucket.value != 0) {
            at = self.after(at);
        }
        *self.buckets.get_mut(at).ok_or(Full)? = Bucket { hash, value: slot + 1 };
        self.len += 1;
        Ok(())
    }

    /// Removes slot number `slot` under `hash`; tells whether it was there.
    pub fn remove(&mut self, hash: u32, slot: u32) -> bool {
        let Some((at, _)) = self.probe(hash).find(|&(_, found)| found == slot) else {
            return false;
        };
        self.len -= 1;
        self.close_gap(at);
        true
    }

    /// The entries under `hash`: place and slot number.
    fn probe(&self, hash: u32) -> impl Iterator<Item = (usize, u32)> {
        let mut at = self.home(hash);
        core::iter::from_fn(move || {
            let bucket = self.buckets.get(at).filter(|bucket| bucket.value != 0)?;
            let place = at;
            at = self.after(at);
            Some((place, *bucket))
        })
        .filter(move |(_, bucket)| bucket.hash == hash)
        .map(|(place, bucket)| (place, bucket.value - 1))
    }

    /// Fills the free place `gap` with later entries that may stand there.
    fn close_gap(&mut self, mut gap: usize) {
        let count = self.buckets.len();
        let mut at = self.after(gap);
        while let Some(bucket) = self.buckets.get(at).copied().filter(|bucket| bucket.value != 0) {
            let home = self.home(bucket.hash);
            let travelled = (at + count - home) % count;
            if travelled >= (at + count - gap) % count {
                self.set(gap, bucket);
                gap = at;
            }
            at = self.after(at);
        }
        self.set(gap, Bucket::EMPTY);
    }

    fn set(&mut self, at: usize, bucket: Bucket) {
        if let Some(place) = self.buckets.get_mut(at) {
            *place = bucket;
        }
    }

    fn home(&self, hash: u32) -> usize {
        (hash as usize).checked_rem(self.buckets.len()).unwrap_or(0)
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 < self.buckets.len() { at + 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::model::Random;

    extern crate std;

    #[test]
    fn an_index_equals_a_multimap() {
        let mut random = Random(3);
        let mut index = Index::new(Backing::allocate(16), [7; 16]);
        let mut model = std::collections::BTreeSet::new();
        for _ in 0..20_000 {
            let (hash, slot) = (random.below(12) as u32, random.below(20) as u32);
            if random.below(2) == 0 && !model.contains(&(hash, slot)) {
                let fits = index.insert(hash, slot).is_ok();
                assert_eq!(fits, model.len() < 15);
                if fits {
                    model.insert((hash, slot));
                }
            } else {
                assert_eq!(index.remove(hash, slot), model.remove(&(hash, slot)));
            }
            assert_eq!(index.len(), model.len());
            for hash in 0..12 {
                let mut found = std::vec::Vec::new();
                index.find(hash, |slot| {
                    found.push(slot);
                    false
                });
                found.sort_unstable();
                let expected = model.iter().filter(|entry| entry.0 == hash).map(|entry| entry.1);
                assert!(expected.eq(found));
            }
        }
    }

    #[test]
    fn an_index_without_memory_is_full_and_finds_nothing() {
        let mut index = Index::new(Backing::allocate(0), [0; 16]);
        assert_eq!(index.insert(1, 1), Err(Full));
        assert_eq!(index.find(1, |_| true), None);
        assert!(!index.remove(1, 1));
    }
}
