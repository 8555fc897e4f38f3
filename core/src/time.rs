//! Time as the core sees it: microseconds that a runtime hands in.
//!
//! There is no epoch and no clock here. A runtime picks any origin and passes `now` with every
//! call; `now` never decreases.

use core::ops::{Add, AddAssign, Sub};

/// A point in time, in microseconds since an origin that the runtime chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// The point `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time that passed since `earlier`; zero if `earlier` lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// A span of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `micros` microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A span of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// A span of `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// The span in microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The span in whole milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// The span in whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The span `factor` times over.
    pub const fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// A `divisor`-th of the span; the span itself for zero.
    pub const fn over(self, divisor: u64) -> Self {
        match self.0.checked_div(divisor) {
            Some(micros) => Self(micros),
            None => self,
        }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The timers of one entity: `N` deadlines, addressed by a small enum cast to `usize`.
///
/// A number outside `0..N` is ignored.
#[derive(Clone, Copy, Debug)]
pub struct TimerSet<const N: usize>([Option<Instant>; N]);

impl<const N: usize> Default for TimerSet<N> {
    fn default() -> Self {
        Self([None; N])
    }
}

impl<const N: usize> TimerSet<N> {
    /// Sets timer `timer` to fire at `at`, replacing an earlier setting.
    pub fn arm(&mut self, timer: usize, at: Instant) {
        if let Some(slot) = self.0.get_mut(timer) {
            *slot = Some(at);
        }
    }

    /// Stops timer `timer`.
    pub fn disarm(&mut self, timer: usize) {
        if let Some(slot) = self.0.get_mut(timer) {
            *slot = None;
        }
    }

    /// When timer `timer` fires, if it is armed.
    pub fn at(&self, timer: usize) -> Option<Instant> {
        self.0.get(timer).copied().flatten()
    }

    /// Disarms and names one timer that is due at `now`: the one that was due first.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        let deadline = self.deadline().filter(|&at| at <= now)?;
        let timer = self.0.iter().position(|&at| at == Some(deadline))?;
        self.disarm(timer);
        Some(timer)
    }

    /// When the next timer fires.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
}

/// The earlier of two optional deadlines.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_in_the_order_of_their_deadlines() {
        let mut timers = TimerSet::<3>::default();
        timers.arm(0, Instant::from_micros(20));
        timers.arm(2, Instant::from_micros(10));
        timers.arm(1, Instant::from_micros(30));
        assert_eq!(timers.take_due(Instant::from_micros(5)), None);
        assert_eq!(timers.take_due(Instant::from_micros(25)), Some(2));
        assert_eq!(timers.take_due(Instant::from_micros(25)), Some(0));
        assert_eq!(timers.take_due(Instant::from_micros(25)), None);
        assert_eq!(timers.deadline(), Some(Instant::from_micros(30)));
    }
}
