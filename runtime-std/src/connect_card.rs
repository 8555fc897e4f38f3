//! What the first run prints: everything that has to be typed into a phone or PC.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use crate::config_file::FirstRun;

/// The card for a new configuration in `file`, on a machine with `addresses`.
pub fn render(file: &Path, secrets: &FirstRun, addresses: &[IpAddr]) -> String {
    let mut card = String::new();
    let servers = servers(addresses);
    let _ =
        writeln!(card, "A new configuration is in {}, for you alone to read.\n", file.display());
    let _ = writeln!(
        card,
        "  Type this into a phone or PC (VPN type: L2TP/IPsec with pre-shared key):"
    );
    let _ = writeln!(card, "    Server          {}", servers.first().map_or("-", String::as_str));
    for server in servers.iter().skip(1) {
        let _ = writeln!(card, "                    {server}");
    }
    let _ = writeln!(card, "    Pre-shared key  {}", secrets.psk.as_str());
    let _ = writeln!(card, "    User            {}", secrets.user);
    let _ = writeln!(card, "    Password        {}\n", secrets.password.as_str());
    card.push_str(
        "  The file keeps only a hash of the password: write it down now. From the Internet, use \
         the\n  address or name of your router, and let it forward UDP 500 and 4500 to \
         this machine.\n\n",
    );
    card
}

/// The addresses that clients may reach, those of the Internet first.
fn servers(addresses: &[IpAddr]) -> Vec<String> {
    let mut useful: Vec<&IpAddr> = addresses.iter().filter(|ip| is_useful(ip)).collect();
    useful.sort_by_key(|ip| (ip.is_ipv6(), is_private(ip)));
    if useful.is_empty() {
        return vec!["the address of this machine".to_owned()];
    }
    useful.into_iter().map(ToString::to_string).collect()
}

fn is_useful(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn the_card_names_everything_that_has_to_be_typed() {
        let secrets = FirstRun {
            psk: Zeroizing::new("key-key-key".into()),
            user: "user",
            password: Zeroizing::new("pass-pass".into()),
        };
        let addresses = ["127.0.0.1", "10.0.0.5", "fe80::1", "2001:db8::5", "198.51.100.5"]
            .map(|ip| ip.parse().unwrap());
        let card = render(Path::new("kumihimo.toml"), &secrets, &addresses);
        for wanted in ["198.51.100.5\n", " 10.0.0.5\n", "2001:db8::5", "key-key-key", "pass-pass"] {
            assert!(card.contains(wanted), "{wanted}: {card}");
        }
        assert!(!card.contains("127.0.0.1") && !card.contains("fe80"));
        assert!(card.find("198.51") < card.find("10.0.0.5"));
    }
}
