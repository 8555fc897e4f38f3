//! `lease`: no two sessions of a hub have one address at one time, and nobody uses an address
//! longer than the DHCP server of its LAN granted it.
//!
//! Use is what others on the LAN see: frames that the server puts there with the address as their
//! source. A session whose lease is over says goodbye to its client first, and so is told down
//! later; how much later is no matter of leases, since it carries nothing any more (without
//! buffers even the goodbye waits for its timers).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kumihimo_core::addr::MacAddr;
use kumihimo_core::event::{Event, Name};
use kumihimo_core::ids::SessionId;
use kumihimo_core::time::{Duration, Instant};

use super::is_server;
use crate::node::dhcp::Done;
use crate::node::frame::{ARP, Arp, Ethernet, IPV4, Ip};
use crate::node::host::HostFact;
use crate::node::server::ServerFact;
use crate::observe::{Failure, Happening, Observer, State, fact_as};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Leases {
    servers: BTreeSet<NodeId>,
    up: BTreeMap<(NodeId, u64), Session>,
    /// Until when a LAN's DHCP server granted an address to a host.
    granted: BTreeMap<(Ipv4Addr, MacAddr), Instant>,
    /// Whom it was granted to last.
    holders: BTreeMap<Ipv4Addr, MacAddr>,
    /// How late a server may be.
    grace: Duration,
    /// Hubs whose DHCP server has lost its memory, and may give an address twice.
    forgiven: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Session {
    hub: Name,
    address: Ipv4Addr,
    /// Its host, where a LAN's DHCP server granted the address.
    host: Option<MacAddr>,
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

    fn on_event(&mut self, at: Instant, node: NodeId, event: &Event) -> Result<(), String> {
        match event {
            Event::SessionUp { session, hub, address, .. } => {
                let mut others = self.up.values().filter(|it| it.hub == *hub);
                let is_taken = others.any(|it| it.address == *address && self.holds(at, it));
                if is_taken && !self.forgiven.contains(hub.as_str()) {
                    return Err(format!("two sessions of hub {hub} have {address}"));
                }
                let host = self.holders.get(address).copied();
                let session_up = Session { hub: hub.clone(), address: *address, host };
                self.up.insert((node, key_of(*session)), session_up);
            }
            Event::SessionDown { session, .. } => {
                self.up.remove(&(node, key_of(*session)));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a session still has its address, as far as the DHCP server of its LAN says.
    fn holds(&self, at: Instant, session: &Session) -> bool {
        let until = session.host.and_then(|host| self.granted.get(&(session.address, host)));
        until.is_none_or(|&until| until >= at)
    }

    /// Whether the lease of a host is over, and its server has had time to notice.
    fn is_over(&self, at: Instant, address: Ipv4Addr, host: MacAddr) -> bool {
        let until = self.granted.get(&(address, host));
        until.is_some_and(|&until| until + self.grace + TICKS < at)
    }

    /// A server put `frame` on a LAN.
    fn on_frame(&self, at: Instant, frame: &[u8]) -> Result<(), String> {
        match user_of(frame).filter(|&(host, address)| self.is_over(at, address, host)) {
            Some((_, address)) => Err(format!("{address} is in use after its lease")),
            None => Ok(()),
        }
    }
}

impl Observer for Leases {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let failure = |text: String| Failure::new("lease", at, text);
        let (node, fact) = match happening {
            Happening::FrameSent { node, frame, .. } if self.servers.contains(node) => {
                return self.on_frame(at, frame).map_err(failure);
            }
            Happening::Fact { node, fact } => (node, fact),
            _ => return Ok(()),
        };
        // A server that starts has no sessions yet.
        if let Some(State(super::STARTED)) = fact_as(*fact) {
            self.up.retain(|(owner, _), _| owner != node);
        }
        if let Some(ServerFact(event)) = fact_as(*fact) {
            return self.on_event(at, *node, event).map_err(failure);
        }
        if let Some(HostFact::Dhcp { client, done: Done::Granted { address, until } }) =
            fact_as(*fact)
        {
            self.granted.insert((*address, *client), *until);
            self.holders.insert(*address, *client);
        }
        Ok(())
    }

    fn after(&mut self, _: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if is_server(node) {
            self.servers.insert(id);
        }
        Ok(())
    }
}

/// Which host sent a frame, and from which address.
fn user_of(frame: &[u8]) -> Option<(MacAddr, Ipv4Addr)> {
    let frame = Ethernet::parse(frame)?;
    let address = match frame.kind {
        ARP => Arp::parse(&frame.payload)?.sender.1,
        IPV4 => Ip::parse(&frame.payload)?.from,
        _ => return None,
    };
    Some((frame.from, address))
}

fn key_of(session: SessionId) -> u64 {
    crate::trace::Hash::of(format!("{session:?}").as_bytes())
}

/// A server's timers are coarse.
const TICKS: Duration = Duration::from_millis(100);
