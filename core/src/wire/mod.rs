//! Packet formats.
//!
//! One file for each format. A format is a typed struct with `parse`, which borrows variable
//! parts from the packet, and `emit`, which writes into a [`crate::buf::Writer`]. Lists are lazy
//! iterators that always end. Headers that are edited in place are views. Nothing here knows a
//! state, a timer or a policy.

pub mod arp;
pub mod checksum;
pub mod dhcpv4;
pub mod ethernet;
pub mod icmpv4;
pub mod ipv4;
pub mod ipv6;
pub mod isakmp;
pub mod l2tp;
pub mod ppp;
pub mod tcp;
pub mod udp;
pub mod vlan;

mod error;

pub use error::Error;
