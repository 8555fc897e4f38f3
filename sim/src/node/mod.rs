//! The nodes of a world: servers in their three forms, clients, and machines on LANs.

pub mod bare;
pub mod board;
pub mod cable;
pub mod client;
pub mod dhcp;
pub mod engine;
pub mod frame;
pub mod holder;
pub mod host;
pub mod machine;
pub mod server;
pub mod setup;
pub mod stranger;
