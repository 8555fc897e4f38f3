//! The configuration that the first run writes.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kumihimo_core::crypto::mschap;
use zeroize::Zeroizing;

use super::{Problem, Settings};

/// The secrets of a new configuration, to be shown once.
pub struct FirstRun {
    /// The pre-shared key.
    pub psk: Zeroizing<String>,
    /// The user.
    pub user: &'static str,
    /// The user's password, of which the file keeps only the NT hash.
    pub password: Zeroizing<String>,
}

/// Writes a new configuration with random secrets to `path`, readable by its owner alone.
///
/// # Errors
/// What the system says; a file that exists is left alone.
pub fn write_first(path: &Path) -> io::Result<FirstRun> {
    let secrets = FirstRun { psk: random_words(5)?, user: "user", password: random_words(3)? };
    let text = Zeroizing::new(text(&secrets));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file would be a broken configuration from now on.
        let _ = std::fs::remove_file(path);
    }
    written.map(|()| secrets)
}

/// What the first run would serve, with secrets that nobody gets to know.
///
/// # Errors
/// None but those of a lack of randomness.
pub fn first_settings() -> Result<Settings, Vec<Problem>> {
    let words = |count| random_words(count).unwrap_or_default();
    let secrets = FirstRun { psk: words(5), user: "user", password: words(3) };
    super::parse("kumihimo.toml", &Zeroizing::new(text(&secrets)), Path::new(""))
}

/// A key that nobody gets to know.
pub(super) fn unknown_key() -> Zeroizing<Vec<u8>> {
    let words = random_words(8).unwrap_or_default();
    Zeroizing::new(words.as_bytes().to_vec())
}

fn text(secrets: &FirstRun) -> String {
    let hash = Zeroizing::new(mschap::nt_hash(&secrets.password));
    let digits =
        Zeroizing::new(hash.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
    format!(
        r#"# Written by the first run of kumihimo serve. What can stand here: docs/CONTRACT.md.

[server]
listen = ["0.0.0.0", "::"]
state-dir = "state"

[ipsec]
l2tp = true
psk = "{}"
default-hub = "DEFAULT"
policy = "compat"

[[hub]]
name = "DEFAULT"

[hub.secure-nat]
nat = false                       # true is not supported yet
dhcp = true
address = "192.168.30.1/24"
pool = "192.168.30.10-192.168.30.200"
lease = "2h"

[[hub.user]]
name = "{}"
auth = "password"
nt-hash = "{}"
"#,
        secrets.psk.as_str(),
        secrets.user,
        digits.as_str()
    )
}

/// `count` groups of four random characters that cannot be mistaken for each other.
fn random_words(count: usize) -> io::Result<Zeroizing<String>> {
    let mut words = Zeroizing::new(String::with_capacity(count * 5));
    for place in 0..count * 4 {
        if place > 0 && place % 4 == 0 {
            words.push('-');
        }
        words.push(random_character()?);
    }
    Ok(words)
}

fn random_character() -> io::Result<char> {
    loop {
        let mut octet = [0];
        getrandom::fill(&mut octet).map_err(io::Error::other)?;
        // Numbers beyond the alphabet are thrown again, so that all characters are equally likely.
        if let Some(&character) = ALPHABET.get(usize::from(octet[0] & 0x1f)) {
            return Ok(char::from(character));
        }
    }
}

/// Without 0, 1, i, l and o.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
