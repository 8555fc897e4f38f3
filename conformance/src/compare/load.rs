//! One run of the program `load`, and what it said.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::peer::{CLIENTS, SERVER, STATION, Stand};
use crate::lab::{Outcome, PASSWORD, PSK, USER, run};
use crate::{expect, fail};

/// What the clients do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) clients: u32,
    pub(super) seconds: u32,
    /// Packets in a second; `None` for as many as go.
    pub(super) up: Option<u32>,
    pub(super) down: Option<u32>,
    /// Dials nothing: for the floor.
    pub(super) floor: bool,
    /// How long the whole run may take.
    pub(super) limit: Duration,
}

/// What came of it: numbers by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said(HashMap<String, f64>);

impl Said {
    /// The numbers of the last line that begins with `result`.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().rev().find_map(|line| line.strip_prefix("result "))?;
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        Some(Self(
            pairs
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        ))
    }

    pub(super) fn number(&self, name: &str) -> Outcome<f64> {
        match self.0.get(name) {
            Some(value) => Ok(*value),
            None => fail!("load said nothing of {name}"),
        }
    }
}

/// Octets of an IP packet.
pub(super) const SIZE: u32 = 1_360;

/// Runs `load` against `stand`.
pub(super) fn load(stand: &Stand, programs: &Path, what: &Load) -> Outcome<Said> {
    let program = programs.join("load");
    expect!(program.is_file(), "{} is not built", program.display());
    let rate = |rate: Option<u32>| rate.map_or("max".to_owned(), |rate| rate.to_string());
    let mut command = stand.clients.command(&program.display().to_string());
    command.args(["run", "--server", SERVER, "--psk", PSK, "--user", USER, "--password", PASSWORD]);
    command.args(["--pid", &stand.pid.to_string()]);
    command.args(["--station", &format!("{},{STATION}", stand.server.name())]);
    command.args(["--from", &format!("{}+{}", CLIENTS.0, CLIENTS.1)]);
    command.args(["--clients", &what.clients.to_string(), "--seconds", &what.seconds.to_string()]);
    command.args(["--up", &rate(what.up), "--down", &rate(what.down)]);
    command.args(["--size", &SIZE.to_string(), "--cipher", "aes256-sha1"]);
    if what.floor {
        command.arg("--floor");
    }
    let (status, output) = run(&mut command, "", what.limit)?;
    let log = stand.folder.join("load.log");
    let mut all = std::fs::read_to_string(&log).unwrap_or_default();
    all.push_str(&format!("{command:?}\n{output}\n"));
    std::fs::write(log, all)?;
    match Said::parse(&output) {
        Some(said) => Ok(said),
        None => fail!("load: {status}: {}", output.lines().last().unwrap_or("said nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_result_counts() {
        let text = "up 3\nresult up_got=1\nresult up_got=2.5 word=x dialled=3 lone\nend\n";
        let said = Said::parse(text).unwrap();
        assert_eq!(said.number("up_got").unwrap(), 2.5);
        assert_eq!(said.number("dialled").unwrap(), 3.0);
        assert!(said.number("word").is_err() && said.number("absent").is_err());
        assert_eq!(Said::parse("nothing"), None);
    }
}
