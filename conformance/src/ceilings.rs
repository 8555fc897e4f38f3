//! Ceilings on instruction counts: `core/benches/ceilings` against callgrind.
//!
//! The file has one line for each case and one column for each compiler, since compilers differ
//! by a few percent. A count may lie [`MARGIN_PERCENT`] above the measured one; with a compiler
//! that has no column, [`OTHER_MARGIN_PERCENT`] above the highest of them.

/// Where the ceilings are.
pub const FILE: &str = "core/benches/ceilings";
/// How far a count may lie above the measured one.
pub const MARGIN_PERCENT: f64 = 3.0;
/// The same for a compiler that nobody has measured with.
pub const OTHER_MARGIN_PERCENT: f64 = 10.0;

/// The table of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// What stands in front of it.
    head: Vec<String>,
    compilers: Vec<String>,
    rows: Vec<(String, Vec<Option<u64>>)>,
}

/// The ceiling of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceiling {
    /// What was measured when it was set.
    pub measured: u64,
    /// The highest count that passes.
    pub most: f64,
    /// The compiler it was measured with, where it is not the one asked for.
    pub other_compiler: Option<String>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// The line that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("#") | None => table.head.push(line.to_owned()),
                Some("case") => table.compilers = words.map(str::to_owned).collect(),
                Some(case) => {
                    let counts: Option<Vec<_>> = words.map(parse_count).collect();
                    let counts = counts.filter(|counts| counts.len() == table.compilers.len());
                    let counts = counts.ok_or_else(|| format!("not understood: {line}"))?;
                    table.rows.push((case.to_owned(), counts));
                }
            }
        }
        Ok(table)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut lines = self.head.clone();
        let line = |name: &str, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
            format!("{name:<22}{cells}")
        };
        lines.push(line("case", self.compilers.clone()));
        for (case, counts) in &self.rows {
            let cell =
                |count: &Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
            lines.push(line(case, counts.iter().map(cell).collect()));
        }
        lines.join("\n") + "\n"
    }

    /// The ceiling of `case` with `compiler`; `None` if the case was never measured.
    pub fn ceiling(&self, case: &str, compiler: &str) -> Option<Ceiling> {
        let (_, counts) = self.rows.iter().find(|(name, _)| name == case)?;
        let own = self.compilers.iter().position(|name| name == compiler);
        if let Some(measured) = own.and_then(|at| counts[at]) {
            let most = measured as f64 * (1.0 + MARGIN_PERCENT / 100.0);
            return Some(Ceiling { measured, most, other_compiler: None });
        }
        let all = counts.iter().zip(&self.compilers);
        let (measured, name) = all.filter_map(|(count, name)| Some(((*count)?, name))).max()?;
        let most = measured as f64 * (1.0 + OTHER_MARGIN_PERCENT / 100.0);
        Some(Ceiling { measured, most, other_compiler: Some(name.clone()) })
    }

    /// Notes a new measurement.
    pub fn set(&mut self, case: &str, compiler: &str, count: u64) {
        let at = self.compilers.iter().position(|name| name == compiler).unwrap_or_else(|| {
            self.compilers.push(compiler.to_owned());
            self.rows.iter_mut().for_each(|(_, counts)| counts.push(None));
            self.compilers.len() - 1
        });
        let row = self.rows.iter().position(|(name, _)| name == case).unwrap_or_else(|| {
            self.rows.push((case.to_owned(), vec![None; self.compilers.len()]));
            self.rows.len() - 1
        });
        self.rows[row].1[at] = Some(count);
    }

    /// Forgets cases that are no more, and takes the order of `cases`.
    pub fn keep(&mut self, cases: &[String]) {
        let place = |name: &String| cases.iter().position(|case| case == name);
        self.rows.retain(|(name, _)| place(name).is_some());
        self.rows.sort_by_key(|(name, _)| place(name));
    }
}

fn parse_count(word: &str) -> Option<Option<u64>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

/// The sum in a file that callgrind wrote.
pub fn total_of(output: &str) -> Option<u64> {
    let line = output.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# head\ncase 1.95.0 1.96.0\nopen 1000 1100\nseal 500 -\n";

    #[test]
    fn a_count_may_lie_a_little_above_what_was_measured() {
        let table = Table::parse(TEXT).unwrap();
        let ceiling = table.ceiling("open", "1.95.0").unwrap();
        assert_eq!((ceiling.measured, ceiling.most, ceiling.other_compiler), (1000, 1030.0, None));
        assert_eq!(table.ceiling("absent", "1.95.0"), None);
    }

    #[test]
    fn another_compiler_has_more_room_and_is_named() {
        let table = Table::parse(TEXT).unwrap();
        let ceiling = table.ceiling("open", "1.97.0").unwrap();
        assert_eq!(ceiling.most.round(), 1210.0);
        assert_eq!(ceiling.other_compiler.as_deref(), Some("1.96.0"));
        let ceiling = table.ceiling("seal", "1.96.0").unwrap();
        assert_eq!(ceiling.other_compiler.as_deref(), Some("1.95.0"));
    }

    #[test]
    fn what_is_noted_is_written_and_read_again() {
        let mut table = Table::parse(TEXT).unwrap();
        table.set("forward", "1.97.0", 7);
        table.set("open", "1.95.0", 900);
        table.keep(&["forward", "open"].map(str::to_owned));
        let again = Table::parse(&table.text()).unwrap();
        assert_eq!(again, table);
        assert_eq!(again.ceiling("open", "1.95.0").unwrap().measured, 900);
        assert_eq!(again.ceiling("forward", "1.97.0").unwrap().measured, 7);
        assert_eq!(again.ceiling("seal", "1.95.0"), None);
        assert!(Table::parse("case 1.95.0\nopen 1 2\n").is_err());
    }
}
