//! Notification and delete payloads (RFC 2408 §3.14-3.15, RFC 2407 §4.6.3, RFC 3706).
//!
//! ```text
//!  notify: DOI (4) | protocol (1) | SPI size (1) | type (2) | SPI | data
//!  delete: DOI (4) | protocol (1) | SPI size (1) | count (2) | SPIs
//! ```

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// The body of a notification payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify<'a> {
    /// What it is about: see [`super::protocol`].
    pub protocol: u8,
    /// What it says: see [`notify_type`].
    pub kind: u16,
    /// Which SA: an SPI, or both cookies.
    pub spi: &'a [u8],
    /// Further data.
    pub data: &'a [u8],
}

impl<'a> Notify<'a> {
    /// Reads the body of a notification payload; any DOI.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let _doi = reader.u32()?;
        let (protocol, spi_len, kind) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let spi = reader.take(usize::from(spi_len))?;
        Ok(Self { protocol, kind, spi, data: reader.rest() })
    }

    /// Writes the body of a notification payload of the IPsec DOI.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.u32(IPSEC_DOI);
        writer.u8(self.protocol);
        writer.u8(self.spi.len() as u8);
        writer.u16(self.kind);
        writer.put(self.spi);
        writer.put(self.data);
    }
}

/// The body of a delete payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// Whose SAs: see [`super::protocol`].
    pub protocol: u8,
    /// Octets of one SPI; not zero.
    pub spi_len: u8,
    /// The SPIs, `spi_len` octets each.
    pub spis: &'a [u8],
}

impl<'a> Delete<'a> {
    /// Reads the body of a delete payload; any DOI.
    ///
    /// # Errors
    /// [`Error::Length`] if the SPIs do not fill the payload exactly.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let _doi = reader.u32()?;
        let (protocol, spi_len, count) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let spis = reader.rest();
        if spi_len == 0 || spis.len() != usize::from(spi_len) * usize::from(count) {
            return Err(Error::Length);
        }
        Ok(Self { protocol, spi_len, spis })
    }

    /// The SPIs one by one.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.spis.chunks_exact(usize::from(self.spi_len).max(1))
    }

    /// Writes the body of a delete payload of the IPsec DOI.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        let count = self.spis.len().checked_div(usize::from(self.spi_len)).unwrap_or(0);
        writer.u32(IPSEC_DOI);
        writer.u8(self.protocol);
        writer.u8(self.spi_len);
        writer.u16(count as u16);
        writer.put(self.spis);
    }
}

/// Notification types (RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.4).
pub mod notify_type {
    /// Nothing in the proposal is acceptable.
    pub const NO_PROPOSAL_CHOSEN: u16 = 14;
    /// An identification payload is not acceptable.
    pub const INVALID_ID_INFORMATION: u16 = 18;
    /// The sender uses the SA from now on.
    pub const CONNECTED: u16 = 16384;
    /// The responder's lifetime is shorter than what was offered.
    pub const RESPONDER_LIFETIME: u16 = 24576;
    /// The sender holds no older SAs.
    pub const INITIAL_CONTACT: u16 = 24578;
    /// Are you there?
    pub const R_U_THERE: u16 = 36136;
    /// I am.
    pub const R_U_THERE_ACK: u16 = 36137;
}

const IPSEC_DOI: u32 = 1;
