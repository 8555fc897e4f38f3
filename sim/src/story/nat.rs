//! Clients behind NAT boxes (U2, U3 of the reference).

use kumihimo_core::time::Duration;

use super::plot::{Person, SECOND, expect, node};
use super::town::{Plan, Town};
use crate::net::{LinkConfig, Mapping, NatConfig, Ports};
use crate::observe::Failure;
use crate::profile::{CP_AND_N, CP_APL_MM, CP_CROS, CP_WIN};
use crate::scenario::{NodeKind, Scenario};
use crate::world::World;

/// Many behind one.
pub const ONE_NAT: Scenario = Scenario {
    name: "u2-one-nat",
    about: "U2: clients of four makers behind one NAT box are up at once and reach each other",
    play: one_nat,
};

/// One behind two.
pub const DOUBLE_NAT: Scenario = Scenario {
    name: "u3-double-nat",
    about: "U3: a client behind two NAT boxes that give random ports, and are symmetric",
    play: double_nat,
};

/// A mapping that changes.
pub const REBINDING: Scenario = Scenario {
    name: "u2-rebinding",
    about: "U2: a NAT box forgets its mappings; nobody has to dial again",
    play: rebinding,
};

fn one_nat(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let nat = town.nat(world, "home", NatConfig::default());
    let makes = [&CP_WIN, &CP_APL_MM, &CP_AND_N, &CP_CROS, &CP_WIN];
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip(makes) {
        let person = Person::new(number).with(profile).behind(&nat, [10, 0, 0, 2 + number as u8]);
        clients.push(town.client(world, &person));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    for _ in 0..30 {
        for (at, &client) in clients.iter().enumerate() {
            let other = clients[(at + 1) % clients.len()];
            let to = node(world, other).address().unwrap_or([0; 4].into());
            town.must_reach(world, client, to)?;
        }
        world.run_for(SECOND.times(10))?;
    }
    for &client in &clients {
        let ups = node(world, client).log().ups;
        expect(world, ups == 1, || format!("a client was up {ups} times"))?;
    }
    town.must_end_empty(world, &clients, Duration::from_secs(60))
}

fn double_nat(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let odd = NatConfig {
        mapping: Mapping::Symmetric,
        ports: Ports::Random,
        port_range: (1, 65_535),
        ..NatConfig::default()
    };
    let carrier = town.nat(world, "carrier", odd.clone());
    let inner = std::net::IpAddr::from([100, 64, 0, 9]);
    let home = world.add_nat("home", carrier.inside, &[inner], odd, LinkConfig::perfect());
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip([&CP_WIN, &CP_AND_N]) {
        let person = Person::new(number).with(profile).behind(&home, [10, 0, 0, 2 + number as u8]);
        clients.push(town.client(world, &person));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    for &client in &clients {
        town.must_reach_router(world, client)?;
    }
    town.must_end_empty(world, &clients, Duration::from_secs(60))
}

fn rebinding(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let random = NatConfig { ports: Ports::Random, ..NatConfig::default() };
    let nat = town.nat(world, "home", random);
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip([&CP_WIN, &CP_APL_MM]) {
        let person = Person::new(number).with(profile).behind(&nat, [10, 0, 0, 2 + number as u8]);
        clients.push(town.client(world, &person));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    for _ in 0..10 {
        world.rebind(nat.id);
        world.run_for(SECOND.times(5))?;
        for &client in &clients {
            town.must_reach_router(world, client)?;
        }
    }
    for &client in &clients {
        let ups = node(world, client).log().ups;
        expect(world, ups == 1, || format!("a client was up {ups} times"))?;
    }
    town.must_end_empty(world, &clients, Duration::from_secs(60))
}
