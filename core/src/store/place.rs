//! A place for one value.

use super::Empty;

/// An [`Option`] that is of zeros while nothing is in it, whatever it is for.
#[derive(Debug)]
#[repr(u8)]
pub enum Place<T> {
    /// Nothing is here.
    Free = 0,
    /// This is here.
    Taken(T) = 1,
}

impl<T> Empty for Place<T> {
    const EMPTY: Self = Self::Free;
}

impl<T: Clone> Clone for Place<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Taken(value) => Self::Taken(value.clone()),
            Self::Free => Self::Free,
        }
    }
}

impl<T: Copy> Copy for Place<T> {}

impl<T> Place<T> {
    /// What is here.
    pub const fn as_ref(&self) -> Option<&T> {
        match self {
            Self::Taken(value) => Some(value),
            Self::Free => None,
        }
    }

    /// What is here, to be changed.
    pub const fn as_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Taken(value) => Some(value),
            Self::Free => None,
        }
    }

    /// Whether nothing is here.
    pub const fn is_free(&self) -> bool {
        matches!(self, Self::Free)
    }

    /// Moves the value out.
    pub fn take(&mut self) -> Option<T> {
        match core::mem::replace(self, Self::Free) {
            Self::Taken(value) => Some(value),
            Self::Free => None,
        }
    }

    /// Moves the value out if `is_it` says so.
    pub fn take_if(&mut self, is_it: impl FnOnce(&mut T) -> bool) -> Option<T> {
        if self.as_mut().is_some_and(is_it) { self.take() } else { None }
    }
}

impl<'p, T> IntoIterator for &'p Place<T> {
    type Item = &'p T;
    type IntoIter = core::option::IntoIter<&'p T>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_ref().into_iter()
    }
}

impl<'p, T> IntoIterator for &'p mut Place<T> {
    type Item = &'p mut T;
    type IntoIter = core::option::IntoIter<&'p mut T>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_mut().into_iter()
    }
}
