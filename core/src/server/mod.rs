//! The server: demultiplexes inputs, carries out what components ask for, queues outputs.

mod demux;
mod io;

pub use io::{Answer, BridgeId, Command, Input, Output, Request};
