//! The log: a line for each thing that happened, with a column for each node.

use std::fmt::Write as _;

use super::{View, reason, seconds};
use crate::trace::What;

/// The log as text.
pub(super) fn text(view: &View<'_>) -> String {
    let mut text = String::new();
    let columns = view.cast.nodes.len() <= COLUMNS_MAX;
    if columns {
        head(&mut text, view);
    }
    if view.record.skipped > 0 {
        let _ = writeln!(text, "({} of the oldest lines are left out)", view.record.skipped);
    }
    for entry in &view.record.entries {
        let (actor, mark, note) = describe(view, entry.what, &entry.text);
        let _ = write!(text, "{:>14.6}  ", seconds(entry.at));
        if columns {
            for node in 0..view.cast.nodes.len() {
                let mark = if actor == Some(node) { mark } else { "." };
                let _ = write!(text, "{mark:^COLUMN$}");
            }
        } else {
            let name = actor.and_then(|node| view.cast.nodes.get(node));
            let _ = write!(text, "{:<16} {mark} ", name.map_or("", String::as_str));
        }
        let _ = writeln!(text, " {note}");
    }
    if let Some(failure) = view.failure {
        let _ = writeln!(
            text,
            "{:>14.6}  FAILED {}: {}",
            seconds(failure.at),
            failure.check,
            failure.text
        );
    }
    text
}

fn head(text: &mut String, view: &View<'_>) {
    for (index, name) in view.cast.nodes.iter().enumerate() {
        let _ = write!(text, "{:>14}  ", "");
        for _ in 0..index {
            let _ = write!(text, "{:^COLUMN$}", "|");
        }
        let _ = writeln!(text, "{name}");
    }
    let _ = writeln!(text, "{:>14}  {}", "seconds", "-".repeat(COLUMN * view.cast.nodes.len()));
}

/// Who did it, its sign, and what is written behind the columns.
fn describe(view: &View<'_>, what: What, text: &str) -> (Option<usize>, &'static str, String) {
    match what {
        What::Sent { node, packet, .. } => (Some(node.index()), ">", format!("#{packet} {text}")),
        What::Delivered { node, packet } => (Some(node.index()), "<", format!("#{packet} {text}")),
        What::Lost { place, why, packet, sender } => {
            let place = view.place(place);
            let why = reason(why);
            (Some(sender.index()), "x", format!("#{packet} LOST {place}: {why}  {text}"))
        }
        What::FrameSent { node, .. } => (Some(node.index()), "}", text.into()),
        What::FrameDelivered { node, .. } => (Some(node.index()), "{", text.into()),
        What::FrameLost { why, .. } => (None, "x", format!("LOST: {}  {text}", reason(why))),
        What::State { node, state } => (Some(node.index()), "*", format!("is now: {state}")),
        What::Fact { node } => (Some(node.index()), "!", text.into()),
        What::Scene => (None, "", format!("=== {text}")),
    }
}

/// With more nodes, there is one column with a name.
const COLUMNS_MAX: usize = 12;
/// Width of the column of a node.
const COLUMN: usize = 4;
