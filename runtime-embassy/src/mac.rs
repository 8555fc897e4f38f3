//! A MAC address for a board that has none of its own.

/// An address made of a chip's serial number: always the same, and hardly ever that of another
/// chip. It is locally administered (IEEE 802 §8.2.2), so no maker's.
pub fn mac_of(serial: &[u8]) -> [u8; 6] {
    // FNV-1a: serial numbers of one wafer differ in few bits, which it spreads over all.
    let hash = serial
        .iter()
        .fold(OFFSET_BASIS, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(PRIME));
    let [.., a, b, c, d, e] = (hash ^ hash >> 32).to_be_bytes();
    [0x02, a, b, c, d, e]
}

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_of_one_wafer_get_different_addresses_and_each_always_its_own() {
        let macs = std::vec::Vec::from_iter((0..200_u8).map(|n| mac_of(&[0, 0x33, 7, n, 0x51, 2])));
        for (at, mac) in macs.iter().enumerate() {
            assert_eq!(mac[0], 0x02);
            assert!(!macs[..at].contains(mac));
        }
        assert_eq!(mac_of(&[0, 0x33, 7, 9, 0x51, 2]), macs[9]);
    }
}
