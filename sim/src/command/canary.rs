//! Plants faults in the core, and shows that the swarm finds each and shrinks it.

use std::time::{Duration, Instant};

use kumihimo_core::canary::Fault;
use kumihimo_sim::run::{Outcome, Plan};
use kumihimo_sim::scenario::{NodeKind, SWARM, named};
use kumihimo_sim::shrink::Shrinker;

use super::options::Options;

/// Looks for the named faults, or for all; whether each was found and shrank.
///
/// # Errors
/// If there is no such fault.
pub(super) fn run(options: &Options) -> Result<bool, String> {
    let mut all_found = true;
    if options.words.is_empty() || options.words == ["list"] {
        Fault::ALL.iter().for_each(|(_, name)| println!("{name}"));
        return Ok(true);
    }
    for word in &options.words {
        let mut chosen = Fault::ALL.iter().filter(|(_, name)| word == "all" || word == name);
        let first = chosen.next().ok_or_else(|| format!("there is no fault `{word}`"))?;
        for (fault, name) in std::iter::once(first).chain(chosen) {
            all_found &= find(options, *fault, name)?;
        }
    }
    Ok(all_found)
}

fn find(options: &Options, fault: Fault, name: &str) -> Result<bool, String> {
    plant(fault);
    let scenario = named(SWARM).ok_or("there is no swarm")?;
    let kind = options.kinds.first().copied().unwrap_or(NodeKind::Core);
    let plan = Plan::new(scenario, kind);
    let began = Instant::now();
    let count = options.count.map_or(SEEDS_MAX, |count| count as u64);
    let first = options.seed.unwrap_or(1);
    let runs = (first..first + count).map(|seed| plan.play_seed(seed, false));
    let failed = (1_u64..).zip(runs).filter(|(_, outcome)| outcome.failure.is_some());
    // What is short already shrinks faster.
    let candidates = failed.take(CANDIDATES).collect::<Vec<_>>();
    let seeds = candidates.first().map_or(0, |(seeds, _)| *seeds);
    let shortest = candidates.into_iter().min_by_key(|(_, outcome)| decisions_of(outcome));
    let Some((_, outcome)) = shortest else {
        println!("FAIL  {name:<28} not found in {count} seeds");
        return Ok(false);
    };
    let shrunk = shrink(&plan, &outcome, Duration::from_secs(options.shrink_secs))?;
    let check = shrunk.failure.as_ref().map(|failure| failure.check.as_str());
    let decisions = decisions_of(&shrunk);
    let is_small = decisions < DECISIONS_MAX;
    println!(
        "{:<5} {name:<28} check {:<16} after {seeds:>3} seeds; shrunk to {decisions} decisions, {} \
         happenings  ({:.0} s)",
        if is_small { "ok" } else { "FAIL" },
        check.unwrap_or("none"),
        shrunk.count,
        began.elapsed().as_secs_f64(),
    );
    Ok(is_small)
}

fn decisions_of(outcome: &Outcome) -> usize {
    outcome.tape.lanes.values().flatten().filter(|&&value| value != 0).count()
}

fn shrink(plan: &Plan, outcome: &Outcome, limit: Duration) -> Result<Outcome, String> {
    let end = Instant::now() + limit;
    let mut goes_on = |progress: &kumihimo_sim::shrink::Progress| {
        progress.decisions > ENOUGH && Instant::now() < end
    };
    let tape = Shrinker::new(plan.clone(), &outcome.tape, &mut goes_on)?.run();
    Ok(plan.play_tape(&tape, false))
}

#[cfg(feature = "canary")]
fn plant(fault: Fault) {
    kumihimo_core::canary::plant(Some(fault));
}

#[cfg(not(feature = "canary"))]
fn plant(_: Fault) {
    eprintln!("sim: this build plants nothing: build with --features canary");
}

/// Seeds in which a fault must be found.
const SEEDS_MAX: u64 = 500;
/// Findings of which the shortest is shrunk.
const CANDIDATES: usize = 4;
/// Decisions that are not 0, to which a finding must shrink.
const DECISIONS_MAX: usize = 60;
/// A finding this small is small enough to be read.
const ENOUGH: usize = 30;
