//! `once`: nobody hears a ping of IPsec clients twice. Networks may double datagrams as they
//! like; replay windows have to stop that.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use kumihimo_core::time::Instant;

use crate::node::client::ClientFact;
use crate::node::host::HostFact;
use crate::observe::{Failure, Happening, Observer, fact_as};
use crate::world::NodeId;

/// The check.
#[derive(Debug, Default)]
pub struct Once {
    /// Clients without IPsec, whose datagrams the network may double.
    exempt: BTreeSet<u16>,
    /// The addresses that they have or had.
    exempt_addresses: BTreeSet<Ipv4Addr>,
    heard: BTreeSet<(NodeId, Ipv4Addr, u16, u32, bool)>,
}

impl Once {
    /// What comes from and to this client may come twice.
    pub fn exempt(&mut self, node: NodeId) {
        self.exempt.insert(node.index() as u16);
    }
}

impl Observer for Once {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Fact { node, fact } = happening else { return Ok(()) };
        if let Some(ClientFact::Opened(address)) = fact_as(*fact)
            && self.exempt.contains(&(node.index() as u16))
        {
            self.exempt_addresses.insert(*address);
        }
        let heard = match (fact_as(*fact), fact_as(*fact)) {
            (Some(HostFact::Heard { from, mark, is_answer, .. }), _)
            | (_, Some(ClientFact::Heard { from, mark, is_answer, .. })) => {
                (*node, *from, mark.sender, mark.count, *is_answer)
            }
            _ => return Ok(()),
        };
        let is_exempt = self.exempt.contains(&heard.2)
            || self.exempt.contains(&(heard.0.index() as u16))
            || self.exempt_addresses.contains(&heard.1);
        if is_exempt || self.heard.insert(heard) {
            return Ok(());
        }
        let (_, from, sender, count, _) = heard;
        let text = format!("ping {count} of node {sender} came twice from {from}");
        Err(Failure::new("once", at, text))
    }
}
