//! Packet buffers of fixed number.
//!
//! A buffer carries its memory and the way home, and goes back when it is dropped. The critical
//! section of taking and giving is a few instructions long.

use core::cell::RefCell;
use core::fmt;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use kumihimo_core::buf::{HEADROOM, Pool, TAILROOM};

/// The memory of `N` packets, for a static.
pub struct Buffers<const N: usize> {
    memory: [Octets; N],
    free: Free,
}

/// Buffers of [`BUFFER_LEN`] octets.
#[derive(Clone, Copy)]
pub struct BufferPool {
    free: &'static Free,
}

/// A buffer that goes back to its pool when it is dropped.
pub struct Buffer {
    /// `None` only while it is on its way home.
    octets: Option<&'static mut Octets>,
    free: &'static Free,
}

type Octets = [u8; BUFFER_LEN];
type Free = Mutex<CriticalSectionRawMutex, RefCell<List>>;

/// The free buffers, and how few there ever were.
struct List {
    places: [Option<&'static mut Octets>; BUFFERS_MAX],
    count: usize,
    fewest: usize,
}

impl<const N: usize> Buffers<N> {
    /// Zeros: a static that holds it takes no room in flash.
    pub const fn new() -> Self {
        const { assert!(N <= BUFFERS_MAX, "more buffers than a pool can list") };
        let list = List { places: [const { None }; BUFFERS_MAX], count: 0, fewest: 0 };
        Self { memory: [[0; BUFFER_LEN]; N], free: Mutex::new(RefCell::new(list)) }
    }

    /// The pool of all of them.
    pub fn pool(&'static mut self) -> BufferPool {
        let free = &self.free;
        for octets in &mut self.memory {
            give(free, octets);
        }
        free.lock(|list| list.borrow_mut().fewest = N);
        BufferPool { free }
    }
}

impl<const N: usize> Default for Buffers<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl BufferPool {
    /// Buffers that nobody uses.
    pub fn free(&self) -> usize {
        self.free.lock(|list| list.borrow().count)
    }

    /// How few were free at the worst moment so far.
    pub fn fewest(&self) -> usize {
        self.free.lock(|list| list.borrow().fewest)
    }
}

impl Pool for BufferPool {
    type Buf = Buffer;

    fn take(&mut self) -> Option<Buffer> {
        let octets = self.free.lock(|list| {
            let list = &mut *list.borrow_mut();
            let place = list.count.checked_sub(1)?;
            let octets = list.places.get_mut(place)?.take()?;
            list.count = place;
            list.fewest = list.fewest.min(place);
            Some(octets)
        })?;
        Some(Buffer { octets: Some(octets), free: self.free })
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.octets.as_deref().map_or(&[], |octets| octets)
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.octets.as_deref_mut().map_or(&mut [], |octets| octets)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(octets) = self.octets.take() {
            give(self.free, octets);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer")
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufferPool({} free)", self.free())
    }
}

/// The list has a place for each buffer there is, so that none is ever lost.
fn give(free: &Free, octets: &'static mut Octets) {
    free.lock(|list| {
        let list = &mut *list.borrow_mut();
        if let Some(place) = list.places.get_mut(list.count) {
            *place = Some(octets);
            list.count += 1;
        }
    });
}

/// Octets of one buffer: an Ethernet frame and what the core puts around it.
pub const BUFFER_LEN: usize = (HEADROOM + FRAME_LEN + TAILROOM).next_multiple_of(8);
/// Octets of the longest frame without FCS, with a VLAN tag.
const FRAME_LEN: usize = 1518;
/// Most buffers of one pool.
const BUFFERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    #[test]
    fn buffers_are_conserved() {
        let mut pool = Box::leak(Box::new(Buffers::<3>::new())).pool();
        let taken: Vec<_> = core::iter::from_fn(|| pool.take()).collect();
        assert_eq!((taken.len(), pool.free()), (3, 0));
        assert!(pool.take().is_none());
        assert!(taken.iter().all(|buffer| buffer.as_ref().len() == BUFFER_LEN));
        drop(taken);
        assert_eq!((pool.free(), pool.fewest()), (3, 0));
    }
}
