//! The tape of decisions: everything in a run that could have been otherwise.
//!
//! A decision is a number below a bound, and 0 is always the simplest one: no fault, the first of
//! a list, nothing done. A run draws its decisions from a seed and records them on a [`Tape`]; a
//! tape played back makes the same run, and a tape with some numbers taken out or set to 0 makes
//! a simpler one, which is how failures are shrunk.
//!
//! A tape has *lanes*, one for each thing that decides: the scenario, each node, each direction of
//! a link. A number taken out of one lane leaves what the others decide alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A chance in ten thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Odds(pub u32);

impl Odds {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(Self::WHOLE);
    /// What the odds are parts of.
    pub const WHOLE: u32 = 10_000;

    /// So many times in a hundred.
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 100)
    }
}

/// One lane of a tape, as a handle. Made by [`Choices::lane`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(usize);

/// Yields decisions, and records them.
#[derive(Debug)]
pub struct Choices {
    seed: Option<u64>,
    lanes: Vec<LaneState>,
    by_name: BTreeMap<String, usize>,
    /// What is played back, for lanes that have not been asked for yet.
    waiting: BTreeMap<String, Vec<u64>>,
}

#[derive(Debug)]
struct LaneState {
    name: String,
    source: Source,
    drawn: Vec<u64>,
}

#[derive(Debug)]
enum Source {
    Seeded(Generator),
    /// What is left is played; when it is used up, every decision is 0.
    Replay {
        values: Vec<u64>,
        at: usize,
    },
}

impl Choices {
    /// Decisions drawn from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            lanes: Vec::new(),
            by_name: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// The decisions of `tape`, and 0 for all that it does not hold.
    pub fn replay(tape: &Tape) -> Self {
        Self {
            seed: None,
            lanes: Vec::new(),
            by_name: BTreeMap::new(),
            waiting: tape.lanes.clone(),
        }
    }

    /// The lane of this name, which is made if it is asked for the first time.
    pub fn lane(&mut self, name: &str) -> Lane {
        if let Some(&index) = self.by_name.get(name) {
            return Lane(index);
        }
        let source = match self.seed {
            Some(seed) => Source::Seeded(Generator::of(seed, name)),
            None => Source::Replay { values: self.waiting.remove(name).unwrap_or_default(), at: 0 },
        };
        self.lanes.push(LaneState { name: name.into(), source, drawn: Vec::new() });
        self.by_name.insert(name.into(), self.lanes.len() - 1);
        Lane(self.lanes.len() - 1)
    }

    /// A number below `bound`; 0 without a decision if there is no other.
    pub fn below(&mut self, lane: Lane, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        let state = &mut self.lanes[lane.0];
        let value = match &mut state.source {
            Source::Seeded(generator) => generator.below(bound),
            Source::Replay { values, at } => {
                let value = values.get(*at).copied().unwrap_or(0);
                *at += 1;
                value.min(bound - 1)
            }
        };
        state.drawn.push(value);
        value
    }

    /// A number from `least` to `most`, both included.
    pub fn range(&mut self, lane: Lane, least: u64, most: u64) -> u64 {
        least + self.below(lane, most.saturating_sub(least).saturating_add(1))
    }

    /// Whether something happens that has these odds. Odds of 0 take no decision.
    pub fn chance(&mut self, lane: Lane, odds: Odds) -> bool {
        if odds == Odds::NEVER || odds >= Odds::ALWAYS {
            return odds != Odds::NEVER;
        }
        let drawn = self.below(lane, u64::from(Odds::WHOLE));
        drawn >= u64::from(Odds::WHOLE - odds.0)
    }

    /// One of `list`, which is not empty.
    ///
    /// # Panics
    /// If it is.
    pub fn pick<'l, T>(&mut self, lane: Lane, list: &'l [T]) -> &'l T {
        &list[self.below(lane, list.len() as u64) as usize]
    }

    /// Octets that depend on one decision: a seed for keys.
    pub fn octets<const N: usize>(&mut self, lane: Lane) -> [u8; N] {
        let mut generator = Generator(self.below(lane, u64::MAX));
        std::array::from_fn(|_| (generator.next() >> 32) as u8)
    }

    /// What was decided so far.
    pub fn tape(&self) -> Tape {
        let mut lanes = BTreeMap::new();
        for lane in &self.lanes {
            let len = lane.drawn.iter().rposition(|&value| value != 0).map_or(0, |last| last + 1);
            if len > 0 {
                lanes.insert(lane.name.clone(), lane.drawn[..len].to_vec());
            }
        }
        Tape { head: BTreeMap::new(), lanes }
    }
}

/// Decisions as a value: all that is needed to make a run again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tape {
    /// What is run: words by name.
    pub head: BTreeMap<String, String>,
    /// The decisions, by lane. Zeros at the end are left out.
    pub lanes: BTreeMap<String, Vec<u64>>,
}

impl Tape {
    /// How many decisions it holds.
    pub fn len(&self) -> usize {
        self.lanes.values().map(Vec::len).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tape as text: a line for each word of the head and for each lane. `7x0` are seven
    /// zeros.
    pub fn emit(&self) -> String {
        let mut text = String::from(TAPE_TITLE);
        for (name, word) in &self.head {
            let _ = write!(text, "\n{name} = {word}");
        }
        for (name, values) in &self.lanes {
            let _ = write!(text, "\n{name}:");
            let mut rest = values.as_slice();
            while let Some(&value) = rest.first() {
                let run = rest.iter().take_while(|&&other| other == value).count();
                let _ = match run {
                    1 => write!(text, " {value}"),
                    run => write!(text, " {run}x{value}"),
                };
                rest = &rest[run..];
            }
        }
        text.push('\n');
        text
    }

    /// Reads a tape that [`Self::emit`] wrote. Lines that begin with `#` are comments.
    ///
    /// # Errors
    /// Which line is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line.trim_end()) != Some(TAPE_TITLE) {
            return Err(format!("a tape begins with the line `{TAPE_TITLE}`"));
        }
        let mut tape = Self::default();
        for (number, line) in lines {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let lane = line.split_once(':').filter(|(name, _)| !name.contains('='));
            if let Some((name, values)) = lane {
                let values = parse_values(values)
                    .ok_or_else(|| format!("line {}: not a list of numbers", number + 1))?;
                tape.lanes.insert(name.trim().into(), values);
            } else if let Some((name, word)) = line.split_once('=') {
                tape.head.insert(name.trim().into(), word.trim().into());
            } else {
                return Err(format!("line {}: neither `name = word` nor `lane: …`", number + 1));
            }
        }
        Ok(tape)
    }
}

fn parse_values(text: &str) -> Option<Vec<u64>> {
    let mut values = Vec::new();
    for word in text.split_whitespace() {
        let (count, value) = word.split_once('x').unwrap_or(("1", word));
        let count: usize = count.parse().ok().filter(|&count| count <= RUN_MAX)?;
        values.resize(values.len() + count, value.parse().ok()?);
    }
    Some(values)
}

/// A small generator of random numbers: `SplitMix64`, by Sebastiano Vigna.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    /// A generator of its own for `name`.
    fn of(seed: u64, name: &str) -> Self {
        let mut hash = crate::trace::Hash::default();
        hash.add(&seed.to_le_bytes());
        hash.add(name.as_bytes());
        Self(hash.value())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`: the high half of a product (Lemire), whose bias is of no concern.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// First line of a tape.
const TAPE_TITLE: &str = "kumihimo tape 1";
/// Longest run of one number that a tape may ask for.
const RUN_MAX: usize = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_played_back_gives_the_same_decisions() {
        let mut first = Choices::seeded(7);
        let (a, b) = (first.lane("a"), first.lane("b"));
        let draw = |choices: &mut Choices, a, b| -> Vec<u64> {
            (0..50).map(|n| choices.below(if n % 3 == 0 { a } else { b }, 10)).collect()
        };
        let drawn = draw(&mut first, a, b);
        let text = first.tape().emit();
        let mut second = Choices::replay(&Tape::parse(&text).unwrap());
        // The order in which lanes are made does not matter.
        let (b, a) = (second.lane("b"), second.lane("a"));
        assert_eq!(draw(&mut second, a, b), drawn);
        assert_eq!(second.tape(), first.tape());
        assert_eq!(second.below(a, 100), 0, "behind the end there are zeros");
    }

    #[test]
    fn lanes_of_one_seed_differ_and_depend_on_it() {
        let draw = |seed, name| {
            let mut choices = Choices::seeded(seed);
            let lane = choices.lane(name);
            [0; 4].map(|_: u8| choices.below(lane, u64::MAX))
        };
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
    }

    #[test]
    fn odds_hold_and_zero_is_no() {
        let mut choices = Choices::seeded(3);
        let lane = choices.lane("x");
        let hits = (0..10_000).filter(|_| choices.chance(lane, Odds::percent(20))).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert!(choices.chance(lane, Odds::ALWAYS));
        let mut zeros = Choices::replay(&Tape::default());
        let lane = zeros.lane("x");
        assert!(!zeros.chance(lane, Odds(9_999)));
    }

    #[test]
    fn a_tape_as_text_is_read_back_or_refused() {
        let mut tape = Tape::default();
        tape.head.insert("scenario".into(), "swarm".into());
        tape.lanes.insert("link/a/up".into(), vec![0, 0, 0, 5, 5, 1]);
        assert_eq!(tape.emit(), "kumihimo tape 1\nscenario = swarm\nlink/a/up: 3x0 2x5 1\n");
        assert_eq!(Tape::parse(&tape.emit()), Ok(tape));
        assert!(Tape::parse("something").is_err());
        assert!(Tape::parse("kumihimo tape 1\na: 1 b").is_err());
        assert!(Tape::parse("kumihimo tape 1\nnonsense").is_err());
    }
}
