//! Slots with generations.

use core::marker::PhantomData;

use super::{Backing, Empty, Full};

/// Names a value in a [`Slab`]; worthless once the value is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Number of the slot.
    pub index: u32,
    /// How often the slot had been emptied when the value moved in.
    pub generation: u32,
}

/// One place of a [`Slab`]. Free and never used, it is of zeros.
#[derive(Debug)]
#[repr(u32)]
pub enum Slot<T> {
    /// Nothing is here.
    Free {
        /// How often the slot has been emptied.
        generation: u32,
        /// The slot that is free after this one.
        next: u32,
    } = 0,
    /// A value is here.
    Taken {
        /// How often the slot had been emptied when the value moved in.
        generation: u32,
        /// The value.
        value: T,
    } = 1,
}

impl<T> Empty for Slot<T> {
    const EMPTY: Self = Self::Free { generation: 0, next: 0 };
}

impl<T> Slot<T> {
    /// The value of this generation.
    const fn value(&self, wanted: u32) -> Option<&T> {
        match self {
            Self::Taken { generation, value } if *generation == wanted => Some(value),
            _ => None,
        }
    }
}

/// A table whose keys `K` stay valid until their value is removed.
#[derive(Debug)]
pub struct Slab<'a, K, T> {
    slots: Backing<'a, Slot<T>>,
    first_free: u32,
    len: u32,
    keys: PhantomData<K>,
}

impl<'a, K: From<Key> + Into<Key>, T> Slab<'a, K, T> {
    /// A table with the memory `slots`, whose values are dropped.
    pub fn new(mut slots: Backing<'a, Slot<T>>) -> Self {
        let count = slots.len() as u32;
        for (next, slot) in (1..).zip(slots.iter_mut()) {
            let generation = match slot {
                Slot::Free { generation, .. } => *generation,
                Slot::Taken { generation, .. } => generation.wrapping_add(1),
            };
            *slot = Slot::Free { generation, next: if next < count { next } else { NONE } };
        }
        let first_free = if count == 0 { NONE } else { 0 };
        Self { slots, first_free, len: 0, keys: PhantomData }
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of values that fit.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Moves a value in.
    ///
    /// # Errors
    /// [`Full`] if every slot is taken.
    pub fn insert(&mut self, value: T) -> Result<K, Full> {
        self.insert_with(|_| value)
    }

    /// Moves in the value that `make` builds for its own key.
    ///
    /// # Errors
    /// [`Full`] if every slot is taken.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Result<K, Full> {
        let index = self.first_free;
        let slot = self.slots.get_mut(index as usize).ok_or(Full)?;
        let Slot::Free { generation, next } = *slot else { return Err(Full) };
        let key = Key { index, generation };
        *slot = Slot::Taken { generation, value: make(key) };
        self.first_free = next;
        self.len += 1;
        Ok(key.into())
    }

    /// Drops a value where it is; tells whether it was there.
    pub fn remove(&mut self, key: K) -> bool {
        match self.free(key) {
            Some((slot, free)) => {
                *slot = free;
                true
            }
            None => false,
        }
    }

    /// Moves a value out. What is large or secret is better looked at, and then removed.
    pub fn take(&mut self, key: K) -> Option<T> {
        let (slot, free) = self.free(key)?;
        match core::mem::replace(slot, free) {
            Slot::Taken { value, .. } => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Counts a slot as free; returns it, and what to put there.
    fn free(&mut self, key: K) -> Option<(&mut Slot<T>, Slot<T>)> {
        let Key { index, generation } = key.into();
        let slot = self.slots.get_mut(index as usize)?;
        slot.value(generation)?;
        let next = core::mem::replace(&mut self.first_free, index);
        self.len -= 1;
        Some((slot, Slot::Free { generation: generation.wrapping_add(1), next }))
    }

    /// The value of `key`.
    pub fn find(&self, key: K) -> Option<&T> {
        let Key { index, generation } = key.into();
        self.slots.get(index as usize)?.value(generation)
    }

    /// The value of `key`, to be changed.
    pub fn find_mut(&mut self, key: K) -> Option<&mut T> {
        let Key { index, generation: wanted } = key.into();
        match self.slots.get_mut(index as usize)? {
            Slot::Taken { generation, value } if *generation == wanted => Some(value),
            _ => None,
        }
    }

    /// The key of the value in slot `index`, if one is there.
    pub fn key_at(&self, index: u32) -> Option<K> {
        match *self.slots.get(index as usize)? {
            Slot::Taken { generation, .. } => Some(Key { index, generation }.into()),
            Slot::Free { .. } => None,
        }
    }

    /// All values with their keys, in the order of their slots.
    ///
    /// For administration and tests: the packet path looks values up, it never walks them.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| match slot {
            Slot::Taken { generation, value } => {
                Some((Key { index, generation: *generation }.into(), value))
            }
            Slot::Free { .. } => None,
        })
    }
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CallId;
    use crate::store::model::Random;

    extern crate std;

    #[test]
    fn a_slab_equals_a_map() {
        let mut random = Random(1);
        let mut slab = Slab::<CallId, u64>::new(Backing::allocate(8));
        let mut model = std::collections::BTreeMap::new();
        let mut dead = std::vec::Vec::new();
        for step in 0..10_000 {
            if random.below(2) == 0 {
                match slab.insert(step) {
                    Ok(key) => assert!(model.insert(key, step).is_none()),
                    Err(Full) => assert_eq!(model.len(), 8),
                }
            } else if let Some(&key) = model.keys().nth(random.below(8)) {
                assert_eq!(slab.take(key), model.remove(&key));
                dead.push(key);
            }
            assert_eq!(slab.len(), model.len());
            assert!(model.iter().all(|(&key, value)| slab.find(key) == Some(value)));
            assert!(dead.iter().rev().take(20).all(|&key| slab.find(key).is_none()));
        }
        assert_eq!(slab.iter().count(), model.len());
    }
}
