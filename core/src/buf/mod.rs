//! Packet memory.
//!
//! A packet is *owned* and moves through the core in one piece of memory: received at
//! [`HEADROOM`], opened in place, its headers stripped, new ones pushed in front, sealed in
//! place. A buffer goes back to its pool when it is dropped, so no path of the core can lose one.

mod frame;
mod pool;
mod reader;
mod writer;

pub use frame::{Frame, NoRoom};
pub use pool::Pool;
pub use reader::{Reader, Truncated};
pub use writer::{Overflow, Writer};

/// Octets that a runtime leaves free in front of what it receives.
pub const HEADROOM: usize = 128;
/// Octets that stay free behind the longest packet a runtime receives.
pub const TAILROOM: usize = 64;
/// Octets of one buffer.
pub const BUFFER_LEN: usize = 2048;

const ETHERNET: usize = 14;
const L2TPV3_OVER_UDP: usize = 8 + 4 + 4 + 8 + 4;
const TUNNEL_IPV6: usize = 40;
const ESP: usize = 8 + 16;
const NON_IKE_MARKER: usize = 8;
const _: () = assert!(
    ETHERNET + L2TPV3_OVER_UDP + TUNNEL_IPV6 + ESP + NON_IKE_MARKER <= HEADROOM,
    "every header the core can push fits in front"
);

const ESP_PADDING: usize = 15 + 2;
const ICV: usize = 32;
const _: () = assert!(ESP_PADDING + ICV <= TAILROOM, "the ESP trailer fits behind");
