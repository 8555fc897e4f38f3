//! Keeps a peer that fails again and again from filling the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use kumihimo_core::event::{DialFailure, Event, FailureCause, Stage};

use crate::pause::Phase;

/// Counts failures by address, stage and cause, and in all.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    seen: HashMap<Key, Window>,
    all: Option<Window>,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written; so many like it were held back before.
    Write { more: u64 },
    /// It is counted only.
    Hold,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    stage: Option<u8>,
    cause: String,
}

#[derive(Debug)]
struct Window {
    since: SystemTime,
    written: u32,
    held: u64,
}

impl Limiter {
    /// Decides about the line of `event`.
    pub(super) fn admit(&mut self, now: SystemTime, event: &Event) -> Verdict {
        key(event).map_or(Verdict::Write { more: 0 }, |key| self.admit_key(now, key))
    }

    /// Decides about the line of a pause in this phase.
    pub(super) fn admit_pause(&mut self, now: SystemTime, phase: Phase) -> Verdict {
        self.admit_key(now, Key { address: None, stage: None, cause: phase.name().to_owned() })
    }

    fn admit_key(&mut self, now: SystemTime, key: Key) -> Verdict {
        if self.seen.len() == MAX_KEYS && !self.seen.contains_key(&key) {
            self.seen.retain(|_, window| window.is_current(now, KEY_WINDOW));
            if self.seen.len() == MAX_KEYS {
                self.seen.clear();
            }
        }
        let verdict = Window::admit(self.seen.entry(key), now);
        if verdict == Verdict::Hold {
            return verdict;
        }
        let all = self.all.get_or_insert_with(|| Window::new(now));
        if !all.is_current(now, ALL_WINDOW) {
            let held = all.held;
            *all = Window::new(now);
            all.held = held;
        }
        if all.written == ALL_LINES {
            all.held += 1;
            return Verdict::Hold;
        }
        all.written += 1;
        let Verdict::Write { more } = verdict else { return verdict };
        Verdict::Write { more: more + std::mem::take(&mut all.held) }
    }
}

impl Window {
    fn new(since: SystemTime) -> Self {
        Self { since, written: 0, held: 0 }
    }

    fn is_current(&self, now: SystemTime, length: Duration) -> bool {
        now.duration_since(self.since).is_ok_and(|age| age < length)
    }

    fn admit(entry: std::collections::hash_map::Entry<'_, Key, Self>, now: SystemTime) -> Verdict {
        let window = entry.or_insert_with(|| Self::new(now));
        let mut more = 0;
        if !window.is_current(now, KEY_WINDOW) {
            more = window.held;
            *window = Self::new(now);
        }
        if window.written == KEY_LINES {
            window.held += 1;
            return Verdict::Hold;
        }
        window.written += 1;
        Verdict::Write { more }
    }
}

fn key(event: &Event) -> Option<Key> {
    match event {
        Event::DialFailed(DialFailure { remote, stage, cause, .. }) => Some(Key {
            address: Some(remote.ip()),
            stage: Some(stage_number(*stage)),
            cause: cause_name(*cause),
        }),
        Event::Refused { remote, reason } => Some(Key {
            address: remote.map(|remote| remote.ip()),
            stage: None,
            cause: reason.name().to_owned(),
        }),
        _ => None,
    }
}

fn stage_number(stage: Stage) -> u8 {
    stage as u8
}

fn cause_name(cause: FailureCause) -> String {
    format!("{cause:?}")
}

/// Lines of one address, stage and cause in one window.
const KEY_LINES: u32 = 5;
const KEY_WINDOW: Duration = Duration::from_secs(60);
/// Failures of all addresses in one window.
const ALL_LINES: u32 = 100;
const ALL_WINDOW: Duration = Duration::from_secs(10);
/// Keys that are remembered.
const MAX_KEYS: usize = 4_096;
