//! Lists through the slots of a table: no memory of their own, removal anywhere in one step.

use crate::store::{Key, Slab};

/// The neighbours of a value in the one list that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<K> {
    previous: Option<K>,
    next: Option<K>,
}

impl<K> Default for Links<K> {
    fn default() -> Self {
        Self { previous: None, next: None }
    }
}

/// A value that can be in a list.
pub(super) trait Linked<K> {
    fn links(&mut self) -> &mut Links<K>;
}

/// A list of values of one [`Slab`], first come first.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<K> {
    first: Option<K>,
    last: Option<K>,
    len: usize,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { first: None, last: None, len: 0 }
    }
}

impl<K: Copy + PartialEq + From<Key> + Into<Key>> List<K> {
    pub(super) const fn first(&self) -> Option<K> {
        self.first
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds `key`, which is in no list, at the end.
    pub(super) fn push<T: Linked<K>>(&mut self, slab: &mut Slab<'_, K, T>, key: K) {
        let Some(value) = slab.find_mut(key) else { return };
        *value.links() = Links { previous: self.last, next: None };
        match self.last.and_then(|last| slab.find_mut(last)) {
            Some(last) => last.links().next = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.len += 1;
    }

    /// Takes out `key`, which is in this list.
    pub(super) fn remove<T: Linked<K>>(&mut self, slab: &mut Slab<'_, K, T>, key: K) {
        let Some(value) = slab.find_mut(key) else { return };
        let Links { previous, next } = core::mem::take(value.links());
        match previous.and_then(|previous| slab.find_mut(previous)) {
            Some(previous) => previous.links().next = next,
            None => self.first = next,
        }
        match next.and_then(|next| slab.find_mut(next)) {
            Some(next) => next.links().previous = previous,
            None => self.last = previous,
        }
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::ids::CallId;
    use crate::store::Backing;
    use crate::store::model::Random;

    #[derive(Debug, Default)]
    struct Value(Links<CallId>);

    impl Linked<CallId> for Value {
        fn links(&mut self) -> &mut Links<CallId> {
            &mut self.0
        }
    }

    #[test]
    fn a_list_equals_a_vector() {
        let mut random = Random(11);
        let mut slab = Slab::<CallId, Value>::new(Backing::allocate(12));
        let (mut list, mut model) = (List::default(), Vec::new());
        for _ in 0..5_000 {
            if random.below(2) == 0 {
                if let Ok(key) = slab.insert(Value::default()) {
                    list.push(&mut slab, key);
                    model.push(key);
                }
            } else if !model.is_empty() {
                let key = model.remove(random.below(model.len()));
                list.remove(&mut slab, key);
                slab.remove(key);
            }
            let mut walked = Vec::new();
            let mut at = list.first();
            while let Some(key) = at {
                walked.push(key);
                at = slab.find_mut(key).unwrap().0.next;
            }
            assert_eq!((&walked, list.len()), (&model, model.len()));
        }
    }
}
