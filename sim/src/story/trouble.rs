//! Servers in trouble: restarts, full tables, clocks that leap, lost answers (U8, U16).

use kumihimo_core::addr::L2TP_PORT;
use kumihimo_core::time::Duration;

use super::plot::{Person, SECOND, expect, node};
use super::town::{Plan, Town};
use crate::net::Verdict;
use crate::node::client::ClientNode;
use crate::observe::Failure;
use crate::peer::Carrier;
use crate::profile::{self, CP_AND_N, CP_APL_MM, CP_CROS, CP_WIN};
use crate::scenario::{NodeKind, Scenario};
use crate::world::World;

/// A Nak that is lost.
pub const LOST_NAK: Scenario = Scenario {
    name: "u8-lost-ipcp-nak",
    about: "U8: the first four Naks of IPCP are lost; the client is up all the same",
    play: lost_nak,
};

/// Passwords that are wrong.
pub const WRONG_PASSWORDS: Scenario = Scenario {
    name: "u16-wrong-passwords",
    about: "U16: clients with wrong passwords dial again and again, and others do not notice",
    play: wrong_passwords,
};

/// A restart.
pub const RESTART: Scenario = Scenario {
    name: "restart",
    about: "the server restarts and knows nobody; clients notice and are up again",
    play: restart,
};

/// Full tables.
pub const FULL: Scenario = Scenario {
    name: "full-tables",
    about: "a full server refuses the newcomer and leaves the others alone; then there is room",
    play: full,
};

/// A clock that leaps.
pub const LEAP: Scenario = Scenario {
    name: "clock-leaps",
    about: "the server's clock leaps by minutes, hours and days; everyone is up again soon",
    play: leap,
};

fn lost_nak(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let mut left = 4;
    world.add_rule(Box::new(move |crossing| {
        let datagram = &crossing.packet.datagram;
        let is_nak = datagram.from.port() == L2TP_PORT
            && datagram.payload[0] & 0x80 == 0
            && datagram.payload.windows(3).any(|octets| octets == [0x80, 0x21, 3]);
        if !is_nak || left == 0 {
            return Verdict::Pass;
        }
        left -= 1;
        Verdict::Drop
    }));
    let client = town.client(world, &Person { carrier: Carrier::Bare, ..Person::new(1) });
    town.until_up(world, client, Duration::from_secs(20))?;
    let downs = node(world, client).log().downs;
    expect(world, downs == 0, || "it had to dial again".into())?;
    town.must_reach_router(world, client)
}

fn wrong_passwords(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let good = town.client(world, &Person::new(0));
    town.until_up(world, good, Duration::from_secs(5))?;
    let mut bad = Vec::new();
    for (number, profile) in (1..).zip(profile::ALL) {
        let user = ("jiro", "not his");
        bad.push(town.client(world, &Person { user, ..Person::new(number).with(profile) }));
    }
    let router = town.hubs[0].router(world);
    for _ in 0..60 {
        let is_answered = town.pings_once(world, good, router)?;
        expect(world, is_answered, || "a ping of an honest client was lost".into())?;
        world.run_for(SECOND)?;
    }
    for &client in &bad {
        let log = node(world, client).log().clone();
        expect(world, log.ups == 0 && log.downs > 2, || format!("{log:?}"))?;
    }
    bad.push(good);
    town.must_end_empty(world, &bad, Duration::from_secs(150))
}

fn restart(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let mut clients = Vec::new();
    // Old Androids probe nothing, and believe in a dead server for ever.
    for (number, profile) in (0..).zip([&CP_APL_MM, &CP_CROS, &CP_WIN]) {
        clients.push(town.client(world, &Person::new(number).with(profile)));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    town.restart(world);
    for &client in &clients {
        town.until_down(world, client, SECOND.times(400))?;
    }
    town.until_all_up(world, &clients, SECOND.times(60))?;
    for &client in &clients {
        town.must_reach_router(world, client)?;
    }
    town.must_end_empty(world, &clients, Duration::from_secs(60))
}

fn full(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build_with(world, kind, &Plan::default(), |setup| setup.limits.calls = 2);
    let mut clients = Vec::new();
    for number in 0..2 {
        clients.push(town.client(world, &Person::new(number)));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    let third = town.client(world, &Person::new(2));
    for _ in 0..60 {
        world.run_for(SECOND)?;
        let is_up = node(world, third).is_up();
        expect(world, !is_up, || "three sessions where there is room for two".into())?;
    }
    for &client in &clients {
        town.must_reach_router(world, client)?;
    }
    world.with(clients[0].id, |node: &mut ClientNode, cx| node.hang_up(cx));
    town.until_up(world, third, SECOND.times(120))?;
    town.must_reach_router(world, third)?;
    town.must_end_empty(world, &[clients[1], third], Duration::from_secs(60))
}

fn leap(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip([&CP_APL_MM, &CP_AND_N]) {
        clients.push(town.client(world, &Person::new(number).with(profile)));
    }
    town.until_all_up(world, &clients, Duration::from_secs(10))?;
    for secs in [100, 3_600, 100_000] {
        world.jump_clock(town.server, SECOND.times(secs));
        world.run_for(SECOND.times(400))?;
        town.until_all_up(world, &clients, SECOND.times(60))?;
        for &client in &clients {
            town.must_reach_router(world, client)?;
        }
    }
    town.must_end_empty(world, &clients, Duration::from_secs(60))
}
