//! The timeline: a page for the browser, in one file, on which a run is looked at.
//!
//! On top, what failed and how to see it again; below, a bar for each node with its states over
//! the whole run and a tick for every packet lost; below that, the last packets before the end as
//! a ladder.

mod bars;
mod ladder;

use std::fmt::Write as _;

use super::{View, seconds};
use crate::run::Outcome;
use crate::world::START;

/// The page.
pub(super) fn page(outcome: &Outcome, view: &View<'_>) -> String {
    let mut page = String::from(HEAD);
    summary(&mut page, outcome);
    bars::add(&mut page, view, span(outcome));
    ladder::add(&mut page, view);
    page.push_str("</main><script>");
    page.push_str(SCRIPT);
    page.push_str("</script></body></html>\n");
    page
}

/// Length of the run in seconds, not 0.
fn span(outcome: &Outcome) -> f64 {
    seconds(START_POINT + outcome.span).max(1e-6)
}

fn summary(page: &mut String, outcome: &Outcome) {
    let word = |name: &str| outcome.tape.head.get(name).map_or("", String::as_str);
    match &outcome.failure {
        Some(failure) => {
            let (check, text) = (escape(&failure.check), escape(&failure.text));
            let at = seconds(failure.at);
            let _ = write!(
                page,
                "<header class=bad><p class=kind>check failed at {at:.3} s</p>\
                 <h1>{check}</h1><p class=why>{text}</p></header>"
            );
        }
        None => page.push_str(
            "<header class=good><p class=kind>every check held</p><h1>nothing failed</h1></header>",
        ),
    }
    let seed = match word("seed") {
        "" => "none: the tape was edited".to_owned(),
        seed => seed.to_owned(),
    };
    let facts = [
        ("scenario", word("scenario").to_owned()),
        ("node", word("node").to_owned()),
        ("seed", seed),
        ("lasted", duration(span(outcome))),
        ("events", outcome.count.to_string()),
        ("trace hash", format!("{:016x}", outcome.hash)),
    ];
    page.push_str("<dl class=facts>");
    for (name, value) in facts {
        let _ = write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    page.push_str(
        "</dl><p class=again>again: <code>cargo run -p kumihimo-sim -- replay run.tape</code></p>",
    );
}

/// A span of seconds as a person says it.
fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..=119 => format!("{seconds:.3} s"),
        120..=7_199 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

/// Text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A colour for a word: the same word has the same one on every page.
fn hue(word: &str) -> u32 {
    let known = [
        ("up", 145),
        ("done", 145),
        ("listening", 145),
        ("running", 145),
        ("down", 0),
        ("failed", 0),
        ("dead", 0),
        ("off", 0),
        ("dialing", 45),
        ("idle", 220),
    ];
    if let Some((_, hue)) = known.into_iter().find(|(name, _)| *name == word) {
        return hue;
    }
    let sum =
        word.bytes().fold(7_u32, |sum, octet| sum.wrapping_mul(31).wrapping_add(u32::from(octet)));
    // Between yellow and violet: red and green have a meaning.
    sum % 110 + 180
}

const START_POINT: kumihimo_core::time::Instant =
    kumihimo_core::time::Instant::from_micros(START.as_micros());
const HEAD: &str = include_str!("timeline/head.html");
const SCRIPT: &str = include_str!("timeline/page.js");
