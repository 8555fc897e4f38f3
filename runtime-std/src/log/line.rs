//! How a line looks, as text and as JSON.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// What happens in a day.
    Info,
    /// What somebody should look at.
    Warn,
    /// What keeps the server from its work.
    Error,
}

impl Level {
    /// All levels, with their names on the command line.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("trace", Self::Trace),
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warn", Self::Warn),
        ("error", Self::Error),
    ];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// One fact.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    /// What kind of fact it is.
    name: &'static str,
    /// The sentence; it holds all that the fields hold.
    pub(super) text: String,
    fields: Vec<(&'static str, Value)>,
}

/// The value of a field.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    List(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<SocketAddr> for Value {
    fn from(address: SocketAddr) -> Self {
        Self::Text(address.to_string())
    }
}

impl Line {
    pub(super) fn new(level: Level, name: &'static str, text: String) -> Self {
        Self { level, name, text, fields: Vec::new() }
    }

    /// Adds a field.
    pub(super) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.push(key, value.into());
        self
    }

    pub(super) fn push(&mut self, key: &'static str, value: Value) {
        self.fields.push((key, value));
    }

    /// Whether there are no fields.
    pub(super) fn is_bare(&self) -> bool {
        self.fields.is_empty()
    }

    /// The line with its end.
    pub(super) fn render(&self, format: Format, since_epoch: Duration) -> String {
        let time = timestamp(since_epoch);
        match format {
            Format::Text => {
                let level = self.level.name().to_uppercase();
                format!("{time} {level:5} {}\n", one_line(&self.text))
            }
            Format::Json => {
                let mut json = format!("{{\"time\":\"{time}\",\"level\":\"{}\"", self.level.name());
                let _ = write!(json, ",\"event\":{}", json_text(self.name));
                for (key, value) in &self.fields {
                    let _ = write!(json, ",{}:{}", json_text(key), value.json());
                }
                let _ = writeln!(json, ",\"message\":{}}}", json_text(&self.text));
                json
            }
        }
    }
}

impl Value {
    fn json(&self) -> String {
        match self {
            Self::Text(text) => json_text(text),
            Self::Number(number) => number.to_string(),
            Self::List(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| json_text(text)).collect();
                format!("[{}]", texts.join(","))
            }
        }
    }
}

/// `text`, which came from a peer or a file, harmless to a terminal: as it is if it is a plain
/// name, else in quotes.
pub(super) fn untrusted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-@\\".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut shown = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => shown.extend(['\\', character]),
            _ if is_harmful(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown.push('"');
    shown
}

/// Whether a character could end the line or make it look like another one.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if is_harmful(character) { ' ' } else { character }).collect()
}

fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            _ if is_harmful(character) => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}

/// RFC 3339, UTC, in milliseconds.
fn timestamp(since_epoch: Duration) -> String {
    let (secs, millis) = (since_epoch.as_secs(), since_epoch.subsec_millis());
    let (year, month, day) = date(secs / 86_400);
    let (hour, minute, second) = (secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin in
/// March, so that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_rfc_3339_says() {
        let written = |secs: u64| timestamp(Duration::from_millis(secs * 1_000 + 7));
        assert_eq!(written(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(written(951_782_399), "2000-02-28T23:59:59.007Z");
        assert_eq!(written(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(written(1_767_225_599), "2025-12-31T23:59:59.007Z");
    }

    #[test]
    fn nothing_from_outside_breaks_a_line() {
        assert_eq!((untrusted("a.b@c"), untrusted("")), ("a.b@c".to_owned(), "\"\"".to_owned()));
        assert_eq!(untrusted("a\"b\n\u{202e}c\\"), "\"a\\\"b\\u{a}\\u{202e}c\\\\\"");
        let line = Line::new(Level::Info, "x", "a\nb\"".to_owned()).with("k", "1\n2");
        let text = line.render(Format::Text, Duration::ZERO);
        assert_eq!(text, "1970-01-01T00:00:00.000Z INFO  a b\"\n");
        let json = line.render(Format::Json, Duration::ZERO);
        assert_eq!(
            json,
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"x\",\
             \"k\":\"1\\u000a2\",\"message\":\"a\\u000ab\\\"\"}\n"
        );
    }
}
