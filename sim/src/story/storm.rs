//! Reconnect storms (U18): on servers that have room for all, and on those that have not.

use kumihimo_core::discard::DropReason;
use kumihimo_core::event::Event;
use kumihimo_core::limits::Limits;
use kumihimo_core::time::{Duration, Instant};

use super::plot::{Person, Resident, SECOND, expect, node};
use super::town::{HubPlan, Plan, Town};
use crate::node::client::ClientNode;
use crate::node::server::{ServerFact, ServerNode};
use crate::observe::{Failure, Happening, Observer, fact_as};
use crate::profile;
use crate::scenario::{NodeKind, Scenario};
use crate::world::World;

/// Everyone at once.
pub const STORM: Scenario = Scenario {
    name: "u18-storm",
    about: "U18: a thousand clients dial within one second; the server restarts; all dial again",
    play: storm,
};

/// More than there is room for.
pub const FULL_STORM: Scenario = Scenario {
    name: "u18-full-storm",
    about: "U18: forty dial a board for eight at once: those inside do not notice; it recovers",
    play: full_storm,
};

fn storm(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    if kind == NodeKind::Embassy {
        // A board has one hub and room for a few clients: a storm for it is one that it can fill.
        return full_storm(world, kind);
    }
    let names = ["DEFAULT", "TWO", "THREE", "FOUR", "FIVE"];
    let hubs = names.iter().zip(30..);
    let hubs = hubs.map(|(name, net)| HubPlan { name, net, pool_len: 220, ..HubPlan::default() });
    let plan = Plan { sessions: 2_100, hubs: hubs.collect() };
    let town = Town::build_with(world, kind, &plan, |setup| setup.limits.hubs = names.len());
    let mut clients = Vec::new();
    for number in 0..STORM_SIZE {
        let profile = profile::ALL[usize::from(number) % profile::ALL.len()];
        let hub = (number / 200) as u8;
        let person = Person { hub, ..Person::new(number).with(profile) };
        clients.push(town.client(world, &person));
        world.run_for(Duration::from_millis(1))?;
    }
    town.until_all_up(world, &clients, SECOND.times(60))?;
    town.restart(world);
    redial_within_a_second(world, &clients)?;
    town.until_all_up(world, &clients, SECOND.times(60))?;
    for &client in clients.iter().step_by(97) {
        town.must_reach_router(world, client)?;
    }
    Ok(())
}

/// Everyone notices at once, and dials.
fn redial_within_a_second(world: &mut World, clients: &[Resident]) -> Result<(), Failure> {
    for client in clients {
        world.with(client.id, |node: &mut ClientNode, cx| {
            node.vanish(cx);
            node.dial(cx);
        });
        world.run_for(Duration::from_millis(1))?;
    }
    Ok(())
}

/// How often newcomers were refused for want of room, as the server tells it.
#[derive(Debug, Default)]
struct Refusals(u32);

impl Observer for Refusals {
    fn on(&mut self, _: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        if let Happening::Fact { fact, .. } = happening
            && let Some(ServerFact(Event::Refused { .. })) = fact_as(*fact)
        {
            self.0 += 1;
        }
        Ok(())
    }
}

fn full_storm(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build_with(world, kind, &Plan::default(), |setup| {
        setup.limits = Limits::board(ROOM);
        setup.buffers = 64;
    });
    world.observe(Refusals::default());
    let inside: Vec<_> = (0..ROOM as u16).map(|number| dial(world, &town, number)).collect();
    town.until_all_up(world, &inside, SECOND.times(60))?;
    world.scene("the storm");
    let outside: Vec<_> = (100..140).map(|number| dial(world, &town, number)).collect();
    let router = town.hubs[0].router(world);
    for _ in 0..60 {
        for &client in &inside {
            let is_answered = town.pings_once(world, client, router)?;
            expect(world, is_answered, || "a ping of one who was inside was lost".into())?;
        }
        let count = outside.iter().filter(|&&client| node(world, client).is_up()).count();
        // A table for one session more lets a client dial again before its old one is given up.
        expect(world, count <= 1, || format!("{count} more are up than there is room for"))?;
        world.run_for(SECOND)?;
    }
    for &client in &inside {
        let ups = node(world, client).log().ups;
        expect(world, ups == 1, || format!("one who was inside was up {ups} times"))?;
    }
    let told = world.observer::<Refusals>().map_or(0, |refusals| refusals.0);
    let counted = refused(world, &town);
    expect(world, told > 0 && counted > 0, || format!("{told} told, {counted} counted"))?;
    // Those inside leave: there is room for others.
    inside.iter().for_each(|&client| hang_up(world, client));
    let is_taken = world.run_until(SECOND.times(300), |world| {
        outside.iter().filter(|&&client| node(world, client).is_up()).count() >= ROOM
    })?;
    expect(world, is_taken, || "room that became free was not taken".into())?;
    let all: Vec<_> = inside.into_iter().chain(outside).collect();
    all.iter().for_each(|&client| hang_up(world, client));
    world.run_for(SECOND.times(60))?;
    town.restart(world);
    redial_within_a_second(world, &all)?;
    let is_full = world.run_until(SECOND.times(300), |world| {
        all.iter().filter(|&&client| node(world, client).is_up()).count() >= ROOM
    })?;
    expect(world, is_full, || "after a restart the board is not filled again".into())?;
    town.must_end_empty(world, &all, SECOND.times(300))
}

fn dial(world: &mut World, town: &Town, number: u16) -> Resident {
    let profile = profile::ALL[usize::from(number) % profile::ALL.len()];
    town.client(world, &Person::new(number).with(profile))
}

fn hang_up(world: &mut World, client: Resident) {
    world.with(client.id, |node: &mut ClientNode, cx| node.hang_up(cx));
}

/// Messages that were dropped for want of room.
fn refused(world: &World, town: &Town) -> u64 {
    let drops = world.node::<ServerNode>(town.server).map(|server| &server.turn().drops);
    let reasons = [
        DropReason::PeerTableFull,
        DropReason::HalfOpenQuota,
        DropReason::SaTableFull,
        DropReason::TunnelTableFull,
        DropReason::CallTableFull,
        DropReason::Busy,
    ];
    reasons.iter().map(|&reason| drops.map_or(0, |drops| drops.of(reason))).sum()
}

/// Clients of the storm.
const STORM_SIZE: u16 = 1_000;
/// Clients for which the small server has room.
const ROOM: usize = 8;
