//! Kumihimo beside its peers: see `conformance/compare`.
//!
//! `compare [PEER…] [--rounds N] [--seconds N] [--chart FILE]`. Prints a Markdown table. Exit
//! status 0 if Kumihimo has its figures, 1 if not, 2 for wrong usage.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kumihimo_conformance::compare::{Metric, Peer, Plan, draw, measure, table, where_and_how};
use kumihimo_conformance::lab::sweep;

const USAGE: &str =
    "usage: conformance/compare [softether] [floor] [--rounds N] [--seconds N] [--chart FILE]";
/// All turns begin within this time; with the building of a clean clone that makes ten minutes.
const TIME: Duration = Duration::from_secs(400);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((plan, chart)) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    sweep(false);
    let how = where_and_how(&words);
    let figures = measure(&plan);
    println!("{}\n\n{how}", table(&figures, &plan.peers));
    let drawn = draw(&figures, &plan.peers, &how);
    if let Err(error) = std::fs::write(&chart, drawn) {
        eprintln!("compare: {}: {error}", chart.display());
        return ExitCode::FAILURE;
    }
    eprintln!("compare: chart in {}", chart.display());
    let is_there = |metric| figures.summary(Peer::Kumihimo, metric).is_some();
    let all = [Metric::Up, Metric::Down, Metric::CpuUp, Metric::CpuDown, Metric::Dials];
    if all.into_iter().all(is_there) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(words: &[String]) -> Option<(Plan, PathBuf)> {
    let programs = std::env::current_exe().ok()?.parent().map(Path::to_owned)?;
    let logs = programs.parent()?.join("conformance/compare");
    let mut chart = logs.join("compare.svg");
    let mut peers = vec![Peer::Kumihimo];
    let (mut rounds, mut seconds) = (2, 3);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--rounds" => rounds = rest.next()?.parse().ok()?,
            "--seconds" => seconds = rest.next()?.parse().ok()?,
            "--chart" => chart = PathBuf::from(rest.next()?),
            name => peers.push(Peer::named(name).filter(|peer| !peers.contains(peer))?),
        }
    }
    if peers.len() == 1 {
        peers = Peer::ALL.to_vec();
    } else if !peers.contains(&Peer::Floor) {
        peers.push(Peer::Floor);
    }
    std::fs::create_dir_all(&logs).ok()?;
    let end = Instant::now() + TIME;
    Some((Plan { peers, rounds, seconds, programs, logs, end }, chart))
}
