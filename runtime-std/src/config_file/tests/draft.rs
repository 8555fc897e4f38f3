//! Files written for one question: a good one in which one value differs.

use std::path::Path;

use super::super::{Settings, parse};

/// The sections of a good file, in order, with their keys.
pub(super) struct Draft(Vec<(&'static str, Vec<(String, String)>)>);

impl Draft {
    /// The least that every section needs.
    pub(super) fn new() -> Self {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let section = |&(name, keys): &(&'static str, &[(&str, &str)])| {
            (name, keys.iter().map(pair).collect())
        };
        Self(LEAST.iter().map(section).collect())
    }

    /// Writes `value` for `key`.
    pub(super) fn with(mut self, section: &str, key: &str, value: &str) -> Self {
        let keys = self.keys(section);
        let pair = (key.to_owned(), value.to_owned());
        match keys.iter_mut().find(|(known, _)| known == key) {
            Some(old) => *old = pair,
            None => keys.push(pair),
        }
        self
    }

    /// Leaves `key` out.
    pub(super) fn without(mut self, section: &str, key: &str) -> Self {
        self.keys(section).retain(|(known, _)| known != key);
        self
    }

    /// Leaves the section that stands under `key` out, with those inside of it.
    pub(super) fn without_section(mut self, section: &str) -> Self {
        let inside = format!("{section}.");
        self.0.retain(|(name, _)| *name != section && !name.starts_with(&inside));
        self
    }

    fn keys(&mut self, section: &str) -> &mut Vec<(String, String)> {
        &mut self.0.iter_mut().find(|(name, _)| *name == section).expect("a section").1
    }

    /// The file, and the line of `key` in `section`, or that of the section without the key.
    pub(super) fn text(&self, section: &str, key: &str) -> (String, usize) {
        let (mut text, mut lines, mut line) = (String::new(), 0, 1);
        let mut put = |written: String| {
            text += &written;
            text.push('\n');
            lines += 1;
            lines
        };
        for (name, keys) in &self.0 {
            if !name.is_empty() {
                let header =
                    if ARRAYS.contains(name) { format!("[[{name}]]") } else { format!("[{name}]") };
                let at = put(header);
                line = if *name == section { at } else { line };
            }
            for (known, value) in keys {
                let at = put(format!("{known} = {value}"));
                line = if *name == section && known == key { at } else { line };
            }
        }
        (text, line)
    }

    /// What the file says.
    pub(super) fn settings(&self) -> Settings {
        let (text, _) = self.text("", "");
        parse("k.toml", &text, Path::new("/etc/k")).unwrap_or_else(|why| panic!("{text}\n{why:?}"))
    }

    /// The one message about the file, behind the line and the path of `key`, which it has to name.
    pub(super) fn message(&self, section: &str, key: &str) -> String {
        let (text, line) = self.text(section, key);
        let Err(problems) = parse("k.toml", &text, Path::new("/etc/k")) else {
            panic!("no problem with\n{text}")
        };
        assert_eq!(problems.len(), 1, "{text}\n{problems:#?}");
        let dot = if section.is_empty() { "" } else { "." };
        let start = format!("k.toml:{line}: {section}{dot}{key}: ");
        let message = problems[0].to_string();
        let rest = message.strip_prefix(&start);
        rest.unwrap_or_else(|| panic!("{message} does not begin with {start}\n{text}")).to_owned()
    }
}

/// A section of each kind. Those inside a hub stand behind it.
const LEAST: &[(&str, &[(&str, &str)])] = &[
    ("", &[]),
    ("server", &[]),
    ("admin", &[]),
    ("ipsec", &[("psk", "\"base\"")]),
    ("hub", &[("name", "\"DEFAULT\"")]),
    ("hub.secure-nat", &[]),
    ("hub.bridge", &[("tap", "\"vpn0\"")]),
    ("hub.user", &[("name", "\"jiro\""), ("password", "\"pass\"")]),
];
/// The sections of which there may be many.
pub(super) const ARRAYS: [&str; 3] = ["hub", "hub.bridge", "hub.user"];
