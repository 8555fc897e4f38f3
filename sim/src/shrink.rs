//! Makes a failing tape simpler, while the same check still fails.
//!
//! Four moves, again and again until none helps: a lane is taken away, a piece of a lane is taken
//! out, a piece is set to 0, a number is made smaller. Pieces begin large and end with single
//! numbers. A tape is only taken over if it is simpler than the one before: what is simple is
//! told by [`Weight`].

use crate::choice::Tape;
use crate::run::{Outcome, Plan};

/// Shrinks a tape whose run fails.
pub struct Shrinker<'s> {
    plan: Plan,
    check: String,
    best: Tape,
    weight: Weight,
    /// Runs made so far.
    runs: u32,
    /// Asked before every run: whether to go on.
    goes_on: &'s mut dyn FnMut(&Progress) -> bool,
    is_stopped: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Runs made so far.
    pub runs: u32,
    /// Decisions that are not 0 and are left.
    pub decisions: usize,
    /// Things that happen in the best run so far.
    pub count: u64,
}

/// How much there is in a run: first what happens in it, then what was decided, and how.
type Weight = (usize, u64, usize, u128);

impl<'s> Shrinker<'s> {
    /// Begins with `tape`, which fails.
    ///
    /// # Errors
    /// If it does not.
    pub fn new(
        plan: Plan,
        tape: &Tape,
        goes_on: &'s mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Self, String> {
        let outcome = plan.play_tape(tape, false);
        let failure = outcome.failure.as_ref().ok_or("the tape does not fail")?;
        let check = failure.check.clone();
        let weight = weigh(&outcome);
        let mut plan = plan;
        // What takes far longer than the first run is no simpler one.
        plan.budget = outcome.count.saturating_mul(20).saturating_add(100_000);
        Ok(Self { plan, check, best: outcome.tape, weight, runs: 1, goes_on, is_stopped: false })
    }

    /// Shrinks as far as it goes.
    pub fn run(mut self) -> Tape {
        loop {
            let before = self.weight;
            self.drop_lanes();
            for lane in self.lanes() {
                self.cut_tail(&lane);
                self.chunks(&lane, |values, from, to| {
                    values.drain(from..to);
                });
                self.chunks(&lane, |values, from, to| values[from..to].fill(0));
            }
            for lane in self.lanes() {
                self.lower(&lane);
            }
            if self.weight == before || self.is_stopped {
                return self.best;
            }
        }
    }

    /// All lanes, that of the scenario first: it decides which faults the others have to decide.
    fn lanes(&self) -> Vec<String> {
        let mut names: Vec<_> = self.best.lanes.keys().cloned().collect();
        names.sort_by_key(|name| name != "world");
        names
    }

    fn lane(&self, name: &str) -> &[u64] {
        self.best.lanes.get(name).map_or(&[], Vec::as_slice)
    }

    fn drop_lanes(&mut self) {
        // All but the scenario at once: often the network has nothing to do with it.
        let mut without = self.best.clone();
        without.lanes.retain(|name, _| name == "world");
        if self.attempt(without) {
            return;
        }
        for name in self.lanes() {
            let mut without = self.best.clone();
            without.lanes.remove(&name);
            self.attempt(without);
        }
    }

    /// Cuts halves, quarters and so on off the end of a lane.
    fn cut_tail(&mut self, name: &str) {
        let mut keep = self.lane(name).len() / 2;
        while keep < self.lane(name).len() {
            let len = self.lane(name).len();
            if self.edit(name, |values| values.truncate(keep)) {
                keep /= 2;
            } else {
                keep += (len - keep).div_ceil(2);
            }
        }
    }

    /// Applies `edit` to pieces of a lane, of every size that is a power of two, from its end.
    fn chunks(&mut self, name: &str, edit: fn(&mut Vec<u64>, usize, usize)) {
        let mut size = self.lane(name).len().next_power_of_two();
        while size > 0 && !self.is_stopped {
            let mut to = self.lane(name).len();
            while to > 0 && !self.is_stopped {
                to = to.min(self.lane(name).len());
                let from = to.saturating_sub(size);
                if self.lane(name)[from..to].iter().any(|&value| value != 0) || size == 1 {
                    self.edit(name, |values| edit(values, from, to));
                }
                to = from;
            }
            size /= 2;
        }
    }

    /// Makes the numbers of a lane smaller, one by one.
    fn lower(&mut self, name: &str) {
        let mut index = 0;
        while index < self.lane(name).len() && !self.is_stopped {
            let mut low = 0;
            while let Some(&value) = self.lane(name).get(index)
                && low < value
                && !self.is_stopped
            {
                let middle = low + (value - low) / 2;
                let is_simpler = self.edit(name, |values| {
                    if let Some(place) = values.get_mut(index) {
                        *place = middle;
                    }
                });
                if !is_simpler {
                    low = middle + 1;
                }
            }
            index += 1;
        }
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Vec<u64>)) -> bool {
        let mut tape = self.best.clone();
        let Some(values) = tape.lanes.get_mut(name) else { return false };
        edit(values);
        tape != self.best && self.attempt(tape)
    }

    /// Takes `tape` over if it fails the same way and is simpler.
    fn attempt(&mut self, mut tape: Tape) -> bool {
        if self.is_stopped {
            return false;
        }
        let decisions = self.weight.0;
        let progress = Progress { runs: self.runs, decisions, count: self.weight.1 };
        if !(self.goes_on)(&progress) {
            self.is_stopped = true;
            return false;
        }
        // Its decisions are its own now.
        tape.head.remove("seed");
        self.runs += 1;
        let outcome = self.plan.play_tape(&tape, false);
        let fails = outcome.failure.as_ref().is_some_and(|failure| failure.check == self.check);
        let weight = weigh(&outcome);
        if !fails || weight >= self.weight {
            return false;
        }
        self.weight = weight;
        // What was really drawn: without what was left over, and within its bounds.
        self.best = outcome.tape;
        true
    }
}

fn weigh(outcome: &Outcome) -> Weight {
    let values = || outcome.tape.lanes.values().flatten();
    let decisions = values().filter(|&&value| value != 0).count();
    let sum = values().map(|&value| u128::from(value)).sum();
    (decisions, outcome.count, outcome.tape.len(), sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{NodeKind, named};

    #[test]
    fn the_canary_is_found_and_shrinks_to_three_losses() {
        let plan = Plan::new(named("echo-canary").unwrap(), NodeKind::Core);
        let failing = (0..500).map(|seed| plan.play_seed(seed, false));
        let outcome = failing.into_iter().find(|outcome| outcome.failure.is_some()).unwrap();
        let mut goes_on = |_: &Progress| true;
        let tape = Shrinker::new(plan.clone(), &outcome.tape, &mut goes_on).unwrap().run();
        let shrunk = plan.play_tape(&tape, true);
        assert_eq!(shrunk.failure.map(|failure| failure.check), Some("canary".into()));
        let decided = tape.lanes.values().flatten().filter(|&&value| value != 0).count();
        assert!(decided <= 8, "{}", tape.emit());
        assert!(shrunk.count < 100, "{} events", shrunk.count);
    }

    #[test]
    fn a_tape_that_does_not_fail_is_refused() {
        let plan = Plan::new(named("echo").unwrap(), NodeKind::Core);
        let mut goes_on = |_: &Progress| true;
        assert!(Shrinker::new(plan, &Tape::default(), &mut goes_on).is_err());
    }
}
