//! Rules of the source tree that no compiler knows: lengths, places, randomness, secrets.
//!
//! Every rule is a plain count or a search in code with comments and literals blanked out. It
//! may miss what is written to evade it; it is here for what slips in.

use std::path::Path;

use crate::source::{self, File, Finding};

const FILE_LINES_MAX: usize = 800;
const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;

/// The only folders with `unsafe` code.
const UNSAFE_FOLDERS: &[&str] = &[
    "runtime-std/src/sys/",
    "runtime-embassy/boards/nucleo-h753zi/src/sys/",
    "runtime-embassy/boards/qemu-mps2/src/sys/",
    "runtime-embassy/boards/w5500-evb-pico2/src/sys/",
];
/// The only file of the core that may name a random generator.
const RNG_FILE: &str = "core/src/crypto/rng.rs";
/// Crates that make random numbers, as code names them.
const RNG_WORDS: &[&str] = &["chacha20", "getrandom", "rand", "rand_core", "thread_rng"];
/// Places of one machine, written so that this file does not name them itself.
const LOCAL_PLACES: &[&str] = &[
    concat!("/", "work/"),
    concat!("..", "/shared"),
    concat!("/", "root/"),
    concat!("/", "home/"),
];
/// Where secrets are real; elsewhere they are those of tests.
const SECRET_FOLDERS: &[&str] = &["core/src/", "runtime-std/src/", "runtime-embassy/src/"];
/// Fields that hold secrets. As plain octets they must not be printable.
const SECRET_FIELDS: &[&str] =
    &["nt_hash", "passphrase", "password", "private", "psk", "secret", "shared_secret", "skeyid"];

/// Everything untidy below `root`.
pub fn check(root: &Path) -> std::io::Result<Vec<Finding>> {
    Ok(source::files(root)?.iter().flat_map(check_file).collect())
}

/// Everything untidy in one file.
pub fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = lengths(file);
    findings.extend(local_places(file));
    if file.is_rust() {
        let code = source::code_of(&file.text);
        findings.extend(long_functions(file, &code));
        findings.extend(forbidden_words(file, &code));
        if SECRET_FOLDERS.iter().any(|folder| file.path.starts_with(folder)) {
            findings.extend(printable_secrets(file, &code));
        }
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn finding(file: &File, line: usize, what: String) -> Finding {
    Finding { path: file.path.clone(), line, what }
}

fn lengths(file: &File) -> Vec<Finding> {
    if !(file.is_rust() || file.path.ends_with(".sh") || file.text.starts_with("#!")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(finding(file, lines, format!("{lines} lines, limit {FILE_LINES_MAX}")));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        let len = line.chars().count();
        // An address is not wrapped.
        if len > LINE_CHARS_MAX && !line.contains("https://") {
            let what = format!("{len} characters in a line, limit {LINE_CHARS_MAX}");
            findings.push(finding(file, number, what));
        }
    }
    findings
}

fn local_places(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for place in LOCAL_PLACES {
            let stands_alone = line.match_indices(place).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| source::is_word(c) || c == '.' || c == '}')
            });
            if stands_alone {
                findings.push(finding(file, number, format!("names a local place, {place}")));
            }
        }
    }
    findings
}

fn long_functions(file: &File, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, word) in source::words(code) {
        if word != "fn" {
            continue;
        }
        let Some((start, name)) = source::words(&code[at + 2..]).next() else { continue };
        // A type like `fn(u8)` has no name right behind the word.
        if !code[at + 2..at + 2 + start].trim().is_empty() {
            continue;
        }
        let Some(open) = body_of(code, at) else { continue };
        let end = source::end_of_bracket(code, open);
        let lines = code[at..end].matches('\n').count() + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("fn {name} has {lines} lines, limit {FUNCTION_LINES_MAX}");
            findings.push(finding(file, source::line_at(code, at), what));
        }
    }
    findings
}

/// Where the body of the function at `at` begins; `None` for one without.
fn body_of(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (n, c) in code[at..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' if depth == 0 => return Some(at + n),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn forbidden_words(file: &File, code: &str) -> Vec<Finding> {
    let may_be_unsafe = UNSAFE_FOLDERS.iter().any(|folder| file.path.starts_with(folder));
    let may_be_random = !file.path.starts_with("core/src/") || file.path == RNG_FILE;
    let mut findings = Vec::new();
    for (at, word) in source::words(code) {
        if word == "unsafe" && !may_be_unsafe {
            let what = "unsafe code outside the folders for it".to_owned();
            findings.push(finding(file, source::line_at(code, at), what));
        }
        if RNG_WORDS.contains(&word) && !may_be_random {
            let what = format!("names {word}: randomness comes from {RNG_FILE} alone");
            findings.push(finding(file, source::line_at(code, at), what));
        }
    }
    findings
}

/// Types that derive `Debug` and hold a secret as plain octets or text.
fn printable_secrets(file: &File, code: &str) -> Vec<Finding> {
    let tests = source::test_ranges(code);
    let in_test =
        |at: &usize| file.path.contains("tests") || tests.iter().any(|range| range.contains(at));
    let mut findings = Vec::new();
    for (at, _) in code.match_indices("#[derive(").filter(|(at, _)| !in_test(at)) {
        let end_of_derive = source::end_of_bracket(code, at + 1);
        if !source::words(&code[at..end_of_derive]).any(|(_, word)| word == "Debug") {
            continue;
        }
        let Some(open) = body_of(code, end_of_derive) else { continue };
        let end = source::end_of_bracket(code, open);
        for (start, word) in source::words(&code[open..end]) {
            let start = open + start;
            let rest = code[start + word.len()..end].trim_start();
            if SECRET_FIELDS.contains(&word) && is_plain_field(rest) {
                let what = format!("derives Debug over the secret field {word}: use Secret");
                findings.push(finding(file, source::line_at(code, start), what));
            }
        }
    }
    findings
}

/// Whether `rest`, behind a field's name, gives it a type that prints what it holds.
fn is_plain_field(rest: &str) -> bool {
    let Some(kind) = rest.strip_prefix(':') else { return false };
    let kind = kind.split(',').next().unwrap_or(kind);
    ["[u8", "Vec<u8", "String", "str"].iter().any(|plain| kind.contains(plain))
}

#[cfg(test)]
mod tests;
