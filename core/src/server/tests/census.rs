//! The census tells what there is, and what does not fit.

use super::dialer::Dialer;
use super::setup::{self, ROUTER, Setup};
use super::world::play;
use crate::config::HubConfig;
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;
use crate::server::{BridgeId, Census};

#[test]
fn it_counts_a_client_over_ipsec_and_all_that_hangs_on_it() {
    play(&Setup::default(), |world| {
        let before = world.server.census();
        // A bridge and a router.
        assert_eq!((before.ports, before.own_ports, before.users), (2, 2, 2));
        let client = world.dial_ipsec(([203, 0, 113, 1], 4500).into(), Habits::default());
        assert!(world.run_until_up(client, 30_000));
        let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
        let ip = world.stations[station].ip;
        assert!(world.pings(client, ROUTER.octets()) && world.pings(client, ip));
        world.run_ms(60_000);
        let census = world.server.census();
        let Census { peers, sas, tunnels, calls, sessions, members, .. } = census;
        assert_eq!([peers, sas, tunnels, calls, sessions, members], [1; 6]);
        assert_eq!((census.ports, census.held, census.orphans), (3, 0, 0));
        assert_eq!((census.user_sessions, census.user_numbers), (1, 1));
        assert_eq!((census.dhcp.leases, census.leases_held), (1, 1));
        assert_eq!((census.ike.held, census.ike.children, census.esp.pairs), (1, 1, 1));
        assert_eq!((census.hubs.of_hosts, census.hubs.learned), (2, 1));
        assert_eq!((census.session_timers, census.requests), (1, 0));
        assert_ne!(census.without_memories(), before);
        world.with_client(client, Dialer::hang_up);
        world.run_ms(100_000);
        let after = world.server.census();
        // The lease is remembered for the client, and the station for its bridge.
        assert_eq!((after.dhcp.leases, after.leases_held, after.hubs.learned), (1, 0, 1));
        assert_eq!((after.dhcp.of_pools, after.dhcp.names), (1, 2));
        assert_eq!(after.without_memories(), before);
    });
}

#[test]
fn a_packet_that_waits_for_a_neighbour_is_held() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        world.with_client(client, |dialer, _| dialer.ping([192, 168, 30, 99], 1));
        world.run_ms(50);
        assert_eq!(world.server.census().held, 1);
        world.run_ms(10_000);
        assert_eq!(world.server.census().held, 0);
    });
}

#[test]
fn a_lease_of_another_server_is_none_of_ours() {
    let hub = HubConfig { secure_nat: None, ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
        world.stations[station].leases_from = Some([192, 168, 30, 100]);
        world.dial_up(Habits::default());
        let census = world.server.census();
        assert_eq!((census.members, census.dhcp.leases, census.leases_held), (1, 0, 0));
    });
}

/// A change of a census that must be noticed, and by what name.
type Change = (&'static str, fn(&mut Census));

#[test]
fn a_count_above_its_limit_is_named() {
    let limits = Limits { held_per_session: 1, ..Limits::board(1) };
    let full = |census: &mut Census| {
        (census.calls, census.sessions, census.ports) = (2, 2, 4);
        (census.members, census.held) = (2, 2);
    };
    let changes: [Change; 12] = [
        ("peers", |it| it.peers = 3),
        ("negotiations", |it| it.negotiations = 5),
        ("SAs", |it| it.sas = 5),
        ("IKE SAs", |it| it.ike.sas = 9),
        ("tunnels", |it| it.tunnels = 3),
        ("calls", |it| it.calls = 3),
        ("sessions", |it| it.sessions = 3),
        ("members", |it| it.members = 3),
        ("held packets", |it| it.held = 3),
        ("ports", |it| it.ports = 5),
        ("leases of sessions", |it| it.leases_held = 3),
        ("requests", |it| it.requests = 4),
    ];
    for (name, change) in changes {
        let mut census = Census::default();
        full(&mut census);
        assert_eq!(census.beyond(&limits), None, "full is not too much");
        change(&mut census);
        assert_eq!(census.beyond(&limits), Some(name));
    }
}

#[test]
fn counts_that_contradict_each_other_are_named() {
    let changes: [Change; 12] = [
        ("IKE SAs are counted against their addresses", |it| it.ike.held = 1),
        ("main modes are counted against their addresses", |it| it.ike.half_open = 1),
        ("SAs are counted against their peers", |it| it.esp.of_peers = 1),
        ("calls belong to tunnels", |it| it.l2tp.of_tunnels = 1),
        ("members have a port each", |it| it.hubs.of_sessions = 1),
        ("users count their sessions", |it| it.user_sessions = 1),
        ("users number their sessions", |it| it.user_numbers = 1),
        ("leases belong to pools", |it| it.dhcp.of_pools = 1),
        ("no flood is under way", |it| it.floods = 1),
        ("SPIs are reserved for quick modes", |it| {
            (it.sas, it.esp.reserved, it.esp.of_peers) = (1, 1, 1);
        }),
        ("names of IKE name something", |it| it.ike.names = 1),
        ("deadlines are of sessions", |it| it.session_timers = 1),
    ];
    assert_eq!(Census::default().contradiction(), None);
    for (name, change) in changes {
        let mut census = Census::default();
        change(&mut census);
        assert_eq!(census.contradiction(), Some(name));
    }
}
