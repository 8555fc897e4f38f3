//! The bars: the states of each node over the whole run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::{View, reason, seconds};
use super::{duration, escape, hue};
use crate::trace::{Entry, What};

/// Adds the section with a row for each node.
pub(super) fn add(page: &mut String, view: &View<'_>, span: f64) {
    page.push_str("<section><h2>Who was what, and when</h2>");
    let shown = shown(view);
    legend(page, view, &shown);
    let _ = write!(page, "<div class=bars data-span=\"{span}\">");
    for &node in &shown {
        row(page, view, node, span);
    }
    scenes(page, view, span);
    axis(page, span);
    page.push_str("</div>");
    let hidden = view.cast.nodes.len() - shown.len();
    if hidden > 0 {
        let _ = write!(page, "<p class=note>and {hidden} more nodes, all in log.txt</p>");
    }
    page.push_str("</section>");
}

/// The nodes that get a row: those that had to do with something last.
fn shown(view: &View<'_>) -> BTreeSet<usize> {
    let mut shown = BTreeSet::new();
    for entry in view.record.entries.iter().rev() {
        if shown.len() >= ROWS_MAX {
            break;
        }
        shown.extend(actor(entry));
    }
    shown
}

fn actor(entry: &Entry) -> Option<usize> {
    match entry.what {
        What::Sent { node, .. }
        | What::Delivered { node, .. }
        | What::FrameSent { node, .. }
        | What::FrameDelivered { node, .. }
        | What::State { node, .. }
        | What::Fact { node } => Some(node.index()),
        What::Lost { sender, .. } => Some(sender.index()),
        What::FrameLost { .. } | What::Scene => None,
    }
}

fn legend(page: &mut String, view: &View<'_>, shown: &BTreeSet<usize>) {
    let states = view.record.entries.iter().filter_map(|entry| match entry.what {
        What::State { node, state } if shown.contains(&node.index()) => Some(state),
        _ => None,
    });
    page.push_str("<p class=legend>");
    for state in states.collect::<BTreeSet<_>>() {
        let _ =
            write!(page, "<span><i style=\"--hue:{}\"></i>{}</span>", hue(state), escape(state));
    }
    page.push_str("<span><i class=tick></i>packet lost</span>");
    page.push_str("<span><i class=cue></i>the scenario did something</span></p>");
}

fn row(page: &mut String, view: &View<'_>, node: usize, span: f64) {
    let name = view.cast.nodes.get(node).map_or("?", String::as_str);
    let _ = write!(page, "<div class=row><b>{}</b><div class=bar>", escape(name));
    let states = states(view, node);
    for (index, &(at, state)) in states.iter().enumerate() {
        let end = states.get(index + 1).map_or(span, |&(at, _)| at);
        let (left, width) = (share(at, span), share(end - at, span));
        let _ = write!(
            page,
            "<span class=state style=\"left:{left:.3}%;width:{width:.3}%;--hue:{}\" \
             title=\"{} from {at:.3} s for {}\">{}</span>",
            hue(state),
            escape(state),
            duration(end - at),
            if width > 9.0 { escape(state) } else { String::new() },
        );
    }
    ticks(page, view, node, span);
    if let Some(failure) = view.failure {
        let left = share(seconds(failure.at), span);
        let _ = write!(page, "<span class=end style=\"left:{left:.3}%\"></span>");
    }
    page.push_str("</div></div>");
}

/// The states of a node, with the same one only once in a row.
fn states(view: &View<'_>, node: usize) -> Vec<(f64, &'static str)> {
    let mut states: Vec<(f64, &'static str)> = Vec::new();
    for entry in &view.record.entries {
        if let What::State { node: other, state } = entry.what
            && other.index() == node
            && states.last().is_none_or(|&(_, last)| last != state)
        {
            states.push((seconds(entry.at), state));
        }
    }
    // A bar cannot show more than some; the last ones matter most.
    let skip = states.len().saturating_sub(STATES_MAX);
    states.split_off(skip)
}

/// Packets of this node that were lost; those too near to each other to tell apart, once.
fn ticks(page: &mut String, view: &View<'_>, node: usize, span: f64) {
    let mut last = -1.0;
    for entry in &view.record.entries {
        if let What::Lost { sender, place, why, .. } = entry.what
            && sender.index() == node
        {
            let left = share(seconds(entry.at), span);
            if left - last < 0.15 {
                continue;
            }
            last = left;
            let at = seconds(entry.at);
            let text = format!("{at:.3} s: lost {}, {}", view.place(place), reason(why));
            let _ = write!(
                page,
                "<span class=tick style=\"left:{left:.3}%\" title=\"{}\"></span>",
                escape(&text)
            );
        }
    }
}

/// What the scenario did, below the bars.
fn scenes(page: &mut String, view: &View<'_>, span: f64) {
    page.push_str("<div class=row><b>scenario</b><div class=\"bar cues\">");
    for entry in view.record.entries.iter().filter(|entry| entry.what == What::Scene) {
        let at = seconds(entry.at);
        let _ = write!(
            page,
            "<span class=cue style=\"left:{:.3}%\" title=\"{at:.3} s: {}\"></span>",
            share(at, span),
            escape(&entry.text),
        );
    }
    page.push_str("</div></div>");
}

fn axis(page: &mut String, span: f64) {
    page.push_str("<div class=row><b></b><div class=axis>");
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let _ = write!(page, "<span>{}</span>", duration(span * share));
    }
    page.push_str("</div></div>");
}

fn share(part: f64, span: f64) -> f64 {
    (part / span * 100.0).clamp(0.0, 100.0)
}

/// Rows of nodes on the page.
const ROWS_MAX: usize = 24;
/// States in one row.
const STATES_MAX: usize = 400;
