//! ISAKMP messages (RFC 2408 §3) with the payloads IKEv1 uses (RFC 2407, RFC 2409).
//!
//! A message is a [`Header`] and a chain of payloads. Numbers are kept as they are on the wire:
//! what a peer offers must be returned with its own numbers and attributes. Encryption and
//! meaning are the business of `ike`; so is every limit but the number of payloads.

mod attribute;
mod chain;
mod header;
mod id;
mod natd;
mod notify;
mod payload;
mod sa;
pub mod vendor;

pub use attribute::{Attribute, Attributes, Value, emit_u32, emit_variable};
pub use chain::Chain;
pub use header::{Cookie, HEADER_LEN, Header, exchange, flag};
pub use id::{Id, id_type};
pub use natd::{NatOa, Original};
pub use notify::{Delete, Notify, notify_type};
pub use payload::{PAYLOAD_HEADER_LEN, PAYLOADS_MAX, Payload, Payloads, payload_type};
pub use sa::{
    Proposal, Proposals, SaBody, Transform, Transforms, emit_chosen, emit_proposal, protocol,
};

#[cfg(test)]
mod tests;
