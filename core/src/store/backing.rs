//! Memory of fixed length, borrowed or boxed.

use core::ops::{Deref, DerefMut};

#[cfg(feature = "alloc")]
use super::Empty;

#[cfg(feature = "alloc")]
extern crate alloc;

/// A slice that belongs to a table: lent by the caller, or (feature `alloc`) allocated once.
#[derive(Debug)]
pub enum Backing<'a, T> {
    /// Lent by the caller.
    Borrowed(&'a mut [T]),
    /// Allocated when the table was made.
    #[cfg(feature = "alloc")]
    Owned(alloc::boxed::Box<[T]>),
}

/// One value that belongs to a component: lent, or (feature `alloc`) allocated once.
#[derive(Debug)]
pub enum Lent<'a, T> {
    /// Lent by the caller.
    Borrowed(&'a mut T),
    /// Allocated when the component was made.
    #[cfg(feature = "alloc")]
    Owned(alloc::boxed::Box<T>),
}

#[cfg(feature = "alloc")]
impl<T: Empty> Lent<'_, T> {
    /// Allocates an empty value.
    pub fn allocate() -> Self {
        Self::Owned(alloc::boxed::Box::new(T::EMPTY))
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            #[cfg(feature = "alloc")]
            Self::Owned(boxed) => boxed,
        }
    }
}

impl<T> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match self {
            Self::Borrowed(value) => value,
            #[cfg(feature = "alloc")]
            Self::Owned(boxed) => boxed,
        }
    }
}

#[cfg(feature = "alloc")]
impl<T: Empty> Backing<'_, T> {
    /// Allocates `len` empty places.
    pub fn allocate(len: usize) -> Self {
        Self::Owned(core::iter::repeat_with(|| T::EMPTY).take(len).collect())
    }
}

impl<'a, T> From<&'a mut [T]> for Backing<'a, T> {
    fn from(slice: &'a mut [T]) -> Self {
        Self::Borrowed(slice)
    }
}

impl<T> Deref for Backing<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(slice) => slice,
            #[cfg(feature = "alloc")]
            Self::Owned(boxed) => boxed,
        }
    }
}

impl<T> DerefMut for Backing<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Borrowed(slice) => slice,
            #[cfg(feature = "alloc")]
            Self::Owned(boxed) => boxed,
        }
    }
}
