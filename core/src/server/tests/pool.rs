//! Buffers that are counted.

use std::boxed::Box;
use std::cell::Cell;
use std::rc::Rc;

use crate::buf::{BUFFER_LEN, Pool};

/// A pool that knows how many of its buffers are free, and never gives one out clean.
#[derive(Debug)]
pub(super) struct Counting {
    free: Rc<Cell<usize>>,
    pub(super) total: usize,
    /// What fresh buffers are full of: nothing that the server does may depend on it.
    dirt: u8,
}

/// A buffer; it returns to its pool when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    octets: Box<[u8; BUFFER_LEN]>,
    free: Rc<Cell<usize>>,
}

impl Counting {
    pub(super) fn new(total: usize, dirt: u8) -> Self {
        Self { free: Rc::new(Cell::new(total)), total, dirt }
    }

    /// Takes all free buffers away, and returns how many that were.
    pub(super) fn hoard(&mut self) -> usize {
        let hoarded = self.free.replace(0);
        self.total -= hoarded;
        hoarded
    }

    /// Gives so many buffers back.
    pub(super) fn give(&mut self, count: usize) {
        self.free.set(self.free.get() + count);
        self.total += count;
    }

    pub(super) fn free(&self) -> usize {
        self.free.get()
    }
}

impl Pool for Counting {
    type Buf = Buffer;

    fn take(&mut self) -> Option<Buffer> {
        let left = self.free.get().checked_sub(1)?;
        self.free.set(left);
        Some(Buffer { octets: Box::new([self.dirt; BUFFER_LEN]), free: Rc::clone(&self.free) })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.free.set(self.free.get() + 1);
    }
}
