//! `isolation`: nothing of one hub is seen on another.
//!
//! A MAC address belongs to one hub; a session has an address of its hub's network; and who hears
//! a ping is on the hub on which it was sent.

use std::collections::{BTreeMap, BTreeSet};

use kumihimo_core::addr::MacAddr;
use kumihimo_core::event::Event;
use kumihimo_core::time::Instant;

use crate::node::client::ClientFact;
use crate::node::frame::{ARP, Arp, Ethernet};
use crate::node::host::{Host, HostFact};
use crate::node::server::ServerFact;
use crate::observe::{Failure, Happening, Observer, fact_as};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Isolation {
    /// Each hub's number, and the third octet of its network.
    nets: BTreeMap<String, (u8, u8)>,
    /// Further networks of hubs, by their numbers.
    more: BTreeSet<(u8, u8)>,
    /// Whether those who belong to the first hub may be on another one.
    is_default_changed: bool,
    /// The hub of each LAN's ports, as its hosts know it.
    hub_of_host: BTreeMap<NodeId, u8>,
    homes: BTreeMap<MacAddr, u8>,
}

impl Isolation {
    /// A check for hubs with these networks.
    pub fn new(nets: BTreeMap<String, (u8, u8)>) -> Self {
        Self { nets, ..Self::default() }
    }

    /// The default hub changes: those who name none are on another hub than the first one.
    pub const fn change_default(&mut self) {
        self.is_default_changed = true;
    }

    /// A hub may have this network too.
    pub fn allow(&mut self, hub: u8, net: u8) {
        self.more.insert((hub, net));
    }

    fn on_frame(&mut self, hub: u8, frame: &[u8]) -> Result<(), String> {
        let Some(frame) = Ethernet::parse(frame) else { return Ok(()) };
        let home = *self.homes.entry(frame.from).or_insert(hub);
        if home != hub {
            return Err(format!("{:?} of hub {home} is seen on hub {hub}", frame.from));
        }
        let net = self.nets.values().find(|(number, _)| *number == hub);
        if frame.kind == ARP
            && let Some(arp) = Arp::parse(&frame.payload)
            && let Some(&(_, net)) = net
            && arp.sender.1.octets()[..2] == [192, 168]
            && arp.sender.1.octets()[2] != net
            && !self.more.contains(&(hub, arp.sender.1.octets()[2]))
        {
            return Err(format!("{} asks on hub {hub}", arp.sender.1));
        }
        Ok(())
    }
}

impl Observer for Isolation {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let failure = |text: String| Failure::new("isolation", at, text);
        match happening {
            Happening::FrameDelivered { node, frame, .. } => {
                let Some(&hub) = self.hub_of_host.get(node) else { return Ok(()) };
                self.on_frame(hub, frame).map_err(failure)
            }
            Happening::Fact { fact, .. } => {
                if let Some(ServerFact(Event::SessionUp { hub, address, .. })) = fact_as(*fact) {
                    let net = self.nets.get(hub.as_str()).copied();
                    let third = address.octets()[2];
                    if net.is_some_and(|(number, net)| {
                        third != net && !self.more.contains(&(number, third))
                    }) {
                        return Err(failure(format!("a session of hub {hub} has {address}")));
                    }
                }
                let heard = match (fact_as(*fact), fact_as(*fact)) {
                    (Some(HostFact::Heard { mark, hub, .. }), _)
                    | (_, Some(ClientFact::Heard { mark, hub, .. })) => (mark, *hub),
                    _ => return Ok(()),
                };
                match heard {
                    (mark, hub) if self.is_default_changed && (mark.hub == 0 || hub == 0) => Ok(()),
                    (mark, hub) if mark.hub != hub => {
                        let (from, sender) = (mark.hub, mark.sender);
                        let text = format!("hub {hub} hears node {sender} of hub {from}");
                        Err(failure(text))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, _: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if let Some(host) = (node as &dyn std::any::Any).downcast_ref::<Host>() {
            self.hub_of_host.insert(id, host.hub());
        }
        Ok(())
    }
}
