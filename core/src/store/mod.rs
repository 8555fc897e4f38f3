//! Tables that never grow.
//!
//! Their memory is fixed when they are made: borrowed from a `static` on a board, boxed once on
//! a server. A full table refuses the newcomer and leaves what it holds alone. Every structure
//! here is compared with a plain model in its tests.

mod backing;
mod index;
mod place;
mod ring;
mod slab;
mod tables;
mod wheel;

pub use backing::{Backing, Lent};
pub use index::{Bucket, Index};
pub use place::Place;
pub use ring::Ring;
pub use slab::{Key, Slab, Slot};
pub(crate) use tables::tables;
pub use tables::{Empty, Table, empty};
pub use wheel::{Node, Wheel};

/// The table has no free place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[cfg(test)]
pub(crate) mod model {
    /// A small generator for model tests (xorshift64).
    pub(crate) struct Random(pub(crate) u64);

    impl Random {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        pub(crate) fn below(&mut self, bound: usize) -> usize {
            (self.next() % bound as u64) as usize
        }
    }
}
