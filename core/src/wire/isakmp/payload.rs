//! The chain of payloads (RFC 2408 §3.2).
//!
//! ```text
//!  next payload (1) | reserved, zero (1) | length with this header (2) | body
//! ```

use crate::buf::Reader;
use crate::wire::Error;

/// One payload of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Its type: see [`payload_type`].
    pub kind: u8,
    /// What follows its header.
    pub body: &'a [u8],
}

/// The payloads of a message body, in order.
///
/// Ends with the chain, after [`PAYLOADS_MAX`] payloads, or with the first error.
#[derive(Clone, Copy, Debug)]
pub struct Payloads<'a> {
    next: u8,
    rest: &'a [u8],
    left: u8,
}

impl<'a> Payloads<'a> {
    /// The chain in `body` that begins with a payload of type `first`.
    pub const fn new(first: u8, body: &'a [u8]) -> Self {
        Self { next: first, rest: body, left: PAYLOADS_MAX }
    }

    /// What follows the payloads taken so far: the rest of the chain, then padding.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn step(&mut self) -> Result<Payload<'a>, Error> {
        if self.left == 0 || !is_ikev1(self.next) {
            return Err(Error::Unsupported);
        }
        let mut reader = Reader::new(self.rest);
        let next = reader.u8()?;
        //= RFC 2408 §5.3: a payload whose reserved octet is not zero discards the message.
        if reader.u8()? != 0 {
            return Err(Error::Reserved);
        }
        let len = usize::from(reader.u16()?);
        let body = reader.take(len.checked_sub(PAYLOAD_HEADER_LEN).ok_or(Error::Length)?)?;
        let kind = core::mem::replace(&mut self.next, next);
        self.rest = reader.rest();
        self.left -= 1;
        Ok(Payload { kind, body })
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Payload<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == payload_type::NONE {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.next = payload_type::NONE;
        }
        Some(step)
    }
}

/// Whether IKEv1 knows payloads of this type; private types (RFC 2408 §3.1) are let through.
const fn is_ikev1(kind: u8) -> bool {
    matches!(kind, 1..=21 | 128..=255)
}

/// Payload types (RFC 2408 §3.1, RFC 3947, draft-ietf-ipsec-nat-t-ike).
pub mod payload_type {
    /// The end of the chain.
    pub const NONE: u8 = 0;
    /// Security association.
    pub const SA: u8 = 1;
    /// Proposal, inside an SA payload.
    pub const PROPOSAL: u8 = 2;
    /// Transform, inside a proposal.
    pub const TRANSFORM: u8 = 3;
    /// Key exchange.
    pub const KEY_EXCHANGE: u8 = 4;
    /// Identification.
    pub const ID: u8 = 5;
    /// Hash.
    pub const HASH: u8 = 8;
    /// Nonce.
    pub const NONCE: u8 = 10;
    /// Notification.
    pub const NOTIFY: u8 = 11;
    /// Delete.
    pub const DELETE: u8 = 12;
    /// Vendor ID.
    pub const VENDOR: u8 = 13;
    /// NAT original address of early drafts.
    pub const NAT_OA_DRAFT_00: u8 = 16;
    /// NAT discovery (RFC 3947).
    pub const NAT_D: u8 = 20;
    /// NAT original address (RFC 3947).
    pub const NAT_OA: u8 = 21;
    /// NAT discovery (drafts).
    pub const NAT_D_DRAFT: u8 = 130;
    /// NAT original address (drafts).
    pub const NAT_OA_DRAFT: u8 = 131;
}

/// Octets of a payload's header.
pub const PAYLOAD_HEADER_LEN: usize = 4;
/// Payloads that one message may have; clients send up to about 15.
pub const PAYLOADS_MAX: u8 = 32;
