//! The commands.

mod canary;
mod dial;
mod jobs;
mod options;
mod progress;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kumihimo_sim::check::switched::SWITCHED_OFF;
use kumihimo_sim::choice::Tape;
use kumihimo_sim::report;
use kumihimo_sim::run::{Outcome, Plan};
use kumihimo_sim::scenario::{NodeKind, SWARM, Scenario, all, named, stories};
use kumihimo_sim::shrink::Shrinker;
use kumihimo_sim::story::why_not;

use options::Options;
use progress::Meter;

/// Carries a command out; whether everything passed.
///
/// # Errors
/// What is wrong with the command.
pub(crate) fn run(words: &[String]) -> Result<bool, String> {
    let Some((command, rest)) = words.split_first() else { return Err(USAGE.into()) };
    if command == "dial" {
        return dial::run(rest);
    }
    let options = Options::parse(rest)?;
    match command.as_str() {
        "run" => one(&options),
        "swarm" if options.jobs > 1 => jobs::swarm(&options),
        "swarm" => swarm(&options),
        "story" => story(&options),
        "replay" => replay(&options),
        "shrink" => shrink(&options),
        "soak" => soak(&options),
        "speed" => speed(&options),
        "canary" => canary::run(&options),
        "list" => {
            for scenario in all() {
                println!("{:<28} {}", scenario.name, scenario.about);
            }
            for off in SWITCHED_OFF {
                println!("{:<28} switched off by {}: {}", off.check, off.row, off.today);
            }
            Ok(true)
        }
        "help" | "-h" | "--help" => {
            println!("{USAGE}");
            Ok(true)
        }
        other => Err(format!("there is no command `{other}`\n{USAGE}")),
    }
}

/// The scenario and the node kinds that are asked for.
fn plans(options: &Options, scenario: Scenario) -> Vec<Plan> {
    options.kinds.iter().map(|&kind| Plan::new(scenario, kind)).collect()
}

fn scenario(options: &Options) -> Result<Scenario, String> {
    let name = options.scenario.as_deref().unwrap_or(SWARM);
    named(name).ok_or_else(|| format!("there is no scenario `{name}`; see `sim list`"))
}

fn one(options: &Options) -> Result<bool, String> {
    let seed = options.seed_or_any();
    let mut passed = true;
    for plan in plans(options, scenario(options)?) {
        let started = Instant::now();
        let outcome = plan.play_seed(seed, true);
        print_line(&plan, &seed.to_string(), &outcome, started.elapsed());
        if options.is_logged {
            print!("{}", report::log(&outcome));
        }
        let again = plan.play_seed(seed, false);
        passed &= is_repeated(&outcome, &again);
        if outcome.failure.is_some() || options.out.is_some() {
            passed &= finish(options, &plan, &outcome, &seed.to_string())?;
        }
    }
    Ok(passed)
}

fn swarm(options: &Options) -> Result<bool, String> {
    let first = options.seed_or_any();
    let count = options.count.ok_or("swarm needs --count")?;
    let mut passed = true;
    for plan in plans(options, scenario(options)?) {
        let mut failed = 0;
        let mut meter = Meter::new(&format!("{} on {}", plan.scenario.name, plan.kind.name()));
        for (index, seed) in (first..=u64::MAX).step_by(options.step).take(count).enumerate() {
            let outcome = plan.play_seed(seed, false);
            meter.show(index as u64 + 1, count as u64, &outcome);
            let twice = (index < options.twice).then(|| plan.play_seed(seed, false));
            let is_same = twice.is_none_or(|twice| is_repeated(&outcome, &twice));
            if outcome.failure.is_some() || !is_same {
                meter.clear();
                failed += 1;
                let recorded = plan.play_seed(seed, true);
                print_line(&plan, &seed.to_string(), &recorded, Duration::ZERO);
                finish(options, &plan, &recorded, &seed.to_string())?;
            }
            if failed >= options.most_failures {
                break;
            }
        }
        meter.finish(failed);
        passed &= failed == 0;
    }
    Ok(passed)
}

fn soak(options: &Options) -> Result<bool, String> {
    let first = options.seed_or_any();
    let minutes = options.minutes.ok_or("soak needs --minutes")?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let all_plans = plans(options, scenario(options)?);
    let mut meter = Meter::new("soak");
    let (mut count, mut failed) = (0, 0);
    for seed in first..=u64::MAX {
        for plan in &all_plans {
            let outcome = plan.play_seed(seed, false);
            count += 1;
            meter.show(count, 0, &outcome);
            if outcome.failure.is_some() {
                meter.clear();
                failed += 1;
                let recorded = plan.play_seed(seed, true);
                print_line(plan, &seed.to_string(), &recorded, Duration::ZERO);
                finish(options, plan, &recorded, &seed.to_string())?;
            }
        }
        if Instant::now() >= end || failed >= options.most_failures {
            break;
        }
    }
    meter.finish(failed);
    Ok(failed == 0)
}

/// How fast worlds of different sizes run, by the scenarios that are there for it.
fn speed(options: &Options) -> Result<bool, String> {
    let mut passed = true;
    for scenario in all().filter(|scenario| scenario.name.starts_with("speed-")) {
        for plan in plans(options, scenario) {
            let started = Instant::now();
            let outcome = plan.play_seed(options.seed.unwrap_or(1), false);
            let took = started.elapsed().as_secs_f64();
            let span = outcome.span.as_micros() as f64 / 1e6;
            println!(
                "{:<12} {:<8} {span:>8.0} virtual s in {took:>6.2} s: {:>8.0} a second, {} events",
                scenario.name,
                plan.kind.name(),
                span / took,
                outcome.count,
            );
            if let Some(failure) = &outcome.failure {
                println!("      {failure}");
                passed = false;
            }
        }
    }
    Ok(passed)
}

fn story(options: &Options) -> Result<bool, String> {
    let name = options.word.as_deref().ok_or("which story? see `sim list`; `all` for all")?;
    let chosen: Vec<Scenario> = match name {
        "all" => stories().collect(),
        name => vec![named(name).ok_or_else(|| format!("there is no story `{name}`"))?],
    };
    let mut failed = 0;
    for plan in chosen.into_iter().flat_map(|scenario| plans(options, scenario)) {
        if is_skipped(&plan) {
            continue;
        }
        let seed = options.seed.unwrap_or(1);
        let started = Instant::now();
        let outcome = plan.play_seed(seed, true);
        print_line(&plan, &seed.to_string(), &outcome, started.elapsed());
        if options.is_logged {
            print!("{}", report::log(&outcome));
        }
        if outcome.failure.is_some() || options.out.is_some() {
            let passed = finish(options, &plan, &outcome, &seed.to_string())?;
            failed += u32::from(!passed);
        }
    }
    Ok(failed == 0)
}

fn replay(options: &Options) -> Result<bool, String> {
    let mut passed = true;
    for file in options.files()? {
        let tape = read_tape(&file)?;
        let mut plan = Plan::of_tape(&tape)?;
        for &kind in options.kinds_or(&[plan.kind]) {
            plan.kind = kind;
            if is_skipped(&plan) {
                continue;
            }
            let started = Instant::now();
            let outcome = plan.play_tape(&tape, true);
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            print_line(&plan, &name, &outcome, started.elapsed());
            passed &= is_repeated(&outcome, &plan.play_tape(&tape, false));
            if options.is_logged {
                print!("{}", report::log(&outcome));
            }
            if outcome.failure.is_some() || options.out.is_some() {
                passed &= finish(options, &plan, &outcome, &name)?;
            }
        }
    }
    Ok(passed)
}

fn shrink(options: &Options) -> Result<bool, String> {
    for file in options.files()? {
        let tape = read_tape(&file)?;
        let plan = Plan::of_tape(&tape)?;
        let shrunk = shrunk(&plan, &tape, options.minutes.map_or(600, |minutes| minutes * 60))?;
        let to = options.out.clone().unwrap_or_else(|| file.with_extension("shrunk"));
        let outcome = plan.play_tape(&shrunk, true);
        write_out(&to, &outcome)?;
        print!("{}", report::tell(&outcome));
        println!("{}", what_is_where(&to));
    }
    Ok(true)
}

fn shrunk(plan: &Plan, tape: &Tape, seconds: u64) -> Result<Tape, String> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut meter = Meter::new("shrinking");
    let mut goes_on = |progress: &kumihimo_sim::shrink::Progress| {
        meter.say(&format!(
            "{} runs, {} decisions left, {} events",
            progress.runs, progress.decisions, progress.count
        ));
        Instant::now() < end
    };
    let shrunk = Shrinker::new(plan.clone(), tape, &mut goes_on)?.run();
    meter.clear();
    Ok(shrunk)
}

/// Whether a scenario is not for this kind of node; says why.
fn is_skipped(plan: &Plan) -> bool {
    let why = why_not(plan.scenario.name, plan.kind);
    if let Some(why) = why {
        println!("{:<5} {:<24} {:<8} {why}", "skip", plan.scenario.name, plan.kind.name());
    }
    why.is_some()
}

/// One run in one line.
fn print_line(plan: &Plan, name: &str, outcome: &Outcome, took: Duration) {
    let verdict = if outcome.failure.is_some() { "FAIL" } else { "ok" };
    println!(
        "{verdict:<5} {:<24} {:<8} {name:<12} {:>10.1} s {:>9} events  {:016x}  ({:.2} s)",
        plan.scenario.name,
        plan.kind.name(),
        outcome.span.as_micros() as f64 / 1e6,
        outcome.count,
        outcome.hash,
        took.as_secs_f64(),
    );
    if let Some(failure) = &outcome.failure {
        println!("      {failure}");
    }
}

/// Writes what a person needs; whether the run passed.
fn finish(options: &Options, plan: &Plan, outcome: &Outcome, name: &str) -> Result<bool, String> {
    let folder = format!("{}-{}-{name}", plan.scenario.name, plan.kind.name());
    let folder = options.out.clone().unwrap_or_else(output_root).join(folder);
    write_out(&folder, outcome)?;
    println!("{}", what_is_where(&folder));
    let Some(_) = &outcome.failure else { return Ok(true) };
    if options.shrinks {
        let tape = shrunk(plan, &outcome.tape, options.shrink_secs)?;
        let outcome = plan.play_tape(&tape, true);
        write_out(&folder.join("shrunk"), &outcome)?;
        print!("{}", report::tell(&outcome));
        println!("{}", what_is_where(&folder.join("shrunk")));
    }
    Ok(false)
}

fn write_out(folder: &Path, outcome: &Outcome) -> Result<(), String> {
    report::write(folder, outcome).map_err(|error| format!("{}: {error}", folder.display()))
}

fn what_is_where(folder: &Path) -> String {
    format!("      {}: timeline.html story.txt log.txt run.tape *.pcapng", folder.display())
}

/// `sim` in the folder that cargo builds in.
fn output_root() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    PathBuf::from(target).join("sim")
}

/// Two runs of the same decisions must be the same.
fn is_repeated(first: &Outcome, second: &Outcome) -> bool {
    let is_same = first.hash == second.hash;
    if !is_same {
        println!(
            "      NOT REPEATED: trace {:016x} of {} events, and then {:016x} of {}",
            first.hash, first.count, second.hash, second.count
        );
    }
    is_same
}

fn read_tape(file: &Path) -> Result<Tape, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Tape::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

const USAGE: &str = "\
usage: sim run [--seed N]             one run, recorded
       sim swarm --count N [--seed N] runs with the seeds from N on
       sim story NAME | all           a story, or all of them
       sim replay FILE…               tapes
       sim shrink FILE…               makes failing tapes simpler
       sim soak --minutes N           as many runs as there is time for
       sim speed                      how fast worlds of different sizes run
       sim canary FAULT | all | list  plants a fault, finds and shrinks it (--features canary)
       sim list                       what can be played
       sim dial --server ADDRESS …    the clients dial a real server; `sim dial` tells more
options: --node core|std|embassy|all  what drives the core
         --scenario NAME              instead of the swarm
         --jobs N                     processes that share a swarm
         --twice N                    makes the first N runs of a swarm twice
         --failures N                 stops a swarm or a soak after so many (3)
         --log                        prints the log
         --out FOLDER                 where to write; also for runs that passed
         --shrink                     shrinks what fails, for at most --shrink-secs N (120)";
