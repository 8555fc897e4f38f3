//! How long the loop could not read, and what it did meanwhile: measured by the loop itself, with
//! readings of its clock and nothing else.

use kumihimo_core::time::{Duration, Instant};

/// What the loop does, in the order of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asleep, though its time to wake was over.
    Waiting,
    /// Handing the core its timer.
    Timer,
    /// Carrying out what other threads want.
    Mail,
    /// Reading what has arrived.
    Receiving,
    /// Handing the core what has arrived.
    Handling,
    /// Asking the core for its outputs, facts and questions included.
    Polling,
    /// Sending.
    Sending,
    /// Recording its accounts.
    Reporting,
}

/// A time in which the loop could not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long it was in all.
    pub length: Duration,
    /// What took most of it.
    pub phase: Phase,
    /// How much of it that took.
    pub in_phase: Duration,
}

/// The account of one turn at a time, and of the longest so far.
#[derive(Debug)]
pub(crate) struct Turns {
    began: Instant,
    mark: Instant,
    late: Duration,
    spent: [Duration; Phase::COUNT],
    longest: Pause,
}

impl Phase {
    const COUNT: usize = Self::Reporting as usize + 1;

    /// What the loop did, as the log says it.
    pub const fn doing(self) -> &'static str {
        match self {
            Self::Waiting => "asleep beyond its time",
            Self::Timer => "in the core's timer",
            Self::Mail => "reading its mail",
            Self::Receiving => "receiving",
            Self::Handling => "handling what arrived",
            Self::Polling => "polling the core",
            Self::Sending => "sending",
            Self::Reporting => "reporting",
        }
    }

    /// Its name in the fields of the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Timer => "timer",
            Self::Mail => "mail",
            Self::Receiving => "receiving",
            Self::Handling => "handling",
            Self::Polling => "polling",
            Self::Sending => "sending",
            Self::Reporting => "reporting",
        }
    }

    const ALL: [Self; Self::COUNT] = [
        Self::Waiting,
        Self::Timer,
        Self::Mail,
        Self::Receiving,
        Self::Handling,
        Self::Polling,
        Self::Sending,
        Self::Reporting,
    ];
}

impl Turns {
    pub(crate) const fn new(now: Instant) -> Self {
        let longest =
            Pause { length: Duration::ZERO, phase: Phase::Waiting, in_phase: Duration::ZERO };
        let spent = [Duration::ZERO; Phase::COUNT];
        Self { began: now, mark: now, late: Duration::ZERO, spent, longest }
    }

    /// The wait is over, this long after its time.
    pub(crate) fn begin(&mut self, now: Instant, late: Duration) {
        (self.began, self.mark, self.late) = (now, now, late);
        self.spent = [Duration::ZERO; Phase::COUNT];
        self.spent[Phase::Waiting as usize] = late;
    }

    /// What was done since the last mark was this.
    pub(crate) fn did(&mut self, phase: Phase, now: Instant) {
        let spent = &mut self.spent[phase as usize];
        *spent = Duration::from_micros(spent.as_micros() + now.since(self.mark).as_micros());
        self.mark = self.mark.max(now);
    }

    /// The turn is over; a pause that is worth a line.
    pub(crate) fn end(&mut self) -> Option<Pause> {
        let worked = self.mark.since(self.began);
        let length = Duration::from_micros(self.late.as_micros() + worked.as_micros());
        if length < LONG && length <= self.longest.length {
            return None;
        }
        let pause = self.pause(length);
        if length > self.longest.length {
            self.longest = pause;
        }
        (length >= LONG).then_some(pause)
    }

    /// The longest so far.
    pub(crate) const fn longest(&self) -> Pause {
        self.longest
    }

    fn pause(&self, length: Duration) -> Pause {
        let spent = |phase: &Phase| self.spent[*phase as usize];
        let phase = Phase::ALL.into_iter().max_by_key(spent).unwrap_or(Phase::Waiting);
        Pause { length, phase, in_phase: spent(&phase) }
    }
}

/// From here on a pause is worth a line.
pub const LONG: Duration = Duration::from_millis(100);
