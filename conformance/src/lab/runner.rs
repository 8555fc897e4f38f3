//! Runs cases side by side within the machine's means and reports each as it ends.
//!
//! A case that fails is run a second time, unless asked not to: guests and servers share few
//! cores, and what a starved guest loses is no fault of the server. Nothing of that is silent:
//! the first failure is reported, its logs stay, and the summary names the case.

use std::fs;
use std::panic;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::account::{self, Machine};
use crate::lab::{Case, Failure, Lab, Options, Outcome, Weight};

const HEARTBEAT: Duration = Duration::from_secs(30);
/// Lines of a log that are shown when a case failed.
const TAIL: usize = 15;

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Cases that passed only when they were repeated.
    repeated: Vec<&'static str>,
    /// Cases that passed with a dial that took long, and how many seconds it took.
    slow: Vec<(&'static str, f64)>,
}

struct Board {
    waiting: Vec<(usize, Case)>,
    running: Vec<(&'static str, Instant)>,
    free: usize,
    tally: Tally,
}

/// Runs the cases and prints the summary of their group; true when none failed.
pub fn run_cases(options: &Options, cases: &[Case]) -> bool {
    let board = Mutex::new(Board {
        // Long ones first, so that no long one is left for the end.
        waiting: ordered(cases),
        running: Vec::new(),
        free: options.jobs.max(1),
        tally: Tally::default(),
    });
    let changed = Condvar::new();
    let group = options.group;
    println!(
        "{group}: {} cases against {}, logs in {}",
        cases.len(),
        options.kind,
        options.logs.display()
    );
    thread::scope(|scope| {
        let mut board_now = lock(&board);
        loop {
            let free = board_now.free;
            let fits = board_now.waiting.iter().position(|(_, case)| need(case, options) <= free);
            if let Some(index) = fits {
                let (number, case) = board_now.waiting.remove(index);
                board_now.free -= need(&case, options);
                board_now.running.push((case.name, Instant::now()));
                let (board, changed) = (&board, &changed);
                scope.spawn(move || {
                    let started = Instant::now();
                    let mut machine = Machine::now();
                    let mut outcome = run_one(options, &case, number);
                    let repeated = options.repeat && matches!(outcome, Err(Failure::Failed(_)));
                    if repeated {
                        report_first(options, &case, &outcome, started.elapsed(), &machine);
                        machine = Machine::now();
                        outcome = run_one(options, &case, number);
                    }
                    let mut board = lock(board);
                    if repeated && outcome.is_ok() {
                        board.tally.repeated.push(case.name);
                    }
                    let took = started.elapsed();
                    report(options, &case, &outcome, took, &machine, &mut board.tally);
                    board.running.retain(|(name, _)| *name != case.name);
                    board.free += need(&case, options);
                    changed.notify_all();
                });
                continue;
            }
            if board_now.waiting.is_empty() && board_now.running.is_empty() {
                break;
            }
            let (board_after, waited) =
                changed.wait_timeout(board_now, HEARTBEAT).unwrap_or_else(PoisonError::into_inner);
            board_now = board_after;
            if waited.timed_out() {
                heartbeat(&board_now);
            }
        }
    });
    let tally = board.into_inner().unwrap_or_else(PoisonError::into_inner).tally;
    print_summary(group, &tally);
    tally.failed == 0
}

fn print_summary(group: &str, tally: &Tally) {
    if !tally.repeated.is_empty() {
        println!("{group}: passed only the second time: {}", tally.repeated.join(", "));
    }
    if !tally.slow.is_empty() {
        let slow = tally.slow.iter().map(|(name, seconds)| format!("{name} ({seconds:.1} s)"));
        let slow: Vec<_> = slow.collect();
        println!("{group}: passed with a slow dial, logs kept: {}", slow.join(", "));
    }
    println!(
        "{group}: {} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
}

fn ordered(cases: &[Case]) -> Vec<(usize, Case)> {
    let mut ordered: Vec<_> = cases.iter().copied().enumerate().collect();
    ordered.sort_by_key(|(_, case)| std::cmp::Reverse(case.limit));
    ordered
}

fn need(case: &Case, options: &Options) -> usize {
    let units = match case.weight {
        Weight::Light => 1,
        Weight::Heavy => 2,
        Weight::Alone => usize::MAX,
    };
    units.min(options.jobs.max(1))
}

fn run_one(options: &Options, case: &Case, number: usize) -> Outcome<String> {
    let lab = Lab::new(options, case, number)?;
    // A bug in one case must not take the others' results along.
    panic::catch_unwind(|| (case.run)(&lab))
        .unwrap_or_else(|_| Err(Failure::failed("the case itself panicked")))
}

fn report(
    options: &Options,
    case: &Case,
    outcome: &Outcome<String>,
    took: Duration,
    machine: &Machine,
    tally: &mut Tally,
) {
    let seconds = took.as_secs_f32();
    let folder = options.logs.join(case.name);
    match outcome {
        Ok(figure) => {
            tally.passed += 1;
            println!("ok    {:<24} {figure} ({seconds:.1} s)", case.name);
            let slow = account::slowest_dial(&folder).filter(|took| *took > options.slow_dial);
            if let Some(slow) = slow {
                tally.slow.push((case.name, slow.as_secs_f64()));
            }
            if !options.keep && slow.is_none() {
                // What stays behind is only in the way.
                let _ = fs::remove_dir_all(&folder);
            }
        }
        Err(Failure::Skipped(why)) => {
            tally.skipped += 1;
            println!("skip  {:<24} {why}", case.name);
        }
        Err(Failure::Failed(why)) => {
            tally.failed += 1;
            show_failure("FAIL", case, why, seconds, &folder, machine);
        }
    }
}

/// Reports a failure after which the case is run once more; its logs move out of the way.
fn report_first(
    options: &Options,
    case: &Case,
    outcome: &Outcome<String>,
    took: Duration,
    machine: &Machine,
) {
    let Err(Failure::Failed(why)) = outcome else { return };
    let kept = options.logs.join(format!("{}.first", case.name));
    let _ = fs::remove_dir_all(&kept);
    // Without logs the failure is still told.
    let _ = fs::rename(options.logs.join(case.name), &kept);
    show_failure("again", case, why, took.as_secs_f32(), &kept, machine);
}

fn show_failure(
    word: &str,
    case: &Case,
    why: &str,
    seconds: f32,
    folder: &Path,
    machine: &Machine,
) {
    let mut lines = why.trim_end().lines();
    println!("{word:<5} {:<24} {} ({seconds:.1} s)", case.name, lines.next().unwrap_or(""));
    lines.for_each(|line| println!("      {line}"));
    println!("      logs: {}", folder.display());
    show_tail(folder, "server.log");
    for line in account::of(folder).into_iter().chain([machine.since()]) {
        println!("      account: {line}");
    }
}

fn show_tail(folder: &Path, log: &str) {
    let Ok(bytes) = fs::read(folder.join(log)) else { return };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        println!("      {log}: {line}");
    }
}

fn heartbeat(board: &Board) {
    let running: Vec<String> = board
        .running
        .iter()
        .map(|(name, since)| format!("{name} {} s", since.elapsed().as_secs()))
        .collect();
    println!("…     running: {}; {} waiting", running.join(", "), board.waiting.len());
}

fn lock<'a>(board: &'a Mutex<Board>) -> std::sync::MutexGuard<'a, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
