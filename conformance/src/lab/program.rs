//! The program of a group with a harness of its own: options, cases, signals.
//!
//! `GROUP [OPTIONS] [CASE…]`; without cases all of them. Exit status 0 when none failed, 1 when
//! one did, 2 for a case or an option that does not exist.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::lab::{Case, Kind, Options, machine, run_cases, sweep};

/// A group of cases.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// Every case, in the order `--list` shows.
    pub cases: fn() -> Vec<Case>,
    /// What is tested, as seen from the folder of this program.
    pub program: &'static str,
    /// What no dial takes on a machine that has time for it.
    pub slow_dial: Duration,
}

const USAGE: &str =
    "[--list] [--jobs N] [--keep] [--once] [--logs FOLDER] [--program FILE] [CASE…]";

enum Wish {
    List,
    Run(Options, Vec<Case>),
}

impl Group {
    /// Runs the harness.
    pub fn main(&self) -> ExitCode {
        let (options, cases) = match self.parse(env::args().skip(1)) {
            Ok(Wish::Run(options, cases)) => (options, cases),
            Ok(Wish::List) => {
                for case in (self.cases)() {
                    println!("{:<24} {}", case.name, case.shows);
                }
                return ExitCode::SUCCESS;
            }
            Err(why) => {
                eprintln!("{0}: {why}\nusage: {0} {USAGE}", self.name);
                return ExitCode::from(2);
            }
        };
        let lacks = machine::lacks();
        if !lacks.is_empty() {
            lacks.iter().for_each(|why| println!("FAIL  {:<24} {why}", "machine"));
            println!("{}: 0 passed, {} failed, 0 skipped", self.name, lacks.len());
            return ExitCode::FAILURE;
        }
        sweep(false);
        self.clean_up_on_signal();
        let passed = run_cases(&options, &cases);
        sweep(true);
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn parse(&self, mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
        let target = target.unwrap_or_else(|| PathBuf::from("."));
        let mut options = Options {
            group: self.name,
            kind: Kind::Kumihimo,
            program: target.join(self.program),
            sources: root.join("lab"),
            logs: target.parent().unwrap_or(&target).join("conformance"),
            jobs: 4,
            keep: false,
            slow_dial: self.slow_dial,
            repeat: true,
        };
        let known = (self.cases)();
        let (mut chosen, mut list) = (Vec::new(), false);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--list" => list = true,
                "--keep" => options.keep = true,
                "--once" => options.repeat = false,
                "--jobs" => options.jobs = value()?.parse().map_err(|_| "--jobs needs a number")?,
                "--logs" => options.logs = value()?.into(),
                "--program" => options.program = value()?.into(),
                // Not in the usage: the controls that show that the lab itself is right.
                "--server" => {
                    options.kind = kind(&value()?)?;
                    options.repeat = false;
                }
                name => match known.iter().find(|case| case.name == name) {
                    Some(case) => chosen.push(*case),
                    None => return Err(format!("no case {name}; `--list` shows them")),
                },
            }
        }
        if list {
            return Ok(Wish::List);
        }
        options.logs = std::path::absolute(&options.logs).map_err(|e| e.to_string())?;
        Ok(Wish::Run(options, if chosen.is_empty() { known } else { chosen }))
    }

    fn clean_up_on_signal(&self) {
        let name = self.name;
        match Signals::new([SIGINT, SIGTERM, SIGHUP]) {
            Ok(mut signals) => {
                thread::spawn(move || {
                    if signals.forever().next().is_some() {
                        eprintln!("{name}: interrupted, tearing down");
                        sweep(true);
                        std::process::exit(130);
                    }
                });
            }
            Err(error) => eprintln!("{name}: Ctrl-C will not tear down: {error}"),
        }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    [Kind::Kumihimo, Kind::SoftEther, Kind::Silent]
        .into_iter()
        .find(|kind| kind.to_string() == name)
        .ok_or_else(|| format!("no server {name}"))
}
