//! `lease`: no two sessions of a hub have one address at one time, and none keeps an address
//! longer than the DHCP server of its LAN granted it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kumihimo_core::event::{Event, Name};
use kumihimo_core::ids::SessionId;
use kumihimo_core::time::{Duration, Instant};

use super::Turns;
use crate::node::dhcp::Done;
use crate::node::host::HostFact;
use crate::node::server::ServerFact;
use crate::observe::{Failure, Happening, Observer, State, fact_as};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Leases {
    turns: Turns,
    up: BTreeMap<(NodeId, u64), Session>,
    /// Until when a LAN's DHCP server granted an address.
    granted: BTreeMap<Ipv4Addr, Instant>,
    /// How late a server may be.
    grace: Duration,
    /// Hubs whose DHCP server has lost its memory, and may give an address twice.
    forgiven: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Session {
    hub: Name,
    address: Ipv4Addr,
}

impl Leases {
    /// Servers may be this late, because their timers are.
    pub const fn allow(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// The DHCP server on the LAN of this hub has lost its memory.
    pub fn forgive(&mut self, hub: &str) {
        self.forgiven.insert(hub.to_owned());
    }

    fn on_event(&mut self, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::SessionUp { session, hub, address, .. } => {
                let other = self.up.values().find(|it| it.hub == *hub && it.address == *address);
                if other.is_some() && !self.forgiven.contains(hub.as_str()) {
                    return Err(format!("two sessions of hub {hub} have {address}"));
                }
                let session_up = Session { hub: hub.clone(), address: *address };
                self.up.insert((node, key_of(*session)), session_up);
            }
            Event::SessionDown { session, .. } => {
                self.up.remove(&(node, key_of(*session)));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Observer for Leases {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Fact { node, fact } = happening else { return Ok(()) };
        // A server that starts has no sessions yet.
        if let Some(State(super::STARTED)) = fact_as(*fact) {
            self.up.retain(|(owner, _), _| owner != node);
        }
        if let Some(ServerFact(event)) = fact_as(*fact) {
            let told = self.on_event(*node, event);
            return told.map_err(|text| Failure::new("lease", at, text));
        }
        if let Some(HostFact::Dhcp { done: Done::Granted { address, until }, .. }) = fact_as(*fact)
        {
            self.granted.insert(*address, *until);
        }
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if self.turns.fresh(id, node).is_none() {
            return Ok(());
        }
        let grace = self.grace + TICKS;
        let own = self.up.iter().filter(|((node, _), _)| *node == id);
        for (_, session) in own {
            let until = self.granted.get(&session.address);
            if until.is_some_and(|&until| until + grace < at) {
                let Session { hub, address } = session;
                let text = format!("{address} of hub {hub} is in use after its lease");
                return Err(Failure::new("lease", at, text));
            }
        }
        Ok(())
    }
}

fn key_of(session: SessionId) -> u64 {
    let mut hash = crate::trace::Hash::default();
    hash.add(format!("{session:?}").as_bytes());
    hash.value()
}

/// A server's timers are coarse, and its goodbye takes a moment.
const TICKS: Duration = Duration::from_millis(100);
