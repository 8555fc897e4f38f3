//! The options of the Internet Protocol Control Protocol (RFC 1332 §3, RFC 1877 §1).
//!
//! The client gets the address of its lease and no other, whatever it asks for. Name servers
//! that the lease does not have are rejected, so that a client does not ask for ever.

use core::net::Ipv4Addr;

use super::options::{Hopeless, Judgement, Options, Value, value};
use crate::addr::Ipv4Assignment;
use crate::buf::Writer;
use crate::crypto::Rng;
use crate::wire::ppp::Protocol;
use crate::wire::ppp::cp::{Choice, choices, emit_choice};
use crate::wire::ppp::ipcp::option;

/// Ours and the peer's options.
#[derive(Debug, Default)]
pub(super) struct Ipcp {
    assignment: Option<Ipv4Assignment>,
    /// Our address; `None` if the peer does not want to know it.
    ours: Option<Ipv4Addr>,
}

impl Ipcp {
    /// Sets what the client gets.
    pub(super) const fn assign(&mut self, assignment: Ipv4Assignment) {
        self.assignment = Some(assignment);
    }

    /// Whether it is known what the client gets.
    pub(super) const fn is_assigned(&self) -> bool {
        self.assignment.is_some()
    }

    /// What the client gets for an option that holds an address.
    fn address_for(&self, kind: u8) -> Option<Ipv4Addr> {
        let assignment = self.assignment.as_ref()?;
        let ([dns_first, dns_second], [nbns_first, nbns_second]) =
            (assignment.dns, assignment.wins);
        match kind {
            option::ADDRESS => Some(assignment.address),
            option::DNS_FIRST => dns_first,
            option::DNS_SECOND => dns_second,
            option::NBNS_FIRST => nbns_first,
            option::NBNS_SECOND => nbns_second,
            _ => None,
        }
    }
}

impl Options for Ipcp {
    const PROTOCOL: Protocol = Protocol::IPCP;

    fn reset(&mut self, _rng: &mut Rng) {
        self.ours = self.assignment.map(|assignment| assignment.server);
    }

    fn emit_request(&self, writer: &mut Writer<'_>) {
        if let Some(ours) = self.ours {
            emit_choice(writer, option::ADDRESS, &ours.octets());
        }
    }

    fn judge(&self, choice: &Choice<'_>) -> Judgement {
        let Some(address) = self.address_for(choice.kind) else { return Judgement::Reject };
        let octets = address.octets();
        if choice.data == octets {
            Judgement::Ack
        } else if choice.kind == option::ADDRESS {
            Judgement::Insist(value(&octets))
        } else {
            Judgement::Nak(value(&octets))
        }
    }

    fn missing(&self, request: &[u8]) -> Option<(u8, Value)> {
        let named = choices(request).flatten().any(|choice| choice.kind == option::ADDRESS);
        let address = self.address_for(option::ADDRESS).filter(|_| !named)?;
        Some((option::ADDRESS, value(&address.octets())))
    }

    fn reset_peer(&mut self) {}

    fn accept(&mut self, _choice: &Choice<'_>) {}

    fn handle_nak(&mut self, choice: &Choice<'_>, _rng: &mut Rng) -> Result<(), Hopeless> {
        if choice.kind == option::ADDRESS {
            // Our address is a formality. A client that does not like the DHCP server's gets
            // the dummy address, and after that none.
            self.ours = self.ours.filter(|&ours| ours != DUMMY).and(Some(DUMMY));
        }
        Ok(())
    }

    fn handle_reject(&mut self, choice: &Choice<'_>) -> Result<(), Hopeless> {
        if choice.kind == option::ADDRESS {
            self.ours = None;
        }
        Ok(())
    }
}

/// The IPv4 dummy address (RFC 7600 §4.8).
const DUMMY: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
