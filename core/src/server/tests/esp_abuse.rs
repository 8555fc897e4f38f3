//! What an attacker on the way can do to IPsec: copies, changes, forged addresses.

use core::net::SocketAddr;
use std::vec::Vec;

use super::noise::garbage;
use super::setup::{ROUTER, Setup};
use super::world::{World, path_to, play};
use crate::discard::DropReason;
use crate::event::Event;
use crate::ppp::tests::client::Habits;
use crate::store::model::Random;

const HOME: ([u8; 4], u16) = ([203, 0, 113, 1], 4500);
const ELSEWHERE: ([u8; 4], u16) = ([198, 51, 100, 200], 4500);

fn dial_up(world: &mut World) -> usize {
    let client = world.dial_ipsec(HOME.into(), Habits::default());
    assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
    client
}

/// The ESP packet of a ping that the client has not sent.
fn sealed_ping(world: &mut World, client: usize, id: u16) -> Vec<u8> {
    let dialer = &mut world.clients[client];
    dialer.ping(ROUTER.octets(), id);
    let mut sent = dialer.take_sent();
    assert_eq!(sent.len(), 1);
    sent.remove(0).1
}

#[test]
fn a_copied_packet_counts_once() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        assert!(world.pings(client, ROUTER.octets()));
        let packet = sealed_ping(world, client, 77);
        let before = world.clients[client].heard.len();
        for copy in 0..5 {
            let counted = world.inject(path_to(4500, HOME.into()), &packet);
            assert_eq!(counted, u64::from(copy > 0));
        }
        world.run_ms(100);
        assert_eq!(world.clients[client].heard.len(), before + 1);
        assert_eq!(world.drops(DropReason::Replayed), 4);
        // An old one from elsewhere moves nothing.
        world.inject(path_to(4500, ELSEWHERE.into()), &packet);
        assert!(world.pings(client, ROUTER.octets()));
        assert!(world.strays.is_empty());
    });
}

#[test]
fn a_client_may_move_and_only_a_fresh_packet_moves_it() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        let moved: SocketAddr = ([198, 51, 100, 77], 40_000).into();
        world.ledger.prove(moved);
        world.clients[client].address = moved;
        assert!(world.pings(client, ROUTER.octets()));
        let is_it = |event: &Event| match event {
            Event::PeerMoved { remote, .. } => *remote == moved,
            _ => false,
        };
        assert!(world.events.iter().any(is_it));
        // One octet of a fresh packet is changed, and it comes from elsewhere.
        let packet = sealed_ping(world, client, 78);
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 0x10;
            assert_eq!(world.inject(path_to(4500, ELSEWHERE.into()), &changed), 1, "{at}");
        }
        world.run_ms(1_000);
        assert!(world.strays.is_empty());
        assert!(world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn packets_that_overtake_each_other_all_count() {
    play(&Setup { late: 50, ..Setup::default() }, |world| {
        let client = dial_up(world);
        world.run_ms(200);
        assert!(world.pings(client, ROUTER.octets()));
        for id in 0..200 {
            world.with_client(client, |dialer, _| dialer.ping(ROUTER.octets(), id));
            world.run_ms(1);
        }
        world.run_ms(1_000);
        let pongs = (0..200).filter(|&id| world.clients[client].has_pong(ROUTER.octets(), id));
        assert_eq!(pongs.count(), 200);
        assert_eq!(world.drops(DropReason::Replayed), 0);
    });
}

/// Lets a client dial while `noise` datagrams for each of its own come from `from`.
fn dial_in_noise(seed: u8, ipsec: bool, from: ([u8; 4], u16), noise: usize) {
    play(&Setup { seed, ..Setup::default() }, |world| {
        let mut random = Random(u64::from(seed) + 1);
        let client = match ipsec {
            true => world.dial_ipsec(HOME.into(), Habits::default()),
            false => world.dial_from(HOME.into(), Habits::default()),
        };
        let end = world.now + 60_000_000;
        let (mut said, mut noisy) = (0, 0);
        while !(world.clients[client].is_up() && noisy > 400) && world.now < end {
            world.run_ms(5);
            for _ in said..world.overheard.len().max(said + 1) {
                for _ in 0..noise {
                    let (port, bytes) = garbage(&mut random, &world.overheard);
                    let port_from = if port == 500 && from.1 == 4500 { 500 } else { from.1 };
                    world.inject(path_to(port, (from.0, port_from).into()), &bytes);
                    noisy += 1;
                }
            }
            said = world.overheard.len();
        }
        let dialer = &world.clients[client];
        assert!(dialer.is_up(), "seed {seed}: {dialer:?} {:?}", world.events);
        assert!(world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn garbage_from_elsewhere_at_every_stage_keeps_nobody_out() {
    for seed in 0..6 {
        dial_in_noise(seed, true, ELSEWHERE, 20);
        dial_in_noise(seed, false, ELSEWHERE, 20);
    }
}

#[test]
fn garbage_under_the_clients_own_address_breaks_nothing_that_is_up() {
    for seed in 0..6 {
        play(&Setup { seed, ..Setup::default() }, |world| {
            let client = dial_up(world);
            let mut random = Random(u64::from(seed) + 1);
            let count = world.events.len();
            for _ in 0..100 {
                for _ in 0..20 {
                    let (port, bytes) = garbage(&mut random, &world.overheard);
                    let from = world.clients[client].address_towards(port);
                    world.inject(path_to(port, from), &bytes);
                }
                assert!(world.pings(client, ROUTER.octets()), "seed {seed}");
            }
            let is_down = |event: &Event| matches!(event, Event::SessionDown { .. });
            assert!(!world.events[count..].iter().any(is_down));
        });
    }
}

#[test]
fn after_garbage_in_its_name_a_client_dials_again_soon() {
    for seed in 0..6 {
        play(&Setup { seed, ..Setup::default() }, |world| {
            let mut random = Random(u64::from(seed) + 1);
            let first = world.dial_ipsec(HOME.into(), Habits::default());
            for _ in 0..40 {
                world.run_ms(5);
                for _ in 0..20 {
                    let (port, bytes) = garbage(&mut random, &world.overheard);
                    let from = world.clients[first].address_towards(port);
                    world.inject(path_to(port, from), &bytes);
                }
            }
            world.clients[first].is_dead = true;
            world.clients[first].address = ([203, 0, 113, 9], 1).into();
            let again = world.dial_ipsec(HOME.into(), Habits::default());
            // Half-open negotiations in its name are forgotten after 30 s.
            assert!(world.run_until_up(again, 35_000), "seed {seed} {:?}", world.events);
            assert!(world.pings(again, ROUTER.octets()));
        });
    }
}
