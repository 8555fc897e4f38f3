//! Keys as Wireshark's own tables: a folder that `WIRESHARK_CONFIG_DIR` may name.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::peer::{esp_sa_table, ikev1_decryption_table};
use crate::trace::Key;

/// Writes `preferences`, `ikev1_decryption_table` and `esp_sa` into `folder`, which is made.
pub(super) fn write(folder: &Path, keys: &[Key]) -> io::Result<()> {
    let (mut ike, mut esp) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            Key::Ike(key) => ike.push(key.clone()),
            Key::Esp(key) => esp.push(key.clone()),
        }
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("preferences"), PREFERENCES)?;
    fs::write(folder.join("ikev1_decryption_table"), once(&ikev1_decryption_table(&ike)))?;
    fs::write(folder.join("esp_sa"), once(&esp_sa_table(&esp)))
}

/// Every line once: Wireshark refuses a table that says a thing twice.
fn once(table: &str) -> String {
    let lines: BTreeSet<&str> = table.lines().collect();
    lines.into_iter().flat_map(|line| [line, "\n"]).collect()
}

/// Without these, Wireshark does not decrypt.
const PREFERENCES: &str = "esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
ip.check_checksum: TRUE
udp.check_checksum: TRUE
";
