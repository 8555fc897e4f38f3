//! Octets that nobody should send.

use std::vec::Vec;

use crate::store::model::Random;

/// A datagram of noise, or one that was seen, changed in some places; and its port.
pub(super) fn garbage(random: &mut Random, seen: &[(u16, Vec<u8>)]) -> (u16, Vec<u8>) {
    if seen.is_empty() || random.below(4) == 0 {
        return ([500, 4500, 1701][random.below(3)], noise(random, 300));
    }
    let (port, bytes) = &seen[random.below(seen.len())];
    (*port, changed(random, bytes))
}

/// Fewer than `below` random octets.
pub(super) fn noise(random: &mut Random, below: usize) -> Vec<u8> {
    (0..random.below(below)).map(|_| random.next() as u8).collect()
}

/// The same octets, changed in one to three places.
pub(super) fn changed(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend(noise(random, 40)),
            2 if at < bytes.len() => bytes[at] = random.next() as u8,
            3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    bytes
}

/// One of these, changed.
pub(super) fn one_of(random: &mut Random, seen: &[Vec<u8>]) -> Vec<u8> {
    let at = random.below(seen.len());
    changed(random, &seen[at])
}
