//! Conformance: real clients in guests, source-tree rules, requirement tables.
//!
//! [`lab`] builds what a case needs (namespaces, guests, servers); [`clients`] holds the cases that
//! dial with stock Linux software.

pub mod clients;
pub mod lab;
