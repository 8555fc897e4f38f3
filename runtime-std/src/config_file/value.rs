//! The notations of single values: durations, keys, addresses with prefix, ranges.

use std::net::Ipv4Addr;

use kumihimo_core::time::Duration;
use zeroize::Zeroizing;

/// `"90s"`, `"2h"`, `"1h30m"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = tail;
    }
    (!text.is_empty() && total <= YEAR_SECS).then(|| Duration::from_secs(total))
}

/// A pre-shared key: text, or `0x` and hexadecimal digits.
pub(super) fn psk(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    match text.strip_prefix("0x") {
        Some(digits) => hex(digits),
        None => Some(Zeroizing::new(text.as_bytes().to_vec())),
    }
}

/// An NT hash: 32 hexadecimal digits.
pub(super) fn nt_hash(text: &str) -> Option<[u8; 16]> {
    hex(text)?.as_slice().try_into().ok()
}

/// `address/prefix`.
pub(super) fn subnet(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| (1..=30).contains(prefix))?;
    Some((address.parse().ok()?, prefix))
}

/// `first-last`.
pub(super) fn pool(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

/// First and last address of the subnet of `address`: its network and broadcast addresses.
pub(super) fn bounds(address: Ipv4Addr, prefix_len: u8) -> (Ipv4Addr, Ipv4Addr) {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
    let network = u32::from(address) & mask;
    (network.into(), (network | !mask).into())
}

fn hex(digits: &str) -> Option<Zeroizing<Vec<u8>>> {
    let whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    if !whole || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    let octets = (0..digits.len()).step_by(2);
    let octets = octets.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    octets.collect::<Option<Vec<_>>>().map(Zeroizing::new)
}

const YEAR_SECS: u64 = 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        for bad in ["", "90", "s", "5x", "1 h", "-1s", "99999999999999999999s", "400d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_are_text_or_hexadecimal() {
        assert_eq!(psk("naïve").unwrap().as_slice(), "naïve".as_bytes());
        assert_eq!(psk("0x00fF").unwrap().as_slice(), [0, 255]);
        for bad in ["0x", "0x0", "0xzz", "0x+1", "0xéé"] {
            assert!(psk(bad).is_none(), "{bad}");
        }
        assert_eq!(nt_hash("00112233445566778899aabbccddeeff").unwrap()[1], 0x11);
        assert!(nt_hash("0011").is_none());
    }

    #[test]
    fn subnets_and_pools_are_read() {
        let router = Ipv4Addr::new(192, 168, 30, 1);
        assert_eq!(subnet("192.168.30.1/24"), Some((router, 24)));
        assert_eq!(subnet("192.168.30.1/31"), None);
        assert_eq!(subnet("192.168.30.1"), None);
        let broadcast = Ipv4Addr::new(192, 168, 31, 255);
        assert_eq!(bounds(router, 23), (Ipv4Addr::new(192, 168, 30, 0), broadcast));
        assert!(pool("10.0.0.9-10.0.0.8").is_none());
        assert!(pool("10.0.0.9 - 10.0.0.9").is_some());
    }
}
