//! SA payloads: proposals and their transforms (RFC 2408 §3.4-3.6, RFC 2407 §4.6.1).
//!
//! ```text
//!  SA body:   DOI, 1 = IPsec (4) | situation, 1 = identity only (4) | proposals
//!  proposal:  2 or 0 | reserved | length (2) | number | protocol | SPI size | transforms | SPI
//!  transform: 3 or 0 | reserved | length (2) | number | id | reserved (2) | attributes
//! ```

use super::attribute::Attributes;
use super::payload::payload_type;
use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// The body of an SA payload of the IPsec DOI.
#[derive(Clone, Copy, Debug)]
pub struct SaBody<'a> {
    proposals: &'a [u8],
}

impl<'a> SaBody<'a> {
    /// Checks DOI and situation.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another DOI or situation.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let doi = reader.u32()?;
        //= RFC 2407 §4.2: every implementation must support SIT_IDENTITY_ONLY; some name no DOI.
        if doi > IPSEC_DOI || reader.u32()? != SITUATION_IDENTITY_ONLY {
            return Err(Error::Unsupported);
        }
        Ok(Self { proposals: reader.rest() })
    }

    /// The proposals, in order.
    pub const fn proposals(&self) -> Proposals<'a> {
        Proposals { rest: self.proposals, more: true }
    }
}

/// One proposal: transforms of which one is to be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// Its number; proposals with the same number belong together.
    pub number: u8,
    /// Protocol: see [`protocol`].
    pub protocol: u8,
    /// The offerer's SPI.
    pub spi: &'a [u8],
    transforms: &'a [u8],
}

impl<'a> Proposal<'a> {
    /// The transforms, in order.
    pub const fn transforms(&self) -> Transforms<'a> {
        Transforms { rest: self.transforms, more: true }
    }
}

/// One transform of a proposal.
#[derive(Clone, Copy, Debug)]
pub struct Transform<'a> {
    /// Its number.
    pub number: u8,
    /// What it is: 1 (KEY_IKE) in phase 1, the cipher in ESP.
    pub id: u8,
    /// Its attributes as they came.
    pub attributes: &'a [u8],
}

impl<'a> Transform<'a> {
    /// Its attributes, in order.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes)
    }
}

/// The header that proposals and transforms share: whether more follow, and the body.
fn item<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<(bool, &'a [u8]), Error> {
    let next = reader.u8()?;
    if next != payload_type::NONE && next != kind {
        return Err(Error::Unsupported);
    }
    if reader.u8()? != 0 {
        return Err(Error::Reserved);
    }
    let len = usize::from(reader.u16()?).checked_sub(ITEM_HEADER_LEN).ok_or(Error::Length)?;
    Ok((next == kind, reader.take(len)?))
}

macro_rules! items {
    ($(#[$doc:meta])* $name:ident, $item:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a> {
            rest: &'a [u8],
            more: bool,
        }

        impl<'a> Iterator for $name<'a> {
            type Item = Result<$item<'a>, Error>;

            fn next(&mut self) -> Option<Self::Item> {
                if !self.more {
                    return None;
                }
                let step = self.step();
                self.more &= step.is_ok();
                Some(step)
            }
        }
    };
}

items! {
    /// The proposals of an SA payload. Ends with the first error.
    Proposals, Proposal
}

impl<'a> Proposals<'a> {
    fn step(&mut self) -> Result<Proposal<'a>, Error> {
        let mut reader = Reader::new(self.rest);
        let (more, body) = item(&mut reader, payload_type::PROPOSAL)?;
        (self.rest, self.more) = (reader.rest(), more);
        let mut reader = Reader::new(body);
        let (number, protocol) = (reader.u8()?, reader.u8()?);
        let (spi_len, _transforms) = (reader.u8()?, reader.u8()?);
        let spi = reader.take(usize::from(spi_len))?;
        Ok(Proposal { number, protocol, spi, transforms: reader.rest() })
    }
}

items! {
    /// The transforms of a proposal. Ends with the first error.
    Transforms, Transform
}

impl<'a> Transforms<'a> {
    fn step(&mut self) -> Result<Transform<'a>, Error> {
        let mut reader = Reader::new(self.rest);
        let (more, body) = item(&mut reader, payload_type::TRANSFORM)?;
        (self.rest, self.more) = (reader.rest(), more);
        let mut reader = Reader::new(body);
        let (number, id) = (reader.u8()?, reader.u8()?);
        if reader.u16()? != 0 {
            return Err(Error::Reserved);
        }
        Ok(Transform { number, id, attributes: reader.rest() })
    }
}

/// Writes the SA body of an answer: one proposal with the one transform that was chosen, with
/// the numbers and attributes it came with (RFC 2408 §4.2), and the answerer's `spi`.
pub fn emit_chosen(
    proposal: &Proposal<'_>,
    transform: &Transform<'_>,
    spi: &[u8],
    writer: &mut Writer<'_>,
) {
    let numbers = (proposal.number, transform.number);
    emit_proposal(proposal.protocol, spi, transform.id, numbers, writer, |writer| {
        writer.put(transform.attributes);
    });
}

/// Writes an SA body with one proposal and one transform, whose numbers are `numbers`.
pub fn emit_proposal(
    protocol: u8,
    spi: &[u8],
    transform_id: u8,
    numbers: (u8, u8),
    writer: &mut Writer<'_>,
    attributes: impl FnOnce(&mut Writer<'_>),
) {
    writer.u32(IPSEC_DOI);
    writer.u32(SITUATION_IDENTITY_ONLY);
    let proposal_at = writer.len();
    writer.zeros(ITEM_HEADER_LEN);
    writer.put(&[numbers.0, protocol, spi.len() as u8, 1]);
    writer.put(spi);
    let transform_at = writer.len();
    writer.zeros(ITEM_HEADER_LEN);
    writer.put(&[numbers.1, transform_id, 0, 0]);
    attributes(writer);
    let end = writer.len();
    writer.set_u16(proposal_at + 2, end.saturating_sub(proposal_at) as u16);
    writer.set_u16(transform_at + 2, end.saturating_sub(transform_at) as u16);
}

/// Protocols (RFC 2407 §4.4.1).
pub mod protocol {
    /// ISAKMP itself.
    pub const ISAKMP: u8 = 1;
    /// Authentication header.
    pub const AH: u8 = 2;
    /// Encapsulating security payload.
    pub const ESP: u8 = 3;
}

const IPSEC_DOI: u32 = 1;
const SITUATION_IDENTITY_ONLY: u32 = 1;
const ITEM_HEADER_LEN: usize = 4;
