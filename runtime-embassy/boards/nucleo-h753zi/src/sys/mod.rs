//! What of this firmware needs `unsafe`: the interrupt of the packet executor, and reading flash
//! that a cut write may have left unreadable.

pub mod executor;
pub mod flash;
