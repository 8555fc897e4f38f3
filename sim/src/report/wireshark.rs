//! Keys as Wireshark's own tables: a folder that `WIRESHARK_CONFIG_DIR` may name.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::trace::Key;

/// Writes `preferences`, `ikev1_decryption_table` and `esp_sa` into `folder`, which is made.
pub(super) fn write(folder: &Path, keys: &[Key]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("preferences"), PREFERENCES)?;
    fs::write(folder.join("ikev1_decryption_table"), table(keys, ike_line))?;
    fs::write(folder.join("esp_sa"), table(keys, esp_line))
}

/// A line for each key, and each only once.
fn table(keys: &[Key], line: fn(&Key) -> Option<String>) -> String {
    let lines: BTreeSet<String> = keys.iter().filter_map(line).collect();
    lines.into_iter().collect()
}

fn ike_line(key: &Key) -> Option<String> {
    match key {
        Key::Ike { initiator_cookie, key } => {
            Some(format!("{},{}\n", hex(initiator_cookie), hex(key)))
        }
        Key::Esp { .. } => None,
    }
}

fn esp_line(key: &Key) -> Option<String> {
    match key {
        Key::Ike { .. } => None,
        Key::Esp { spi, cipher, cipher_key, mac, mac_key } => {
            let key = |octets: &[u8]| {
                if octets.is_empty() { String::new() } else { format!("0x{}", hex(octets)) }
            };
            let (cipher_key, mac_key) = (key(cipher_key), key(mac_key));
            let tail =
                format!("\"0x{spi:08x}\",\"{cipher}\",\"{cipher_key}\",\"{mac}\",\"{mac_key}\"");
            Some(["IPv4", "IPv6"].map(|ip| format!("\"{ip}\",\"*\",\"*\",{tail}\n")).concat())
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Without these, Wireshark does not decrypt.
const PREFERENCES: &str = "esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
ip.check_checksum: TRUE
udp.check_checksum: TRUE
";
