//! The table, in Markdown.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::{Figures, METRICS, Metric, Peer, Summary};
use crate::proc;

/// A row for each metric, a column for each peer, and the ratio of the first two; below, what went
/// wrong.
pub fn table(figures: &Figures, peers: &[Peer]) -> String {
    let rounds = match figures.rounds {
        0 | 1 => "one round".to_owned(),
        count => format!("median (least–most) of {count} rounds"),
    };
    let mut text = format!("| {rounds} |");
    text.extend(peers.iter().map(|peer| format!(" {} |", peer.title())));
    let pair = [Peer::Kumihimo, Peer::SoftEther];
    let has_ratio = pair.iter().all(|peer| peers.contains(peer));
    text.push_str(if has_ratio { " Kumihimo : SoftEther |\n" } else { "\n" });
    text.push_str("|---|");
    text.push_str(&"---:|".repeat(peers.len() + usize::from(has_ratio)));
    text.push('\n');
    for (metric, name, unit, _) in METRICS {
        let comma = if unit.is_empty() { "" } else { ", " };
        let _ = write!(text, "| {name}{comma}{unit} |");
        for peer in peers {
            let cell = figures.summary(*peer, *metric);
            let cell = cell.map_or("–".to_owned(), |it| cell_of(it, figures, *metric));
            let _ = write!(text, " {cell} |");
        }
        if has_ratio {
            let _ = write!(text, " {} |", ratio(figures, *metric, pair));
        }
        text.push('\n');
    }
    let mut counted: Vec<(&String, usize)> = Vec::new();
    for remark in &figures.remarks {
        match counted.iter_mut().find(|(known, _)| *known == remark) {
            Some((_, count)) => *count += 1,
            None => counted.push((remark, 1)),
        }
    }
    for (remark, count) in counted {
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let _ = write!(text, "\n- {remark}{times}");
    }
    text
}

/// The page with `table` between its two marks, in the place of what is there; `None` if it has
/// none.
pub fn replace_table(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

/// Said of a machine on which others worked before the script did.
const BUSY: &str = "**Taken on a busy machine**: throughput, latency and loss say little. ";
const BEGIN: &str = "<!-- compare: from here on conformance/compare --update writes -->";
const END: &str = "<!-- compare: to here -->";

/// Only of what both did in full.
fn ratio(figures: &Figures, metric: Metric, pair: [Peer; 2]) -> String {
    let [ours, theirs] = pair.map(|peer| figures.summary(peer, metric));
    match (ours, theirs) {
        (Some(Summary { median: ours, partial: None, .. }), Some(theirs))
            if theirs.median > 0.0 && theirs.partial.is_none() =>
        {
            format!("{}×", number(ours / theirs.median))
        }
        _ => "–".to_owned(),
    }
}

fn cell_of(summary: Summary, figures: &Figures, metric: Metric) -> String {
    let median = number(summary.median);
    if let Some((up, wanted)) = summary.partial {
        return format!("{median} with {up} of {wanted} clients");
    }
    let (least, most) = (number(summary.range.0), number(summary.range.1));
    // That many sessions are dialled in one round only.
    let rounds = if metric == Metric::Rss1000 { 1 } else { figures.rounds };
    let count = match summary.count {
        count if count < rounds => format!("; {count} of {rounds} rounds"),
        _ => String::new(),
    };
    match (summary.count, count.is_empty()) {
        (1, true) => median,
        (1, false) => format!("{median} ({})", count.trim_start_matches("; ")),
        _ => format!("{median} ({least}–{most}{count})"),
    }
}

/// Three digits that count.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// One line: when, on what machine, by which command; `load` is its load average before.
pub fn where_and_how(words: &[String], load: &str) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| proc::field(&cpuinfo, name).unwrap_or("?");
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let said = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output();
        output.map_or_else(
            |_| "?".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let commit = said("git", &["describe", "--always", "--dirty"]);
    let is_busy = load.parse().is_ok_and(|load: f64| load > cores as f64 / 4.0);
    let warning = if is_busy { BUSY } else { "" };
    format!(
        "{warning}{}, {}, {} MHz, {cores} cores, Linux {}, commit {commit}, load average before \
         {load}: `{}`",
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        field("model name"),
        field("cpu MHz").split('.').next().unwrap_or("?"),
        kernel.trim(),
        [&["conformance/compare".to_owned()], words].concat().join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_an_older_one() {
        let page = format!("head\n{BEGIN}\nold\n{END}\ntail\n");
        let new = replace_table(&page, "new").unwrap();
        assert_eq!(new, format!("head\n{BEGIN}\n\nnew\n\n{END}\ntail\n"));
        assert_eq!(replace_table(&new, "new"), Some(new));
        assert_eq!(replace_table("head", "new"), None);
    }

    #[test]
    fn a_figure_that_is_missing_leaves_a_dash() {
        let mut figures = Figures::default();
        figures.rounds = 2;
        figures.note(Peer::Kumihimo, Metric::Up, 900.0, (4, 4));
        figures.note(Peer::Kumihimo, Metric::Up, 1_100.0, (4, 4));
        figures.note(Peer::SoftEther, Metric::Up, 250.0, (4, 4));
        figures.note(Peer::Kumihimo, Metric::Dials, 3.0, (100, 100));
        figures.note(Peer::SoftEther, Metric::Dials, 1.0, (98, 100));
        let peers = [Peer::Kumihimo, Peer::SoftEther, Peer::Floor];
        let text = table(&figures, &peers);
        assert!(text.contains("| 1000 (900–1100) | 250 (1 of 2 rounds) | – | 4.00× |"), "{text}");
        assert!(text.contains("| 3.00 (1 of 2 rounds) | 1.00 with 98 of 100 clients | – | – |"));
        assert_eq!(text.lines().count(), 2 + METRICS.len());
        figures.remarks = ["x", "y", "x"].map(str::to_owned).to_vec();
        assert!(table(&figures, &peers).ends_with("\n- x (2 times)\n- y"));
    }
}
