//! The ARP cache of one host (RFC 826).
//!
//! It is small: a client talks to its gateway and to few neighbours. An entry lives 180 s and is
//! asked for again, by unicast, when it is used shortly before its end, so that traffic does not
//! stop for it. A neighbour is asked three times, a second apart. Those who do not answer take at
//! most half of the places, so that a client that scans its subnet keeps its gateway.

use core::net::Ipv4Addr;

use crate::addr::MacAddr;
use crate::time::{Duration, Instant};

/// The neighbours of a host.
#[derive(Debug, Default)]
pub(super) struct ArpCache([Entry; ENTRIES]);

#[derive(Clone, Copy, Debug)]
struct Entry {
    ip: Ipv4Addr,
    mac: MacAddr,
    state: State,
    /// When the next request is due, or when the entry ends.
    until: Instant,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    /// Asked this often.
    Resolving(u8),
    Known,
    /// Known, and asked for again.
    Refreshing,
}

impl Default for Entry {
    fn default() -> Self {
        let ip = Ipv4Addr::UNSPECIFIED;
        Self { ip, mac: MacAddr::default(), state: State::Free, until: Instant::ZERO }
    }
}

impl Entry {
    const fn is_resolving(&self) -> bool {
        matches!(self.state, State::Resolving(_))
    }

    const fn is_known(&self) -> bool {
        matches!(self.state, State::Known | State::Refreshing)
    }

    fn is_free(&self, now: Instant) -> bool {
        self.state == State::Free || (self.is_known() && self.until <= now)
    }
}

/// What is known about a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Its MAC address.
    Known {
        mac: MacAddr,
        /// To be asked for again now.
        refresh: bool,
    },
    /// It was asked for.
    Resolving,
    /// It is to be asked for now.
    Begun,
    /// Too many do not answer.
    Full,
}

/// What a timer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask for this address again.
    Ask(Ipv4Addr),
    /// It does not answer.
    Failed(Ipv4Addr),
}

impl ArpCache {
    /// Looks a neighbour up; an unknown one takes a place.
    pub(super) fn lookup(&mut self, now: Instant, ip: Ipv4Addr) -> Lookup {
        if let Some(entry) = self.find(now, ip) {
            if entry.is_resolving() {
                return Lookup::Resolving;
            }
            let refresh = entry.state == State::Known && entry.until <= now + REFRESH_BEFORE;
            if refresh {
                entry.state = State::Refreshing;
            }
            return Lookup::Known { mac: entry.mac, refresh };
        }
        if self.0.iter().filter(|entry| entry.is_resolving()).count() >= RESOLVING_MAX {
            return Lookup::Full;
        }
        let Some(entry) = self.place(now) else { return Lookup::Full };
        let state = State::Resolving(1);
        *entry = Entry { ip, mac: MacAddr::default(), state, until: now + RETRY };
        Lookup::Begun
    }

    /// Notes where a neighbour is; with `insert`, also one that was not asked for. Tells whether
    /// packets wait for it.
    pub(super) fn learn(&mut self, now: Instant, ip: Ipv4Addr, mac: MacAddr, insert: bool) -> bool {
        let known = Entry { ip, mac, state: State::Known, until: now + LIFETIME };
        if let Some(entry) = self.find(now, ip) {
            let waited = entry.is_resolving();
            *entry = known;
            return waited;
        }
        if let Some(entry) = self.place(now).filter(|_| insert) {
            *entry = known;
        }
        false
    }

    /// Takes one thing that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let entry = self.0.iter_mut().find(|entry| entry.is_resolving() && entry.until <= now)?;
        match entry.state {
            State::Resolving(asked) if asked < ASK_MAX => {
                entry.state = State::Resolving(asked + 1);
                entry.until = now + RETRY;
                Some(Due::Ask(entry.ip))
            }
            _ => {
                entry.state = State::Free;
                Some(Due::Failed(entry.ip))
            }
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter(|entry| entry.is_resolving()).map(|entry| entry.until).min()
    }

    fn find(&mut self, now: Instant, ip: Ipv4Addr) -> Option<&mut Entry> {
        self.0.iter_mut().find(|entry| entry.ip == ip && !entry.is_free(now))
    }

    /// A free place, or that of the known neighbour that was heard of longest ago.
    fn place(&mut self, now: Instant) -> Option<&mut Entry> {
        let candidates = self.0.iter_mut().filter(|entry| !entry.is_resolving());
        candidates.min_by_key(|entry| (!entry.is_free(now), entry.until))
    }
}

const ENTRIES: usize = 8;
const RESOLVING_MAX: usize = ENTRIES / 2;
const LIFETIME: Duration = Duration::from_secs(180);
const REFRESH_BEFORE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);
const ASK_MAX: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn a_neighbour_is_asked_three_times_and_given_up() {
        let mut cache = ArpCache::default();
        assert_eq!(cache.lookup(at(0), ip(1)), Lookup::Begun);
        assert_eq!(cache.lookup(at(0), ip(1)), Lookup::Resolving);
        assert_eq!(cache.take_due(at(0)), None);
        assert_eq!(cache.take_due(at(1)), Some(Due::Ask(ip(1))));
        assert_eq!(cache.deadline(), Some(at(2)));
        assert_eq!(cache.take_due(at(2)), Some(Due::Ask(ip(1))));
        assert_eq!(cache.take_due(at(3)), Some(Due::Failed(ip(1))));
        assert_eq!((cache.take_due(at(9)), cache.deadline()), (None, None));
        assert_eq!(cache.lookup(at(9), ip(1)), Lookup::Begun);
    }

    #[test]
    fn an_entry_in_use_is_refreshed_before_it_ends() {
        let mut cache = ArpCache::default();
        assert_eq!(cache.lookup(at(0), ip(1)), Lookup::Begun);
        assert!(cache.learn(at(0), ip(1), MAC, false));
        assert_eq!(cache.lookup(at(149), ip(1)), Lookup::Known { mac: MAC, refresh: false });
        assert_eq!(cache.lookup(at(150), ip(1)), Lookup::Known { mac: MAC, refresh: true });
        assert_eq!(cache.lookup(at(151), ip(1)), Lookup::Known { mac: MAC, refresh: false });
        assert!(!cache.learn(at(151), ip(1), MAC, false));
        assert_eq!(cache.lookup(at(300), ip(1)), Lookup::Known { mac: MAC, refresh: false });
        assert_eq!(cache.lookup(at(331), ip(1)), Lookup::Begun);
    }

    #[test]
    fn a_scan_does_not_displace_the_gateway() {
        let mut cache = ArpCache::default();
        cache.learn(at(0), ip(1), MAC, true);
        for last in 2..200 {
            let expected = if last < 6 { Lookup::Begun } else { Lookup::Full };
            assert_eq!(cache.lookup(at(1), ip(last)), expected);
        }
        assert_eq!(cache.lookup(at(1), ip(1)), Lookup::Known { mac: MAC, refresh: false });
        cache.learn(at(1), ip(250), MAC, false);
        assert_eq!(cache.lookup(at(1), ip(250)), Lookup::Full);
    }

    #[test]
    fn the_neighbour_heard_of_longest_ago_makes_room() {
        let mut cache = ArpCache::default();
        for last in 1..=9 {
            cache.learn(at(u64::from(last)), ip(last), MAC, true);
        }
        let known = Lookup::Known { mac: MAC, refresh: false };
        assert!((2..=9).all(|last| cache.lookup(at(10), ip(last)) == known));
        assert_eq!(cache.lookup(at(10), ip(1)), Lookup::Begun);
    }
}
