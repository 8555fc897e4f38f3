//! The chart: a small picture for each metric, bars from a common zero, as SVG.

use std::fmt::Write as _;

use super::{Figures, METRICS, Metric, Peer, Summary};

/// Draws what was measured; `below` is the line at the bottom.
pub fn draw(figures: &Figures, peers: &[Peer], below: &str) -> String {
    let shown: Vec<_> = METRICS
        .iter()
        .filter(|(.., better)| better.is_some())
        .filter(|(metric, ..)| peers.iter().any(|peer| figures.summary(*peer, *metric).is_some()))
        .collect();
    let panel = PANEL_HEAD + BAR * peers.len() as f64 + 18.0;
    let rows = shown.len().div_ceil(2) as f64;
    let height = HEAD + rows * panel + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n\
         <title>Kumihimo beside its peers</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut x = 20.0;
    for peer in peers {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"12\" width=\"13\" height=\"13\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"23\" fill=\"#222\">{}</text>",
            peer.colour(),
            x + 19.0,
            peer.title()
        );
        x += 40.0 + 8.0 * peer.title().len() as f64;
    }
    for (number, &&(metric, name, unit, more)) in shown.iter().enumerate() {
        let left = 20.0 + (number % 2) as f64 * (WIDTH / 2.0);
        let top = HEAD + (number / 2) as f64 * panel;
        let better = if more == Some(true) { "more is better" } else { "less is better" };
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{}\" fill=\"#222\" font-weight=\"bold\">{name}, {unit} \
             <tspan font-weight=\"normal\" fill=\"#666\">({better})</tspan></text>",
            top + 14.0
        );
        bars(&mut svg, figures, peers, metric, (left, top + PANEL_HEAD));
    }
    let (what, how) = below.split_once(", commit").unwrap_or((below, ""));
    let how = if how.is_empty() { String::new() } else { format!("commit{how}") };
    for (line, y) in [(what, height - 24.0), (&how, height - 10.0)] {
        let line = escaped(line);
        let _ =
            writeln!(svg, "<text x=\"20\" y=\"{y}\" fill=\"#666\" font-size=\"11\">{line}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(
    svg: &mut String,
    figures: &Figures,
    peers: &[Peer],
    metric: Metric,
    (left, top): (f64, f64),
) {
    let summaries: Vec<_> = peers.iter().map(|peer| figures.summary(*peer, metric)).collect();
    let most = summaries.iter().flatten().map(|it| it.range.1).fold(0.0, f64::max);
    let scale = if most > 0.0 { ROOM / most } else { 0.0 };
    for (at, (peer, summary)) in peers.iter().zip(&summaries).enumerate() {
        let y = top + BAR * at as f64;
        let middle = y + (BAR - 4.0) / 2.0;
        let Some(Summary { median, range, partial, .. }) = summary else {
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" fill=\"#666\" font-size=\"12\">no figure</text>",
                left + 4.0,
                middle + 4.0
            );
            continue;
        };
        let (from, to) = (left + range.0 * scale, left + range.1 * scale);
        let few = partial.map_or(String::new(), |(up, wanted)| format!(" with {up} of {wanted}"));
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\
             <path d=\"M{from:.1} {middle}H{to:.1}\" stroke=\"#222\" stroke-width=\"1.5\"/>\
             <text x=\"{:.1}\" y=\"{}\" fill=\"#222\" font-size=\"12\">{}{few}</text>",
            (median * scale).max(1.0),
            BAR - 4.0,
            peer.colour(),
            to.max(left + 1.0) + 6.0,
            middle + 4.0,
            super::table::number(*median)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace(['`', '*'], "")
}

const WIDTH: f64 = 920.0;
const HEAD: f64 = 42.0;
const PANEL_HEAD: f64 = 22.0;
const BAR: f64 = 20.0;
/// Longest bar.
const ROOM: f64 = 280.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_bar_or_a_word_in_each_picture() {
        let mut figures = Figures::default();
        figures.note(Peer::Kumihimo, Metric::Up, 900.0, (4, 4));
        figures.note(Peer::SoftEther, Metric::Up, 300.0, (3, 4));
        figures.note(Peer::Kumihimo, Metric::CpuUp, 0.0, (4, 4));
        let svg = draw(&figures, &[Peer::Kumihimo, Peer::SoftEther, Peer::Floor], "a & b");
        assert_eq!(svg.matches("no figure").count(), 3);
        assert!(svg.contains("width=\"280.0\"") && svg.contains("width=\"93.3\""));
        assert!(svg.contains(">300 with 3 of 4<"), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.trim_end().ends_with("</svg>"));
    }
}
