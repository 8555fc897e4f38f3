//! Events to come, in the order of time, and at one time in the order in which they were put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kumihimo_core::time::Instant;

/// The queue. Events lie still in a slab; only their keys move when the heap is sorted.
#[derive(Debug)]
pub(super) struct Queue<E> {
    keys: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    sequence: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { keys: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), sequence: 0 }
    }
}

impl<E> Queue<E> {
    pub(super) fn push(&mut self, at: Instant, event: E) {
        let slot = if let Some(slot) = self.free.pop() {
            self.events[slot] = Some(event);
            slot
        } else {
            self.events.push(Some(event));
            self.events.len() - 1
        };
        self.keys.push(Reverse((at, self.sequence, slot)));
        self.sequence += 1;
    }

    /// When the next event is.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.keys.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event, if it is not later than `end`.
    pub(super) fn pop(&mut self, end: Instant) -> Option<(Instant, E)> {
        self.next_at().filter(|&at| at <= end)?;
        let Reverse((at, _, slot)) = self.keys.pop()?;
        self.free.push(slot);
        self.events[slot].take().map(|event| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_they_were_put_in() {
        let mut queue = Queue::default();
        for (at, name) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            queue.push(Instant::from_micros(at), name);
        }
        let early = queue.pop(Instant::from_micros(3));
        assert_eq!(early, Some((Instant::from_micros(3), 'b')));
        queue.push(Instant::from_micros(3), 'e');
        let rest: Vec<char> =
            std::iter::from_fn(|| queue.pop(Instant::from_micros(9))).map(|(_, e)| e).collect();
        assert_eq!(rest, ['d', 'e', 'a', 'c']);
        assert_eq!(queue.next_at(), None);
    }
}
