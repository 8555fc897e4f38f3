//! Kumihimo beside its peers: see `conformance/compare`.
//!
//! Prints a Markdown table and draws a chart. Exit status 0 if Kumihimo has its figures, 1 if
//! not, 2 for wrong usage.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kumihimo_conformance::compare::{
    Figures, Metric, Peer, Plan, draw, measure, replace_table, table, where_and_how,
};
use kumihimo_conformance::lab::sweep;

const USAGE: &str = "usage: conformance/compare [softether] [floor] [--rounds N] [--seconds N] \
                     [--minutes N] [--chart FILE] [--update]";
/// Where `--update` writes.
const PAGE: &str = "docs/PERFORMANCE.md";
const CHART: &str = "docs/compare.svg";

struct Wish {
    plan: Plan,
    chart: PathBuf,
    is_update: bool,
    /// When the script began, which built before it measured.
    began: Instant,
    /// The load of the machine then.
    load: String,
    /// What the user typed.
    words: Vec<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(wish) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    sweep(false);
    match compare(&wish) {
        Ok(figures) => {
            let is_there = |metric| figures.summary(Peer::Kumihimo, metric).is_some();
            let all = [Metric::Up, Metric::Down, Metric::CpuUp, Metric::CpuDown, Metric::Dials];
            if all.into_iter().all(is_there) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(wish: &Wish) -> Result<Figures, Box<dyn Error>> {
    let where_and_how = where_and_how(&wish.words, &wish.load);
    let built = wish.began.elapsed().as_secs_f64() / 60.0;
    let figures = measure(&wish.plan);
    let all = wish.began.elapsed().as_secs_f64() / 60.0;
    let how =
        format!("{where_and_how}, in {all:.1} minutes, {built:.1} of them to install and build");
    let table = format!("{}\n\n{how}.", table(&figures, &wish.plan.peers));
    println!("{table}");
    fs::write(&wish.chart, draw(&figures, &wish.plan.peers, &how))?;
    eprintln!("compare: chart in {}", wish.chart.display());
    if wish.is_update {
        let page = fs::read_to_string(PAGE)?;
        let page = replace_table(&page, &table).ok_or(format!("{PAGE} has no place for it"))?;
        fs::write(PAGE, page)?;
        eprintln!("compare: table in {PAGE}");
    }
    Ok(figures)
}

fn parse(words: &[String]) -> Option<Wish> {
    let programs = std::env::current_exe().ok()?.parent().map(Path::to_owned)?;
    let logs = programs.parent()?.join("conformance/compare");
    let mut chart = logs.join("compare.svg");
    let mut peers = vec![Peer::Kumihimo];
    let (mut rounds, mut seconds, mut minutes, mut is_update) = (5, 3, 10, false);
    let (mut began, mut load) = (Instant::now(), "?".to_owned());
    let mut typed = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--began" {
            // The script says it, no user.
            let (at, its) = rest.next()?.split_once(',')?;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
            let since = since.saturating_sub(Duration::from_secs(at.parse().ok()?));
            began = began.checked_sub(since)?;
            load = its.to_owned();
            continue;
        }
        typed.push(word.clone());
        let mut value = || {
            let value = rest.next()?;
            typed.push(value.clone());
            Some(value)
        };
        match word.as_str() {
            "--rounds" => rounds = value()?.parse().ok()?,
            "--seconds" => seconds = value()?.parse().ok()?,
            "--minutes" => minutes = value()?.parse().ok()?,
            "--chart" => chart = PathBuf::from(value()?),
            "--update" => is_update = true,
            name => peers.push(Peer::named(name).filter(|peer| !peers.contains(peer))?),
        }
    }
    if peers.len() == 1 {
        peers = Peer::ALL.to_vec();
    } else if !peers.contains(&Peer::Floor) {
        peers.push(Peer::Floor);
    }
    if is_update {
        chart = PathBuf::from(CHART);
    }
    fs::create_dir_all(&logs).ok()?;
    let end = began + Duration::from_secs(60 * minutes) - LAST;
    let plan = Plan { peers, rounds, seconds, programs, logs, end };
    Some(Wish { plan, chart, is_update, began, load, words: typed })
}

/// For what comes after measuring.
const LAST: Duration = Duration::from_secs(10);
