//! Builds worlds: a server, its hubs with their LANs and hosts, the checks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kumihimo_core::server::BridgeId;
use kumihimo_core::time::Duration;

use crate::check;
use crate::net::{INTERNET, LanId, LinkConfig, LinkId, PortId, Way};
use crate::node::dhcp::DhcpServer;
use crate::node::host::Host;
use crate::node::server::ServerNode;
use crate::node::setup::{self, FIRST_LEASED, ROUTER, ServerSetup};
use crate::observe::Failure;
use crate::scenario::NodeKind;
use crate::world::{NodeId, World};

/// What a world's server and hubs are like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Most sessions at once; sizes every table.
    pub sessions: usize,
    /// The hubs; the first one is the default.
    pub hubs: Vec<HubPlan>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { sessions: 16, hubs: vec![HubPlan::default()] }
    }
}

impl Plan {
    /// The same as far as this kind of server can have it: a board has one hub, and the addresses
    /// of its clients come from a machine on its LAN.
    fn on(mut self, kind: NodeKind) -> Self {
        if kind == NodeKind::Embassy {
            self.hubs.truncate(1);
            for hub in &mut self.hubs {
                hub.is_dhcp_on_lan = true;
                hub.hosts = hub.hosts.max(1);
            }
        }
        self
    }
}

/// What a hub is like.
#[derive(Clone, Debug)]
pub struct HubPlan {
    /// Its name.
    pub name: &'static str,
    /// Its network is `192.168.NET.0/24`.
    pub net: u8,
    /// Whether its DHCP server is a machine on its LAN; else it is a virtual one.
    pub is_dhcp_on_lan: bool,
    /// Addresses to lease.
    pub pool_len: u8,
    /// For how long.
    pub lease: Duration,
    /// Machines on its LAN, at least one if the DHCP server is there.
    pub hosts: u8,
}

impl Default for HubPlan {
    fn default() -> Self {
        Self {
            name: "DEFAULT",
            net: 30,
            is_dhcp_on_lan: false,
            pool_len: 100,
            lease: Duration::from_secs(7_200),
            hosts: 1,
        }
    }
}

/// A world's server and what belongs to it.
#[derive(Clone, Debug)]
pub struct Town {
    /// How it was built.
    pub plan: Plan,
    /// The server.
    pub server: NodeId,
    /// Its link to the Internet.
    pub link: LinkId,
    /// The hubs, in the order of the plan.
    pub hubs: Vec<Hub>,
}

/// A hub's LAN.
#[derive(Clone, Debug)]
pub struct Hub {
    /// How it was built.
    pub plan: HubPlan,
    /// Its segment.
    pub lan: LanId,
    /// The server's port there.
    pub port: PortId,
    /// The machines there; the first one runs the DHCP server if there is one.
    pub hosts: Vec<NodeId>,
}

impl Hub {
    /// An address of its network.
    pub const fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, self.plan.net, last)
    }

    /// The address of its virtual router, or of the machine that runs the DHCP server.
    pub fn router(&self, world: &World) -> Ipv4Addr {
        let host = self.hosts.first().and_then(|&host| world.node::<Host>(host));
        match host {
            Some(host) if self.plan.is_dhcp_on_lan => host.ip(),
            _ => self.address(ROUTER),
        }
    }
}

impl Town {
    /// Builds a server and its hubs, all checks on.
    pub fn build(world: &mut World, kind: NodeKind, plan: &Plan) -> Self {
        Self::build_with(world, kind, plan, |_| {})
    }

    /// The same, with something of the server changed.
    pub fn build_with(
        world: &mut World,
        kind: NodeKind,
        plan: &Plan,
        change: impl FnOnce(&mut ServerSetup),
    ) -> Self {
        let plan = &plan.clone().on(kind);
        let names: Vec<_> = plan.hubs.iter().map(|hub| (hub.name, hub.net)).collect();
        check::watch(world, &names);
        let hubs = plan.hubs.iter().map(|hub| {
            let secure_nat = setup::secure_nat(hub.net, hub.pool_len, hub.lease);
            setup::hub(hub.name, (!hub.is_dhcp_on_lan).then_some(secure_nat), 1)
        });
        let mut setup = ServerSetup::new(plan.sessions, hubs.collect());
        change(&mut setup);
        let server = world.add("server", ServerNode::new(kind, setup));
        let own = [SERVER_IP, SERVER_IP6];
        let own = if kind == NodeKind::Embassy { &own[..1] } else { &own };
        let link = world.attach(server, INTERNET, own, LinkConfig::perfect());
        let numbered = (0_u8..).zip(&plan.hubs);
        let hubs = numbered.map(|(number, hub)| build_hub(world, server, number, hub)).collect();
        Self { plan: plan.clone(), server, link, hubs }
    }

    /// Restarts the server, which loses all it knew.
    pub fn restart(&self, world: &mut World) {
        world.scene("the server restarts");
        let Some(old) = world.node::<ServerNode>(self.server) else { return };
        let next = old.successor();
        world.replace(self.server, next);
    }

    /// Whether a machine on a LAN reaches `to` within `span`.
    ///
    /// # Errors
    /// The check that failed.
    pub fn host_pings(
        &self,
        world: &mut World,
        host: NodeId,
        to: Ipv4Addr,
        span: Duration,
    ) -> Result<bool, Failure> {
        let count = world.with(host, |host: &mut Host, cx| host.ping(cx, to));
        world.run_until(span, |world| {
            world.node::<Host>(host).is_some_and(|host| host.ponged(to) >= count)
        })
    }
}

fn build_hub(world: &mut World, server: NodeId, number: u8, plan: &HubPlan) -> Hub {
    let lan = world.add_lan(plan.name);
    let way = Way { delay: LAN_DELAY, ..Way::default() };
    let port = world.plug(server, lan, way.clone());
    let bridge = BridgeId { hub: u16::from(number), bridge: 0 };
    world.with(server, |server: &mut ServerNode, _| server.bridge(bridge, port));
    let mut hosts = Vec::new();
    for host in 1..=plan.hosts {
        let mut node = Host::new(number, plan.net, host);
        if plan.is_dhcp_on_lan && host == 1 {
            let address = |last| Ipv4Addr::new(192, 168, plan.net, last);
            let pool = (address(FIRST_LEASED), address(FIRST_LEASED - 1 + plan.pool_len));
            *node.dhcp_mut() = Some(DhcpServer::new(node.ip(), pool, plan.lease));
        }
        let id = world.add(&format!("host-{}-{host}", plan.name), node);
        let port = world.plug(id, lan, way.clone());
        world.with(id, |host: &mut Host, _| host.plug(port));
        hosts.push(id);
    }
    Hub { plan: plan.clone(), lan, port, hosts }
}

/// The server's address on the Internet.
pub const SERVER_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Its other one there; a board has none.
pub const SERVER_IP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const LAN_DELAY: Duration = Duration::from_micros(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Choices;
    use crate::trace::Trace;

    fn hash_of_a_ping(kind: NodeKind) -> u64 {
        let mut world = World::new(Choices::seeded(1), Trace::default());
        let hubs =
            vec![HubPlan::default(), HubPlan { name: "OTHER", net: 31, ..HubPlan::default() }];
        let town = Town::build(&mut world, kind, &Plan { sessions: 4, hubs });
        for hub in &town.hubs {
            let (host, router) = (hub.hosts[0], hub.router(&world));
            let span = Duration::from_secs(1);
            assert_eq!(town.host_pings(&mut world, host, router, span), Ok(true));
        }
        world.run_for(Duration::from_secs(1_000)).expect("all checks hold");
        world.trace().hash()
    }

    #[test]
    fn a_machine_on_a_lan_reaches_the_router_of_its_hub() {
        for kind in [NodeKind::Core, NodeKind::Std] {
            assert_eq!(hash_of_a_ping(kind), hash_of_a_ping(kind));
        }
    }
}
