//! Counts the instructions of `core/benches/instructions` and compares them with the ceilings.
//!
//! `ceilings [--update] [WORD…]`, in the project's root folder; a case runs if its name holds one
//! of the words. With `--update` the counts become the ceilings of this compiler. Prints cases
//! and a summary like the groups of `conformance/run`. Exit status 0 if all passed, 1 if not.
//!
//! A case is counted inside one function only, in one thread, with seeds that never change, so
//! that the same binary gives the same count every time and on every machine: callgrind shows
//! programs one processor (with AES-NI, PCLMULQDQ and AVX2, without SHA and VAES), whatever the
//! real one has, as long as that has AVX2.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, thread};

use kumihimo_conformance::ceilings::{FILE, Table, total_of};
use kumihimo_conformance::proc;

/// What callgrind can only show a program if the machine has it.
const FLAGS: &[&str] = &["aes", "pclmulqdq", "sse4_2", "avx2", "bmi2"];
/// The cases through which every packet goes.
const PLANTED: &[&str] = &["l2tp-ppp-in", "l2tp-ppp-out"];
const PLANTED_CASE: &str = "planted-copy-is-caught";

/// How a case ended, and its figure.
enum Ended {
    Passed(String),
    Failed(String),
    Skipped(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let update = words.iter().any(|word| word == "--update");
    let words: Vec<String> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
    match run(update, &words) {
        Ok([passed, failed, skipped]) => {
            println!("ceilings: {passed} passed, {failed} failed, {skipped} skipped");
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            println!("FAIL  ceilings {why}");
            println!("ceilings: 0 passed, 1 failed, 0 skipped");
            ExitCode::FAILURE
        }
    }
}

fn run(update: bool, words: &[String]) -> Result<[u32; 3], String> {
    let mut sums = [0; 3];
    let mut note = |case: &str, ended: Ended| {
        let (at, word, figure) = match ended {
            Ended::Passed(figure) => (0, "ok   ", figure),
            Ended::Failed(figure) => (1, "FAIL ", figure),
            Ended::Skipped(figure) => (2, "skip ", figure),
        };
        sums[at] += 1;
        println!("{word} ceilings::{case:<24} {figure}");
    };
    let is_wanted = |name: &str| {
        words.is_empty() || words.iter().any(|word| format!("ceilings::{name}").contains(word))
    };
    let program = build(&[])?;
    let all = cases(&program)?;
    let wanted: Vec<String> = all.iter().filter(|name| is_wanted(name)).cloned().collect();
    if wanted.is_empty() && !is_wanted(PLANTED_CASE) {
        return Ok(sums);
    }
    if let Some(why) = unfit_machine() {
        note("instructions", Ended::Skipped(why));
        return Ok(sums);
    }
    let compiler = compiler()?;
    let text = fs::read_to_string(FILE).map_err(|e| format!("{FILE}: {e}"))?;
    let mut table = Table::parse(&text).map_err(|e| format!("{FILE}: {e}"))?;
    for (case, count) in wanted.iter().zip(count_all(&program, &wanted)) {
        if let (true, Ok(count)) = (update, &count) {
            table.set(case, &compiler, *count);
        }
        note(case, judge(&table, case, &compiler, count));
    }
    if update {
        table.keep(&all);
        fs::write(FILE, table.text()).map_err(|e| format!("{FILE}: {e}"))?;
    }
    if is_wanted(PLANTED_CASE) {
        note(PLANTED_CASE, planted(&table, &compiler)?);
    }
    Ok(sums)
}

fn judge(table: &Table, case: &str, compiler: &str, count: Result<u64, String>) -> Ended {
    let count = match count {
        Ok(count) => count,
        Err(why) => return Ended::Failed(why),
    };
    let Some(ceiling) = table.ceiling(case, compiler) else {
        return Ended::Failed(format!("{count} instructions, no ceiling: ceilings --update"));
    };
    let change = count as f64 / ceiling.measured as f64 * 100.0 - 100.0;
    let other = ceiling.other_compiler.map_or(String::new(), |other| {
        format!(" of rustc {other}, for there is none of rustc {compiler}")
    });
    let figure =
        format!("{count} instructions, {change:+.2} %, ceiling {:.0}{other}", ceiling.most);
    if count as f64 > ceiling.most { Ended::Failed(figure) } else { Ended::Passed(figure) }
}

/// Builds with one more copy for each packet, which must not pass.
fn planted(table: &Table, compiler: &str) -> Result<Ended, String> {
    let program = build(&["--features", "planted-copy"])?;
    let cases: Vec<String> = PLANTED.iter().map(|case| (*case).to_owned()).collect();
    let mut figures = Vec::new();
    let mut caught = true;
    for (case, count) in cases.iter().zip(count_all(&program, &cases)) {
        match judge(table, case, compiler, count) {
            Ended::Failed(figure) => figures.push(format!("{case}: {figure}")),
            Ended::Passed(figure) | Ended::Skipped(figure) => {
                caught = false;
                figures.push(format!("{case} was not: {figure}"));
            }
        }
    }
    let figure = figures.join("; ");
    Ok(if caught { Ended::Passed(figure) } else { Ended::Failed(figure) })
}

/// Builds the program that is counted and returns its path.
fn build(options: &[&str]) -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--message-format", "json"])
        .args(["--package", "kumihimo-core", "--bench", "instructions"])
        .args(options)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().rev().filter(|line| line.contains("\"instructions\""));
    let path = lines.find_map(|line| line.split_once("\"executable\":\"")?.1.split_once('"'));
    match path {
        Some((path, _)) if output.status.success() => Ok(PathBuf::from(path)),
        _ => Err("core/benches/instructions does not build".to_owned()),
    }
}

fn cases(program: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(program).output().map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Two at a time: counts do not mind company.
fn count_all(program: &Path, cases: &[String]) -> Vec<Result<u64, String>> {
    let mut counts = Vec::new();
    for pair in cases.chunks(2) {
        thread::scope(|scope| {
            let started: Vec<_> =
                pair.iter().map(|case| scope.spawn(move || count(program, case))).collect();
            counts.extend(started.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err("the harness panicked".to_owned()))
            }));
        });
    }
    counts
}

/// Instructions of one operation.
fn count(program: &Path, case: &str) -> Result<u64, String> {
    let out = program.with_file_name(format!("callgrind-{}-{case}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=instructions::counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg(case)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let counted = fs::read_to_string(&out).unwrap_or_default();
    // Nothing else needs it.
    let _ = fs::remove_file(&out);
    let operations: Option<u64> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    match (total_of(&counted), operations) {
        (Some(total), Some(operations)) if total > 0 && operations > 0 => Ok(total / operations),
        _ => Err(format!("not counted: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Why nothing can be counted here.
fn unfit_machine() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some("counts are those of x86-64".to_owned());
    }
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = proc::field(&text, "flags").unwrap_or_default();
    let missing = FLAGS.iter().find(|flag| !flags.split_whitespace().any(|have| have == **flag))?;
    Some(format!("this processor has no {missing}, so other code would run"))
}

/// The version of the compiler that cargo uses.
fn compiler() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("--version").output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().nth(1).map(str::to_owned).ok_or_else(|| "rustc --version".to_owned())
}
