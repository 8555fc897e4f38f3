//! Conformance: real clients in guests, source-tree rules, requirement tables.
//!
//! [`lab`] builds what a case needs (namespaces, guests, servers); [`clients`] holds the cases
//! that dial with stock Linux software, [`boards`] those that dial into firmware. [`tidy`],
//! [`layers`] and [`licences`] are what the source tree itself has to keep to, [`ceilings`] what
//! the packet path may cost; [`compare`] puts it beside its peers, and [`load`] makes the traffic.
//! [`uf2`] packs firmware for a boot loader, and [`proc`] reads what the kernel tells.

pub mod boards;
pub mod ceilings;
pub mod clients;
pub mod compare;
pub mod lab;
pub mod layers;
pub mod licences;
pub mod load;
pub mod proc;
pub mod source;
pub mod tidy;
pub mod uf2;
