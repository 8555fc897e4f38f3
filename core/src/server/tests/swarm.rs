//! Everything at once: random clients, faults and orders, and after that the world must heal.

use core::net::SocketAddr;

use super::dialer::Dialer;
use super::noise::{garbage, noise};
use super::setup::{self, ROUTER, Setup};
use super::world::{World, path_to, play};
use crate::event::Event;
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;
use crate::server::{BridgeId, Command};
use crate::store::model::Random;

fn address(random: &mut Random) -> SocketAddr {
    let port = [1701, 4500, 40_000][random.below(3)];
    ([203, 0, 113, random.below(6) as u8], port).into()
}

fn habits(random: &mut Random) -> Habits {
    let users: [(&[u8], &str); 5] = [
        (b"jiro", "pass"),
        (b"hanako", "hana"),
        (b"OTHER\\Jiro", "pass"),
        (b"jiro", "wrong"),
        (b"nobody@nowhere", "pass"),
    ];
    let (user, password) = users[random.below(users.len())];
    Habits {
        user: user.to_vec(),
        password: password.into(),
        pap: random.below(4) == 0,
        compresses: random.below(2) == 0,
        ..Habits::default()
    }
}

fn dial(world: &mut World, random: &mut Random) {
    let alive = world.clients.iter().filter(|client| !client.is_dead).count();
    if alive >= 6 {
        return;
    }
    let (address, habits) = (address(random), habits(random));
    // One machine has one address.
    for client in &mut world.clients {
        client.is_dead |= client.address.ip() == address.ip();
    }
    match random.below(2) {
        0 => world.dial_from(address, habits),
        _ => world.dial_ipsec(address, habits),
    };
}

fn configure(world: &mut World, random: &mut Random) {
    let mut config = match random.below(4) {
        0 => setup::config(std::vec![setup::hub("DEFAULT")]),
        1 => setup::config(std::vec![setup::hub("DEFAULT"), setup::hub("OTHER")]),
        2 => setup::config(std::vec![setup::hub("OTHER"), setup::hub("DEFAULT")]),
        _ => setup::config(std::vec![setup::hub("THIRD"), setup::hub("OTHER")]),
    };
    let is_broken = random.below(4) == 0;
    if is_broken {
        config.ipsec.default_hub = "NONE";
    }
    assert_eq!(world.configure(&config).is_err(), is_broken);
}

fn act(world: &mut World, random: &mut Random) {
    let count = world.clients.len();
    let client = random.below(count.max(1));
    let is_up = count > 0 && world.clients[client].is_up() && !world.clients[client].is_dead;
    match random.below(16) {
        0..=2 => dial(world, random),
        3 if is_up => world.with_client(client, Dialer::hang_up),
        4 if count > 0 => world.clients[client].is_dead = true,
        5..=6 if is_up => {
            let to = [192, 168, 30, [1, 10, 11, 12, 255, 201][random.below(6)]];
            world.with_client(client, |dialer, _| dialer.ping(to, 1));
        }
        7 => configure(world, random),
        8 => {
            let mut sessions = world.events.iter().filter_map(|event| match event {
                Event::SessionUp { session, .. } => Some(*session),
                _ => None,
            });
            if let Some(session) = sessions.next_back() {
                world.command(Command::Disconnect(session));
            }
        }
        9 => world.command(Command::Rekey),
        10 => {
            let bridge = BridgeId { hub: random.below(3) as u16, bridge: random.below(2) as u16 };
            let frame = [&[0xff; 6][..], &noise(random, 200)].concat();
            world.send_frame(bridge, frame);
        }
        11 => {
            let hoard = world.pool.hoard();
            world.run_ms(random.below(500) as u64);
            world.pool.give(hoard);
        }
        12 => {
            let (port, bytes) = garbage(random, &world.overheard);
            // Under a client's own address this could spoil its main mode, as IKEv1 has it.
            let elsewhere = ([203, 0, 113, 50 + random.below(9) as u8], 4500);
            world.inject(path_to(port, elsewhere.into()), &bytes);
        }
        13 if is_up && world.clients[client].ipsec.is_some() => {
            let moved: SocketAddr = ([203, 0, 113, 100 + random.below(50) as u8], 4500).into();
            world.ledger.prove(moved);
            world.clients[client].address = moved;
        }
        14 => world.setup.loss = [0, 0, 20, 60][random.below(4)],
        15 => world.run_ms(random.below(200_000) as u64),
        _ => {}
    }
    world.run_ms([1, 20, 300, 3_000][random.below(4)]);
}

fn heal(world: &mut World) {
    world.setup.loss = 0;
    world.setup.copies = 0;
    world.setup.late = 0;
    for client in &mut world.clients {
        client.is_dead = true;
    }
    world.run_ms(500_000);
    let census = world.census();
    assert_eq!(census[..4], [0; 4], "{census:?}");
    assert_eq!((world.server.ike.peer_count(), world.server.esp.len()), (0, 0));
    assert_eq!(world.server.ike.negotiation_count(), 0);
    let hubs = std::vec![setup::hub("DEFAULT"), setup::hub("OTHER")];
    world.configure(&setup::config(hubs)).expect("a good one");
    let raw = world.dial_from(([198, 51, 100, 7], 1701).into(), Habits::default());
    let esp = world.dial_ipsec(([198, 51, 100, 8], 4500).into(), Habits::default());
    for client in [raw, esp] {
        assert!(world.run_until_up(client, 10_000), "{:?}", world.clients[client]);
        assert!(world.pings(client, ROUTER.octets()));
    }
    let ip = world.clients[raw].ip();
    assert!(world.pings(esp, ip));
}

/// Tables of which some are small.
fn limits(random: &mut Random) -> Limits {
    let full = setup::limits([3, 8][random.below(2)]);
    let mut small = |small: usize, full: usize| if random.below(3) == 0 { small } else { full };
    Limits {
        peers: small(3, full.peers),
        half_open: small(4, full.half_open),
        ike_sas: small(10, full.ike_sas),
        exchanges: small(2, full.exchanges),
        sas: small(4, full.sas),
        tunnels: small(3, full.tunnels),
        tunnels_per_carrier: small(1, full.tunnels_per_carrier),
        calls_per_tunnel: small(1, full.calls_per_tunnel),
        ports: small(8, full.ports),
        macs: small(8, full.macs),
        floods: small(1, full.floods),
        leases: small(3, full.leases),
        held_per_session: small(1, full.held_per_session),
        outputs: small(40, full.outputs),
        events: small(12, full.events),
        frames: small(4, full.frames),
        requests: small(2, full.requests),
        ..full
    }
}

fn swarm(seed: u64) {
    // Shown if the test fails.
    std::eprintln!("seed {seed}");
    let hubs = std::vec![setup::hub("DEFAULT"), setup::hub("OTHER")];
    let mut random = Random(seed * 7 + 5);
    let setup = Setup {
        seed: seed as u8,
        batch: [1, 4, 64][random.below(3)],
        buffers: [40, 256][random.below(2)],
        loss: [0, 10][random.below(2)],
        copies: [0, 10][random.below(2)],
        late: [0, 10][random.below(2)],
        limits: limits(&mut random),
        ..Setup::with_hubs(hubs)
    };
    play(&setup, |world| {
        let mut random = Random(seed + 1_000);
        for _ in 0..200 {
            act(world, &mut random);
        }
        heal(world);
    });
}

#[test]
fn after_any_mixture_of_faults_the_world_heals() {
    (0..12).for_each(swarm);
}

/// Run with `cargo test -p kumihimo-core --lib -- --ignored swarm`.
#[test]
#[ignore = "takes minutes"]
fn after_many_mixtures_of_faults_the_world_heals() {
    (1_000..1_400).for_each(swarm);
}
