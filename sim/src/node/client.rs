//! A client as a node of a world.

use std::fmt;
use std::net::Ipv4Addr;

use super::frame::Mark;

/// What a client saw or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFact {
    /// It has an address and carries traffic.
    Opened,
    /// A ping came, or the answer to one.
    Heard {
        /// From which address.
        from: Ipv4Addr,
        /// Who really sent the ping.
        mark: Mark,
        /// Number of the hub on which this client is.
        hub: u8,
        /// Whether it is an answer.
        is_answer: bool,
    },
}

impl fmt::Display for ClientFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => write!(f, "is up"),
            Self::Heard { from, mark, is_answer: true, .. } => {
                write!(f, "pong {} from {from}", mark.count)
            }
            Self::Heard { from, mark, .. } => write!(f, "ping {} from {from}", mark.count),
        }
    }
}
