//! Habits of single clients on which other servers fell (U8 to U11, U14, U17, U19).

use kumihimo_core::server::Command;

use super::plot::{Person, Resident, SECOND, expect, node};
use super::town::{Plan, Town};
use crate::choice::Odds;
use crate::net::{LinkConfig, NatConfig, Ports, Way};
use crate::node::client::ClientNode;
use crate::node::server::ServerNode;
use crate::observe::Failure;
use crate::peer::Cipher::Aes256;
use crate::peer::Group::Modp1024;
use crate::peer::Hash::{Sha256, Sha384};
use crate::profile::{
    CP_AND_N, CP_AND_N_DEAF, CP_APL_MM, CP_WIN, EspHabits, IkeHabits, PppHabits, Profile, cbc, ike,
};
use crate::scenario::{NodeKind, Scenario};
use crate::workload::Sessions;
use crate::world::World;

/// Dials through loss.
pub const LOSSY_DIAL: Scenario = Scenario {
    name: "u8-lossy-dial",
    about: "U8: of ten dials with 10 % loss each is up, and no layer of PPP has to begin again",
    play: lossy_dial,
};

/// An LCP request without options.
pub const EMPTY_REQUEST: Scenario = Scenario {
    name: "u9-empty-request",
    about: "U9: a client asks for nothing in LCP, and is up like the others",
    play: empty_request,
};

/// SHA2-384 in phase 1.
pub const SHA384: Scenario = Scenario {
    name: "u10-sha384",
    about: "U10: an Android that offers nothing but SHA2-384 for phase 1 is up",
    play: sha384,
};

/// HMAC-SHA2-256 that is cut.
pub const CUT_SHA256: Scenario = Scenario {
    name: "u11-cut-sha256",
    about: "U11: an old Android that cuts HMAC-SHA2-256 to 96 bits has data, and a new one too",
    play: cut_sha256,
};

/// New keys that the server begins.
pub const SERVER_REKEY: Scenario = Scenario {
    name: "u14-server-rekey",
    about: "U14: the server renews the keys of clients behind a NAT box that forgets its mappings",
    play: server_rekey,
};

/// Ends in every order.
pub const TEARDOWN: Scenario = Scenario {
    name: "u17-teardown",
    about: "U17: sessions end from both sides at once, from every layer, and nothing remains",
    play: teardown,
};

/// A HELLO that is never answered.
pub const DEAF: Scenario = Scenario {
    name: "u19-no-hello",
    about: "U19: phones that never answer HELLO are up for two hours",
    play: deaf,
};

/// Asks for nothing in LCP.
static CP_EMPTY: Profile = Profile {
    name: "CP-EMPTY",
    ppp: PppHabits {
        mru: None,
        magic: false,
        accm: None,
        pfc: false,
        acfc: false,
        ..CP_APL_MM.ppp
    },
    ..CP_APL_MM
};

static CP_SHA384: Profile = Profile {
    name: "CP-SHA384",
    ike: IkeHabits { offers: &[ike(Aes256, Sha384, Modp1024)], ..CP_AND_N.ike },
    ..CP_AND_N
};

static CP_SHA256: Profile = Profile {
    name: "CP-SHA256",
    esp: EspHabits { offers: &[cbc(Aes256, Sha256)], ..CP_AND_N.esp },
    ..CP_AND_N
};

static CP_CUT: Profile =
    Profile { name: "CP-CUT", esp: EspHabits { cuts_sha256: true, ..CP_SHA256.esp }, ..CP_SHA256 };

fn lossy_dial(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let lossy = LinkConfig::both(Way { loss: Odds::percent(10), ..Way::default() });
    let person = Person { link: lossy, ..Person::new(1).with(&CP_APL_MM) };
    let client = town.client(world, &person);
    for _ in 0..10 {
        town.until_up(world, client, SECOND.times(200))?;
        world.run_for(SECOND.times(20))?;
        let relapses = node(world, client).relapses();
        expect(world, relapses == 0, || "a layer of PPP that was open began again".into())?;
        world.with(client.id, |node: &mut ClientNode, cx| {
            node.hang_up(cx);
            node.dial(cx);
        });
    }
    Ok(())
}

/// Clients of these profiles are up, reach their router and each other, and leave nothing.
fn dial_all(world: &mut World, kind: NodeKind, all: &[&'static Profile]) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let numbered = (0..).zip(all);
    let people = numbered.map(|(number, profile)| Person::new(number).with(profile));
    let clients: Vec<_> = people.map(|person| town.client(world, &person)).collect();
    town.until_all_up(world, &clients, SECOND.times(15))?;
    for pair in clients.windows(2) {
        let to = node(world, pair[1]).address().unwrap_or([0; 4].into());
        town.must_reach(world, pair[0], to)?;
    }
    for &client in &clients {
        town.must_reach_router(world, client)?;
    }
    town.must_end_empty(world, &clients, SECOND.times(60))
}

fn empty_request(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    dial_all(world, kind, &[&CP_EMPTY, &CP_APL_MM])
}

fn sha384(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    dial_all(world, kind, &[&CP_SHA384, &CP_AND_N])
}

fn cut_sha256(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    dial_all(world, kind, &[&CP_CUT, &CP_SHA256])
}

fn server_rekey(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let random = NatConfig { ports: Ports::Random, ..NatConfig::default() };
    let nat = town.nat(world, "home", random);
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip([&CP_WIN, &CP_APL_MM, &CP_AND_N]) {
        let person = Person::new(number).with(profile).behind(&nat, [10, 0, 0, 2 + number as u8]);
        clients.push(town.client(world, &person));
    }
    town.until_all_up(world, &clients, SECOND.times(10))?;
    for round in 0..6 {
        if round % 2 == 1 {
            world.scene("the NAT box forgets");
            world.rebind(nat.id);
            // The next packet of each client shows where it is now; a keepalive is no proof.
            for &client in &clients {
                town.must_reach_router(world, client)?;
            }
        }
        world.scene("new keys for all");
        world.with(town.server, |server: &mut ServerNode, _| server.command(Command::Rekey));
        for _ in 0..10 {
            world.run_for(SECOND)?;
            for &client in &clients {
                town.must_reach_router(world, client)?;
            }
        }
    }
    for &client in &clients {
        let ups = node(world, client).log().ups;
        expect(world, ups == 1, || format!("a client was up {ups} times"))?;
    }
    town.must_end_empty(world, &clients, SECOND.times(60))
}

fn teardown(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    world.observe(Sessions::default());
    let makes = [&CP_WIN, &CP_APL_MM, &CP_AND_N];
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip(makes) {
        clients.push(town.client(world, &Person::new(number).with(profile)));
    }
    for (ours, theirs) in ORDERS {
        town.until_all_up(world, &clients, SECOND.times(200))?;
        for &client in &clients {
            town.must_reach_router(world, client)?;
        }
        world.scene(&format!("the server: {ours:?}; the clients: {theirs:?}"));
        act(world, &town, ours);
        // Both sides' goodbyes are under way at once.
        world.run_for(SECOND.over(200))?;
        clients.iter().for_each(|&client| leave(world, client, theirs));
        world.run_for(SECOND.times(3))?;
        for &client in &clients {
            world.with(client.id, |node: &mut ClientNode, cx| {
                if !node.is_up() {
                    node.dial(cx);
                }
            });
        }
    }
    town.until_all_up(world, &clients, SECOND.times(200))?;
    town.must_end_empty(world, &clients, SECOND.times(200))
}

fn act(world: &mut World, town: &Town, ours: Ours) {
    let up = world.observer::<Sessions>().map(|it| it.ids()).unwrap_or_default();
    world.with(town.server, |server: &mut ServerNode, _| match ours {
        Ours::Disconnect => up.into_iter().for_each(|id| server.command(Command::Disconnect(id))),
        Ours::Rekey => server.command(Command::Rekey),
        Ours::Nothing => {}
    });
}

fn leave(world: &mut World, client: Resident, theirs: Theirs) {
    world.with(client.id, |node: &mut ClientNode, cx| match theirs {
        Theirs::HangUp => node.hang_up(cx),
        Theirs::Vanish => node.vanish(cx),
        Theirs::DialAgain => {
            node.vanish(cx);
            node.dial(cx);
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum Ours {
    Nothing,
    Disconnect,
    Rekey,
}

#[derive(Clone, Copy, Debug)]
enum Theirs {
    HangUp,
    Vanish,
    DialAgain,
}

const ORDERS: [(Ours, Theirs); 8] = [
    (Ours::Nothing, Theirs::HangUp),
    (Ours::Disconnect, Theirs::HangUp),
    (Ours::Rekey, Theirs::HangUp),
    (Ours::Disconnect, Theirs::Vanish),
    (Ours::Rekey, Theirs::Vanish),
    (Ours::Disconnect, Theirs::DialAgain),
    (Ours::Rekey, Theirs::DialAgain),
    (Ours::Nothing, Theirs::DialAgain),
];

fn deaf(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let client = town.client(world, &Person::new(1).with(&CP_AND_N_DEAF));
    town.until_up(world, client, SECOND.times(10))?;
    for _ in 0..24 {
        world.run_for(SECOND.times(300))?;
        town.must_reach_router(world, client)?;
    }
    let ups = node(world, client).log().ups;
    expect(world, ups == 1, || format!("a phone was up {ups} times"))?;
    town.must_end_empty(world, &[client], SECOND.times(60))
}
