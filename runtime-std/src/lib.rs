//! Kumihimo on Linux: sockets, clocks, files and processes around the core.
//!
//! ```text
//!   main thread            packet thread                     workers, log
//!   signals (exec)         engine::Engine                    offload, log
//!        |                  |      |     \                       |
//!        '-- Mailbox --> desk    io::Io   machine::Core <-- answers
//!                                  |
//!                         linux::LinuxIo over sys
//! ```
//!
//! [`engine`] drives the core and knows nothing of Linux: the simulator runs it too. [`sys`]
//! holds all unsafe code. Only [`exec`] is async, and nothing of it touches a packet.

pub mod check;
pub mod cli;
pub mod config_file;
pub mod connect_card;
pub mod desk;
pub mod engine;
pub mod exec;
pub mod gather;
pub mod holder;
pub mod io;
mod kernel;
pub mod linux;
pub mod log;
pub mod machine;
pub mod mailbox;
pub mod offload;
pub mod order;
pub mod outside;
pub mod pause;
pub mod pool;
pub mod serve;
pub mod signals;
pub mod sys;
pub mod weak;
