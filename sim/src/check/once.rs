//! `once`: nobody hears a ping twice, unless the LAN itself doubled it. Networks may double
//! datagrams as they like; replay windows have to stop that.

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
    heard: BTreeSet<(NodeId, Ipv4Addr, u16, u32, bool)>,
}

impl Observer for Once {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Fact { node, fact } = happening else { return Ok(()) };
        let heard = match (fact_as(*fact), fact_as(*fact)) {
            (Some(HostFact::Heard { from, mark, is_answer, .. }), _)
            | (_, Some(ClientFact::Heard { from, mark, is_answer, .. })) => {
                (*node, *from, mark.sender, mark.count, *is_answer)
            }
            _ => return Ok(()),
        };
        if self.heard.insert(heard) {
            return Ok(());
        }
        let (_, from, sender, count, _) = heard;
        let text = format!("ping {count} of node {sender} came twice from {from}");
        Err(Failure::new("once", at, text))
    }
}
