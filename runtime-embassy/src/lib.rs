//! The runtime for router boards: Kumihimo's core as embassy tasks, without a heap.
//!
//! A board plugged into a LAN is an L2TP/IPsec server for that LAN. It answers on its own
//! address, and its hub is bridged to the same Ethernet, so that clients get their addresses
//! from the LAN's own DHCP server.
//!
//! ```text
//!  interrupt executor                          thread mode (preempted by the left side)
//!  +-------------------------------------+     +------------------------------+
//!  | Runner::run                         |     | Offload::run: Diffie-Hellman |
//!  |   core's Server <-> bridge <-> NIC  |<--->| Console::run: serial, flash  |
//!  |   embassy-net: UDP 500/4500, ESP    |     | watch: the watchdog          |
//!  +-------------------------------------+     +------------------------------+
//!                         all they share is in Shared
//! ```
//!
//! A board gives a driver (`embassy_net_driver::Driver`), 32 octets of entropy, a serial port,
//! flash (`NorFlash`) and [`Board`]; this crate has no `unsafe` code and names no chip.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "toml"))]
extern crate std;

pub mod board;
#[cfg(feature = "net")]
mod bridge;
#[cfg(feature = "net")]
mod console;
#[cfg(feature = "net")]
mod engine;
#[cfg(feature = "net")]
mod ip;
#[cfg(feature = "net")]
mod log;
mod mac;
#[cfg(feature = "net")]
mod observe;
#[cfg(feature = "net")]
mod outer;
#[cfg(feature = "net")]
mod pace;
#[cfg(feature = "net")]
mod pool;
#[cfg(feature = "net")]
mod runner;
pub mod settings;
#[cfg(feature = "net")]
mod shared;
#[cfg(feature = "net")]
mod sockets;
mod store;

#[cfg(feature = "net")]
pub use board::watch;
pub use board::{Board, ResetReason};
#[cfg(feature = "net")]
pub use console::Console;
pub use mac::mac_of;
pub use settings::Settings;
pub use store::{Origin, Store, StoreError};

#[cfg(feature = "net")]
pub use observe::{Observer, Turn};
#[cfg(feature = "net")]
pub use pool::{BUFFER_LEN, Buffer, BufferPool, Buffers};
#[cfg(feature = "net")]
pub use runner::{Resources, Runner, StartError, new};
#[cfg(feature = "net")]
pub use shared::{Handle, Offload, Shared, Status, Traffic};
#[cfg(feature = "net")]
pub use sockets::NetMemory;
