//! Settings that work but should not stay as they are.

use crate::config_file::Settings;

/// One line for each, with what to do.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings: Vec<String> = psk_warning(settings).into_iter().collect();
    if settings.ipsec.l2tp_raw {
        let remedy = "write false unless a device of yours speaks L2TP and no IPsec";
        warnings.push(format!("ipsec.l2tp-raw: everyone on the way can read along; {remedy}"));
    }
    warnings
}

/// The line about the pre-shared key, if it is weak.
pub fn psk_warning(settings: &Settings) -> Option<String> {
    let why = psk(&settings.ipsec.psk).filter(|_| settings.ipsec.l2tp)?;
    Some(format!("ipsec.psk: {why}; choose 16 random characters or more and tell all users"))
}

/// Why a pre-shared key is weak.
fn psk(psk: &[u8]) -> Option<&'static str> {
    let lower = psk.to_ascii_lowercase();
    let mut kinds: Vec<u8> = psk.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    if COMMON.iter().any(|common| common.as_bytes() == lower) {
        Some("this key is the first that anyone tries")
    } else if psk.len() < 12 {
        Some("this key is short enough to be guessed from one recorded dial")
    } else if kinds.len() < 6 {
        Some("this key repeats few characters")
    } else {
        None
    }
}

/// Keys from manuals and lists of leaked passwords.
const COMMON: [&str; 14] = [
    "vpn",
    "softether",
    "kumihimo",
    "secret",
    "password",
    "passw0rd",
    "presharedkey",
    "psk",
    "sharedsecret",
    "l2tp",
    "ipsec",
    "12345678",
    "123456789012",
    "qwertyuiop12",
];

#[cfg(test)]
mod tests {
    use super::psk;

    #[test]
    fn keys_that_can_be_guessed_are_weak() {
        for weak in ["vpn", "VPN", "short", "aaaaaaaaaaaaaaaa", "presharedkey"] {
            assert!(psk(weak.as_bytes()).is_some(), "{weak}");
        }
        assert_eq!(psk(b"k7mq-x2hd-93ft-wpz8"), None);
    }
}
