//! The replay window of an inbound SA (RFC 4303 §3.4.3, the ring of RFC 6479).

/// Which sequence numbers have been seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    highest: u32,
    /// One bit for each number; those of `highest` and before, down to [`SIZE`] of them.
    seen: [u64; WORDS],
}

impl Window {
    /// Whether `sequence` is neither seen nor too old. Zero is never sent.
    pub(super) fn admits(&self, sequence: u32) -> bool {
        if sequence > self.highest {
            return true;
        }
        let fresh_enough = sequence != 0 && self.highest - sequence < SIZE;
        fresh_enough && self.seen.get(word(sequence)).is_some_and(|seen| seen & bit(sequence) == 0)
    }

    /// Remembers `sequence`, which is authentic and admitted; tells whether it is the highest.
    pub(super) fn accept(&mut self, sequence: u32) -> bool {
        let newest = sequence > self.highest;
        if newest {
            let (from, to) = (self.highest / 64, sequence / 64);
            for ahead in (from..to).take(WORDS) {
                if let Some(seen) = self.seen.get_mut((ahead as usize + 1) % WORDS) {
                    *seen = 0;
                }
            }
            self.highest = sequence;
        }
        if let Some(seen) = self.seen.get_mut(word(sequence)) {
            *seen |= bit(sequence);
        }
        newest
    }
}

const fn word(sequence: u32) -> usize {
    (sequence / 64) as usize % WORDS
}

const fn bit(sequence: u32) -> u64 {
    1 << (sequence % 64)
}

/// 1024 bits hold what several queues of a 10 Gbit/s network card can reorder.
const WORDS: usize = 16;
/// Numbers that the window covers. One word is being emptied while the others count.
const SIZE: u32 = (WORDS as u32 - 1) * 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::model::Random;

    extern crate std;

    #[test]
    fn a_window_equals_a_set_of_numbers() {
        for seed in 1..40 {
            let mut random = Random(seed);
            let mut window = Window::default();
            let mut seen = BTreeSet::new();
            let mut top = if seed % 4 == 0 { u32::MAX - 9_000 } else { 0 };
            for _ in 0..3_000 {
                let spread = [3, 100, 2_000][random.below(3)];
                let sequence = (u64::from(top) + random.next() % spread)
                    .saturating_sub(spread / 2)
                    .min(u64::from(u32::MAX)) as u32;
                let highest = seen.last().copied().unwrap_or(0);
                let old = highest >= SIZE && sequence <= highest - SIZE;
                let expected = sequence != 0 && !old && !seen.contains(&sequence);
                assert_eq!(window.admits(sequence), expected, "seed {seed} number {sequence}");
                // What is admitted but not authentic leaves no trace.
                if expected && random.below(5) > 0 {
                    assert_eq!(window.accept(sequence), sequence > highest);
                    seen.insert(sequence);
                    top = top.max(sequence);
                }
            }
        }
    }

    #[test]
    fn a_leap_forgets_everything_before_it() {
        let mut window = Window::default();
        for sequence in 1..=SIZE {
            assert!(window.accept(sequence));
        }
        assert!(!window.admits(1) && !window.admits(SIZE));
        assert!(window.accept(u32::MAX));
        assert!(window.admits(u32::MAX - 1) && window.admits(u32::MAX - SIZE + 1));
        assert!(!window.admits(u32::MAX) && !window.admits(u32::MAX - SIZE));
        assert!(!window.admits(SIZE) && !window.admits(0));
    }
}
