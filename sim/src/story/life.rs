//! Staying up: renewed keys, renewed leases, and those who leave without a word (U13, U20, U21).

use kumihimo_core::time::Duration;

use super::plot::{Person, SECOND, expect, node};
use super::town::{HubPlan, Plan, Town};
use crate::check::isolation::Isolation;
use crate::node::client::ClientNode;
use crate::node::host::Host;
use crate::node::server::ServerNode;
use crate::node::setup::secure_nat;
use crate::observe::Failure;
use crate::profile::{self, CP_WIN};
use crate::scenario::{NodeKind, Scenario};
use crate::world::World;

/// A day with its rekeys.
pub const REKEY: Scenario = Scenario {
    name: "u13-rekey",
    about: "U13: every kind of client is up for 25 hours: keys end after 1, 8 and 24 hours",
    play: rekey,
};

/// Short leases.
pub const SHORT_LEASE: Scenario = Scenario {
    name: "u20-short-lease",
    about: "U20: leases of 60 s from a server on the LAN are renewed, and one is given back",
    play: short_lease,
};

/// A DHCP server that is away.
pub const DHCP_GONE: Scenario = Scenario {
    name: "u21-dhcp-gone",
    about: "U21: without a DHCP server a dial fails in time; once it is back the next one works",
    play: dhcp_gone,
};

/// A client that dies.
pub const DEAD_CLIENT: Scenario = Scenario {
    name: "dead-client",
    about: "a client goes without a word: the server forgets it, and its address is free again",
    play: dead_client,
};

/// A pool that moves.
pub const MOVED_POOL: Scenario = Scenario {
    name: "moved-pool",
    about: "a reload moves SecureNAT: a former client dials, and has an address of the new network",
    play: moved_pool,
};

fn moved_pool(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let client = town.client(world, &Person::new(1));
    town.until_up(world, client, SECOND.times(5))?;
    world.with(client.id, |node: &mut ClientNode, cx| node.hang_up(cx));
    world.run_for(SECOND)?;
    if let Some(isolation) = world.observer_mut::<Isolation>() {
        isolation.allow(0, MOVED_NET);
    }
    world.scene("a reload moves SecureNAT to another network");
    let moved = secure_nat(MOVED_NET, 10, SECOND.times(600));
    let pool = moved.pool;
    world.with(town.server, |server: &mut ServerNode, _| {
        let mut settings = server.settings().clone();
        settings.hubs[0].secure_nat = Some(moved);
        server.reload(settings);
    });
    world.with(client.id, |node: &mut ClientNode, cx| node.dial(cx));
    let address = town.until_up(world, client, SECOND.times(20))?;
    expect(world, (pool.0..=pool.1).contains(&address), || format!("it has {address}"))?;
    town.must_end_empty(world, &[client], SECOND.times(60))
}

fn on_lan(lease: Duration, pool_len: u8) -> Plan {
    let hub = HubPlan { is_dhcp_on_lan: true, lease, pool_len, ..HubPlan::default() };
    Plan { hubs: vec![hub], ..Plan::default() }
}

fn rekey(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip(profile::ALL) {
        clients.push(town.client(world, &Person::new(number).with(profile)));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    for _ in 0..25 * 12 {
        for &client in &clients {
            town.must_reach_router(world, client)?;
        }
        world.run_for(SECOND.times(290))?;
    }
    for &client in &clients {
        let (name, log) = (world.name(client.id).to_owned(), node(world, client).log().clone());
        expect(world, log.ups == 1, || format!("{name} was up {} times: {log:?}", log.ups))?;
    }
    Ok(())
}

fn short_lease(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &on_lan(SECOND.times(60), 20));
    let client = town.client(world, &Person::new(1));
    let address = town.until_up(world, client, Duration::from_secs(5))?;
    for _ in 0..20 {
        world.run_for(SECOND.times(31))?;
        town.must_reach_router(world, client)?;
    }
    let host = town.hubs[0].hosts[0];
    let holds = |world: &World| {
        let dhcp = world.node::<Host>(host).and_then(Host::dhcp);
        dhcp.is_some_and(|dhcp| dhcp.leases(world.now()).any(|(leased, _)| leased == address))
    };
    let is_held = holds(world);
    expect(world, is_held, || "the DHCP server does not know the lease".into())?;
    world.with(client.id, |node: &mut ClientNode, cx| node.hang_up(cx));
    world.run_for(SECOND)?;
    let is_held = holds(world);
    expect(world, !is_held, || "the lease was not given back".into())?;
    town.must_end_empty(world, &[], Duration::from_secs(60))
}

fn dhcp_gone(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &on_lan(SECOND.times(120), 20));
    let host = town.hubs[0].hosts[0];
    world.power(host, false);
    let client = town.client(world, &Person::new(1).with(&CP_WIN));
    let failed = world.run_until(SECOND.times(40), |world| node(world, client).log().downs > 0)?;
    expect(world, failed, || "a dial without a DHCP server does not end".into())?;
    world.power(host, true);
    town.until_up(world, client, Duration::from_secs(60))?;
    // A short absence harms no one.
    world.power(host, false);
    world.run_for(SECOND.times(80))?;
    world.power(host, true);
    world.run_for(SECOND.times(60))?;
    town.must_reach_router(world, client)?;
    let ups = node(world, client).log().ups;
    expect(world, ups == 1, || "a short absence of the DHCP server ended a session".into())?;
    // A long one takes the address.
    world.power(host, false);
    town.until_down(world, client, SECOND.times(200))?;
    world.power(host, true);
    town.until_up(world, client, SECOND.times(120))?;
    town.must_end_empty(world, &[client], Duration::from_secs(60))
}

fn dead_client(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &on_lan(SECOND.times(7_200), 1));
    let first = town.client(world, &Person::new(1));
    town.until_up(world, first, Duration::from_secs(5))?;
    world.with(first.id, |node: &mut ClientNode, cx| node.vanish(cx));
    // There is one address for all.
    let second = town.client(world, &Person { user: ("hanako", "hana"), ..Person::new(2) });
    world.run_for(SECOND.times(30))?;
    let is_up = node(world, second).is_up();
    expect(world, !is_up, || "two clients have the only address".into())?;
    town.until_up(world, second, SECOND.times(240))?;
    town.must_reach_router(world, second)?;
    town.must_end_empty(world, &[second], Duration::from_secs(60))
}

/// The third octet of the network to which SecureNAT moves.
const MOVED_NET: u8 = 130;
