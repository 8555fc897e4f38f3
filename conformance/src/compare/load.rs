//! One run of the program `load`, and what it said.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::peer::{CLIENTS, SERVER, STATION, Stand};
use crate::lab::{Outcome, PASSWORD, PSK, Process, USER};
use crate::{expect, fail};

/// What a run said: its lines, each a word and numbers by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said(Vec<Line>);

/// A line of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    word: String,
    numbers: HashMap<String, f64>,
}

impl Said {
    /// Reads all lines that `load` prints to standard output.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Line::parse).collect())
    }

    /// The lines that begin with this word.
    pub fn lines<'s>(&'s self, word: &str) -> impl Iterator<Item = &'s Line> + use<'s> {
        let word = word.to_owned();
        self.0.iter().filter(move |line| line.word == word)
    }
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ')?;
        if !["dialled", "traffic", "result"].contains(&word) {
            return None;
        }
        let pairs = rest.split_whitespace().filter_map(|word| word.split_once('='));
        let numbers = pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        Some(Self { word: word.to_owned(), numbers })
    }

    /// The number of this name.
    pub fn number(&self, name: &str) -> Outcome<f64> {
        match self.numbers.get(name) {
            Some(value) => Ok(*value),
            None => fail!("load said nothing of {name}"),
        }
    }
}

/// Octets of an IP packet.
pub(super) const SIZE: u32 = 1_360;

/// Runs `load` against `stand`, until `end` at most; what it said until then counts.
pub(super) fn load(stand: &Stand, programs: &Path, words: &[&str], end: Instant) -> Outcome<Said> {
    let program = programs.join("load");
    expect!(program.is_file(), "{} is not built", program.display());
    let mut command = stand.clients.command(&program.display().to_string());
    command.args(["run", "--server", SERVER, "--psk", PSK, "--user", USER, "--password", PASSWORD]);
    command.args(["--pid", &stand.pid.to_string()]);
    command.args(["--station", &format!("{},{STATION}", stand.server.name())]);
    command.args(["--from", &format!("{}+{}", CLIENTS.0, CLIENTS.1)]);
    command.args(["--size", &SIZE.to_string(), "--cipher", "aes256-sha1"]);
    command.args(words);
    let limit = end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let mut process = Process::start(&mut command, &stand.folder.join("load.log"))?;
    // One that is late, or fails, has said something nevertheless.
    let ended = process.wait(limit);
    process.kill();
    let said = Said::parse(&process.output());
    match (ended, said.0.is_empty()) {
        (Ok(status), true) => {
            let output = process.output();
            fail!("load: {status}: {}", output.lines().last().unwrap_or("said nothing"))
        }
        (Err(why), true) => Err(why.during("load")),
        (_, false) => Ok(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_by_their_word() {
        let text = "load: 3 up\ndialled up=1\ntraffic got=2.5 word=x lone\ndialled up=3\nend\n";
        let said = Said::parse(text);
        let ups: Vec<f64> = said.lines("dialled").map(|it| it.number("up").unwrap()).collect();
        assert_eq!(ups, [1.0, 3.0]);
        let traffic = said.lines("traffic").next().unwrap();
        assert_eq!(traffic.number("got").unwrap(), 2.5);
        assert!(traffic.number("word").is_err() && traffic.number("absent").is_err());
        assert_eq!(said.lines("result").count(), 0);
    }
}
