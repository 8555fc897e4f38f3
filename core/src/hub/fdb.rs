//! The forwarding database: which MAC address stands behind which port.
//!
//! Every entry is in a list of its port, the one seen last in front, so that a port that reached
//! its ceiling gives up its oldest entry if that is out of date. A port that leaves hands its
//! whole list over to the *orphans* in one step: their port's list belongs to no one or to
//! another port. Orphans are freed when places are needed and a few whenever something is
//! learned. No call walks a list or the table.

use super::Counted;
use crate::addr::MacAddr;
use crate::discard::DropReason;
use crate::ids::{HubId, PortId};
use crate::store::{Backing, Bucket, Empty, Full, Index, Key, Slab, Slot};
use crate::time::{Duration, Instant};

/// A MAC address and its port.
#[derive(Debug)]
pub struct Entry {
    hub: HubId,
    mac: MacAddr,
    standing: Standing,
    port: PortId,
    seen: Instant,
    next: u32,
    previous: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A host's own address: does not age and cannot move.
    Fixed,
    /// Seen as a source.
    Learned,
}

impl Entry {
    pub(super) const fn hub(&self) -> HubId {
        self.hub
    }

    pub(super) const fn place(&self) -> (MacAddr, PortId) {
        (self.mac, self.port)
    }

    fn has_aged(&self, now: Instant) -> bool {
        self.standing == Standing::Learned && now.since(self.seen) >= AGEING_TIME
    }
}

/// The entries of one port: a list through [`Entry`].
#[derive(Clone, Copy, Debug)]
pub struct PortEntries {
    owner: Option<PortId>,
    first: u32,
    last: u32,
    len: u32,
}

impl Empty for PortEntries {
    const EMPTY: Self = Self { owner: None, first: 0, last: 0, len: 0 };
}

impl PortEntries {
    const NOTHING: Self = Self { owner: None, first: NONE, last: NONE, len: 0 };
}

/// The addresses of all hubs.
#[derive(Debug)]
pub(super) struct Fdb<'a> {
    entries: Slab<'a, Key, Entry>,
    index: Index<'a>,
    lists: Backing<'a, PortEntries>,
    orphans: PortEntries,
    /// Entries that are not fixed.
    learned: usize,
    /// The most of them: the other places are for hosts.
    learned_max: usize,
    /// Where the search for outdated entries goes on.
    hand: usize,
}

impl<'a> Fdb<'a> {
    /// An empty database that keeps `reserved` places for hosts.
    pub(super) fn new(
        entries: Backing<'a, Slot<Entry>>,
        buckets: Backing<'a, Bucket>,
        mut lists: Backing<'a, PortEntries>,
        reserved: usize,
        key: [u8; 16],
    ) -> Self {
        lists.fill(PortEntries::NOTHING);
        let learned_max = entries.len().saturating_sub(reserved);
        Self {
            entries: Slab::new(entries),
            index: Index::new(buckets, key),
            lists,
            orphans: PortEntries::NOTHING,
            learned: 0,
            learned_max,
            hand: 0,
        }
    }

    /// The port behind which `mac` was seen lately.
    pub(super) fn lookup(&self, now: Instant, hub: HubId, mac: MacAddr) -> Option<PortId> {
        let entry = self.entry(self.find(hub, mac)?)?;
        (self.has_port(entry) && !entry.has_aged(now)).then_some(entry.port)
    }

    /// Notes that `mac` stands behind `port`. A port with `ceiling` current addresses learns no
    /// more of them; its frames are forwarded all the same.
    ///
    /// # Errors
    /// [`DropReason::SpoofedSource`] if it is a host's address.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        hub: HubId,
        mac: MacAddr,
        port: PortId,
        ceiling: u32,
    ) -> Result<(), DropReason> {
        if let Some(slot) = self.find(hub, mac)
            && let Some(entry) = self.entry(slot)
        {
            if self.has_port(entry) && entry.standing == Standing::Fixed {
                return Err(DropReason::SpoofedSource);
            }
            if entry.port == port {
                if now.since(entry.seen) >= SEEN_GRAIN {
                    self.refresh(now, slot);
                }
                return Ok(());
            }
            self.free(slot);
        }
        self.free_first_orphan();
        if self.list(port).is_none_or(|list| list.len < ceiling) || self.free_oldest(now, port) {
            // A full table learns nothing; the hub floods for the address.
            let _ = self.insert(now, hub, mac, port, Standing::Learned);
        }
        Ok(())
    }

    /// Reserves `mac` for the host at `port`.
    ///
    /// # Errors
    /// [`DropReason::MacInUse`] if another host has it, [`DropReason::MacTableFull`].
    pub(super) fn claim(
        &mut self,
        hub: HubId,
        mac: MacAddr,
        port: PortId,
    ) -> Result<(), DropReason> {
        if let Some(slot) = self.find(hub, mac)
            && let Some(entry) = self.entry(slot)
        {
            if self.has_port(entry) && entry.standing == Standing::Fixed {
                return Err(DropReason::MacInUse);
            }
            self.free(slot);
        }
        let inserted = self.insert(Instant::ZERO, hub, mac, port, Standing::Fixed);
        inserted.map_err(|Full| DropReason::MacTableFull)
    }

    /// Forgets everything behind `port`.
    pub(super) fn forget(&mut self, port: PortId) {
        let Some(list) = self.list_mut(port) else { return };
        let list = core::mem::replace(list, PortEntries::NOTHING);
        if let Some(last) = self.entry_mut(list.last) {
            last.next = NONE;
        }
        let tail = self.orphans.last;
        match self.entry_mut(tail) {
            Some(tail) => tail.next = list.first,
            None => self.orphans.first = list.first,
        }
        if let Some(first) = self.entry_mut(list.first) {
            first.previous = tail;
            self.orphans.last = list.last;
        }
        self.orphans.len += list.len;
        self.free_first_orphan();
    }

    /// Sums of what is counted here.
    pub(super) fn counted(&self) -> Counted {
        Counted {
            macs: self.entries.len(),
            learned: self.learned,
            orphans: self.orphans.len as usize,
            of_ports: self.lists.iter().map(|list| list.len as usize).sum(),
            names: self.index.len(),
            ..Counted::default()
        }
    }

    /// Entries with a port.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry).filter(|entry| self.has_port(entry))
    }

    fn refresh(&mut self, now: Instant, slot: u32) {
        self.unlink(slot);
        if let Some(entry) = self.entry_mut(slot) {
            entry.seen = now;
        }
        self.link(slot);
    }

    fn insert(
        &mut self,
        now: Instant,
        hub: HubId,
        mac: MacAddr,
        port: PortId,
        standing: Standing,
    ) -> Result<(), Full> {
        let is_learned = standing == Standing::Learned;
        if self.entries.len() >= self.entries.capacity()
            || (is_learned && self.learned >= self.learned_max)
        {
            self.make_room(now);
        }
        if is_learned && self.learned >= self.learned_max {
            return Err(Full);
        }
        let entry = Entry { hub, mac, standing, port, seen: now, next: NONE, previous: NONE };
        let key = self.entries.insert(entry)?;
        if self.index.insert(self.index.hash(&(hub, mac)), key.index).is_err() {
            self.entries.remove(key);
            return Err(Full);
        }
        self.learned += usize::from(is_learned);
        self.link(key.index);
        Ok(())
    }

    /// Frees an orphan, or outdated entries among the next few places.
    fn make_room(&mut self, now: Instant) {
        if self.free_first_orphan() {
            return;
        }
        for _ in 0..SEARCH_PLACES {
            self.hand = if self.hand + 1 < self.entries.capacity() { self.hand + 1 } else { 0 };
            let slot = self.hand as u32;
            if self.entry(slot).is_some_and(|entry| entry.has_aged(now)) {
                self.free(slot);
            }
        }
    }

    /// Frees the entry of `port` that was seen longest ago, if it is out of date.
    fn free_oldest(&mut self, now: Instant, port: PortId) -> bool {
        let Some(last) = self.list(port).map(|list| list.last) else { return false };
        let has_aged = self.entry(last).is_some_and(|entry| entry.has_aged(now));
        if has_aged {
            self.free(last);
        }
        has_aged
    }

    fn free_first_orphan(&mut self) -> bool {
        let first = self.orphans.first;
        if first != NONE {
            self.free(first);
        }
        first != NONE
    }

    fn free(&mut self, slot: u32) {
        self.unlink(slot);
        let Some(key) = self.entries.key_at(slot) else { return };
        let Some(entry) = self.entries.take(key) else { return };
        self.index.remove(self.index.hash(&(entry.hub, entry.mac)), slot);
        self.learned -= usize::from(entry.standing == Standing::Learned);
    }

    /// Puts an entry in front of its port's list.
    fn link(&mut self, slot: u32) {
        let Some(port) = self.entry(slot).map(|entry| entry.port) else { return };
        let Some(list) = self.lists.get_mut(port.index() as usize) else { return };
        debug_assert!(list.owner.is_none_or(|owner| owner == port), "a list has one owner");
        list.owner = Some(port);
        list.len += 1;
        let second = core::mem::replace(&mut list.first, slot);
        if second == NONE {
            list.last = slot;
        }
        if let Some(second) = self.entry_mut(second) {
            second.previous = slot;
        }
        if let Some(entry) = self.entry_mut(slot) {
            entry.next = second;
            entry.previous = NONE;
        }
    }

    /// Takes an entry out of the list it is in.
    fn unlink(&mut self, slot: u32) {
        let Some(entry) = self.entry(slot) else { return };
        let (next, previous, port) = (entry.next, entry.previous, entry.port);
        if let Some(next) = self.entry_mut(next) {
            next.previous = previous;
        }
        if let Some(previous) = self.entry_mut(previous) {
            previous.next = next;
        }
        let list = match self.lists.get_mut(port.index() as usize) {
            Some(list) if list.owner == Some(port) => list,
            _ => &mut self.orphans,
        };
        list.len -= 1;
        if list.first == slot {
            list.first = next;
        }
        if list.last == slot {
            list.last = previous;
        }
    }

    fn find(&self, hub: HubId, mac: MacAddr) -> Option<u32> {
        let is_it = |slot| self.entry(slot).is_some_and(|e| (e.hub, e.mac) == (hub, mac));
        self.index.find(self.index.hash(&(hub, mac)), is_it)
    }

    fn has_port(&self, entry: &Entry) -> bool {
        self.list(entry.port).is_some()
    }

    fn list(&self, port: PortId) -> Option<&PortEntries> {
        self.lists.get(port.index() as usize).filter(|list| list.owner == Some(port))
    }

    fn list_mut(&mut self, port: PortId) -> Option<&mut PortEntries> {
        self.lists.get_mut(port.index() as usize).filter(|list| list.owner == Some(port))
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.entries.find(self.entries.key_at(slot)?)
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.find_mut(self.entries.key_at(slot)?)
    }
}

/// How long an address is remembered after it was seen (IEEE 802.1D §7.9.2).
pub(super) const AGEING_TIME: Duration = Duration::from_secs(300);
/// How exactly it is remembered when an address was seen: not every frame writes.
const SEEN_GRAIN: Duration = Duration::from_secs(1);
/// Places that one search for outdated entries looks at.
const SEARCH_PLACES: usize = 8;
const NONE: u32 = u32::MAX;
