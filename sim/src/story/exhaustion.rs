//! The end of sequence numbers: new keys come before it, and no number comes twice after it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kumihimo_core::esp::set_head_start;
use kumihimo_core::time::{Duration, Instant};

use super::plot::{Person, Resident, SECOND, expect, node};
use super::town::{Plan, SERVER_IP, Town};
use crate::check::esp::{Kind, kind_of};
use crate::net::{Datagram, Verdict};
use crate::node::client::ClientNode;
use crate::observe::{Failure, Happening, Observer};
use crate::profile::{CP_APL_MM, CP_CROS, CP_WIN};
use crate::scenario::{NodeKind, Scenario};
use crate::world::World;

/// Sequence numbers that end.
pub const EXHAUSTION: Scenario = Scenario {
    name: "sequence-exhaustion",
    about: "sequence numbers near 2^32: the server renews the keys in time, and never begins again",
    play: exhaustion,
};

/// A new SA of a server has sent so many packets, until this is dropped.
struct HeadStart;

impl HeadStart {
    fn of(sent: u32) -> Self {
        set_head_start(sent);
        Self
    }
}

impl Drop for HeadStart {
    fn drop(&mut self) {
        set_head_start(0);
    }
}

/// SPIs in the order of their first packets, with the last sequence number.
type Spis = Vec<(u32, u32)>;

/// On which SPIs ESP went to and from each address.
#[derive(Debug, Default)]
struct Traffic {
    sent: BTreeMap<IpAddr, Spis>,
    taken: BTreeMap<IpAddr, Spis>,
}

impl Observer for Traffic {
    fn on(&mut self, _: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Sent { packet, .. } = happening else { return Ok(()) };
        let Datagram { outer, from, to, payload, .. } = &packet.datagram;
        let (far, ours, list) = if from.ip() == SERVER_IP {
            (to, from, &mut self.sent)
        } else {
            (from, to, &mut self.taken)
        };
        if let Kind::Esp { spi, sequence } = kind_of(*outer, ours.port(), payload) {
            let list = list.entry(far.ip()).or_default();
            match list.iter_mut().find(|(known, _)| *known == spi) {
                Some((_, last)) => *last = (*last).max(sequence),
                None => list.push((spi, sequence)),
            }
        }
        Ok(())
    }
}

fn exhaustion(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    world.observe(Traffic::default());
    // One with CBC, where a number that comes twice is a replay, and one with GCM, where it gives
    // the key away.
    let mut clients = Vec::new();
    let worn = HeadStart::of(SOFT - 40);
    for (number, profile) in (0..).zip([&CP_WIN, &CP_CROS]) {
        clients.push(town.client(world, &Person::new(number).with(profile)));
    }
    town.until_all_up(world, &clients, SECOND.times(10))?;
    drop(worn);
    talk(world, &town, &clients, 60)?;
    for (number, _) in (0..).zip(&clients) {
        let spis = lists(world, number).0;
        let is_renewed = spis.len() == 2 && spis[0].1 >= SOFT && spis[1].1 < 1_000;
        expect(world, is_renewed, || format!("the server sent on {spis:x?}"))?;
    }
    // The same for what it receives.
    for &client in &clients {
        world.with(client.id, |node: &mut ClientNode, _| node.age(SOFT - 10));
    }
    talk(world, &town, &clients, 60)?;
    for (number, &client) in (0..).zip(&clients) {
        let spis = lists(world, number).1;
        let last = spis.last().map_or(u32::MAX, |&(_, last)| last);
        expect(world, last < 1_000, || format!("a client still sends on {spis:x?}"))?;
        let ups = node(world, client).log().ups;
        expect(world, ups == 1, || format!("a client was up {ups} times"))?;
    }
    last_number(world, &town)?;
    town.must_end_empty(world, &clients, SECOND.times(300))
}

/// New keys cannot be had: the server sends up to the last number, and then nothing.
fn last_number(world: &mut World, town: &Town) -> Result<(), Failure> {
    let worn = HeadStart::of(u32::MAX - LEFT);
    let mut has_keys = false;
    let rule = world.add_rule(Box::new(move |crossing| {
        let Datagram { outer, from, to, payload, .. } = &crossing.packet.datagram;
        let is_its = [from.ip(), to.ip()].contains(&Person::new(LAST).address);
        let port = if from.ip() == SERVER_IP { from.port() } else { to.port() };
        let kind = kind_of(*outer, port, payload);
        has_keys |= is_its && matches!(kind, Kind::Esp { .. });
        let is_ike = matches!(kind, Kind::Ike { .. });
        if is_its && is_ike && has_keys { Verdict::Drop } else { Verdict::Pass }
    }));
    let client = town.client(world, &Person::new(LAST).with(&CP_APL_MM));
    town.until_up(world, client, SECOND.times(10))?;
    drop(worn);
    let router = town.hubs[0].router(world);
    let mut count = 0;
    while town.pings_once(world, client, router)? {
        count += 1;
        expect(world, count <= LEFT, || "there are more numbers than there can be".into())?;
    }
    world.run_for(SECOND.times(20))?;
    let spis = lists(world, LAST).0;
    expect(world, spis.len() == 1 && spis[0].1 == u32::MAX, || format!("sent on {spis:x?}"))?;
    // Whoever can have new keys again is up again.
    world.remove_rule(rule);
    town.until_down(world, client, SECOND.times(300))?;
    town.until_up(world, client, SECOND.times(120))?;
    town.must_reach_router(world, client)?;
    world.with(client.id, |node: &mut ClientNode, cx| node.hang_up(cx));
    Ok(())
}

/// Everyone pings once in a second, and is answered each time.
fn talk(world: &mut World, town: &Town, clients: &[Resident], count: u32) -> Result<(), Failure> {
    let router = town.hubs[0].router(world);
    for _ in 0..count {
        for &client in clients {
            let is_answered = town.pings_once(world, client, router)?;
            expect(world, is_answered, || "a ping was lost with the old keys".into())?;
        }
        world.run_for(Duration::from_millis(200))?;
    }
    Ok(())
}

/// What went to, and came from, the client of this number.
fn lists(world: &World, number: u16) -> (Spis, Spis) {
    let address = Person::new(number).address;
    let spis = world.observer::<Traffic>();
    let of = |list: &BTreeMap<IpAddr, Spis>| list.get(&address).cloned().unwrap_or_default();
    spis.map_or_else(Default::default, |spis| (of(&spis.sent), of(&spis.taken)))
}

/// Where a server wants new keys: at seven eighths of all numbers.
const SOFT: u32 = u32::MAX / 8 * 7;
/// Numbers that are left to the last client, enough for its dial.
const LEFT: u32 = 80;
/// The number of that client.
const LAST: u16 = 7;
