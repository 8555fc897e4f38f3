//! How sessions end, and that nothing is left of them.

use super::dialer::Dialer;
use super::packet::{self, BROADCAST, IPV4};
use super::setup::{self, ROUTER, Setup};
use super::world::{World, play};
use crate::config::HubConfig;
use crate::event::{DownCause, Event};
use crate::l2tp::tests::lac::{self, Lac};
use crate::ppp::tests::client::Habits;
use crate::server::{BridgeId, Command};

const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };
const NOTHING: [usize; 5] = [0; 5];

fn down_causes(events: &[Event]) -> std::vec::Vec<DownCause> {
    let cause = |event: &Event| match event {
        Event::SessionDown { cause, .. } => Some(*cause),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

#[test]
fn nothing_is_left_of_a_client_that_hangs_up() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        assert_eq!(world.census(), [1; 5]);
        world.with_client(client, Dialer::hang_up);
        world.run_ms(200);
        assert_eq!(world.server.session_count(), 0);
        // The control connection lingers for late copies (RFC 2661 §5.8).
        world.run_ms(40_000);
        assert_eq!(world.census(), NOTHING);
        assert_eq!(world.pool.free(), world.pool.total);
        assert_eq!(down_causes(&world.events), [DownCause::PeerClosed]);
        assert!(world.server.session_timers.deadline().is_none());
    });
}

#[test]
fn the_dhcp_server_of_the_lan_leases_and_is_told_of_the_end() {
    let hub = HubConfig { secure_nat: None, ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let station = world.add_station(BRIDGE);
        world.stations[station].leases_from = Some([192, 168, 30, 100]);
        let client = world.dial_up(Habits::default());
        assert_eq!(world.clients[client].ip(), [192, 168, 30, 100]);
        let ip = world.stations[station].ip;
        assert!(world.pings(client, ip));
        world.with_client(client, Dialer::hang_up);
        world.run_ms(200);
        let kinds = world.stations[station].dhcp.iter().map(|(kind, _)| *kind);
        assert!(kinds.eq([1, 3, 7]), "DISCOVER, REQUEST, RELEASE");
        assert!(world.stations[station].leased.is_empty());
        world.run_ms(40_000);
        assert_eq!(world.census(), NOTHING);
    });
}

#[test]
fn a_lease_is_renewed_and_its_loss_ends_the_session() {
    let hub = HubConfig { secure_nat: None, ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let station = world.add_station(BRIDGE);
        world.stations[station].leases_from = Some([192, 168, 30, 100]);
        let client = world.dial_up(Habits::default());
        // The lease is 600 s long.
        world.run_ms(1_000_000);
        assert!(world.clients[client].is_up());
        world.stations[station].leases_from = None;
        world.run_ms(700_000);
        assert!(!world.clients[client].is_up());
        assert_eq!(down_causes(&world.events), [DownCause::LeaseLost]);
        world.run_ms(200_000);
        assert_eq!(world.census(), NOTHING);
    });
}

#[test]
fn a_client_that_dies_silently_is_given_up_after_two_minutes() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let other = world.dial_up(Habits::default());
        world.clients[client].is_dead = true;
        world.run_ms(115_000);
        assert_eq!(world.server.session_count(), 2, "a phone may sleep for two minutes");
        world.run_ms(60_000);
        assert_eq!(world.server.session_count(), 1);
        assert_eq!(down_causes(&world.events), [DownCause::Silence]);
        world.run_ms(120_000);
        assert_eq!(world.census(), [1; 5]);
        assert!(world.clients[other].is_up() && world.pings(other, ROUTER.octets()));
    });
}

#[test]
fn one_that_wakes_up_in_time_goes_on() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        world.clients[client].is_dead = true;
        world.run_ms(115_000);
        world.clients[client].is_dead = false;
        assert!(world.pings(client, ROUTER.octets()));
        world.run_ms(600_000);
        assert!(world.clients[client].is_up() && world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn a_quiet_client_that_answers_echoes_stays_for_a_day() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        world.run_ms(24 * 3_600_000);
        assert!(world.clients[client].is_up() && world.pings(client, ROUTER.octets()));
        assert_eq!(world.census(), [1; 5]);
    });
}

#[test]
fn an_administrator_ends_one_session_and_no_other() {
    play(&Setup::default(), |world| {
        let clients = [(); 2].map(|()| world.dial_up(Habits::default()));
        let session = world.events.iter().find_map(|event| match event {
            Event::SessionUp { session, .. } => Some(*session),
            _ => None,
        });
        let session = session.expect("the first is up");
        world.command(Command::Disconnect(session));
        world.run_ms(100);
        assert!(world.clients[clients[0]].is_down());
        assert_eq!(down_causes(&world.events), [DownCause::Administrative]);
        // Once more: its name is worthless now.
        world.command(Command::Disconnect(session));
        world.run_ms(100);
        assert_eq!(world.server.session_count(), 1);
        assert!(world.pings(clients[1], ROUTER.octets()));
    });
}

#[test]
fn frames_under_way_to_someone_who_leaves_are_no_harm() {
    play(&Setup { batch: 8, ..Setup::default() }, |world| {
        let clients = [(); 4].map(|()| world.dial_up(Habits::default()));
        let station = world.add_station(BRIDGE);
        let packet = packet::udp(([192, 168, 30, 201], 5_000), ([255; 4], 5_000), b"hello");
        let frame = packet::ethernet(BROADCAST, world.stations[station].mac, IPV4, &packet);
        for _ in 0..4 {
            world.send_frame(BRIDGE, frame.clone());
        }
        world.with_client(clients[1], Dialer::hang_up);
        for _ in 0..4 {
            world.send_frame(BRIDGE, frame.clone());
        }
        world.run_ms(1_000);
        assert_eq!(world.server.session_count(), 3);
        assert_eq!(world.clients[clients[3]].heard.len(), 8);
        assert_eq!(world.pool.free(), world.pool.total);
    });
}

#[test]
fn a_hundred_dials_leave_no_trace() {
    play(&Setup::default(), |world| {
        for _ in 0..25 {
            let clients = [(); 4].map(|()| world.dial(Habits::default()));
            world.run_ms(5_000);
            for client in clients {
                assert!(world.clients[client].is_up());
                world.with_client(client, Dialer::hang_up);
            }
            world.run_ms(45_000);
            assert_eq!(world.census(), NOTHING);
            world.clients.clear();
        }
    });
}

/// A Configure-Request of LCP, which makes both sides negotiate anew.
fn negotiate_anew(world: &mut World, client: usize) {
    let request = [0xff, 3, 0xc0, 0x21, 1, 99, 0, 4];
    world.with_client(client, |dialer, _| dialer.send_ppp(&request));
    world.run_ms(10_000);
}

#[test]
fn a_client_that_negotiates_anew_keeps_its_address() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let ip = world.clients[client].ip();
        for _ in 0..3 {
            negotiate_anew(world, client);
            assert!(world.clients[client].is_up() && world.clients[client].ip() == ip);
            assert!(world.pings(client, ROUTER.octets()));
        }
        assert_eq!(world.census(), [1; 5]);
        let is_up = |event: &&Event| matches!(event, Event::SessionUp { .. });
        assert_eq!(world.events.iter().filter(is_up).count(), 1);
    });
}

#[test]
fn a_session_does_not_change_its_user() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let ppp = world.clients[client].ppp.as_mut().expect("it is up");
        (ppp.habits.user, ppp.habits.password) = (b"hanako".to_vec(), "hana".into());
        negotiate_anew(world, client);
        world.run_ms(60_000);
        assert!(!world.clients[client].is_up());
        let users = world.events.iter().filter_map(|event| match event {
            Event::SessionUp { user, .. } | Event::SessionDown { user, .. } => Some(user.as_str()),
            _ => None,
        });
        assert!(users.eq(["jiro", "jiro"]));
    });
}

#[test]
fn one_call_of_a_tunnel_ends_and_the_other_goes_on() {
    play(&Setup::default(), |world| {
        let client = world.dial(Habits::default());
        world.clients[client].lac = Lac::new(7, 2);
        world.with_client(client, Dialer::dial);
        assert!(world.run_until_up(client, 30_000));
        world.run_ms(1_000);
        let calls = world.clients[client].lac.calls.clone();
        assert_eq!((calls.len(), world.server.session_count()), (2, 2));
        world.with_client(client, |dialer, now| {
            let cdn = dialer.lac.say(now, calls[1].1, lac::cdn(calls[1].0));
            dialer.send_l2tp(cdn);
        });
        world.run_ms(60_000);
        assert_eq!(world.server.session_count(), 1);
        assert!(world.pings(client, ROUTER.octets()));
    });
}
