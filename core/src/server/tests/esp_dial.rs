//! The same dials through IPsec: IKE on UDP 500 and 4500, ESP in UDP 4500.

use core::net::SocketAddr;
use std::vec::Vec;

use super::dialer::Dialer;
use super::ipsec::BARE;
use super::packet::{self, IPV4};
use super::setup::{ROUTER, Setup};
use super::world::{World, path_to, play};
use crate::config::EncapsulationPolicy;
use crate::event::{Event, FailureCause};
use crate::ike::tests::client::attributes;
use crate::ppp::tests::client::Habits;
use crate::server::{BridgeId, Command};

fn home(number: u8) -> SocketAddr {
    ([203, 0, 113, number], 4500).into()
}

fn dial_up(world: &mut World, number: u8) -> usize {
    let client = world.dial_ipsec(home(number), Habits::default());
    assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
    client
}

/// IKE peers, negotiations and pairs of IPsec SAs.
fn ipsec_census(world: &World) -> [usize; 3] {
    let server = &world.server;
    [server.ike.peer_count(), server.ike.negotiation_count(), server.esp.len()]
}

#[test]
fn a_client_dials_in_through_ipsec_and_pings() {
    play(&Setup::default(), |world| {
        let client = dial_up(world, 1);
        assert!(world.pings(client, ROUTER.octets()));
        assert_eq!(ipsec_census(world), [1, 0, 1]);
        let other = world.dial_up(Habits::default());
        let ip = world.clients[client].ip();
        assert!(world.pings(other, ip), "from one carrier to the other");
    });
}

#[test]
fn nothing_is_left_of_a_client_that_hangs_up() {
    play(&Setup::default(), |world| {
        let client = dial_up(world, 1);
        world.with_client(client, Dialer::hang_up);
        world.run_ms(200);
        assert_eq!(world.server.session_count(), 0);
        world.run_ms(60_000);
        assert_eq!((world.census(), ipsec_census(world)), ([0; 5], [0; 3]));
    });
}

#[test]
fn ipv6_carries_it_too() {
    play(&Setup::default(), |world| {
        let address = |last| SocketAddr::from(([0x2001, 0xdb8, 7, 0, 0, 0, 0, last], 4500));
        let esp = world.dial_ipsec(address(1), Habits::default());
        let raw = world.dial_from(address(2), Habits::default());
        for client in [esp, raw] {
            assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
            assert!(world.pings(client, ROUTER.octets()));
        }
        let ip = world.clients[raw].ip();
        assert!(world.pings(esp, ip));
    });
}

/// Dials without a NAT, as a client that would rather do without UDP.
fn dial_bare(policy: EncapsulationPolicy, check: impl Fn(&mut World, usize)) {
    let mut setup = Setup::default();
    setup.config.ipsec.encapsulation = policy;
    play(&setup, |world| {
        let client = world.dial_ipsec(home(1), Habits::default());
        let ipsec = world.clients[client].ipsec.as_mut().expect("it speaks IPsec");
        ipsec.ike.outer = Some([([192, 0, 2, 1], 500).into(), ([203, 0, 113, 1], 500).into()]);
        if policy == EncapsulationPolicy::Auto {
            ipsec.ike.quick.attributes =
                attributes(&[(1, 1), (2, 3_600), (4, 2), (5, 2), (6, 256)]);
        }
        assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
        assert!(world.pings(client, ROUTER.octets()));
        check(world, client);
        world.with_client(client, Dialer::hang_up);
        world.run_ms(60_000);
        assert_eq!((world.census(), ipsec_census(world)), ([0; 5], [0; 3]));
    });
}

#[test]
fn without_a_nat_esp_travels_bare_if_the_administrator_likes() {
    dial_bare(EncapsulationPolicy::Auto, |world, client| {
        assert!(world.clients[client].ipsec.as_ref().is_some_and(|ipsec| ipsec.is_bare));
        // A copy is refused here too, and so is one from elsewhere.
        let copy = world.overheard.iter().rev().find(|it| it.0 == BARE).expect("ESP").1.clone();
        assert_eq!(world.inject(path_to(BARE, ([203, 0, 113, 1], 0).into()), &copy), 1);
        assert_eq!(world.inject(path_to(BARE, ([203, 0, 113, 9], 0).into()), &copy), 1);
        assert!(world.strays.is_empty());
    });
}

#[test]
fn with_the_default_every_client_sees_a_nat_and_uses_port_4500() {
    dial_bare(EncapsulationPolicy::Udp, |world, client| {
        assert!(world.clients[client].ipsec.as_ref().is_some_and(|ipsec| !ipsec.is_bare));
    });
}

#[test]
fn any_source_ports_will_do() {
    play(&Setup::default(), |world| {
        let client = world.dial_ipsec(([203, 0, 113, 1], 61_002).into(), Habits::default());
        let ipsec = world.clients[client].ipsec.as_mut().expect("it speaks IPsec");
        ipsec.l2tp_port = 50_123;
        assert!(world.run_until_up(client, 30_000));
        assert!(world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn two_clients_behind_one_nat_both_from_port_1701_work_at_once() {
    play(&Setup::default(), |world| {
        let all = [61_000, 62_000, 63_000]
            .map(|port| world.dial_ipsec(([203, 0, 113, 1], port).into(), Habits::default()));
        world.run_ms(10_000);
        assert!(all.iter().all(|&client| world.clients[client].is_up()));
        let ips = all.map(|client| world.clients[client].ip());
        for (client, to) in [(0, 1), (1, 2), (2, 0)] {
            assert!(world.pings(all[client], ips[to]));
            assert!(world.pings(all[client], ROUTER.octets()));
        }
        assert_eq!(ipsec_census(world), [3, 0, 3]);
    });
}

#[test]
fn a_bad_line_keeps_nobody_out() {
    for seed in 0..20 {
        let setup = Setup { loss: 10, copies: 5, late: 10, seed, ..Setup::default() };
        play(&setup, |world| {
            let client = world.dial_ipsec(home(1), Habits::default());
            assert!(world.run_until_up(client, 60_000), "seed {seed} {:?}", world.clients[client]);
            let pongs = (0..10).filter(|_| world.pings(client, ROUTER.octets())).count();
            assert!(pongs > 3, "seed {seed}: {pongs}");
            assert_eq!(ipsec_census(world)[0], 1);
        });
    }
}

#[test]
fn the_first_esp_packet_stands_for_a_lost_third_message() {
    play(&Setup::default(), |world| {
        let client = world.dial_ipsec(home(1), Habits::default());
        world.clients[client].ipsec.as_mut().expect("it speaks IPsec").withholds_third = true;
        assert!(world.run_until_up(client, 30_000));
        world.run_ms(200_000);
        assert!(world.pings(client, ROUTER.octets()));
        assert_eq!(ipsec_census(world), [1, 0, 1]);
    });
}

#[test]
fn a_client_that_renews_its_sas_loses_no_ping() {
    play(&Setup::default(), |world| {
        let client = dial_up(world, 1);
        for _ in 0..10 {
            assert!(world.pings(client, ROUTER.octets()));
            let now = world.now;
            world.with_client(client, |dialer, _| {
                dialer.ipsec.as_mut().expect("it speaks IPsec").rekey(now);
            });
            for _ in 0..20 {
                assert!(world.pings(client, ROUTER.octets()));
                world.run_ms(10);
            }
            world.run_ms(100_000);
        }
        assert!(world.clients[client].is_up());
        let [peers, _, pairs] = ipsec_census(world);
        assert!(peers == 1 && pairs <= 11);
        // Those that it does not delete go at the end of their lives.
        world.run_ms(3_600_000);
        assert!(ipsec_census(world)[2] <= 1);
    });
}

#[test]
fn the_server_renews_sas_on_demand_and_before_they_end() {
    play(&Setup::default(), |world| {
        let client = dial_up(world, 1);
        for round in 1..=5 {
            world.command(Command::Rekey);
            for _ in 0..20 {
                assert!(world.pings(client, ROUTER.octets()), "{round}");
            }
            let ipsec = world.clients[client].ipsec.as_ref().expect("it speaks IPsec");
            assert_eq!(ipsec.answered.len(), round);
            world.run_ms(60_000);
        }
        // An hour is the life of each; the server is in time.
        for _ in 0..200 {
            world.run_ms(60_000);
            assert!(world.pings(client, ROUTER.octets()));
        }
        assert!(world.clients[client].is_up());
        assert!(ipsec_census(world)[2] <= 3);
        let ipsec = world.clients[client].ipsec.as_ref().expect("it speaks IPsec");
        assert!((8..=12).contains(&ipsec.answered.len()), "{}", ipsec.answered.len());
    });
}

#[test]
fn a_client_that_dies_silently_is_gone_after_a_few_minutes() {
    play(&Setup::default(), |world| {
        let client = dial_up(world, 1);
        let other = dial_up(world, 2);
        world.clients[client].is_dead = true;
        world.run_ms(115_000);
        assert_eq!(world.server.session_count(), 2);
        world.run_ms(285_000);
        assert_eq!((world.census(), ipsec_census(world)), ([1; 5], [1, 0, 1]));
        assert!(world.pings(other, ROUTER.octets()));
    });
}

#[test]
fn a_client_that_dies_and_dials_again_at_once_comes_in_at_once() {
    play(&Setup::default(), |world| {
        let first = dial_up(world, 1);
        world.clients[first].is_dead = true;
        let began = world.now;
        let second = dial_up(world, 1);
        assert!(world.now - began < 5_000_000, "{} us", world.now - began);
        assert!(world.pings(second, ROUTER.octets()));
        world.run_ms(400_000);
        assert_eq!((world.census(), ipsec_census(world)), ([1; 5], [1, 0, 1]));
        assert!(world.pings(second, ROUTER.octets()));
    });
}

#[test]
fn a_wrong_key_is_reported_and_leaves_nothing() {
    play(&Setup::default(), |world| {
        let wrong = world.dial_ipsec(home(1), Habits::default());
        world.clients[wrong].ipsec.as_mut().expect("it speaks IPsec").ike.psk = b"wrong".to_vec();
        world.run_ms(20_000);
        world.clients[wrong].is_dead = true;
        world.run_ms(120_000);
        let is_it = |event: &&Event| match event {
            Event::DialFailed(failure) => failure.cause == FailureCause::WrongKey,
            _ => false,
        };
        assert_eq!(world.events.iter().filter(is_it).count(), 1, "{:?}", world.events);
        assert_eq!(ipsec_census(world), [0; 3]);
        dial_up(world, 1);
    });
}

#[test]
fn a_wrong_password_and_then_the_right_one() {
    play(&Setup::default(), |world| {
        for _ in 0..3 {
            let habits = Habits { password: "wrong".into(), ..Habits::default() };
            let client = world.dial_ipsec(home(1), habits);
            world.run_ms(5_000);
            assert!(world.clients[client].is_down());
            world.with_client(client, Dialer::hang_up);
            world.run_ms(100);
        }
        let client = dial_up(world, 1);
        assert!(world.pings(client, ROUTER.octets()));
        world.run_ms(60_000);
        assert_eq!((world.census(), ipsec_census(world)), ([1; 5], [1, 0, 1]));
    });
}

#[test]
fn a_shutdown_deletes_every_sa_after_the_goodbyes_of_l2tp() {
    play(&Setup::default(), |world| {
        let clients = [dial_up(world, 1), dial_up(world, 2)];
        world.command(Command::Shutdown);
        world.run_ms(100);
        for client in clients {
            let heard = &world.clients[client].lac.heard;
            assert_eq!(heard[heard.len() - 2..], [14, 4], "CDN, then StopCCN");
            let told = &world.clients[client].ipsec.as_ref().expect("it speaks IPsec").told;
            let protocols: Vec<_> = told.iter().filter(|it| it.0 == 12).map(|it| it.1[4]).collect();
            assert_eq!(protocols, [3, 1], "Delete of ESP, then of ISAKMP");
        }
        assert_eq!(ipsec_census(world), [0; 3]);
        let said = world.transmitted;
        world.run_ms(600_000);
        assert_eq!(world.transmitted, said);
    });
}

#[test]
fn every_packet_fits_the_outer_network() {
    play(&Setup::default(), |world| {
        let long = Habits { lcp: std::vec![std::vec![1, 4, 0x05, 0xdc]], ..Habits::default() };
        let client = world.dial_ipsec(home(1), long);
        assert!(world.run_until_up(client, 30_000));
        let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
        let (mac, ip) = (world.stations[station].mac, world.stations[station].ip);
        assert!(world.pings(client, ip));
        let to = world.clients[client].ip();
        let next = world.stations[station].mac_of(to).expect("known by ARP");
        let mut longest = 0;
        for len in 1_300..=1_500 {
            let packet =
                packet::dont_fragment(packet::udp((ip, 1), (to, 2), &std::vec![7; len - 28]));
            let before = world.clients[client].heard.len();
            world.longest_sent = 0;
            world.send_frame(
                BridgeId { hub: 0, bridge: 0 },
                packet::ethernet(next, mac, IPV4, &packet),
            );
            world.run_ms(25);
            assert!(world.longest_sent + 28 <= 1_500, "{len} became {}", world.longest_sent);
            if world.clients[client].heard.len() > before {
                longest = len;
            }
        }
        // 1500 less IP, UDP, ESP at its worst, UDP, L2TP and PPP.
        assert!((1_390..=1_410).contains(&longest), "{longest}");
    });
}
