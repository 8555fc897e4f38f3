//! The protocol machine of Kumihimo: L2TP/IPsec clients braided into virtual Ethernet hubs.
//!
//! Datagrams, frames and timer ticks go in; datagrams, frames and questions come out. Nothing
//! here reads a clock, a socket or a random device, and nothing allocates after the server is
//! made. Peers cannot cause an error, only a counted drop ([`discard`]).
//!
//! ```text
//!         server            routes: one file for each stimulus
//!           |
//!         session           one user's legs bound together
//!           |
//!  ike esp l2tp ppp host hub dhcp nat auth        components: they do not know each other
//!           |
//!  time addr ids limits canary config ipsec credentials event discard outbox
//!  buf store crypto wire
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[cfg(test)]
extern crate std;

pub mod addr;
pub mod buf;
pub mod canary;
pub mod config;
pub mod credentials;
pub mod crypto;
pub mod discard;
pub mod event;
pub mod ids;
pub mod ipsec;
pub mod limits;
pub mod outbox;
pub mod store;
pub mod time;
pub mod wire;

pub mod auth;
pub mod dhcp;
pub mod esp;
pub mod host;
pub mod hub;
pub mod ike;
pub mod l2tp;
pub mod nat;
pub mod ppp;
pub mod server;
pub mod session;
