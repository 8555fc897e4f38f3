//! Twenty thousand datagrams and frames that nobody should send.

use std::vec::Vec;

use super::noise::{changed, garbage, noise, one_of};
use super::packet;
use super::setup::{ROUTER, Setup};
use super::world::{World, path_to, play};
use crate::event::Event;
use crate::ppp::tests::client::Habits;
use crate::server::BridgeId;
use crate::store::model::Random;

const HOME: ([u8; 4], u16) = ([203, 0, 113, 1], 4500);
const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };

/// Everything that a server can answer an input with.
fn activity(world: &World) -> u64 {
    world.transmitted + world.requests + (world.bridged.len() + world.events.len()) as u64
}

#[test]
fn what_strangers_send_is_answered_or_counted_and_leaves_nothing() {
    for seed in 0..4 {
        play(&Setup { seed, ..Setup::default() }, |world| {
            let mut random = Random(u64::from(seed) + 99);
            let raw = world.dial_up(Habits::default());
            let esp = world.dial_ipsec(HOME.into(), Habits::default());
            assert!(world.run_until_up(esp, 30_000));
            assert!(world.pings(raw, ROUTER.octets()) && world.pings(esp, ROUTER.octets()));
            for _ in 0..1_500 {
                let (port, bytes) = garbage(&mut random, &world.overheard);
                let stranger = [100, 64, random.below(4) as u8, random.below(256) as u8];
                let from = (stranger, [500, 4500, 1701, 33_333][random.below(4)]);
                let before = activity(world);
                let counted = world.inject(path_to(port, from.into()), &bytes);
                assert!(counted > 0 || activity(world) > before, "{port} {bytes:02x?}");
                assert!(counted <= 1, "counted once");
                if random.below(20) == 0 {
                    world.run_ms(random.below(2_000) as u64);
                }
            }
            assert!(world.pings(raw, ROUTER.octets()) && world.pings(esp, ROUTER.octets()));
            world.run_ms(300_000);
            assert_eq!(world.census(), [2; 5]);
            assert_eq!((world.server.ike.peer_count(), world.server.esp.len()), (1, 1));
            assert_eq!(world.server.ike.negotiation_count(), 0);
        });
    }
}

/// Frames as PPP peers would write them if they meant harm.
fn ppp_frame(random: &mut Random) -> Vec<u8> {
    let protocols = [0xc021_u16, 0xc023, 0xc223, 0x8021, 0x8057, 0x80fd, 0x0021, 0x0057, 0xc025];
    let protocol = protocols[random.below(protocols.len())];
    let code = random.below(14) as u8;
    let id = random.below(8) as u8;
    let mut data = Vec::new();
    for _ in 0..random.below(6) {
        let value = noise(random, 8);
        data.push([1, 2, 3, 4, 5, 7, 8, 13, 129, 131][random.below(10)]);
        data.push(if random.below(10) == 0 { random.next() as u8 } else { value.len() as u8 + 2 });
        data.extend(value);
    }
    let frame = [
        &[0xff, 3][..],
        &protocol.to_be_bytes(),
        &[code, id],
        &(data.len() as u16 + 4).to_be_bytes(),
        &data,
    ]
    .concat();
    if random.below(4) == 0 { changed(random, &frame) } else { frame }
}

/// Lets a client that is let in say what it should not, `count` times.
fn misbehave(world: &mut World, client: usize, random: &mut Random, count: usize) {
    let said = world.clients[client].said.clone();
    world.clients[client].is_deaf = true;
    for _ in 0..count {
        let ids = world.clients[client].lac.calls.first().copied();
        let message = match random.below(3) {
            0 => one_of(random, &said),
            1 => noise(random, 200),
            _ => {
                let frame = ppp_frame(random);
                let tunnel = world.clients[client].lac.peer_tunnel;
                let session = ids.map_or(0, |ids| ids.1);
                crate::l2tp::tests::lac::data((tunnel, session), random.below(2) == 0, &frame)
            }
        };
        world.with_client(client, |dialer, _| dialer.send_l2tp(message));
        let pause = if random.below(50) == 0 { random.below(5_000) } else { random.below(3) };
        world.run_ms(pause as u64);
    }
}

#[test]
fn a_user_who_misbehaves_harms_nobody_else() {
    for seed in 0..12 {
        let setup = Setup { seed, batch: 1 + usize::from(seed % 2) * 15, ..Setup::default() };
        play(&setup, |world| {
            let mut random = Random(u64::from(seed) + 7);
            let good = world.dial_up(Habits::default());
            let bad = match seed % 3 {
                0 => world.dial_up(Habits::default()),
                _ => world.dial_ipsec(HOME.into(), Habits::default()),
            };
            // Some misbehave from the start, some when they are in.
            world.run_ms([120, 10_000, 400][usize::from(seed % 3)]);
            misbehave(world, bad, &mut random, 600);
            assert!(world.pings(good, ROUTER.octets()), "seed {seed}");
            world.clients[bad].is_dead = true;
            world.run_ms(400_000);
            assert!(world.clients[good].is_up() && world.pings(good, ROUTER.octets()));
            assert_eq!(world.census(), [1; 5]);
            assert_eq!((world.server.ike.peer_count(), world.server.esp.len()), (0, 0));
            let is_good = |event: &Event| {
                matches!(event, Event::SessionDown { remote, .. }
                    if *remote == world.clients[good].address)
            };
            assert!(!world.events.iter().any(is_good));
        });
    }
}

#[test]
fn a_lan_that_misbehaves_ends_no_session() {
    for seed in 0..6 {
        play(&Setup { seed, ..Setup::default() }, |world| {
            let mut random = Random(u64::from(seed) + 3);
            let clients = [(); 3].map(|()| world.dial_up(Habits::default()));
            let station = world.add_station(BRIDGE);
            let ip = world.stations[station].ip;
            assert!(world.pings(clients[0], ip));
            let mac = world.stations[station].mac;
            let to = world.clients[clients[1]].ip();
            let mut seen: Vec<_> = world.bridged.iter().map(|it| it.1.clone()).collect();
            let inner = packet::udp((ip, 67), (to, 68), &noise(&mut random, 300));
            seen.push(packet::ethernet(packet::BROADCAST, mac, packet::IPV4, &inner));
            let arp = packet::arp(1, (mac, ip), ([0; 6], to));
            seen.push(packet::ethernet(packet::BROADCAST, mac, packet::ARP, &arp));
            world.stations.clear();
            for _ in 0..1_000 {
                let frame = match random.below(4) {
                    0 => noise(&mut random, 1_700),
                    _ => one_of(&mut random, &seen),
                };
                world.send_frame(BRIDGE, frame);
                world.run_ms(random.below(5) as u64);
            }
            world.run_ms(100_000);
            for client in clients {
                assert!(world.clients[client].is_up(), "seed {seed} {:?}", world.events);
                assert!(world.pings(client, ROUTER.octets()), "seed {seed}");
            }
        });
    }
}
