//! Settings from a `kumihimo.toml`, for build scripts: keys as in `docs/CONTRACT.md`.
//!
//! What a board cannot do is refused, not ignored. A build script calls [`build`], and the
//! firmware takes the record with
//! `include_bytes!(concat!(env!("OUT_DIR"), "/kumihimo.record"))`.

use core::fmt::{self, Display};
use std::path::Path;
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{env, format, fs, println};

use kumihimo_core::config::{EncapsulationPolicy, Policy};
use toml_edit::{Document, Item, TableLike};

use super::{Addressing, RECORD_LEN, Settings, parse_address, parse_mac};

/// What is wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1, if it is on one.
    pub line: Option<usize>,
    /// What is wrong, and what to do about it.
    pub text: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Turns `file`, if it exists, into `kumihimo.record` in the build script's `OUT_DIR`; an empty
/// one if it does not.
///
/// # Panics
/// With everything that is wrong in the file, for that is how a build script fails.
#[allow(clippy::panic, reason = "a build script has no other way to fail")]
pub fn build(file: impl AsRef<Path>) {
    let file = file.as_ref();
    println!("cargo::rerun-if-changed={}", file.display());
    let mut record = [0; RECORD_LEN];
    let record = match fs::read_to_string(file) {
        Ok(text) => match parse(&text) {
            Ok(settings) => settings.to_record(&mut record).to_vec(),
            Err(problems) => {
                let text: Vec<_> = problems.iter().map(Problem::to_string).collect();
                panic!("{}: {}", file.display(), text.join("; "))
            }
        },
        Err(_) => Vec::new(),
    };
    let folder = env::var_os("OUT_DIR").unwrap_or_default();
    let written = fs::write(Path::new(&folder).join("kumihimo.record"), record);
    assert!(written.is_ok(), "OUT_DIR cannot be written");
}

/// Reads a file's text.
///
/// # Errors
/// Everything that is wrong in it.
pub fn parse(text: &str) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader { text, problems: Vec::new(), settings: Settings::default() };
    match Document::parse(text) {
        Ok(document) => reader.read(document.as_table()),
        Err(error) => reader.wrong(error.span().as_ref(), error.message().trim()),
    }
    if reader.problems.is_empty() { Ok(reader.settings) } else { Err(reader.problems) }
}

struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
    settings: Settings,
}

type Span = core::ops::Range<usize>;

impl Reader<'_> {
    fn read(&mut self, root: &dyn TableLike) {
        for (name, item) in root.iter() {
            match (name, item.as_table_like(), item.as_array_of_tables()) {
                ("board", Some(table), _) => self.read_board(table),
                ("ipsec", Some(table), _) => self.read_ipsec(table),
                ("hub", _, Some(hubs)) => {
                    for (at, hub) in hubs.iter().enumerate() {
                        if at > 0 {
                            self.wrong(hub.span().as_ref(), "a board has one hub");
                        }
                        self.read_hub(hub);
                    }
                }
                _ => self.wrong(item.span().as_ref(), not_here(name)),
            }
        }
        let default_hub = root.get("ipsec").and_then(|ipsec| ipsec.get("default-hub"));
        if let Some(name) = default_hub.and_then(Item::as_str)
            && !name.eq_ignore_ascii_case(&self.settings.hub)
        {
            let span = default_hub.and_then(Item::span);
            self.wrong(span.as_ref(), "default-hub: there is no hub of that name");
        }
    }

    fn read_board(&mut self, table: &dyn TableLike) {
        let gateway = self.text(table, "gateway").unwrap_or_default();
        for (key, item) in table.iter() {
            let span = item.span();
            match key {
                "address" => {
                    let address = item.as_str().unwrap_or_default();
                    let addressing = parse_address(format!("{address} {gateway}").trim());
                    let addressing =
                        if address == "dhcp" { Some(Addressing::Dhcp) } else { addressing };
                    let set = addressing.map(|it| self.settings.set_addressing(it));
                    self.check(set, span.as_ref(), "address: \"dhcp\" or \"192.0.2.1/24\"");
                }
                "gateway" => {}
                "mac" => {
                    let mac = item.as_str().and_then(parse_mac);
                    let set = mac.map(|mac| self.settings.set_mac(Some(mac)));
                    self.check(set, span.as_ref(), "mac: as in \"02:00:00:00:00:01\"");
                }
                _ => self.wrong(span.as_ref(), not_here(key)),
            }
        }
    }

    fn read_ipsec(&mut self, table: &dyn TableLike) {
        for (key, item) in table.iter() {
            let span = item.span();
            match (key, item.as_str(), item.as_bool()) {
                ("l2tp", _, Some(true))
                | ("l2tp-raw" | "etherip" | "aggressive", _, Some(false)) => {}
                ("default-hub", Some(_), _) => {}
                ("psk", Some(psk), _) => {
                    let octets = octets_of(psk);
                    let set = octets.map(|octets| self.settings.set_psk(&octets));
                    self.check(set, span.as_ref(), "psk: text, or 0x and hex digits");
                }
                ("policy", Some(policy), _) => match policy {
                    "modern" => self.settings.policy = Policy::Modern,
                    "compat" => self.settings.policy = Policy::Compat,
                    "legacy" => self.settings.policy = Policy::Legacy,
                    _ => self.wrong(span.as_ref(), "policy: modern, compat or legacy"),
                },
                ("encapsulation", Some("udp"), _) => {
                    self.settings.encapsulation = EncapsulationPolicy::Udp;
                }
                ("encapsulation", Some("auto"), _) => {
                    self.settings.encapsulation = EncapsulationPolicy::Auto;
                }
                _ => self.wrong(span.as_ref(), not_here(key)),
            }
        }
    }

    fn read_hub(&mut self, table: &dyn TableLike) {
        for (key, item) in table.iter() {
            let span = item.span();
            match (key, item.as_str(), item.as_array_of_tables()) {
                ("name", Some(name), _) => {
                    let set = Some(self.settings.set_hub(name));
                    self.check(set, span.as_ref(), "");
                }
                ("user", _, Some(users)) => users.iter().for_each(|user| self.read_user(user)),
                _ => self.wrong(span.as_ref(), not_here(key)),
            }
        }
    }

    fn read_user(&mut self, table: &toml_edit::Table) {
        let span = table.span();
        let name = self.text(table, "name").unwrap_or_default();
        let hash = match (self.text(table, "password"), self.text(table, "nt-hash")) {
            (Some(password), None) => Some(kumihimo_core::crypto::mschap::nt_hash(&password)),
            (None, Some(digits)) => {
                octets_of(&format!("0x{digits}")).and_then(|octets| octets.try_into().ok())
            }
            _ => None,
        };
        let mut max_sessions = 0;
        for (key, item) in table.iter() {
            match (key, item.as_str(), item.as_integer()) {
                ("name" | "password" | "nt-hash", Some(_), _) | ("auth", Some("password"), _) => {}
                ("max-sessions", _, Some(most @ 1..=255)) => max_sessions = most as u8,
                _ => self.wrong(item.span().as_ref(), not_here(key)),
            }
        }
        let set = hash.map(|hash| self.settings.add_user_hash(&name, hash, max_sessions));
        self.check(set, span.as_ref(), "a user has a password or an nt-hash of 32 hex digits");
    }

    fn text(&self, table: &dyn TableLike, key: &str) -> Option<String> {
        table.get(key).and_then(Item::as_str).map(String::from)
    }

    /// Notes a value that cannot be read, or that the settings refuse.
    fn check(
        &mut self,
        set: Option<Result<(), super::Refused>>,
        span: Option<&Span>,
        expected: &str,
    ) {
        match set {
            Some(Ok(())) => {}
            Some(Err(refused)) => self.wrong(span, refused.text()),
            None => self.wrong(span, expected),
        }
    }

    fn wrong(&mut self, span: Option<&Span>, text: impl Display) {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        self.problems.push(Problem { line, text: text.to_string() });
    }
}

fn not_here(key: &str) -> String {
    format!("{key}: a board does not have that, or not with this value")
}

/// A key as text, or `0x` and hex digits.
fn octets_of(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("0x") else { return Some(text.as_bytes().to_vec()) };
    let pairs = digits.as_bytes().as_chunks::<2>();
    if !pairs.1.is_empty() {
        return None;
    }
    let octet = |pair: &[u8; 2]| {
        let text = core::str::from_utf8(pair).ok().filter(|text| !text.starts_with('+'))?;
        u8::from_str_radix(text, 16).ok()
    };
    pairs.0.iter().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_everything_that_a_board_is_told() {
        let settings = parse(FILE).expect("a sound file");
        let mut expected = Settings::default();
        expected.set_psk(b"correct horse").unwrap();
        expected.set_hub("OFFICE").unwrap();
        expected.set_mac(Some([2, 0, 0, 0, 0, 1])).unwrap();
        expected.policy = Policy::Modern;
        let gateway = Some([192, 0, 2, 254].into());
        let address = [192, 0, 2, 1].into();
        let addressing = Addressing::Static { address, prefix_len: 24, gateway };
        expected.set_addressing(addressing).unwrap();
        expected.add_user("jiro", "pass").unwrap();
        // MD4 of "password" in UTF-16LE, as every table of NT hashes has it.
        let hash = octets_of("0x8846f7eaee8fb117ad06bdd830b7586c").unwrap();
        expected.add_user_hash("hanako", hash.try_into().unwrap(), 2).unwrap();
        assert!(settings.is_same(&expected));
    }

    #[test]
    fn what_a_board_does_not_have_is_refused_with_its_line() {
        let problems = |text: &str| match parse(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| problem.line).collect(),
        };
        for (text, line) in [
            ("[ipsec]\npsk = \"x\"\n\n[[link]]\nname = \"hq\"", 4),
            ("[ipsec]\netherip = true", 2),
            ("[ipsec]\npsk = \"0x1\"", 2),
            ("[board]\naddress = \"192.0.2.0/24\"", 2),
            ("[board]\nmac = \"01:00:00:00:00:01\"", 2),
            ("[[hub]]\nname = \"A\"\n[[hub]]\nname = \"B\"", 3),
            ("[[hub]]\nname = \"A\"\n[hub.secure-nat]\ndhcp = true", 3),
            ("[[hub]]\nname = \"A\"\n[[hub.user]]\nname = \"x\"", 3),
            ("[ipsec]\ndefault-hub = \"B\"\n[[hub]]\nname = \"A\"", 2),
            ("[ipsec\n", 1),
        ] {
            assert_eq!(problems(text), [Some(line)], "{text}");
        }
    }

    const FILE: &str = r#"
[board]
address = "192.0.2.1/24"
gateway = "192.0.2.254"
mac = "02:00:00:00:00:01"

[ipsec]
l2tp = true
l2tp-raw = false
psk = "0x636f727265637420686f727365"
default-hub = "office"
policy = "modern"
encapsulation = "udp"

[[hub]]
name = "OFFICE"
[[hub.user]]
name = "jiro"
auth = "password"
password = "pass"
[[hub.user]]
name = "hanako"
nt-hash = "8846f7eaee8fb117ad06bdd830b7586c"
max-sessions = 2
"#;
}
