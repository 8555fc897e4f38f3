//! Which sessions a server says are up.

use std::net::Ipv4Addr;

use kumihimo_core::event::Event;
use kumihimo_core::ids::SessionId;
use kumihimo_core::time::Instant;

use crate::check::STARTED;
use crate::node::server::ServerFact;
use crate::observe::{Failure, Happening, Observer, State, fact_as};

/// Which sessions are up.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub(super) up: Vec<Up>,
}

impl Sessions {
    /// All that are up.
    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.up.iter().map(|up| up.id).collect()
    }
}

/// A session that is up.
#[derive(Clone, Debug)]
pub(super) struct Up {
    pub(super) id: SessionId,
    pub(super) hub: String,
    pub(super) address: Ipv4Addr,
    pub(super) at: Instant,
}

impl Observer for Sessions {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Fact { fact, .. } = happening else { return Ok(()) };
        if let Some(State(STARTED)) = fact_as(*fact) {
            self.up.clear();
        }
        match fact_as(*fact) {
            Some(ServerFact(Event::SessionUp { session, hub, address, .. })) => {
                let (id, hub) = (*session, hub.as_str().to_owned());
                self.up.push(Up { id, hub, address: *address, at });
            }
            Some(ServerFact(Event::SessionDown { session, .. })) => {
                self.up.retain(|up| up.id != *session);
            }
            _ => {}
        }
        Ok(())
    }
}
