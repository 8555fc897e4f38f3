//! The plain way: dial, reach the hub, hang up.

use kumihimo_core::time::Duration;

use super::plot::{Person, SECOND, node};
use super::town::{Plan, Town};
use crate::node::host::Host;
use crate::observe::Failure;
use crate::peer::Carrier;
use crate::profile;
use crate::scenario::{NodeKind, Scenario};
use crate::world::World;

/// One client dials, is reached and reaches, and hangs up.
pub const DIAL: Scenario = Scenario {
    name: "dial",
    about: "a client dials, reaches its hub's router, is reached from the LAN, and hangs up",
    play: dial,
};

/// Every kind of client dials.
pub const PROFILES: Scenario = Scenario {
    name: "profiles",
    about: "every kind of client dials, in IPsec and without, and they reach each other",
    play: profiles,
};

fn dial(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let client = town.client(world, &Person::new(1));
    let address = town.until_up(world, client, Duration::from_secs(5))?;
    town.must_reach_router(world, client)?;
    let host = town.hubs[0].hosts[0];
    let is_reached = town.host_pings(world, host, address, SECOND)?;
    super::plot::expect(world, is_reached, || "the LAN does not reach the client".into())?;
    let host = world.node::<Host>(host).map(Host::ip);
    town.must_reach(world, client, host.unwrap_or(address))?;
    town.must_end_empty(world, &[client], Duration::from_secs(5))
}

fn profiles(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let carriers = [Carrier::Ipsec, Carrier::IpsecInUdp, Carrier::Bare];
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip(profile::ALL) {
        let carrier = carriers[usize::from(number) % 3];
        let person = Person { carrier, ..Person::new(number).with(profile) };
        clients.push(town.client(world, &person));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    for pair in clients.windows(2) {
        let to = node(world, pair[1]).address().unwrap_or([0; 4].into());
        town.must_reach(world, pair[0], to)?;
    }
    town.must_end_empty(world, &clients, Duration::from_secs(60))
}
