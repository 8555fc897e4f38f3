//! The project's own files, and Rust source with everything but its code blanked out.
//!
//! Not a parser: comments and literals become spaces, lines and columns stay where they are.
//! That is enough to find a keyword, a path or the end of a function.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A text file of the project.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path from the root, with `/` between the parts.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

impl File {
    /// Whether it holds Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub path: String,
    /// In which line, counted from one.
    pub line: usize,
    /// Against which rule, in words.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Every text file below `root`, in the order of their paths.
///
/// Hidden folders, build output and binary files are left out.
pub fn files(root: &Path) -> io::Result<Vec<File>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_foreign(&name) {
                folders.push(entry.path());
            } else if kind.is_file() && !matches!(name.as_str(), ".git" | "Cargo.lock") {
                found.extend(text_file(root, &entry.path())?);
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_foreign(name: &str) -> bool {
    name != ".ci" && (name.starts_with('.') || name == "target" || name.starts_with("target-"))
}

fn text_file(root: &Path, path: &Path) -> io::Result<Option<File>> {
    let text = String::from_utf8(fs::read(path)?).ok();
    let relative: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    let path = relative.to_string_lossy().replace('\\', "/");
    Ok(text.filter(|text| !text.contains('\0')).map(|text| File { path, text }))
}

/// Rust source with comments and the insides of literals blanked out.
///
/// What is left has as many lines as before, each with its characters in the same columns.
pub fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let end = match c {
            '/' if chars.get(at + 1) == Some(&'/') => end_of_line(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => end_of_block_comment(&chars, at),
            '"' => end_of_string(&chars, at),
            'r' if !follows_word(&chars, at) => end_of_raw_string(&chars, at),
            '\'' => end_of_char(&chars, at),
            _ => None,
        };
        match end {
            Some(end) => {
                let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
                code.extend(chars[at..end.min(chars.len())].iter().map(blank));
                at = end;
            }
            None => {
                code.push(c);
                at += 1;
            }
        }
    }
    code
}

fn follows_word(chars: &[char], at: usize) -> bool {
    // `br"…"` is a raw string too.
    let before = |n: usize| at.checked_sub(n).and_then(|at| chars.get(at));
    match before(1) {
        Some('b' | 'c') => before(2).is_some_and(|c| is_word(*c)),
        other => other.is_some_and(|c| is_word(*c)),
    }
}

fn end_of_line(chars: &[char], at: usize) -> Option<usize> {
    Some(chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n))
}

fn end_of_block_comment(chars: &[char], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    Some(chars.len())
}

fn end_of_string(chars: &[char], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    Some(chars.len())
}

fn end_of_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let mut at = open + 1;
    while at < chars.len() {
        let closing = chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count();
        if chars[at] == '"' && closing == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

/// The end of a character literal; `None` for a lifetime.
fn end_of_char(chars: &[char], start: usize) -> Option<usize> {
    match (chars.get(start + 1)?, chars.get(start + 2)) {
        ('\\', _) => {
            // The escaped character itself may be a quote.
            let rest = chars.get(start + 3..)?;
            Some(start + 4 + rest.iter().position(|c| *c == '\'')?)
        }
        (_, Some('\'')) => Some(start + 3),
        _ => None,
    }
}

/// Whether `c` may stand inside a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a line of code, with the column each begins at, in octets.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let len = code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
        at = start + len;
        Some((start, &code[start..at]))
    })
}

/// The number of the line that octet `at` stands in, counted from one.
pub fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The octet behind the bracket that closes the one at `open`; the end if none does.
pub fn end_of_bracket(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return open + at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Where code stands that only tests compile: items under `#[cfg(test)]`, as ranges of octets.
pub fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let end_of_item = |from: usize| match code[from..].find(['{', ';']).map(|n| from + n) {
        Some(at) if code[at..].starts_with('{') => end_of_bracket(code, at),
        Some(at) => at,
        None => code.len(),
    };
    code.match_indices("#[cfg(test)]").map(|(at, _)| at..end_of_item(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_columns_stay() {
        let source = "a \"x // y\" b // c\nd 'e' f /* g /* h */ i */ j '\\'' k";
        assert_eq!(code_of(source), "a          b     \nd     f                   j      k");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code_of("f(r#\"a \" b\"#, x)"), "f(          , x)");
        assert_eq!(code_of("f(br\"a\", x)"), "f(b    , x)");
        assert_eq!(code_of("four\"a\""), "four   ");
    }

    #[test]
    fn a_lifetime_is_not_a_literal() {
        assert_eq!(code_of("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn test_modules_are_found_whole() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c(); } }\nfn d() {}";
        let ranges = test_ranges(code);
        assert_eq!(ranges.len(), 1);
        assert!(code[ranges[0].clone()].contains("c()"));
        assert!(!code[ranges[0].clone()].contains("fn d"));
        assert!(test_ranges("#[cfg(test)]\nmod tests;\nfn a() {}")[0].end < 24);
    }
}
