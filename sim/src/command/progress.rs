//! What a person sees while it takes long: a line that is written over on a terminal, and a line
//! now and then elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use kumihimo_sim::run::Outcome;

/// Shows how far something is.
pub(super) struct Meter {
    name: String,
    started: Instant,
    shown: Instant,
    is_terminal: bool,
    virtual_secs: f64,
    runs: u64,
    /// Runs in which a check failed that is switched off, by check.
    excused: BTreeMap<String, u64>,
}

impl Meter {
    /// A meter for `name`.
    pub(super) fn new(name: &str) -> Self {
        let now = Instant::now();
        Self {
            name: name.into(),
            started: now,
            shown: now,
            is_terminal: std::io::stderr().is_terminal(),
            virtual_secs: 0.0,
            runs: 0,
            excused: BTreeMap::new(),
        }
    }

    /// A run has ended; `total` is 0 if it is not known.
    pub(super) fn show(&mut self, done: u64, total: u64, outcome: &Outcome) {
        self.runs = done;
        let checks: BTreeSet<_> = outcome.excused.iter().map(|failure| &failure.check).collect();
        for check in checks {
            *self.excused.entry(check.clone()).or_default() += 1;
        }
        self.virtual_secs += outcome.span.as_micros() as f64 / 1e6;
        let of = if total == 0 { String::new() } else { format!(" of {total}") };
        let text = format!("{done}{of} runs, {}", self.speed());
        self.say(&text);
    }

    /// Shows a text, if the last one is old enough.
    pub(super) fn say(&mut self, text: &str) {
        let interval = if self.is_terminal { 200 } else { 20_000 };
        if self.shown.elapsed() < Duration::from_millis(interval) {
            return;
        }
        self.shown = Instant::now();
        let took = self.started.elapsed().as_secs();
        if self.is_terminal {
            eprint!("\r\x1b[K{}: {text}, {took} s", self.name);
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("…     {}: {text}, {took} s", self.name);
        }
    }

    /// Makes room for a line of another kind.
    pub(super) fn clear(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }

    /// The closing line.
    pub(super) fn finish(&self, failed: u32) {
        self.clear();
        let took = self.started.elapsed().as_secs_f64();
        println!(
            "{}: {} runs, {failed} failed, {} ({took:.1} s)",
            self.name,
            self.runs,
            self.speed()
        );
        for (check, runs) in &self.excused {
            println!("      {runs} of them failed {check}, which is switched off");
        }
    }

    fn speed(&self) -> String {
        let took = self.started.elapsed().as_secs_f64().max(1e-3);
        format!("{:.0} virtual s a second", self.virtual_secs / took)
    }
}
