//! IPsec under sessions that live long: renewal, liveness, goodbyes.

use core::net::SocketAddr;

use super::ipsec::Ipsec;
use super::packet;
use super::setup::{ROUTER, Setup};
use super::world::{World, play};
use crate::discard::DropReason;
use crate::ike::tests::client::attributes;
use crate::ppp::tests::client::Habits;

fn dial_up(world: &mut World) -> usize {
    let home: SocketAddr = ([203, 0, 113, 1], 4500).into();
    let client = world.dial_ipsec(home, Habits::default());
    assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
    client
}

fn ipsec(world: &mut World, client: usize) -> &mut Ipsec {
    world.clients[client].ipsec.as_mut().expect("it speaks IPsec")
}

#[test]
fn after_a_renewal_the_server_sends_on_the_new_pair() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        for _ in 0..3 {
            let (now, pairs) = (world.now, ipsec(world, client).sas.len());
            world.with_client(client, |dialer, _| {
                dialer.ipsec.as_mut().expect("it speaks IPsec").rekey(now);
            });
            world.run_ms(1_000);
            assert!(world.pings(client, ROUTER.octets()));
            let sas = &ipsec(world, client).sas;
            assert_eq!(sas.len(), pairs + 1);
            assert!(sas[pairs].heard_count() >= 1);
            let before = sas[pairs - 1].heard_count();
            assert!(world.pings(client, ROUTER.octets()));
            assert_eq!(ipsec(world, client).sas[pairs - 1].heard_count(), before);
        }
    });
}

#[test]
fn the_third_message_alone_puts_the_new_pair_into_use() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        let other = world.dial_up(Habits::default());
        let to = world.clients[client].ip();
        assert!(world.pings(other, to));
        let now = world.now;
        world.with_client(client, |dialer, _| {
            dialer.ipsec.as_mut().expect("it speaks IPsec").rekey(now);
        });
        world.run_ms(1_000);
        // Nothing has come on the new pair yet.
        assert_eq!(ipsec(world, client).sas[1].sequence, 0);
        let from = world.clients[other].ip();
        let packet = packet::udp((from, 9), (to, 9), b"which way");
        world.with_client(other, |dialer, _| dialer.send_ip(&packet));
        world.run_ms(100);
        assert_eq!(ipsec(world, client).sas[1].heard_count(), 1);
    });
}

#[test]
fn a_client_that_never_answers_dpd_stays_as_long_as_esp_comes() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        ipsec(world, client).ignores_ike = true;
        // Answers to echoes of LCP are all that comes.
        world.run_ms(1_500_000);
        assert!(world.clients[client].is_up() && world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn deleting_the_ike_sa_and_its_pairs_ends_the_session_at_once() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        world.with_client(client, |dialer, _| {
            dialer.ipsec.as_mut().expect("it speaks IPsec").hang_up();
        });
        world.clients[client].is_dead = true;
        world.run_ms(1_000);
        assert_eq!(world.census(), [0; 5]);
        assert_eq!((world.server.ike.peer_count(), world.server.esp.len()), (0, 0));
    });
}

#[test]
fn a_pair_is_renewed_before_its_octets_are_used_up() {
    for kilobytes in [200, 400] {
        play(&Setup::default(), |world| {
            let client = world.dial_ipsec(([203, 0, 113, 1], 4500).into(), Habits::default());
            let octets = [(1, 1), (2, 3_600), (1, 2), (2, kilobytes), (4, 4), (5, 2), (6, 256)];
            ipsec(world, client).ike.quick.attributes = attributes(&octets);
            assert!(world.run_until_up(client, 30_000));
            let from = world.clients[client].ip();
            let packet = packet::udp((from, 9), (ROUTER.octets(), 9), &[7; 1_000]);
            for _ in 0..usize::from(kilobytes) * 3 {
                world.with_client(client, |dialer, _| dialer.send_ip(&packet));
                world.run_ms(20);
            }
            let renewals = ipsec(world, client).answered.len();
            assert!((3..=5).contains(&renewals), "{renewals}");
            assert!(world.pings(client, ROUTER.octets()));
        });
    }
}

#[test]
fn a_pair_on_which_only_the_server_sends_is_renewed_before_its_octets_are_used_up() {
    play(&Setup::default(), |world| {
        let client = world.dial_ipsec(([203, 0, 113, 1], 4500).into(), Habits::default());
        let octets = [(1, 1), (2, 3_600), (1, 2), (2, 200), (4, 4), (5, 2), (6, 256)];
        ipsec(world, client).ike.quick.attributes = attributes(&octets);
        assert!(world.run_until_up(client, 30_000));
        let sender = world.dial_up(Habits::default());
        let (from, to) = (world.clients[sender].ip(), world.clients[client].ip());
        let packet = packet::udp((from, 9), (to, 9), &[7; 1_000]);
        for _ in 0..600 {
            world.with_client(sender, |dialer, _| dialer.send_ip(&packet));
            // A client that says nothing does not use the new pair: we change after two seconds.
            world.run_ms(50);
        }
        let renewals = ipsec(world, client).answered.len();
        assert!((3..=5).contains(&renewals), "{renewals}");
        let lost = [DropReason::NoSa, DropReason::SaExpired].map(|reason| world.drops(reason));
        assert_eq!(lost, [0, 0]);
        assert!(world.pings(client, ROUTER.octets()));
    });
}
