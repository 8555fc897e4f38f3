//! Packet buffers of one thread: a fixed number, made once.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use kumihimo_core::buf::{BUFFER_LEN, Pool};

/// A fixed number of buffers. Taking one and dropping one allocate nothing.
#[derive(Debug)]
pub struct BufferPool {
    free: Rc<Free>,
    total: usize,
}

/// A buffer that goes back to its pool when it is dropped.
pub struct Buffer {
    octets: Box<[u8]>,
    home: Rc<Free>,
}

type Free = RefCell<Vec<Box<[u8]>>>;

impl BufferPool {
    /// A pool of `total` buffers of [`BUFFER_LEN`] octets.
    pub fn new(total: usize) -> Self {
        let buffers = std::iter::repeat_with(|| vec![0; BUFFER_LEN].into()).take(total).collect();
        Self { free: Rc::new(RefCell::new(buffers)), total }
    }

    /// Buffers that nobody uses.
    pub fn free(&self) -> usize {
        self.free.borrow().len()
    }

    /// All buffers.
    pub fn total(&self) -> usize {
        self.total
    }
}

impl Pool for BufferPool {
    type Buf = Buffer;

    fn take(&mut self) -> Option<Buffer> {
        let octets = self.free.borrow_mut().pop()?;
        Some(Buffer { octets, home: Rc::clone(&self.free) })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.octets
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // The pool has had room for all its buffers since it was made.
        self.home.borrow_mut().push(std::mem::take(&mut self.octets));
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} octets)", self.octets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_conserved() {
        let mut pool = BufferPool::new(3);
        let taken: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!((taken.len(), pool.free()), (3, 0));
        assert!(pool.take().is_none());
        drop(taken);
        assert_eq!((pool.free(), pool.total()), (3, 3));
        assert_eq!(pool.take().unwrap().as_ref().len(), BUFFER_LEN);
        assert_eq!(pool.free(), 3);
    }

    #[test]
    fn a_buffer_may_outlive_its_pool() {
        let buffer = BufferPool::new(1).take().unwrap();
        assert_eq!(buffer.as_ref().len(), BUFFER_LEN);
    }
}
