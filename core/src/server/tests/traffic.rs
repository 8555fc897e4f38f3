//! Traffic between clients, the router, and machines behind a bridge.

use super::packet::{self, BROADCAST, IPV4};
use super::setup::{ROUTER, Setup, limits};
use super::world::{World, play};
use crate::discard::DropReason;
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;
use crate::server::BridgeId;

const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };

fn hanako() -> Habits {
    Habits { user: b"hanako".to_vec(), password: "hana".into(), ..Habits::default() }
}

#[test]
fn two_clients_ping_each_other_through_the_hub() {
    play(&Setup::default(), |world| {
        let (a, b) = (world.dial_up(Habits::default()), world.dial_up(hanako()));
        let (ip_a, ip_b) = (world.clients[a].ip(), world.clients[b].ip());
        assert_ne!(ip_a, ip_b);
        assert!(world.pings(a, ip_b) && world.pings(b, ip_a));
        assert!(world.pings(a, ROUTER.octets()) && world.pings(b, ROUTER.octets()));
    });
}

#[test]
fn one_user_has_an_address_for_each_session() {
    play(&Setup::default(), |world| {
        let all = [(); 3].map(|()| world.dial_up(Habits::default()));
        let mut ips = all.map(|client| world.clients[client].ip());
        ips.sort_unstable();
        assert!(ips[0] < ips[1] && ips[1] < ips[2]);
        assert!(world.pings(all[0], ips[1]) && world.pings(all[0], ips[2]));
    });
}

#[test]
fn clients_that_compress_their_headers_are_understood() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits { compresses: true, ..Habits::default() });
        assert!(world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn a_client_that_speaks_pap_is_served() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits { pap: true, ..Habits::default() });
        assert!(world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn a_broadcast_reaches_everyone_but_its_sender() {
    play(&Setup::default(), |world| {
        let all = [(); 4].map(|()| world.dial_up(Habits::default()));
        let station = world.add_station(BRIDGE);
        let from = world.clients[all[0]].ip();
        let packet = packet::udp((from, 5_000), ([255; 4], 5_000), b"who is there");
        world.with_client(all[0], |dialer, _| dialer.send_ip(&packet));
        world.run_ms(100);
        let heard = all.map(|client| world.clients[client].heard.len());
        assert_eq!(heard, [0, 1, 1, 1]);
        assert_eq!(world.stations[station].heard.len(), 1);
    });
}

#[test]
fn a_frame_from_the_bridge_to_all_reaches_every_client_once() {
    play(&Setup::default(), |world| {
        let all = [(); 4].map(|()| world.dial_up(Habits::default()));
        let station = world.add_station(BRIDGE);
        let packet = packet::udp(([192, 168, 30, 201], 5_000), ([255; 4], 5_000), b"hello");
        let frame = packet::ethernet(BROADCAST, world.stations[station].mac, IPV4, &packet);
        world.send_frame(BRIDGE, frame);
        world.run_ms(100);
        assert_eq!(all.map(|client| world.clients[client].heard.len()), [1; 4]);
        assert_eq!(world.stations[station].heard.len(), 0);
    });
}

fn ping_from_station(world: &mut World, station: usize, to: [u8; 4], id: u16) -> bool {
    let ask = world.stations[station].ask(to);
    let bridge = world.stations[station].bridge;
    world.send_frame(bridge, ask);
    world.run_ms(100);
    let (mac, ip) = (world.stations[station].mac, world.stations[station].ip);
    let Some(next) = world.stations[station].mac_of(to) else { return false };
    let ping = packet::ethernet(next, mac, IPV4, &packet::ping(ip, to, id));
    world.send_frame(bridge, ping);
    world.run_until(1_000, |world| world.stations[station].has_pong(to, id))
}

#[test]
fn clients_and_machines_behind_the_bridge_ping_each_other() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let station = world.add_station(BRIDGE);
        let ip = world.stations[station].ip;
        assert!(world.pings(client, ip));
        let client_ip = world.clients[client].ip();
        assert!(ping_from_station(world, station, client_ip, 7));
        assert!(ping_from_station(world, station, ROUTER.octets(), 8));
    });
}

#[test]
fn a_machine_behind_another_hubs_bridge_hears_and_reaches_nobody() {
    let hubs = std::vec![super::setup::hub("DEFAULT"), super::setup::hub("OTHER")];
    play(&Setup::with_hubs(hubs), |world| {
        let client = world.dial_up(Habits::default());
        let station = world.add_station(BridgeId { hub: 1, bridge: 0 });
        let ip = world.stations[station].ip;
        assert!(!world.pings(client, ip));
        let client_ip = world.clients[client].ip();
        assert!(!ping_from_station(world, station, client_ip, 7));
        let packet = packet::udp((client_ip, 5_000), ([255; 4], 5_000), b"who is there");
        world.with_client(client, |dialer, _| dialer.send_ip(&packet));
        world.run_ms(100);
        assert!(world.stations[station].frames.is_empty());
        assert!(world.clients[client].heard.iter().all(|ip| ip.from == ROUTER.octets()));
    });
}

#[test]
fn the_hub_that_a_user_names_is_the_one_it_enters() {
    let hubs = std::vec![super::setup::hub("DEFAULT"), super::setup::hub("OTHER")];
    play(&Setup::with_hubs(hubs), |world| {
        let named = |name: &[u8]| Habits { user: name.to_vec(), ..Habits::default() };
        let clients = [named(b"JIRO@other"), named(b"other\\jiro"), named(b"jiro")];
        let clients = clients.map(|habits| world.dial_up(habits));
        let station = world.add_station(BridgeId { hub: 1, bridge: 0 });
        let ip = world.stations[station].ip;
        assert_eq!(clients.map(|client| world.pings(client, ip)), [true, true, false]);
    });
}

#[test]
fn a_client_sends_from_its_own_address_only() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let station = world.add_station(BRIDGE);
        let to = world.stations[station].ip;
        assert!(world.pings(client, to));
        let heard = world.stations[station].frames.len();
        let spoofed = packet::ping([192, 168, 30, 99], to, 1);
        world.with_client(client, |dialer, _| dialer.send_ip(&spoofed));
        world.run_ms(100);
        assert_eq!(world.drops(DropReason::SpoofedSource), 1);
        assert_eq!(world.stations[station].frames.len(), heard);
    });
}

#[test]
fn a_large_packet_passes_and_one_that_is_too_large_is_answered() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let station = world.add_station(BRIDGE);
        let (mac, ip) = (world.stations[station].mac, world.stations[station].ip);
        assert!(world.pings(client, ip));
        let to = world.clients[client].ip();
        let next = world.stations[station].mac_of(to).expect("known by ARP");
        // The client's MRU is 1400.
        for (len, passes) in [(1_400, true), (1_401, false), (1_500, false)] {
            let packet = packet::udp((ip, 1), (to, 2), &std::vec![7; len - 28]);
            let packet = packet::dont_fragment(packet);
            let (clients, stations) =
                (world.clients[client].heard.len(), world.stations[station].heard.len());
            world.send_frame(BRIDGE, packet::ethernet(next, mac, IPV4, &packet));
            world.run_ms(100);
            assert_eq!(world.clients[client].heard.len() > clients, passes, "{len}");
            let answers = &world.stations[station].heard[stations..];
            assert_eq!(answers.len(), usize::from(!passes));
            if let [error] = answers {
                assert_eq!(error.payload[..2], [3, 4], "fragmentation needed");
                assert_eq!(error.payload[6..8], 1_400_u16.to_be_bytes());
            }
        }
    });
}

#[test]
fn a_server_that_takes_inputs_in_batches_does_the_same() {
    let batched = Setup { batch: 16, ..Setup::default() };
    play(&batched, |world| {
        let all = [(); 8].map(|()| world.dial(Habits::default()));
        world.run_ms(10_000);
        assert!(all.iter().all(|&client| world.clients[client].is_up()));
        let first = world.clients[all[0]].ip();
        let to = |client| if client == all[0] { ROUTER.octets() } else { first };
        for client in all {
            assert!(world.pings(client, to(client)), "the first waits for ARP");
        }
        for client in all {
            for id in 0..20 {
                let to = to(client);
                world.with_client(client, |dialer, _| dialer.ping(to, id));
            }
        }
        world.run_ms(1_000);
        for client in &world.clients {
            assert_eq!(client.heard.len(), 21);
        }
        assert_eq!(world.drops(DropReason::OutputFull), 0);
    });
}

#[test]
fn a_bad_line_keeps_nobody_out() {
    for seed in 0..20 {
        let setup = Setup { loss: 10, copies: 5, late: 10, seed, ..Setup::default() };
        play(&setup, |world| {
            let client = world.dial(Habits::default());
            assert!(world.run_until_up(client, 60_000), "seed {seed} {:?}", world.clients[client]);
            let pongs = (0..10).filter(|_| world.pings(client, ROUTER.octets())).count();
            assert!(pongs > 3, "seed {seed}: {pongs}");
        });
    }
}

#[test]
fn a_client_that_negotiates_anew_gets_no_packet_before_it_has_proven_itself_anew() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let other = world.dial_up(hanako());
        let ip = world.clients[client].ip();
        assert!(world.pings(other, ip));
        world.clients[client].is_deaf = true;
        // Configure-Request of LCP without options.
        let request = [0xff, 3, 0xc0, 0x21, 1, 99, 0, 4];
        world.with_client(client, |dialer, _| dialer.send_ppp(&request));
        world.run_ms(100);
        assert!(!world.pings(other, ip));
        let from = world.clients[other].ip();
        let packet = packet::udp((from, 5_000), ([255; 4], 5_000), b"who is there");
        world.with_client(other, |dialer, _| dialer.send_ip(&packet));
        world.run_ms(100);
        assert_eq!(world.clients[client].data_count, 0);
    });
}

#[test]
fn what_a_client_sends_at_once_to_unknown_neighbours_waits_for_arp() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let stations = [world.add_station(BRIDGE), world.add_station(BRIDGE)];
        let [first, second] = stations.map(|station| world.stations[station].ip);
        world.with_client(client, |dialer, _| {
            for id in 0..2 {
                dialer.ping(first, id);
                dialer.ping(second, id);
            }
        });
        world.run_ms(1_000);
        let dialer = &world.clients[client];
        for id in 0..2 {
            assert!(dialer.has_pong(first, id) && dialer.has_pong(second, id), "{id}");
        }
        assert_eq!(world.drops(DropReason::ArpQueueFull), 0);
    });
}

#[test]
fn where_one_packet_can_wait_for_arp_the_newer_of_two_arrives_where_it_belongs() {
    let setup = Setup { limits: Limits { held_per_session: 1, ..limits(8) }, ..Setup::default() };
    play(&setup, |world| {
        let client = world.dial_up(Habits::default());
        let stations = [world.add_station(BRIDGE), world.add_station(BRIDGE)];
        let [first, second] = stations.map(|station| world.stations[station].ip);
        let nobody = [192, 168, 30, 99];
        world.with_client(client, |dialer, _| {
            dialer.ping(first, 1);
            dialer.ping(second, 2);
        });
        world.run_ms(10_000);
        assert_eq!(world.drops(DropReason::ArpQueueFull), 1);
        let dialer = &world.clients[client];
        assert_eq!([dialer.has_pong(first, 1), dialer.has_pong(second, 2)], [false, true]);
        // One that waits in vain is dropped in the end.
        world.with_client(client, |dialer, _| dialer.ping(nobody, 4));
        world.run_ms(10_000);
        assert_eq!(world.drops(DropReason::NoNextHop), 1);
    });
}

/// The MSS in a SYN of the client's, and of one to it.
fn mss_both_ways(world: &mut World, client: usize, mss: u16) -> [u16; 2] {
    if world.stations.is_empty() {
        world.add_station(BRIDGE);
    }
    let station = 0;
    let (mac, there) = (world.stations[station].mac, world.stations[station].ip);
    assert!(world.pings(client, there));
    let here = world.clients[client].ip();
    let next = world.stations[station].mac_of(here).expect("known by ARP");
    world.with_client(client, |dialer, _| dialer.send_ip(&packet::syn(here, there, mss)));
    let syn = packet::syn(there, here, mss);
    world.send_frame(BRIDGE, packet::ethernet(next, mac, IPV4, &syn));
    world.run_ms(100);
    let heard = [world.stations[station].heard.last(), world.clients[client].heard.last()];
    heard.map(|ip| packet::mss_of(ip.expect("a SYN")))
}

#[test]
fn tcp_segments_are_made_to_fit_both_ways() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        // The client's MRU is 1400.
        assert_eq!(mss_both_ways(world, client, 1_460), [1_360; 2]);
        assert_eq!(mss_both_ways(world, client, 1_200), [1_200; 2]);
    });
}

#[test]
fn a_narrow_outer_network_counts_for_those_who_come_after() {
    play(&Setup::default(), |world| {
        let path = super::world::path_to(1701, ([203, 0, 113, 9], 1701).into());
        world.path_mtu(path, 1_300);
        let client = world.dial_up(Habits::default());
        // Less IP, UDP, L2TP, PPP, and then IP and TCP.
        assert_eq!(mss_both_ways(world, client, 1_460), [1_300 - 20 - 8 - 8 - 4 - 40; 2]);
        let before = world.drops(DropReason::BadLength);
        world.path_mtu(path, 500);
        assert_eq!(world.drops(DropReason::BadLength), before + 1);
    });
}
