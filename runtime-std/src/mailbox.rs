//! Bounded queues between threads: to the packet thread, which a waker ends the wait of, and to
//! workers, which block. Their memory is made once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue of at most a fixed number of things.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    /// An empty queue for `capacity` things.
    pub fn new(capacity: usize) -> Self {
        let items = VecDeque::with_capacity(capacity);
        let state = Mutex::new(State { items, closed: false });
        Self { state, changed: Condvar::new(), capacity }
    }

    /// Adds `item` at the end.
    ///
    /// # Errors
    /// `item` itself, if the queue is full or closed.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed || state.items.len() == self.capacity {
            return Err(item);
        }
        state.items.push_back(item);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes back what `is_meant` finds, if nobody has taken it yet.
    pub fn retract(&self, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.lock();
        let at = state.items.iter().position(is_meant)?;
        state.items.remove(at)
    }

    /// Takes the oldest thing, if there is one.
    pub fn try_pop(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    /// Waits for the oldest thing; `None` once the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the oldest thing, at most for `patience`.
    pub fn pop_within(&self, patience: Duration) -> Option<T> {
        let waited =
            self.changed.wait_timeout_while(self.lock(), patience, |state| state.items.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.items.pop_front()
    }

    /// Refuses what comes from here on, and lets [`Queue::pop`] end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// A panic elsewhere leaves the queue itself intact.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_a_closed_one_runs_dry() {
        let queue = Queue::new(2);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(queue.pop(), Some(1));
        queue.close();
        assert_eq!(queue.push(4), Err(4));
        assert_eq!((queue.pop(), queue.pop(), queue.try_pop()), (Some(2), None, None));
    }

    #[test]
    fn what_nobody_has_taken_can_be_taken_back() {
        let queue = Queue::new(3);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (Ok(()), Ok(()), Ok(())));
        assert_eq!((queue.retract(|&it| it == 2), queue.retract(|&it| it == 2)), (Some(2), None));
        assert_eq!(queue.push(4), Ok(()), "its place is free");
        assert_eq!([(); 4].map(|()| queue.try_pop()), [Some(1), Some(3), Some(4), None]);
    }

    #[test]
    fn patience_has_an_end() {
        let queue = Queue::new(1);
        assert_eq!(queue.pop_within(Duration::from_millis(5)), None);
        queue.push(1).unwrap();
        assert_eq!(queue.pop_within(Duration::ZERO), Some(1));
    }

    #[test]
    fn closing_wakes_those_who_wait() {
        let queue = Queue::<u8>::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop());
            queue.close();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
