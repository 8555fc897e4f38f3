//! Reads values out of a parsed file and notes what is wrong, with the line.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;

use toml_edit::{Item, TableLike};

use super::nearest::nearest;
use super::problem::Problem;
use super::schema::{self, Key};

/// The text of the file being read, and what is wrong with it so far.
pub(super) struct Reader<'f> {
    file: &'f str,
    text: &'f str,
    problems: RefCell<Vec<Problem>>,
}

/// One table of the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'f> {
    reader: &'f Reader<'f>,
    name: &'static str,
    table: &'f dyn TableLike,
    /// Where it begins, in octets. The line is counted only where somebody has to know it.
    start: Option<usize>,
}

impl<'f> Reader<'f> {
    /// A reader of `text`, which `file` holds.
    pub(super) fn new(file: &'f str, text: &'f str) -> Self {
        Self { file, text, problems: RefCell::default() }
    }

    /// The root of the file.
    pub(super) fn root(&'f self, table: &'f dyn TableLike) -> Section<'f> {
        let root = Section { reader: self, name: "", table, start: None };
        root.check_keys();
        root
    }

    /// Everything that was wrong, in the order of lines.
    ///
    /// What is missing comes last, for the misspelt key above it says more.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.what == "is missing", problem.line));
        problems
    }

    /// Notes a problem.
    pub(super) fn problem(
        &self,
        line: Option<usize>,
        setting: &str,
        what: impl Display,
        remedy: impl Display,
    ) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            setting: setting.to_owned(),
            what: what.to_string(),
            remedy: remedy.to_string(),
        });
    }

    /// The line on which `span` begins.
    pub(super) fn line(&self, span: Option<Range<usize>>) -> Option<usize> {
        self.line_at(span?.start)
    }

    fn line_at(&self, octet: usize) -> Option<usize> {
        let before = self.text.as_bytes().get(..octet)?;
        Some(before.iter().filter(|&&octet| octet == b'\n').count() + 1)
    }
}

impl<'f> Section<'f> {
    /// The line of `key`, or of the section where the key is missing.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        self.reader.line_at(self.start_of(key)?)
    }

    fn start_of(&self, key: &str) -> Option<usize> {
        let key_span = self.table.get_key_value(key).and_then(|(key, _)| key.span());
        let span = key_span.or_else(|| self.table.get(key).and_then(Item::span));
        span.map(|span| span.start).or(self.start)
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Notes that the value of `key` is wrong.
    pub(super) fn wrong(&self, key: &str, what: impl Display, remedy: impl Display) {
        self.reader.problem(self.line_of(key), &self.path(key), what, remedy);
    }

    /// Notes that the value of `key` asks for something that is not built.
    pub(super) fn not_yet(&self, key: &str, value: impl Display, remedy: impl Display) {
        self.wrong(key, format_args!("{value} is not supported yet"), remedy);
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<&'f str> {
        let item = self.table.get(key)?;
        let text = item.as_str();
        if text.is_none() {
            self.mistyped(key, item, "a text in quotes");
        }
        text
    }

    /// A text that `parse` understands; `expected` says what it has to look like.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.wrong(key, format_args!("{} is not valid", quoted(text)), expected);
        }
        parsed
    }

    /// A text that is one of `choices`.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let choice = choices.iter().find(|(name, _)| *name == text);
        if choice.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| quoted(name)).collect();
            let remedy = format!("use {}", names.join(" or "));
            self.wrong(key, format_args!("{} is not valid", quoted(text)), remedy);
        }
        choice.map(|&(_, choice)| choice)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let item = self.table.get(key)?;
        let flag = item.as_bool();
        if flag.is_none() {
            self.mistyped(key, item, "true or false");
        }
        flag
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, key: &str, range: Range<u32>) -> Option<u32> {
        let item = self.table.get(key)?;
        let Some(number) = item.as_integer() else {
            self.mistyped(key, item, "a whole number");
            return None;
        };
        let fits = u32::try_from(number).ok().filter(|number| range.contains(number));
        if fits.is_none() {
            let remedy = format!("use a number from {} to {}", range.start, range.end - 1);
            self.wrong(key, format_args!("{number} is out of range"), remedy);
        }
        fits
    }

    /// A list of texts that `parse` understands.
    pub(super) fn list<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let item = self.table.get(key)?;
        let Some(array) = item.as_array() else {
            self.mistyped(key, item, "a list of texts, as in [\"…\"]");
            return None;
        };
        let mut list = Vec::new();
        for value in array {
            let text = value.as_str().unwrap_or(value.type_name());
            match value.as_str().and_then(&parse) {
                Some(parsed) => list.push(parsed),
                None => {
                    let line = self.reader.line(value.span()).or(self.line_of(key));
                    let what = format!("{} is not valid", quoted(text));
                    self.reader.problem(line, &self.path(key), what, expected);
                }
            }
        }
        Some(list)
    }

    /// The table under `key`.
    pub(super) fn section(&self, key: &str) -> Option<Self> {
        let item = self.table.get(key)?;
        let Some(table) = item.as_table_like() else {
            self.mistyped(key, item, &format!("a section, [{}]", self.path(key)));
            return None;
        };
        self.open(key, table, item.span())
    }

    /// The tables under `key`; none if it is missing.
    pub(super) fn sections(&self, key: &str) -> Vec<Self> {
        let Some(item) = self.table.get(key) else { return Vec::new() };
        if let Some(tables) = item.as_array_of_tables() {
            return tables.iter().filter_map(|t| self.open(key, t, t.span())).collect();
        }
        let inline = item.as_array().map(|array| array.iter().collect::<Vec<_>>());
        let tables: Option<Vec<_>> = inline.and_then(|values| {
            values.into_iter().map(|value| Some((value.as_inline_table()?, value.span()))).collect()
        });
        let Some(tables) = tables else {
            self.mistyped(key, item, &format!("a list of sections, [[{}]]", self.path(key)));
            return Vec::new();
        };
        tables.into_iter().filter_map(|(table, span)| self.open(key, table, span)).collect()
    }

    fn open(
        &self,
        key: &str,
        table: &'f dyn TableLike,
        span: Option<Range<usize>>,
    ) -> Option<Self> {
        let keys = schema::section(self.name).keys;
        let &(_, Key::Section(name)) = keys.iter().find(|(name, _)| *name == key)? else {
            return None;
        };
        let start = span.map(|span| span.start).or_else(|| self.start_of(key));
        let section = Self { reader: self.reader, name, table, start };
        section.check_keys();
        Some(section)
    }

    fn check_keys(&self) {
        let known = schema::section(self.name).keys;
        for (key, _) in self.table.iter() {
            match known.iter().find(|(name, _)| *name == key) {
                Some((_, Key::Value | Key::Section(_))) => {}
                Some((_, Key::NotYet)) => {
                    self.wrong(key, "not supported yet", "remove it");
                }
                None => {
                    let remedy = match nearest(key, known.iter().map(|&(name, _)| name)) {
                        Some(name) => format!("did you mean {}?", quoted(name)),
                        None => {
                            let names: Vec<_> = known.iter().map(|&(name, _)| name).collect();
                            format!("known here: {}", names.join(", "))
                        }
                    };
                    self.wrong(key, "unknown key", remedy);
                }
            }
        }
    }

    fn mistyped(&self, key: &str, item: &Item, expected: &str) {
        let what = format!("is {} {}", article(item.type_name()), item.type_name());
        self.wrong(key, what, format_args!("write {expected}"));
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// `text` in quotes, cut to a length that fits a line, its control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(60).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown:?}{dots}")
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
