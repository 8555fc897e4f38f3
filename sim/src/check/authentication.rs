//! `authentication`: nothing of a client is heard before a session of its own is up, and the user
//! whose password no one knows never has one.

use std::collections::BTreeSet;

use kumihimo_core::event::Event;
use kumihimo_core::time::Instant;

use crate::node::client::ClientFact;
use crate::node::host::HostFact;
use crate::node::server::ServerFact;
use crate::node::setup::STRANGER;
use crate::observe::{Failure, Happening, Observer, fact_as};

/// The check.
#[derive(Debug, Default)]
pub struct Authentication {
    /// Clients that have had a session, by the numbers of their nodes.
    were_up: BTreeSet<u16>,
}

impl Observer for Authentication {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Fact { node, fact } = happening else { return Ok(()) };
        if let Some(ServerFact(Event::SessionUp { user, remote, .. })) = fact_as(*fact)
            && user == STRANGER
        {
            let text = format!("{remote} has a session although nobody knows its password");
            return Err(Failure::new("authentication", at, text));
        }
        if let Some(ClientFact::Opened(_)) = fact_as(*fact) {
            self.were_up.insert(node.index() as u16);
        }
        let mark = match (fact_as(*fact), fact_as(*fact)) {
            (Some(HostFact::Heard { mark, .. }), _) if !mark.is_host => mark,
            (_, Some(ClientFact::Heard { mark, .. })) if !mark.is_host => mark,
            _ => return Ok(()),
        };
        if self.were_up.contains(&mark.sender) {
            return Ok(());
        }
        let text = format!("a ping of node {} was heard before it was anyone", mark.sender);
        Err(Failure::new("authentication", at, text))
    }
}
