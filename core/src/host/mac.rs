//! The MAC address of a session's host.

use sha2::{Digest as _, Sha256};

use crate::addr::MacAddr;

/// The MAC address of the `number`-th session that `user` has on `hub` at once.
///
/// It is the same each time, so that DHCP servers recognise the client and reservations hold. It
/// is `4A` followed by five octets of SHA-256 over the names in lower case and the number: a
/// locally administered unicast address (IEEE 802 §8.4.2). It is no secret.
pub fn mac_of(hub: &str, user: &str, number: u32) -> MacAddr {
    let mut hash = Sha256::new();
    hash.update(b"kumihimo host");
    for name in [hub, user] {
        // No UTF-8 holds 0xff, so the names cannot run into each other.
        hash.update([0xff]);
        for character in name.chars().flat_map(char::to_lowercase) {
            hash.update(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    hash.update([0xff]);
    hash.update(number.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let [b, c, d, e, f, ..] = digest;
    MacAddr([PREFIX, b, c, d, e, f])
}

const PREFIX: u8 = 0x4a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_stable_and_tells_sessions_apart() {
        let address = mac_of("DEFAULT", "jiro", 1);
        assert_eq!(address, mac_of("default", "JIRO", 1));
        assert!(!address.is_group() && address.0[0] & 2 == 2);
        let others = [
            mac_of("DEFAULT", "jiro", 2),
            mac_of("DEFAULT", "jiro2", 1),
            mac_of("DEFAULTJ", "iro", 1),
            mac_of("OTHER", "jiro", 1),
        ];
        assert!(others.iter().all(|&other| other != address));
    }

    /// Computed with Python's hashlib: the address must not change with a new version.
    #[test]
    fn an_address_stays_the_same_for_ever() {
        assert_eq!(mac_of("DEFAULT", "jiro", 1), MacAddr(EXPECTED));
    }

    const EXPECTED: [u8; 6] = [0x4a, 0x31, 0x6d, 0x32, 0x0b, 0x56];
}
