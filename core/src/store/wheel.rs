//! A hierarchical timer wheel with one node per entity.
//!
//! Five levels of 32 slots; a tick is 8.192 ms, deadlines round up to one. A node sits on the
//! level where its distance from the wheel's clock fits and moves down as the clock nears it.
//! Because every entity owns its node, the wheel is never full.

use super::{Backing, Empty};
use crate::canary::{Fault, is_planted};
use crate::time::Instant;

/// The place of one entity in a [`Wheel`].
#[derive(Clone, Copy, Debug)]
pub struct Node {
    tick: u64,
    next: u32,
    previous: u32,
    /// Number of the list the node is in; [`NONE`] when it is disarmed.
    list: u32,
}

impl Empty for Node {
    const EMPTY: Self = Self { tick: 0, next: 0, previous: 0, list: 0 };
}

impl Node {
    const DISARMED: Self = Self { tick: 0, next: NONE, previous: NONE, list: NONE };
}

/// Deadlines of entities that are numbered like their slots.
#[derive(Debug)]
pub struct Wheel<'a> {
    nodes: Backing<'a, Node>,
    heads: [u32; LEVELS * SLOTS],
    occupied: [u32; LEVELS],
    /// The last tick whose nodes have all been filed by their distance to it.
    clock: u64,
}

impl<'a> Wheel<'a> {
    /// A wheel with nothing armed; `nodes` has one node for each entity.
    pub fn new(mut nodes: Backing<'a, Node>) -> Self {
        nodes.fill(Node::DISARMED);
        Self { nodes, heads: [NONE; LEVELS * SLOTS], occupied: [0; LEVELS], clock: 0 }
    }

    /// Sets the deadline of entity `index`, replacing an earlier one; `None` disarms it.
    pub fn set(&mut self, index: u32, deadline: Option<Instant>) {
        self.unlink(index);
        if let Some(at) = deadline {
            let tick = at.as_micros().div_ceil(TICK_MICROS);
            if let Some(node) = self.nodes.get_mut(index as usize) {
                node.tick = tick;
                self.file(index);
            }
        }
    }

    /// Disarms and names one entity whose deadline is not after `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<u32> {
        let now = now.as_micros() / TICK_MICROS;
        loop {
            let (level, slot, start) = self.first_slot()?;
            if start > now {
                return None;
            }
            self.clock = self.clock.max(start);
            let index = self.heads.get(level * SLOTS + slot).copied()?;
            let tick = self.nodes.get(index as usize)?.tick;
            self.unlink(index);
            if is_planted(Fault::TimerLostAfterLatePoll) && tick + LATE_TICKS < now {
                continue;
            }
            if tick <= now {
                return Some(index);
            }
            self.file(index);
        }
    }

    /// When to call [`Wheel::take_due`] next: never after the earliest deadline, rounded up.
    pub fn deadline(&self) -> Option<Instant> {
        let (_, _, start) = self.first_slot()?;
        let start = start.saturating_sub(u64::from(is_planted(Fault::DeadlineTooEarly)));
        Some(Instant::from_micros(start.saturating_mul(TICK_MICROS)))
    }

    /// Number of deadlines. It walks the nodes: for tests and for reports.
    pub fn armed_count(&self) -> usize {
        self.nodes.iter().filter(|node| node.list != NONE).count()
    }

    /// The occupied slot that comes first, and the tick at which it begins.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let starts = self.occupied.iter().enumerate().filter_map(|(level, &occupied)| {
            if occupied == 0 {
                return None;
            }
            let shift = BITS * level as u32;
            let here = (self.clock >> shift) % SLOTS as u64;
            let ahead = u64::from(occupied.rotate_right(here as u32).trailing_zeros());
            let slot = (here + ahead) % SLOTS as u64;
            let start = ((self.clock >> shift) + ahead) << shift;
            Some((level, slot as usize, start.max(self.clock)))
        });
        starts.min_by_key(|&(level, _, start)| (start, core::cmp::Reverse(level)))
    }

    fn file(&mut self, index: u32) {
        let Some(node) = self.nodes.get_mut(index as usize) else { return };
        let tick = node.tick.clamp(self.clock, self.clock.saturating_add(RANGE - 1));
        let level = level_of(self.clock, tick);
        let slot = (tick >> (BITS * level as u32)) as usize % SLOTS;
        let list = level * SLOTS + slot;
        let Some(head) = self.heads.get_mut(list) else { return };
        node.next = *head;
        node.previous = NONE;
        node.list = list as u32;
        let second = core::mem::replace(head, index);
        if let Some(second) = self.nodes.get_mut(second as usize) {
            second.previous = index;
        }
        if let Some(occupied) = self.occupied.get_mut(level) {
            *occupied |= 1 << slot;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(node) = self.nodes.get_mut(index as usize).filter(|node| node.list != NONE) else {
            return;
        };
        let Node { next, previous, list, .. } = *node;
        node.list = NONE;
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.nodes.get_mut(previous as usize) {
            previous.next = next;
            return;
        }
        let list = list as usize;
        if let Some(head) = self.heads.get_mut(list) {
            *head = next;
        }
        if let (NONE, Some(occupied)) = (next, self.occupied.get_mut(list / SLOTS)) {
            *occupied &= !(1 << (list % SLOTS));
        }
    }
}

/// The lowest level on which `tick` lies less than one turn ahead of `clock`.
fn level_of(clock: u64, tick: u64) -> usize {
    let fits = |level: &usize| {
        let shift = BITS * *level as u32;
        (tick >> shift) - (clock >> shift) < SLOTS as u64
    };
    (0..LEVELS).find(fits).unwrap_or(LEVELS - 1)
}

const TICK_MICROS: u64 = 8_192;
/// A second, for [`Fault::TimerLostAfterLatePoll`].
const LATE_TICKS: u64 = 1_000_000 / TICK_MICROS;
const LEVELS: usize = 5;
const BITS: u32 = 5;
const SLOTS: usize = 1 << BITS;
/// Ticks a node can lie ahead; a later deadline waits there and is filed again.
const RANGE: u64 = (SLOTS as u64 - 1) << (BITS * (LEVELS as u32 - 1));
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::model::Random;

    extern crate std;

    /// Random sets and disarms at random times fire exactly as a plain map of deadlines does.
    #[test]
    fn a_wheel_equals_a_map_of_deadlines() {
        for seed in 1..200 {
            let mut random = Random(seed);
            let mut wheel = Wheel::new(Backing::allocate(8));
            let mut model = std::collections::BTreeMap::new();
            let mut now = 0_u64;
            for _ in 0..400 {
                let entity = random.below(8) as u32;
                let span = 1_u64 << random.below(43);
                if random.below(4) == 0 {
                    wheel.set(entity, None);
                    model.remove(&entity);
                } else {
                    let at = now + random.next() % span;
                    wheel.set(entity, Some(Instant::from_micros(at)));
                    model.insert(entity, at.div_ceil(TICK_MICROS));
                }
                now += random.next() % (1 << random.below(43));
                let mut fired = std::vec::Vec::new();
                while let Some(entity) = wheel.take_due(Instant::from_micros(now)) {
                    fired.push(entity);
                }
                fired.sort_unstable();
                let due = |tick: u64| tick <= now / TICK_MICROS;
                let expected = model.iter().filter(|entry| due(*entry.1)).map(|entry| *entry.0);
                assert!(expected.eq(fired), "seed {seed}");
                model.retain(|_, tick| !due(*tick));
                let first = model.values().min().map(|tick| tick * TICK_MICROS);
                let deadline = wheel.deadline().map(Instant::as_micros);
                assert_eq!(deadline.is_some(), first.is_some());
                assert_eq!(wheel.armed_count(), model.len());
                assert!(deadline <= first && deadline.is_none_or(|at| at > now), "seed {seed}");
            }
        }
    }
}
