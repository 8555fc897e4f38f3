//! Every key of the schema: what is taken over, what holds without it, what is refused.
//!
//! The tests walk the schema, so a key that is new there and not in the table fails them.

use super::super::schema::{self, Key};
use super::draft::{ARRAYS, Draft};
use super::rows::{ROWS, Row};

/// Every key, with the section that it stands in.
fn every_key() -> Vec<(&'static str, &'static str, Key)> {
    let (mut keys, mut sections) = (Vec::new(), vec![""]);
    while let Some(name) = sections.pop() {
        let section = schema::section(name);
        assert_eq!(section.name, name, "the schema has no such section");
        for &(key, what) in section.keys {
            keys.push((name, key, what));
            if let Key::Section(inner) = what {
                sections.push(inner);
            }
        }
    }
    keys
}

/// A good file for `row` without a value of its key.
fn around(row: &Row) -> Draft {
    let draft = Draft::new().without(row.section, row.key);
    // Of the two only one may stand there.
    if row.key == "nt-hash" { draft.without(row.section, "password") } else { draft }
}

#[test]
fn the_table_has_every_key_that_is_read_and_no_other() {
    let read = every_key().into_iter().filter(|(.., key)| *key == Key::Value);
    let mut read: Vec<_> = read.map(|(section, key, _)| (section, key)).collect();
    let mut rows: Vec<_> = ROWS.iter().map(|row| (row.section, row.key)).collect();
    read.sort_unstable();
    rows.sort_unstable();
    assert_eq!(read, rows, "a new key needs a row in tests/rows.rs");
}

#[test]
fn every_value_is_taken_over() {
    for row in ROWS {
        let (section, key) = (row.section, row.key);
        assert!(!row.takes.is_empty(), "{section}.{key}");
        for &(value, becomes) in row.takes {
            let settings = around(row).with(section, key, value).settings();
            assert_eq!((row.shows)(&settings), becomes, "{section}.{key} = {value}");
        }
    }
}

#[test]
fn without_a_key_its_default_holds_or_it_is_missed() {
    for row in ROWS {
        let (section, key) = (row.section, row.key);
        match row.default {
            Ok(value) => {
                assert_eq!((row.shows)(&around(row).settings()), value, "{section}.{key}");
            }
            Err((what, remedy)) => {
                // The password is what is missed where neither is there.
                let missed = if key == "nt-hash" { "password" } else { key };
                let message = around(row).message(section, missed);
                assert_eq!(message, format!("{what}; {remedy}"), "{section}.{key}");
            }
        }
    }
}

#[test]
fn every_bad_value_is_refused_with_its_line_and_a_remedy() {
    for row in ROWS {
        let (section, key) = (row.section, row.key);
        for &(value, what, remedy) in row.refuses {
            let message = around(row).with(section, key, value).message(section, key);
            assert_eq!(message, format!("{what}; {remedy}"), "{section}.{key} = {value}");
        }
    }
}

#[test]
fn every_value_of_another_kind_is_refused() {
    for row in ROWS {
        let (section, key) = (row.section, row.key);
        for (value, noun) in [("1.5", "a float"), ("{ a = 1 }", "an inline table")] {
            let message = around(row).with(section, key, value).message(section, key);
            assert_eq!(message, format!("is {noun}; write {}", row.kind), "{section}.{key}");
        }
    }
}

#[test]
fn every_key_that_is_not_built_is_refused() {
    let mut count = 0;
    for (section, key, what) in every_key() {
        if what == Key::NotYet {
            let message = Draft::new().with(section, key, "\"x\"").message(section, key);
            assert_eq!(message, "not supported yet; remove it", "{section}.{key}");
            count += 1;
        }
    }
    assert!(count > 20);
}

#[test]
fn every_misspelt_key_is_refused_with_the_right_one() {
    for (section, key, _) in every_key() {
        let misspelt = format!("{key}s");
        let message = Draft::new().with(section, &misspelt, "\"x\"").message(section, &misspelt);
        assert_eq!(message, format!("unknown key; did you mean \"{key}\"?"), "{section}.{key}");
    }
}

#[test]
fn every_section_has_to_be_one() {
    for (section, key, what) in every_key() {
        let Key::Section(inner) = what else { continue };
        let draft = Draft::new().without_section(inner);
        let message = draft.with(section, key, "7").message(section, key);
        let kind = match ARRAYS.contains(&inner) {
            true => format!("a list of sections, [[{inner}]]"),
            false => format!("a section, [{inner}]"),
        };
        assert_eq!(message, format!("is an integer; write {kind}"), "{inner}");
    }
}
