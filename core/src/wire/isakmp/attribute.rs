//! Data attributes of transforms (RFC 2408 §3.3).
//!
//! ```text
//!  1 | type (15 bits) | value (2)
//!  0 | type (15 bits) | length of the value (2) | value
//! ```

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without the format bit.
    pub kind: u16,
    /// Its value.
    pub value: Value<'a>,
}

/// The value of an attribute in the format it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Two octets without a length.
    Basic(u16),
    /// Any number of octets.
    Variable(&'a [u8]),
}

impl Value<'_> {
    /// The value as a number: `None` if it has no octets or does not fit 64 bits.
    pub fn number(&self) -> Option<u64> {
        match *self {
            Self::Basic(value) => Some(u64::from(value)),
            Self::Variable([]) => None,
            Self::Variable(bytes) => bytes
                .iter()
                .try_fold(0_u64, |number, &byte| Some(number.checked_mul(256)? | u64::from(byte))),
        }
    }
}

impl Attribute<'_> {
    /// Writes an attribute in the basic format.
    pub fn emit_basic(kind: u16, value: u16, writer: &mut Writer<'_>) {
        writer.u16(kind | BASIC);
        writer.u16(value);
    }
}

/// Writes an attribute in the variable format.
pub fn emit_variable(kind: u16, value: &[u8], writer: &mut Writer<'_>) {
    writer.u16(kind & !BASIC);
    writer.u16(value.len() as u16);
    writer.put(value);
}

/// Writes a number: two octets in the basic format, or four in the variable one.
pub fn emit_u32(kind: u16, value: u32, writer: &mut Writer<'_>) {
    match u16::try_from(value) {
        Ok(value) => Attribute::emit_basic(kind, value, writer),
        Err(_) => emit_variable(kind, &value.to_be_bytes(), writer),
    }
}

/// The attributes of a transform, in order. Ends with the first error.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn step(&mut self) -> Result<Attribute<'a>, Error> {
        let mut reader = Reader::new(self.0);
        let kind = reader.u16()?;
        let value = reader.u16()?;
        let value = if kind & BASIC != 0 {
            Value::Basic(value)
        } else {
            Value::Variable(reader.take(usize::from(value))?)
        };
        self.0 = reader.rest();
        Ok(Attribute { kind: kind & !BASIC, value })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.0 = &[];
        }
        Some(step)
    }
}

const BASIC: u16 = 0x8000;
