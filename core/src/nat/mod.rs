//! The virtual router of a hub: its address, as far as it answers by itself.
//!
//! It answers ARP and ICMP echo for its address and hands messages to DHCP servers over to its
//! caller. It routes nothing: packets to the outside are dropped as
//! [`crate::discard::DropReason::NoNextHop`]. User-mode NAT takes its place there: [`Gateway`]'s
//! `on_ipv4` is where a packet for another address ends, and a flow would begin.

mod gateway;

pub use gateway::{Action, Actions, Delivery, Gateway};

#[cfg(test)]
mod tests;
