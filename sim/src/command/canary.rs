//! Plants faults in the core, and shows that the swarm finds each and shrinks it to what a person
//! can read.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kumihimo_core::canary::Fault;
use kumihimo_sim::report;
use kumihimo_sim::run::{Outcome, Plan};
use kumihimo_sim::scenario::{NodeKind, SWARM, named};
use kumihimo_sim::shrink::Shrinker;

use super::options::Options;
use super::read_tape;

/// Looks for the named faults, or for all; whether each was found and shrank. The first word may
/// be `list`, or `replay`, and then tapes follow.
///
/// # Errors
/// If there is no such fault.
pub(super) fn run(options: &Options) -> Result<bool, String> {
    let mut all_found = true;
    match options.words.first().map(String::as_str) {
        None | Some("list") => {
            Fault::ALL.iter().for_each(|(_, name)| println!("{name}"));
            return Ok(true);
        }
        Some("replay") => return replay(options),
        Some(_) => {}
    }
    for word in &options.words {
        let mut chosen = Fault::ALL.iter().filter(|(_, name)| word == "all" || word == name);
        let first = chosen.next().ok_or_else(|| format!("there is no fault `{word}`"))?;
        for (fault, name) in std::iter::once(first).chain(chosen) {
            for &kind in &options.kinds {
                all_found &= find(options, kind, *fault, name)?;
            }
        }
    }
    Ok(all_found)
}

/// Plays tapes of planted faults: with the fault each must fail as it did when it was found.
fn replay(options: &Options) -> Result<bool, String> {
    let mut all_fail = true;
    for file in &options.words[1..] {
        let tape = read_tape(Path::new(file))?;
        let word = |name: &str| tape.head.get(name).map_or("", String::as_str);
        let name = word("canary");
        let fault = Fault::ALL.iter().find(|(_, other)| *other == name);
        let (fault, _) = fault.ok_or_else(|| format!("{file} names no fault"))?;
        plant(*fault);
        let mut plan = Plan::of_tape(&tape)?;
        for &kind in options.kinds_or(&[plan.kind]) {
            plan.kind = kind;
            let outcome = plan.play_tape(&tape, false);
            let check = outcome.failure.as_ref().map(|failure| failure.check.as_str());
            let is_found = check == Some(word("check"));
            all_fail &= is_found;
            println!(
                "{:<5} {name:<28} {:<8} check {}",
                if is_found { "ok" } else { "FAIL" },
                kind.name(),
                check.unwrap_or("none: the tape does not show it any more"),
            );
        }
    }
    Ok(all_fail)
}

fn find(options: &Options, kind: NodeKind, fault: Fault, name: &str) -> Result<bool, String> {
    if let Some((_, why)) = NOT_ON_BOARDS.iter().find(|(other, _)| *other == fault)
        && kind == NodeKind::Embassy
    {
        println!("skip  {name:<28} {:<8} {why}", kind.name());
        return Ok(true);
    }
    plant(fault);
    let shown = SHOWN_BY.iter().find(|(other, _)| *other == fault);
    let scenario = named(shown.map_or(SWARM, |(_, name)| name)).ok_or("there is no swarm")?;
    let plan = Plan::new(scenario, kind);
    let began = Instant::now();
    let count = options.count.map_or(SEEDS_MAX, |count| count as u64);
    let first = options.seed.unwrap_or(1);
    let runs = (first..first + count).map(|seed| plan.play_seed(seed, false));
    let mut failed = (1_u64..).zip(runs).filter(|(_, outcome)| outcome.failure.is_some());
    let Some((seeds, first)) = failed.next() else {
        println!("FAIL  {name:<28} {:<8} not found in {count} seeds", kind.name());
        return Ok(false);
    };
    if options.shrink_secs == 0 {
        println!("ok    {name:<28} {:<8} after {seeds:>3} seeds", kind.name());
        return Ok(true);
    }
    let outcome = choose(first, failed.map(|(_, outcome)| outcome));
    let shrunk = shrink(&plan, &outcome, Duration::from_secs(options.shrink_secs))?;
    let check = shrunk.failure.as_ref().map(|failure| failure.check.as_str());
    let (decisions, events) = (decisions_of(&shrunk), report::events(&shrunk));
    let is_small = decisions < EVENTS_MAX && events < EVENTS_MAX;
    println!(
        "{:<5} {name:<28} {:<8} check {:<16} after {seeds:>3} seeds; shrunk to {events:>2} events, \
         {decisions:>2} decisions  ({:.0} s)",
        if is_small { "ok" } else { "FAIL" },
        kind.name(),
        check.unwrap_or("none"),
        began.elapsed().as_secs_f64(),
    );
    if let Some(folder) = &options.out {
        keep(folder, kind, name, shrunk)?;
    }
    Ok(is_small)
}

/// Of some findings, the one that shrinks best: it is short already, and it fails where the fault
/// shows, not after a long wait for everyone to be well.
fn choose(first: Outcome, others: impl Iterator<Item = Outcome>) -> Outcome {
    let is_late = |outcome: &Outcome| {
        let check = outcome.failure.as_ref().map(|failure| failure.check.as_str());
        matches!(check, Some("converge" | "remains"))
    };
    let mut best = first;
    for (number, other) in (1..FINDINGS).zip(others) {
        let is_better =
            (is_late(&other), decisions_of(&other)) < (is_late(&best), decisions_of(&best));
        if is_better {
            best = other;
        }
        if number >= CANDIDATES && !is_late(&best) {
            break;
        }
    }
    best
}

/// Writes a tape that shows the fault, for [`replay`].
fn keep(folder: &Path, kind: NodeKind, name: &str, shrunk: Outcome) -> Result<(), String> {
    let mut tape = shrunk.tape;
    tape.head.insert("canary".into(), name.into());
    let file = folder.join(format!("canary-{name}-{}.tape", kind.name()));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, tape.emit()));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

/// Decisions of a run that are not the simplest ones.
fn decisions_of(outcome: &Outcome) -> usize {
    outcome.tape.lanes.values().flatten().filter(|&&value| value != 0).count()
}

fn shrink(plan: &Plan, outcome: &Outcome, limit: Duration) -> Result<Outcome, String> {
    let end = Instant::now() + limit;
    let mut goes_on = |progress: &kumihimo_sim::shrink::Progress| {
        (progress.decisions > ENOUGH || progress.count > SHORT) && Instant::now() < end
    };
    let tape = Shrinker::new(plan.clone(), &outcome.tape, &mut goes_on)?.run();
    Ok(plan.play_tape(&tape, true))
}

#[cfg(feature = "canary")]
fn plant(fault: Fault) {
    kumihimo_core::canary::plant(Some(fault));
}

#[cfg(not(feature = "canary"))]
fn plant(_: Fault) {
    eprintln!("sim: this build plants nothing: build with --features canary");
}

/// Faults in what boards do not have.
const NOT_ON_BOARDS: &[(Fault, &str)] = &[
    (Fault::HubIsolationBroken, "a board has one hub"),
    (Fault::DuplicateLease, "a board has no virtual DHCP server"),
    (Fault::FormerAddressOffered, "a board has no virtual DHCP server"),
];
/// What shows a fault if not the first swarm. One harms no one for long, so that a swarm, which
/// waits until all is well, cannot tell it from bad links: a story shows it.
const SHOWN_BY: &[(Fault, &str)] = &[
    (Fault::ClientOpensFirst, "u8-lossy-dial"),
    (Fault::IkeSaStaysCounted, "upheaval"),
    (Fault::FailedDialStaysCounted, "upheaval"),
    (Fault::SessionStaysCounted, "upheaval"),
    (Fault::FormerAddressOffered, "moved-pool"),
    (Fault::LeaseNotGivenBack, "upheaval"),
    (Fault::ReloadNotInForce, "upheaval"),
    (Fault::RenamedHubEnds, "upheaval"),
];
/// Seeds in which a fault must be found.
const SEEDS_MAX: u64 = 500;
/// Findings of which the shortest is shrunk.
const CANDIDATES: usize = 4;
/// And how many are looked at if all of those came late.
const FINDINGS: usize = 20;
/// Events, and decisions that are not 0, of which a shrunk finding must have fewer.
const EVENTS_MAX: usize = 60;
/// A finding with so few decisions is small enough to be read.
const ENOUGH: usize = 20;
/// And if no more than this happens in it, packets included.
const SHORT: u64 = 500;
