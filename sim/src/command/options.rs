//! The options of a command line.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

use super::NodeKind;

/// The options.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) seed: Option<u64>,
    pub(super) count: Option<usize>,
    pub(super) step: usize,
    pub(super) twice: usize,
    pub(super) minutes: Option<u64>,
    pub(super) kinds: Vec<NodeKind>,
    has_kinds: bool,
    pub(super) scenario: Option<String>,
    pub(super) jobs: usize,
    pub(super) most_failures: u32,
    pub(super) is_logged: bool,
    pub(super) shrinks: bool,
    pub(super) shrink_secs: u64,
    pub(super) out: Option<PathBuf>,
    /// The first word that is no option.
    pub(super) word: Option<String>,
    /// All of them.
    pub(super) words: Vec<String>,
}

impl Options {
    /// Reads the words behind the command.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            seed: None,
            count: None,
            step: 1,
            twice: 0,
            minutes: None,
            kinds: vec![NodeKind::Core],
            has_kinds: false,
            scenario: None,
            jobs: 1,
            most_failures: 3,
            is_logged: false,
            shrinks: false,
            shrink_secs: 120,
            out: None,
            word: None,
            words: Vec::new(),
        };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            options.take(word, &mut rest)?;
        }
        options.word = options.words.first().cloned();
        Ok(options)
    }

    fn take<'w>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), String> {
        let mut value = || rest.next().ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--seed" => self.seed = Some(number(word, value()?)?),
            "--count" => self.count = Some(number(word, value()?)? as usize),
            "--step" => self.step = (number(word, value()?)? as usize).max(1),
            "--twice" => self.twice = number(word, value()?)? as usize,
            "--minutes" => self.minutes = Some(number(word, value()?)?),
            "--jobs" => self.jobs = number(word, value()?)?.clamp(1, 64) as usize,
            "--failures" => self.most_failures = number(word, value()?)? as u32,
            "--shrink-secs" => self.shrink_secs = number(word, value()?)?,
            "--scenario" => self.scenario = Some(value()?.clone()),
            "--out" => self.out = Some(value()?.into()),
            "--log" => self.is_logged = true,
            "--shrink" => self.shrinks = true,
            "--node" => {
                self.has_kinds = true;
                self.kinds = match value()?.as_str() {
                    "all" => NodeKind::ALL.to_vec(),
                    name => vec![
                        NodeKind::named(name)
                            .ok_or_else(|| format!("there is no node `{name}`"))?,
                    ],
                };
            }
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            other => self.words.push(other.to_owned()),
        }
        Ok(())
    }

    /// The seed, or any, which is then printed first: a run that ends badly can be made again.
    pub(super) fn seed_or_any(&self) -> u64 {
        let seed = self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
        if self.seed.is_none() {
            println!("seed {seed}");
        }
        seed
    }

    /// The kinds that were asked for, or else `others`.
    pub(super) fn kinds_or<'k>(&'k self, others: &'k [NodeKind]) -> &'k [NodeKind] {
        if self.has_kinds { &self.kinds } else { others }
    }

    /// What `--node` says.
    pub(super) fn node_word(&self) -> &'static str {
        match self.kinds.as_slice() {
            [kind] => kind.name(),
            _ => "all",
        }
    }

    /// The files that were named.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, String> {
        match self.words.as_slice() {
            [] => Err("which tape?".into()),
            words => Ok(words.iter().map(PathBuf::from).collect()),
        }
    }
}

fn number(option: &str, word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{option} takes a number, not `{word}`"))
}
