//! Clients against the core, in virtual time, over a wire that holds packets for 10 ms.

mod dial;
mod life;
mod wire;
