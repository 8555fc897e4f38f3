//! How fast something is sent.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// Packets in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rate {
    /// So many.
    Fixed(u32),
    /// As many as arrive, found by trying.
    Max,
    /// Twice what arrived when [`Rate::Max`] was asked for last.
    Twice,
}

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "max" => Ok(Self::Max),
            "2x" => Ok(Self::Twice),
            number => number.parse().map(Self::Fixed).map_err(|_| ()),
        }
    }
}

/// Finds the rate that just arrives: it goes up while nearly everything does, and stays a little
/// above what does when that is less. It falls slowly, since a machine hesitates now and then.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    now: f64,
    at: Instant,
    sent: u64,
    got: u64,
    /// Whether more was sent than arrived once.
    has_lost: bool,
}

impl Pace {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let begin = match rate {
            Rate::Fixed(rate) => f64::from(rate),
            Rate::Max | Rate::Twice => 15_000.0,
        };
        Self { rate, now: begin, at: now, sent: 0, got: 0, has_lost: false }
    }

    /// Packets in a second.
    pub(super) fn current(&self) -> f64 {
        self.now
    }

    /// Learns from totals how much of what was sent arrived.
    pub(super) fn learn(&mut self, now: Instant, sent: u64, got: u64) {
        let span = now.duration_since(self.at);
        if self.rate != Rate::Max || span < STEP {
            return;
        }
        let is_new = sent < self.sent || got < self.got;
        let (was_sent, has_got) = (sent.saturating_sub(self.sent), got.saturating_sub(self.got));
        (self.at, self.sent, self.got) = (now, sent, got);
        if is_new {
            // The counters began anew.
            return;
        }
        let arrived = has_got as f64 / span.as_secs_f64();
        let share = has_got as f64 / was_sent.max(1) as f64;
        // What was sent may be less than what was allowed: then this end is at its limit.
        let offered = was_sent as f64 / span.as_secs_f64();
        if share < 0.93 {
            self.has_lost = true;
            self.now = (arrived * 1.1).max(self.now * 0.85).max(1_000.0);
        } else if offered > self.now * 0.9 {
            self.now *= if self.has_lost { 1.1 } else { 1.4 };
        }
    }
}

/// Counts out packets at a rate.
#[derive(Debug)]
pub(super) struct Bucket {
    at: Instant,
    tokens: f64,
}

impl Bucket {
    pub(super) fn new(now: Instant) -> Self {
        Self { at: now, tokens: 0.0 }
    }

    /// How many packets may be sent now, at most `most`.
    pub(super) fn take(&mut self, now: Instant, rate: f64, most: usize) -> usize {
        let span = now.duration_since(self.at).as_secs_f64();
        self.at = now;
        // What was missed for longer than a moment is not made up for.
        self.tokens = (self.tokens + span * rate).min((rate * 0.02).max(2.0));
        let count = (self.tokens as usize).min(most);
        self.tokens -= count as f64;
        count
    }
}

/// How often it learns.
const STEP: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_settles_at_what_the_other_side_takes() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Rate::Max, now);
        let (mut sent, mut got) = (0, 0);
        for _ in 0..100 {
            now += STEP;
            let count = pace.current() * STEP.as_secs_f64();
            sent += count as u64;
            got += count.min(50_000.0 * STEP.as_secs_f64()) as u64;
            pace.learn(now, sent, got);
        }
        assert!((40_000.0..60_000.0).contains(&pace.current()), "{}", pace.current());
    }

    #[test]
    fn a_bucket_gives_what_the_rate_says() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(now);
        let mut count = 0;
        for _ in 0..1_000 {
            now += Duration::from_millis(1);
            count += bucket.take(now, 12_345.0, 64);
        }
        assert!((12_300..=12_345).contains(&count), "{count}");
    }
}
