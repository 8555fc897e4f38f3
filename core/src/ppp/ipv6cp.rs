//! The options of the IPv6 Control Protocol (RFC 5072 §4).

use super::options::{Hopeless, Judgement, Options, value};
use crate::buf::Writer;
use crate::crypto::Rng;
use crate::wire::ppp::Protocol;
use crate::wire::ppp::cp::{Choice, emit_choice};
use crate::wire::ppp::ipv6cp::option;

/// Ours and the peer's options.
#[derive(Debug, Default)]
pub(super) struct Ipv6cp {
    /// Our interface identifier; zero if the peer does not want to know it.
    ours: [u8; 8],
    /// The peer's; zero until it is agreed on.
    peer: [u8; 8],
    /// Suggested to a peer that has none, or ours.
    spare: [u8; 8],
}

impl Ipv6cp {
    /// The client's interface identifier, of which its link-local address is made.
    pub(super) const fn peer(&self) -> [u8; 8] {
        self.peer
    }
}

impl Options for Ipv6cp {
    const PROTOCOL: Protocol = Protocol::IPV6CP;

    fn reset(&mut self, rng: &mut Rng) {
        self.ours = fresh_id(rng);
        self.spare = fresh_id(rng);
        self.peer = NONE;
    }

    fn emit_request(&self, writer: &mut Writer<'_>) {
        if self.ours != NONE {
            emit_choice(writer, option::INTERFACE_ID, &self.ours);
        }
    }

    fn judge(&self, choice: &Choice<'_>) -> Judgement {
        match (choice.kind, choice.data) {
            (option::INTERFACE_ID, id) if id.len() == 8 && id != NONE && id != self.ours => {
                Judgement::Ack
            }
            (option::INTERFACE_ID, _) => Judgement::Nak(value(&self.spare)),
            _ => Judgement::Reject,
        }
    }

    fn reset_peer(&mut self) {
        self.peer = NONE;
    }

    fn accept(&mut self, choice: &Choice<'_>) {
        if let (option::INTERFACE_ID, Ok(id)) = (choice.kind, choice.data.try_into()) {
            self.peer = id;
        }
    }

    fn handle_nak(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Result<(), Hopeless> {
        if choice.kind == option::INTERFACE_ID {
            self.ours = fresh_id(rng);
        }
        Ok(())
    }

    fn handle_reject(&mut self, choice: &Choice<'_>) -> Result<(), Hopeless> {
        if choice.kind == option::INTERFACE_ID {
            self.ours = NONE;
        }
        Ok(())
    }
}

/// A random identifier that is not globally unique (RFC 5072 §4.1).
fn fresh_id(rng: &mut Rng) -> [u8; 8] {
    ((rng.u64() & !UNIVERSAL) | 1).to_be_bytes()
}

const NONE: [u8; 8] = [0; 8];
/// The "u" bit of the first octet.
const UNIVERSAL: u64 = 0x0200_0000_0000_0000;
