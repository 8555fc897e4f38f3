//! A bounded first-in, first-out queue.

use super::{Backing, Full, Place};

/// A queue of at most as many values as its memory has places.
#[derive(Debug)]
pub struct Ring<'a, T> {
    places: Backing<'a, Place<T>>,
    first: usize,
    len: usize,
}

impl<'a, T> Ring<'a, T> {
    /// A queue in the memory `places`, whose values are dropped.
    pub fn new(mut places: Backing<'a, Place<T>>) -> Self {
        places.iter_mut().for_each(|place| *place = Place::Free);
        Self { places, first: 0, len: 0 }
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of values that still fit.
    pub fn room(&self) -> usize {
        self.places.len() - self.len
    }

    /// Adds a value at the end.
    ///
    /// # Errors
    /// [`Full`] if no place is free; the value is dropped.
    pub fn push(&mut self, value: T) -> Result<(), Full> {
        if self.len == self.places.len() {
            return Err(Full);
        }
        let at = self.position(self.len);
        *self.places.get_mut(at).ok_or(Full)? = Place::Taken(value);
        self.len += 1;
        Ok(())
    }

    /// Takes the first value.
    pub fn pop(&mut self) -> Option<T> {
        let value = self.places.get_mut(self.first)?.take()?;
        self.first = self.position(1);
        self.len -= 1;
        Some(value)
    }

    /// The value `offset` places behind the first, to be changed.
    pub fn peek_mut(&mut self, offset: usize) -> Option<&mut T> {
        let at = self.position(offset);
        self.places.get_mut(at).filter(|_| offset < self.len)?.as_mut()
    }

    /// The values, first to last, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (wrapped, straight) = self.places.split_at_mut(self.first);
        straight.iter_mut().chain(wrapped).take(self.len).flatten()
    }

    fn position(&self, offset: usize) -> usize {
        let at = self.first + offset;
        if at < self.places.len() { at } else { at - self.places.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::model::Random;

    extern crate std;

    #[test]
    fn a_ring_equals_a_deque() {
        let mut random = Random(2);
        let mut ring = Ring::new(Backing::allocate(5));
        let mut model = std::collections::VecDeque::new();
        for step in 0..5_000 {
            if random.below(2) == 0 {
                let fits = ring.push(step).is_ok();
                assert_eq!(fits, model.len() < 5);
                if fits {
                    model.push_back(step);
                }
            } else {
                assert_eq!(ring.pop(), model.pop_front());
            }
            assert_eq!((ring.len(), ring.room()), (model.len(), 5 - model.len()));
            assert!(ring.iter_mut().map(|value| *value).eq(model.iter().copied()));
            for offset in 0..6 {
                assert_eq!(ring.peek_mut(offset).copied(), model.get(offset).copied());
            }
        }
    }
}
