//! The story of a run: what a person would tell of it. Changes of state, what the scenario did,
//! what was lost, and what failed; not the packets that arrived.

use std::fmt::Write as _;

use super::{View, reason, seconds};
use crate::run::Outcome;
use crate::trace::{Entry, What};

/// Longest story. A longer one leaves out its middle.
pub const LENGTH: usize = 60;

/// The story of a recorded run, at most [`LENGTH`] lines and what frames them.
pub fn tell(outcome: &Outcome) -> String {
    let Some(record) = &outcome.record else { return String::new() };
    let view = View { record, cast: &outcome.cast, failure: outcome.failure.as_ref() };
    let lines = lines(&view);
    let mut text = String::new();
    let word = |name: &str| outcome.tape.head.get(name).map_or("", String::as_str);
    let _ = writeln!(text, "{} on node {}", word("scenario"), word("node"));
    let skipped = lines.len().saturating_sub(LENGTH);
    let (front, back) = if skipped == 0 {
        (lines.as_slice(), [].as_slice())
    } else {
        (&lines[..LENGTH / 3], &lines[LENGTH / 3 + skipped..])
    };
    for line in front {
        let _ = writeln!(text, "{line}");
    }
    if skipped > 0 {
        let _ = writeln!(text, "{:>12}  … {skipped} more …", "");
    }
    for line in back {
        let _ = writeln!(text, "{line}");
    }
    match view.failure {
        Some(failure) => {
            let at = seconds(failure.at);
            let _ = writeln!(text, "{at:>12.3}  FAILED {}", failure.check);
            let _ = writeln!(text, "{:>12}  {}", "", failure.text);
        }
        None => {
            let _ = writeln!(text, "{:>12}  nothing failed", "");
        }
    }
    text
}

/// How many things a person would tell of a recorded run: the lines of its whole story. What the
/// scenario did, each new state, each fact that a node told, and losses; those in a row at one
/// place for one reason are one.
pub fn events(outcome: &Outcome) -> usize {
    let Some(record) = &outcome.record else { return 0 };
    let view = View { record, cast: &outcome.cast, failure: outcome.failure.as_ref() };
    lines(&view).len() + usize::from(outcome.failure.is_some())
}

fn lines(view: &View<'_>) -> Vec<String> {
    let mut told = Vec::new();
    let mut losses: Option<Losses> = None;
    for entry in &view.record.entries {
        let loss = Losses::of(view, entry);
        if let (Some(sum), Some(loss)) = (&mut losses, &loss)
            && sum.is_like(loss)
        {
            sum.count += 1;
            sum.last = loss.last;
            continue;
        }
        let line = line(view, entry);
        if line.is_some() || loss.is_some() {
            told.extend(losses.take().map(|losses| losses.line()));
        }
        told.extend(line);
        if loss.is_some() {
            losses = loss;
        }
    }
    told.extend(losses.map(|losses| losses.line()));
    told
}

fn line(view: &View<'_>, entry: &Entry) -> Option<String> {
    let at = seconds(entry.at);
    match entry.what {
        What::State { node, state } => Some(format!("{at:>12.3}  {} is {state}", view.node(node))),
        What::Fact { node } => Some(format!("{at:>12.3}  {}: {}", view.node(node), entry.text)),
        What::Scene => Some(format!("{at:>12.3}  {}", entry.text)),
        _ => None,
    }
}

/// Losses in a row at one place for one reason.
struct Losses {
    place: String,
    why: &'static str,
    label: String,
    first: f64,
    last: f64,
    count: usize,
}

impl Losses {
    fn of(view: &View<'_>, entry: &Entry) -> Option<Self> {
        let (place, why) = match entry.what {
            What::Lost { place, why, .. } => (view.place(place), why),
            What::FrameLost { why, .. } => ("on a LAN".into(), why),
            _ => return None,
        };
        let at = seconds(entry.at);
        let label = entry.text.clone();
        Some(Self { place, why: reason(why), label, first: at, last: at, count: 1 })
    }

    fn is_like(&self, other: &Self) -> bool {
        self.place == other.place && self.why == other.why
    }

    fn line(&self) -> String {
        let Self { place, why, label, first, last, count } = self;
        match count {
            1 => format!("{first:>12.3}  lost {place}, {why}: {label}"),
            count => format!("{first:>12.3}  lost {place}, {why}: {count} until {last:.3}"),
        }
    }
}
