//! Licences and sources of the dependencies, as far as they can be judged without a network.
//!
//! The rules stand in `deny.toml`, which `cargo deny` reads too. Advisories need the advisory
//! database, and so `cargo deny check advisories`.

use std::collections::BTreeMap;

use crate::source::Finding;

/// The only place that dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The licences that the `[licenses]` section of `deny.toml` allows.
pub fn allowed(deny_toml: &str) -> Vec<String> {
    let section = format!("\n{deny_toml}");
    let section = section.split("\n[").find(|section| section.starts_with("licenses]"));
    let list = section.and_then(|section| section.split_once("\nallow = ["));
    let list = list.and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Packages of `cargo tree --prefix none --format '{p}|{l}'` whose licence is not allowed, and
/// the number of packages looked at.
pub fn check_licences(tree: &str, allowed: &[String]) -> (usize, Vec<Finding>) {
    let packages: BTreeMap<&str, &str> = tree
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(package, licence)| (package.trim(), licence.trim_end_matches(" (*)").trim()))
        .collect();
    let refused = packages.iter().filter(|(_, licence)| !is_allowed(licence, allowed));
    let finding = |(package, licence): (&&str, &&str)| Finding {
        path: (*package).to_owned(),
        line: 1,
        what: format!("licence {licence:?} is not allowed by deny.toml"),
    };
    (packages.len(), refused.map(finding).collect())
}

/// Packages of a `Cargo.lock` that come from anywhere but the registry.
pub fn check_sources(lock: &str) -> Vec<Finding> {
    let foreign = lock.lines().zip(1..).filter_map(|(line, number)| {
        let source = line.strip_prefix("source = \"")?.strip_suffix('"')?;
        (source != REGISTRY).then(|| Finding {
            path: "Cargo.lock".to_owned(),
            line: number,
            what: format!("{source} is not the registry"),
        })
    });
    foreign.collect()
}

/// Whether an SPDX expression can be met with the allowed licences.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    // Before SPDX expressions a slash stood for OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_of(&mut words, allowed);
    met && words.peek().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &[String]) -> bool {
    match words.next() {
        Some("(") => {
            let met = any_of(words, allowed);
            words.next() == Some(")") && met
        }
        Some(licence) => {
            let mut licence = licence.to_owned();
            if words.next_if_eq(&"WITH").is_some() {
                licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
            }
            allowed.contains(&licence)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str =
        "[licenses]\n# why\nallow = [\n  \"MIT\",\n  \"BSD-3-Clause\",\n]\n\n[bans]\n";

    #[test]
    fn the_list_is_read_from_its_section() {
        assert_eq!(allowed(DENY), ["MIT", "BSD-3-Clause"]);
        assert_eq!(allowed("[bans]\nallow = [\"GPL-3.0\"]\n"), Vec::<String>::new());
    }

    #[test]
    fn expressions_are_met_as_spdx_says() {
        let allowed = allowed(DENY);
        for good in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND BSD-3-Clause"] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "MIT WITH exception", "(MIT", "MIT GPL"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn a_package_under_another_licence_is_found() {
        let tree = "a v1.0.0|MIT\nb v0.1.0 (proc-macro)|GPL-3.0 (*)\na v1.0.0|MIT (*)\nc v1.0.0|\n";
        let (count, findings) = check_licences(tree, &allowed(DENY));
        assert_eq!(count, 3);
        let names: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(names, ["b v0.1.0 (proc-macro)", "c v1.0.0"]);
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let lock = format!("[[package]]\nsource = \"{REGISTRY}\"\n\n[[package]]\nname = \"own\"\n");
        assert_eq!(check_sources(&lock), []);
        let git = "[[package]]\nsource = \"git+https://example.net/a#1\"\n";
        assert_eq!(check_sources(git)[0].line, 2);
    }
}
