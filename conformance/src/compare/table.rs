//! The table, in Markdown.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::{Figures, METRICS, Metric, Peer, Summary};

/// A row for each metric, a column for each peer, and the ratio of the first two.
pub fn table(figures: &Figures, peers: &[Peer]) -> String {
    let mut text = String::from("| |");
    text.extend(peers.iter().map(|peer| format!(" {} |", peer.title())));
    let pair = [Peer::Kumihimo, Peer::SoftEther];
    let has_ratio = pair.iter().all(|peer| peers.contains(peer));
    text.push_str(if has_ratio { " Kumihimo : SoftEther |\n" } else { "\n" });
    text.push_str("|---|");
    text.push_str(&"---:|".repeat(peers.len() + usize::from(has_ratio)));
    text.push('\n');
    for (metric, name, unit, _) in METRICS {
        let _ = write!(text, "| {name}, {unit} |");
        for peer in peers {
            let cell = figures.summary(*peer, *metric).map_or("–".to_owned(), cell);
            let _ = write!(text, " {cell} |");
        }
        if has_ratio {
            let _ = write!(text, " {} |", ratio(figures, *metric, pair));
        }
        text.push('\n');
    }
    for remark in &figures.remarks {
        let _ = write!(text, "\n- {remark}");
    }
    text
}

fn ratio(figures: &Figures, metric: Metric, pair: [Peer; 2]) -> String {
    let [ours, theirs] = pair.map(|peer| figures.summary(peer, metric).map(|it| it.median));
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => format!("{}×", number(ours / theirs)),
        _ => "–".to_owned(),
    }
}

fn cell(summary: Summary) -> String {
    let (least, most) = (number(summary.range.0), number(summary.range.1));
    if least == most {
        return number(summary.median);
    }
    format!("{} ({least}–{most})", number(summary.median))
}

/// Three digits that count.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// One line: when, on what machine, by which command.
pub fn where_and_how(words: &[String]) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("?", |(_, value)| value).to_owned()
    };
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    let said = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).output();
        output.map_or_else(
            |_| "?".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    format!(
        "{}, {}, {} MHz, {cores} cores, Linux {}, commit {commit}, load average before {load}: \
         `{}`",
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
    fn a_figure_that_is_missing_leaves_a_dash() {
        let mut figures = Figures::default();
        figures.note(Peer::Kumihimo, Metric::Up, 900.0);
        figures.note(Peer::Kumihimo, Metric::Up, 1_100.0);
        figures.note(Peer::SoftEther, Metric::Up, 250.0);
        figures.note(Peer::Kumihimo, Metric::Dials, 3.0);
        let text = table(&figures, &[Peer::Kumihimo, Peer::SoftEther, Peer::Floor]);
        assert!(text.contains("| 1000 (900–1100) | 250 | – | 4.00× |"), "{text}");
        assert!(text.contains("| 3.00 | – | – | – |"), "{text}");
        assert_eq!(text.lines().count(), 2 + METRICS.len());
    }
}
