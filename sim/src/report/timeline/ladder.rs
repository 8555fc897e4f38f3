//! The ladder: the last things before the end, packets as arrows between nodes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::{View, reason, seconds};
use super::escape;
use crate::trace::{Entry, What};

/// Adds the section.
pub(super) fn add(page: &mut String, view: &View<'_>) {
    let ends = ends(view);
    let rows: Vec<&Entry> = view.record.entries.iter().filter(has_row).collect();
    let skipped = rows.len().saturating_sub(ROWS_MAX);
    let rows = &rows[skipped..];
    let columns = Columns::of(view, rows, &ends);
    let _ = write!(page, "<section><h2>The last {} steps</h2>", rows.len());
    if skipped > 0 {
        let _ = write!(page, "<p class=note>{skipped} earlier ones are in log.txt</p>");
    }
    page.push_str(FILTERS);
    let _ = write!(page, "<div class=ladder style=\"--columns:{}\">", columns.names.len());
    page.push_str("<div class=\"step names\"><time></time><div class=track>");
    for (index, name) in columns.names.iter().enumerate() {
        let left = columns.centre(index);
        let _ = write!(page, "<span style=\"left:{left:.2}%\">{}</span>", escape(name));
    }
    page.push_str("</div></div>");
    let mut last = None;
    for entry in rows {
        let at = seconds(entry.at);
        if let Some(last) = last
            && at - last > 1.0
        {
            let _ = write!(page, "<div class=gap>{} later</div>", super::duration(at - last));
        }
        last = Some(at);
        step(page, view, &columns, &ends, entry);
    }
    if let Some(failure) = view.failure {
        let (check, text) = (escape(&failure.check), escape(&failure.text));
        let _ = write!(page, "<div class=\"scene bad\"><b>{check}</b> {text}</div>");
    }
    page.push_str("</div><span id=end></span></section>");
}

/// What became of a packet.
#[derive(Default)]
struct Ended {
    /// Receivers and when.
    delivered: Vec<(usize, f64)>,
    lost: Option<String>,
}

fn ends(view: &View<'_>) -> BTreeMap<u64, Ended> {
    let mut ends: BTreeMap<u64, Ended> = BTreeMap::new();
    for entry in &view.record.entries {
        match entry.what {
            What::Delivered { node, packet } => {
                let end = (node.index(), seconds(entry.at));
                ends.entry(packet).or_default().delivered.push(end);
            }
            What::Lost { place, why, packet, .. } => {
                let text = format!("{}: {}", view.place(place), reason(why));
                ends.entry(packet).or_default().lost = Some(text);
            }
            _ => {}
        }
    }
    ends
}

fn has_row(entry: &&Entry) -> bool {
    !matches!(entry.what, What::Delivered { .. } | What::Lost { .. } | What::FrameDelivered { .. })
}

/// The columns: nodes that take part, the busiest ones if there are too many.
struct Columns {
    names: Vec<String>,
    by_node: BTreeMap<usize, usize>,
}

impl Columns {
    fn of(view: &View<'_>, rows: &[&Entry], ends: &BTreeMap<u64, Ended>) -> Self {
        let mut busy: BTreeMap<usize, usize> = BTreeMap::new();
        for entry in rows {
            let (node, packet) = match entry.what {
                What::Sent { node, packet, .. } => (node, Some(packet)),
                What::FrameSent { node, .. } | What::State { node, .. } | What::Fact { node } => {
                    (node, None)
                }
                _ => continue,
            };
            *busy.entry(node.index()).or_default() += 1;
            let end = packet.and_then(|packet| ends.get(&packet));
            for (node, _) in end.iter().flat_map(|end| &end.delivered) {
                *busy.entry(*node).or_default() += 1;
            }
        }
        let mut nodes: Vec<(usize, usize)> = busy.into_iter().collect();
        nodes.sort_by_key(|&(node, count)| (std::cmp::Reverse(count), node));
        let is_crowded = nodes.len() > COLUMNS_MAX;
        let others: Vec<usize> =
            nodes.iter().skip(COLUMNS_MAX - 1).map(|&(node, _)| node).collect();
        if is_crowded {
            nodes.truncate(COLUMNS_MAX - 1);
        }
        nodes.sort_unstable();
        let name = |node: usize| view.cast.nodes.get(node).cloned().unwrap_or_default();
        let mut names: Vec<String> = nodes.iter().map(|&(node, _)| name(node)).collect();
        let mut by_node: BTreeMap<usize, usize> =
            nodes.iter().enumerate().map(|(column, &(node, _))| (node, column)).collect();
        if is_crowded {
            by_node.extend(others.into_iter().map(|node| (node, names.len())));
            names.push("others".into());
        }
        Self { names, by_node }
    }

    fn centre(&self, column: usize) -> f64 {
        (column as f64 + 0.5) / self.names.len().max(1) as f64 * 100.0
    }

    /// Where a node stands.
    fn place(&self, node: usize) -> f64 {
        self.by_node.get(&node).map_or(50.0, |&column| self.centre(column))
    }
}

fn step(
    page: &mut String,
    view: &View<'_>,
    columns: &Columns,
    ends: &BTreeMap<u64, Ended>,
    entry: &Entry,
) {
    let at = seconds(entry.at);
    let text = escape(&entry.text);
    match entry.what {
        What::Sent { node, packet, .. } => {
            let end = ends.get(&packet);
            let class = match end {
                Some(Ended { lost: Some(_), .. }) => "step packet lost",
                Some(_) => "step packet",
                None => "step packet open",
            };
            let _ = write!(page, "<div class=\"{class}\"><time>{at:.6}</time><div class=track>");
            let fate = arrows(page, columns, node.index(), at, end);
            let title = text.split("  ").nth(1).unwrap_or("");
            let detail = text.split("  ").next().unwrap_or("");
            let _ = write!(
                page,
                "</div><p><b>{title}</b> <small>#{packet} {detail}</small> \
                 <em>{fate}</em></p></div>"
            );
        }
        What::State { node, .. } => pill(page, columns, node.index(), at, "state", &text),
        What::Fact { node } => pill(page, columns, node.index(), at, "fact", &text),
        What::FrameSent { node, .. } => pill(page, columns, node.index(), at, "frame", &text),
        What::Scene => {
            let _ = write!(page, "<div class=scene><time>{at:.6}</time> {text}</div>");
        }
        What::FrameLost { why, .. } => {
            let why = reason(why);
            let _ = write!(
                page,
                "<div class=\"step frame lost\"><time>{at:.6}</time><div class=track></div>\
                 <p>frame lost: {why} <small>{text}</small></p></div>"
            );
        }
        What::Delivered { .. } | What::Lost { .. } | What::FrameDelivered { .. } => {
            debug_assert!(has_row(&entry), "{}", view.cast.nodes.len());
        }
    }
}

/// Draws where a packet went; what became of it, in words.
fn arrows(
    page: &mut String,
    columns: &Columns,
    node: usize,
    at: f64,
    end: Option<&Ended>,
) -> String {
    let from = columns.place(node);
    let Some(end) = end else { return "under way".into() };
    for (to, _) in &end.delivered {
        arrow(page, from, columns.place(*to), "");
    }
    if let Some(lost) = &end.lost {
        if end.delivered.is_empty() {
            let to = if from < 50.0 { from + 14.0 } else { from - 14.0 };
            arrow(page, from, to, " x");
        }
        return format!("lost {}", escape(lost));
    }
    let took = end.delivered.first().map_or(0.0, |&(_, then)| (then - at) * 1e3);
    match end.delivered.len() {
        0 | 1 => format!("{took:.1} ms"),
        count => format!("{took:.1} ms, came {count} times"),
    }
}

fn arrow(page: &mut String, from: f64, to: f64, class: &str) {
    let (left, width) = (from.min(to), (from - to).abs());
    let way = if to >= from { "right" } else { "left" };
    let _ = write!(
        page,
        "<i class=\"arrow {way}{class}\" style=\"left:{left:.2}%;width:{width:.2}%\"></i>"
    );
}

fn pill(page: &mut String, columns: &Columns, node: usize, at: f64, class: &str, text: &str) {
    let left = columns.place(node);
    let hue = super::hue(text);
    let (dot, line) = if class == "state" {
        (format!("<b class=pill style=\"left:{left:.2}%;--hue:{hue}\">{text}</b>"), String::new())
    } else {
        let line = format!("<p><small>{text}</small></p>");
        (format!("<i class=dot style=\"left:{left:.2}%\"></i>"), line)
    };
    let _ = write!(
        page,
        "<div class=\"step {class}\"><time>{at:.6}</time><div class=track>{dot}</div>{line}</div>"
    );
}

const FILTERS: &str = "<p class=filters>\
<label><input type=checkbox checked data-hides=packet>packets</label>\
<label><input type=checkbox checked data-hides=frame>frames</label>\
<label><input type=checkbox checked data-hides=fact>notes</label>\
<label><input type=checkbox data-only=lost>only lost</label>\
<a href=#end>to the end</a></p>";
/// Steps on the page.
const ROWS_MAX: usize = 400;
/// Columns that can still be told apart.
const COLUMNS_MAX: usize = 8;
