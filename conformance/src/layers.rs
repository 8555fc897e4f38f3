//! Which module of the core may use which, and what the source says about it.
//!
//! The compiler would let any module of a crate use any other. The tables here are the rule, and
//! `docs/ARCHITECTURE.md` shows them as [`picture`] draws them. Paths are found in code with
//! comments and literals blanked out: `crate::…`, groups of them, and `super::…` as far as it
//! leaves a top-level module.

use std::collections::BTreeSet;
use std::path::Path;

use crate::source::{self, File, Finding};

/// One floor of the core: its modules may use every floor below it.
#[derive(Debug)]
pub struct Layer {
    /// What the floor is for.
    pub name: &'static str,
    /// Its modules.
    pub modules: &'static [&'static str],
    /// What they may use, in words.
    pub rule: &'static str,
}

/// The floors, from the top. Modules of one floor do not use each other.
pub const LAYERS: &[Layer] = &[
    Layer {
        name: "server",
        modules: &["server"],
        rule: "carries out what the floors below ask for",
    },
    Layer {
        name: "session",
        modules: &["session"],
        rule: "binds one user's call, link and host together",
    },
    Layer {
        name: "components",
        modules: &["ike", "esp", "l2tp", "ppp", "host", "hub", "dhcp", "nat", "auth"],
        rule: "do not know each other",
    },
];

/// The toolbox: each module with those of the toolbox that it may use.
pub const TOOLBOX: &[(&str, &[&str])] = &[
    ("addr", &["ids"]),
    ("buf", &[]),
    ("canary", &[]),
    ("config", &["addr", "time"]),
    ("credentials", &[]),
    ("crypto", &[]),
    ("discard", &["buf", "wire"]),
    ("event", &["config", "credentials", "crypto", "discard", "ids", "time"]),
    ("ids", &["store"]),
    ("ipsec", &["addr", "crypto", "ids", "time"]),
    ("limits", &[]),
    ("outbox", &["buf"]),
    ("store", &["canary", "limits", "time"]),
    ("time", &[]),
    ("wire", &["addr", "buf"]),
];

const CORE: &str = "core/src/";
const DOCUMENT: &str = "docs/ARCHITECTURE.md";
const BEGIN: &str = "<!-- layers: drawn by `tree layers --draw`, checked by group lint -->";
const END: &str = "<!-- end of layers -->";

/// Every edge below `root` that the tables do not allow, and a picture that differs from them.
pub fn check(root: &Path) -> std::io::Result<Vec<Finding>> {
    let files = source::files(root)?;
    let mut findings: Vec<Finding> = files.iter().flat_map(check_file).collect();
    findings.extend(missing_modules(&files));
    match files.iter().find(|file| file.path == DOCUMENT) {
        Some(document) => findings.extend(check_picture(document)),
        None => findings.push(Finding {
            path: DOCUMENT.to_owned(),
            line: 1,
            what: "does not exist".to_owned(),
        }),
    }
    Ok(findings)
}

/// Every edge of one file that the tables do not allow.
pub fn check_file(file: &File) -> Vec<Finding> {
    let Some(place) = Place::of(&file.path) else { return Vec::new() };
    let code = source::code_of(&file.text);
    let tests = source::test_ranges(&code);
    let mut findings = Vec::new();
    for (at, to) in references(&code, &place) {
        let is_test = place.is_test || tests.iter().any(|range| range.contains(&at));
        if let Some(what) = objection(&place.module, &to, is_test) {
            let line = source::line_at(&code, at);
            findings.push(Finding { path: file.path.clone(), line, what });
        }
    }
    findings
}

/// The tables as the architecture document shows them.
pub fn picture() -> String {
    let mut lines = Vec::new();
    for layer in LAYERS {
        lines.push(format!(" {:<42}{}", layer.modules.join(" "), layer.rule));
        lines.push("   |".to_owned());
    }
    lines.push(format!(" {:<42}each module uses only those named beside it", "toolbox"));
    for (name, may) in TOOLBOX {
        let may = if may.is_empty() { "-".to_owned() } else { may.join(" ") };
        lines.push(format!("     {name:<12} {may}"));
    }
    format!("```text\n{}\n```", lines.join("\n"))
}

/// The document with its picture drawn anew; `None` if it has no place for one.
pub fn redraw(document: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", picture()))
}

fn check_picture(document: &File) -> Option<Finding> {
    let drawn = redraw(&document.text);
    if drawn.as_deref() == Some(&document.text) {
        return None;
    }
    let at = document.text.find(BEGIN).unwrap_or_default();
    Some(Finding {
        path: document.path.clone(),
        line: source::line_at(&document.text, at),
        what: "the picture is not that of the tables: run `tree layers --draw`".to_owned(),
    })
}

/// Where a file stands in the core.
struct Place {
    /// Its top-level module.
    module: String,
    /// How many modules it is inside of; 1 for a top-level module.
    depth: usize,
    is_test: bool,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let inside = path.strip_prefix(CORE)?.strip_suffix(".rs")?;
        let mut parts: Vec<&str> = inside.split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        let module = (*parts.first()?).to_owned();
        let is_test =
            parts.last().is_some_and(|part| part.ends_with("tests")) || parts.contains(&"tests");
        (module != "lib").then_some(Self { module, depth: parts.len(), is_test })
    }
}

/// Top-level modules that the code names, with where it does.
fn references(code: &str, place: &Place) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, word) in source::words(code) {
        let after = at + word.len();
        match word {
            "crate" => found.extend(heads(code, after).into_iter().map(|name| (at, name))),
            "super" if !code[..at].ends_with("::") => {
                let mut end = after;
                let mut ups = 1;
                while code[end..].starts_with("::super") {
                    end += "::super".len();
                    ups += 1;
                }
                if ups == place.depth + inline_depth(code, at) {
                    found.extend(heads(code, end).into_iter().map(|name| (at, name)));
                }
            }
            _ => {}
        }
    }
    found
}

/// The first names of the paths that go on at `at`: one, or those of a group.
fn heads(code: &str, at: usize) -> Vec<String> {
    let Some(rest) = code[at..].strip_prefix("::") else { return Vec::new() };
    if !rest.starts_with('{') {
        return first_word(rest).into_iter().collect();
    }
    let group = &rest[1..source::end_of_bracket(rest, 0).max(2) - 1];
    let mut depth = 0_usize;
    let parts = group.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.filter_map(first_word).collect()
}

fn first_word(text: &str) -> Option<String> {
    source::words(text).next().map(|(_, word)| word.to_owned())
}

/// How many `mod … { }` of the file itself stand around `at`.
fn inline_depth(code: &str, at: usize) -> usize {
    let around = |(start, word): &(usize, &str)| {
        let Some(open) = code[*start..].find(['{', ';']).map(|n| start + n) else { return false };
        *word == "mod"
            && code[open..].starts_with('{')
            && (open..source::end_of_bracket(code, open)).contains(&at)
    };
    source::words(code).take_while(|(start, _)| *start < at).filter(around).count()
}

fn objection(from: &str, to: &str, is_test: bool) -> Option<String> {
    if from == to || (!is_module(to) && to.chars().next().is_some_and(char::is_uppercase)) {
        return None;
    }
    if !is_module(to) {
        return Some(format!("{to} is in no table of conformance/src/layers.rs"));
    }
    let in_toolbox = |name: &str| TOOLBOX.iter().find(|(module, _)| *module == name);
    let allowed = match (floor(from), floor(to)) {
        (None, None) => is_test || in_toolbox(from).is_some_and(|(_, may)| may.contains(&to)),
        (None, Some(_)) => false,
        (Some(_), None) => true,
        (Some(from), Some(to)) => from < to,
    };
    (!allowed).then(|| format!("{from} may not use {to}"))
}

fn is_module(name: &str) -> bool {
    floor(name).is_some() || TOOLBOX.iter().any(|(module, _)| *module == name)
}

/// The number of a module's floor, from the top; `None` in the toolbox.
fn floor(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.modules.contains(&name))
}

/// Modules that are in the tables and not in the source, or the other way round.
fn missing_modules(files: &[File]) -> Vec<Finding> {
    let places = files.iter().filter_map(|file| Place::of(&file.path));
    let there: BTreeSet<String> = places.map(|place| place.module).collect();
    let floors = LAYERS.iter().flat_map(|layer| layer.modules.iter().copied());
    let tables: BTreeSet<String> =
        floors.chain(TOOLBOX.iter().map(|(name, _)| *name)).map(str::to_owned).collect();
    let finding = |name: &String, what: &str| Finding {
        path: format!("{CORE}{name}"),
        line: 1,
        what: what.to_owned(),
    };
    let unknown = there.difference(&tables).map(|name| finding(name, "is in no table"));
    let gone = tables.difference(&there).map(|name| finding(name, "is in a table and not there"));
    unknown.chain(gone).collect()
}

#[cfg(test)]
mod tests;
