//! Rules of the source tree, for group `lint` of the conformance suite.
//!
//! `tree tidy | layers [--draw] | licences`, in the project's root folder. Prints what breaks a
//! rule. Exit status 0 when nothing does, 1 when something does, 2 for anything it was not asked
//! rightly.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use kumihimo_conformance::source::Finding;
use kumihimo_conformance::{layers, licences, tidy};

const USAGE: &str = "usage: tree tidy | layers [--draw] | licences";
const DOCUMENT: &str = "docs/ARCHITECTURE.md";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["tidy"] => tidy::check(Path::new(".")).map_err(|e| e.to_string()),
        ["layers"] => layers::check(Path::new(".")).map_err(|e| e.to_string()),
        ["layers", "--draw"] => draw().map(|()| Vec::new()),
        ["licences"] => licences(),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(findings) => report(&findings),
        Err(why) => {
            eprintln!("tree: {why}");
            ExitCode::from(2)
        }
    }
}

fn report(findings: &[Finding]) -> ExitCode {
    for finding in findings {
        println!("{finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn draw() -> Result<(), String> {
    let document = read(DOCUMENT)?;
    let drawn = layers::redraw(&document).ok_or(format!("{DOCUMENT} has no place for it"))?;
    fs::write(DOCUMENT, drawn).map_err(|e| format!("{DOCUMENT}: {e}"))
}

fn licences() -> Result<Vec<Finding>, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--all-features", "--target", "all", "--locked"])
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}|{l}"])
        .output()
        .map_err(|e| format!("cargo tree: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let allowed = licences::allowed(&read("deny.toml")?);
    let tree = String::from_utf8_lossy(&output.stdout);
    let (count, mut findings) = licences::check_licences(&tree, &allowed);
    findings.extend(licences::check_sources(&read("Cargo.lock")?));
    println!("{count} packages looked at");
    Ok(findings)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}
