//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624 §3, equation 3).
//!
//! The sum does not depend on where in a packet a field stands, except that a 16-bit value at an
//! odd offset counts with its octets swapped; [`update_at`] takes care of that.

use core::net::Ipv4Addr;

/// A sum over several pieces of a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// A sum over nothing.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds `bytes`, of which there are less than 2^32. Every piece but the last has an even number
    /// of octets.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        // The sum is the same in any byte order, but for its own (RFC 1071 §2 B), and a carry out
        // of 16 bits that happens later changes nothing: so it goes by words, as they lie there.
        let (words, rest) = bytes.as_chunks::<4>();
        let sum = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum::<u64>();
        let (pairs, odd) = rest.as_chunks::<2>();
        let pair = pairs.first().map_or(0, |&pair| u64::from(u16::from_ne_bytes(pair)));
        let last = odd.first().map_or(0, |&octet| u64::from(u16::from_ne_bytes([octet, 0])));
        Self(self.0 + u64::from(u16::from_be(fold(sum + pair + last))))
    }

    /// Adds one 16-bit value.
    #[must_use]
    pub const fn with_u16(self, value: u16) -> Self {
        Self(self.0 + value as u64)
    }

    /// The sum in 16 bits, complemented: what goes into a checksum field, and zero over a packet
    /// whose checksum field is right.
    pub const fn finish(self) -> u16 {
        !fold(self.0)
    }
}

/// The sum over the pseudo header of UDP and TCP over IPv4 (RFC 768, RFC 9293 §3.1).
pub fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, len: usize) -> Sum {
    let sum = Sum::new().with(&source.octets()).with(&destination.octets());
    Sum(sum.0 + u64::from(protocol) + len as u64)
}

/// The checksum of a packet in which the 16-bit value `old` became `new`.
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold((!checksum) as u64 + (!old) as u64 + new as u64)
}

/// [`update`] for a value that stands `offset` octets behind the start of the summed octets.
pub const fn update_at(offset: usize, checksum: u16, old: u16, new: u16) -> u16 {
    if offset.is_multiple_of(2) {
        update(checksum, old, new)
    } else {
        update(checksum, old.swap_bytes(), new.swap_bytes())
    }
}

const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 §3.
    #[test]
    fn the_example_of_rfc_1071_sums_up() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::new().with(&bytes).finish(), !0xddf2);
        assert_eq!(Sum::new().with(&bytes[..2]).with(&bytes[2..]).finish(), !0xddf2);
        assert_eq!(Sum::new().with(&[0x12, 0x34, 0x56]).finish(), !(0x1234 + 0x5600));
    }

    #[test]
    fn every_length_and_cut_sums_up_as_pairs_do() {
        let bytes: [u8; 99] = core::array::from_fn(|at| (at * 151 + 0xc7) as u8);
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            let pair = |pair: &[u8]| {
                u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&octet| u64::from(octet))
            };
            let expected = !fold(bytes.chunks(2).map(pair).sum());
            for cut in (0..=len).step_by(2) {
                let sum = Sum::new().with(&bytes[..cut]).with(&bytes[cut..]);
                assert_eq!(sum.finish(), expected, "{len} octets, cut at {cut}");
            }
        }
        assert_eq!(Sum::new().with(&[0xff; 65_534]).finish(), 0);
    }

    /// The example of RFC 1624 §4, in which the older equation yields negative zero.
    #[test]
    fn the_example_of_rfc_1624_updates_to_positive_zero() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn an_update_equals_a_new_sum_at_any_offset() {
        let mut bytes = [0; 40];
        for (octet, value) in bytes.iter_mut().zip(3_u8..) {
            *octet = value.wrapping_mul(89);
        }
        for offset in 0..bytes.len() - 1 {
            let before = Sum::new().with(&bytes).finish();
            let old = u16::from_be_bytes([bytes[offset], bytes[offset + 1]]);
            let new = old.wrapping_mul(7).wrapping_add(offset as u16);
            bytes[offset..offset + 2].copy_from_slice(&new.to_be_bytes());
            let after = Sum::new().with(&bytes).finish();
            assert_eq!(update_at(offset, before, old, new), after, "offset {offset}");
        }
    }
}
