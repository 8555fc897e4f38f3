//! Why octets were refused.

use crate::buf::Truncated;

/// What is wrong with a packet, before any protocol state is consulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than its format, or than a length field in it says.
    Truncated,
    /// A length field that contradicts the format.
    Length,
    /// An unknown version.
    Version,
    /// A reserved field that must be zero and is not.
    Reserved,
    /// A checksum that does not fit.
    Checksum,
    /// A format or a variant that we do not speak.
    Unsupported,
}

impl From<Truncated> for Error {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}
