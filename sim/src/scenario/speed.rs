//! Worlds of three sizes whose speed is measured (`sim speed`): clients dial, stay, and ping their
//! router once a minute, over good links. All checks are on.

use kumihimo_core::time::Duration;

use super::{NodeKind, Scenario};
use crate::node::client::ClientNode;
use crate::node::setup::ROUTER;
use crate::observe::Failure;
use crate::profile;
use crate::story::plot::{Person, Resident, expect, node};
use crate::story::town::{HubPlan, Plan, Town};
use crate::world::World;

/// The scenarios of this module.
pub(super) const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "speed-1",
        about: "a day of one client's life",
        play: |world, kind| play(world, kind, 1, 24),
    },
    Scenario {
        name: "speed-100",
        about: "six hours of a hundred clients",
        play: |world, kind| play(world, kind, 100, 6),
    },
    Scenario {
        name: "speed-1000",
        about: "an hour of a thousand clients",
        play: |world, kind| play(world, kind, 1_000, 1),
    },
];

fn play(world: &mut World, kind: NodeKind, count: u16, hours: u64) -> Result<(), Failure> {
    let hub_count = count.div_ceil(CLIENTS_IN_HUB);
    let hubs = NAMES.iter().zip(30..).take(usize::from(hub_count));
    let hubs = hubs.map(|(name, net)| HubPlan { name, net, pool_len: 220, ..HubPlan::default() });
    let plan = Plan { sessions: usize::from(count) + 8, hubs: hubs.collect() };
    let town = Town::build_with(world, kind, &plan, |setup| setup.limits.hubs = NAMES.len());
    let mut clients: Vec<Resident> = Vec::new();
    for number in 0..count {
        // They do not all come at once: how a server bears that is a story of its own.
        if number % DIALS_A_SECOND == 0 && number > 0 {
            world.run_for(Duration::from_secs(1))?;
        }
        let profile = profile::ALL[usize::from(number) % profile::ALL.len()];
        let person = Person::new(number).with(profile);
        let hub = (number / CLIENTS_IN_HUB) as u8;
        clients.push(town.client(world, &Person { hub, ..person }));
    }
    town.until_all_up(world, &clients, Duration::from_secs(30))?;
    while world.age() < Duration::from_secs(hours * 3_600) {
        for &client in &clients {
            let router = town.hubs[usize::from(client.hub)].address(ROUTER);
            world.with(client.id, |node: &mut ClientNode, cx| node.ping(cx, router));
        }
        world.run_for(Duration::from_secs(60))?;
    }
    for &client in &clients {
        let log = node(world, client).log();
        let is_well = node(world, client).is_up() && log.downs == 0;
        let text = format!("{log:?}");
        expect(world, is_well, || format!("a client had trouble: {text}"))?;
        town.must_reach_router(world, client)?;
    }
    Ok(())
}

/// A hub's network has room for so many.
const CLIENTS_IN_HUB: u16 = 200;
const NAMES: [&str; 5] = ["DEFAULT", "EAST", "WEST", "NORTH", "SOUTH"];
const DIALS_A_SECOND: u16 = 50;
