//! Who is not let in, and that it harms nobody else.

use core::net::Ipv4Addr;
use std::boxed::Box;
use std::vec::Vec;

use super::setup::{self, ROUTER, Setup};
use super::world::{World, path_to, play};
use crate::config::{HubConfig, SecureNatConfig, UserConfig};
use crate::credentials::Refusal;
use crate::discard::DropReason;
use crate::event::{Event, FailureCause, Stage};
use crate::l2tp::tests::lac;
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;

fn wrong() -> Habits {
    Habits { password: "wrong".into(), ..Habits::default() }
}

fn failures(world: &World) -> Vec<(Stage, FailureCause)> {
    let failure = |event: &Event| match event {
        Event::DialFailed(failure) => Some((failure.stage, failure.cause)),
        _ => None,
    };
    world.events.iter().filter_map(failure).collect()
}

#[test]
fn three_wrong_passwords_do_the_right_one_no_harm() {
    play(&Setup::default(), |world| {
        for _ in 0..3 {
            let client = world.dial(wrong());
            world.run_ms(5_000);
            assert!(!world.clients[client].is_up() && world.clients[client].is_down());
            world.with_client(client, super::dialer::Dialer::hang_up);
            world.run_ms(100);
        }
        let refused = FailureCause::Refused(Refusal::WrongPassword);
        assert_eq!(failures(world), [(Stage::Authentication, refused); 3]);
        let client = world.dial_up(Habits::default());
        assert!(world.pings(client, ROUTER.octets()));
        world.run_ms(40_000);
        assert_eq!(world.census(), [1; 5]);
    });
}

#[test]
fn a_wrong_client_that_just_disappears_leaves_nothing_either() {
    play(&Setup::default(), |world| {
        let client = world.dial(wrong());
        world.run_ms(300);
        world.clients[client].is_dead = true;
        world.run_ms(300_000);
        assert_eq!(world.census(), [0; 5]);
        assert_eq!(failures(world).len(), 1);
    });
}

#[test]
fn a_user_has_no_more_sessions_than_allowed() {
    let jiro = UserConfig { max_sessions: Some(2), ..setup::user("jiro", "pass") };
    let users = Box::leak(std::vec![jiro].into_boxed_slice());
    let hub = HubConfig { users, ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let [a, b] = [(); 2].map(|()| world.dial_up(Habits::default()));
        let third = world.dial(Habits::default());
        world.run_ms(5_000);
        assert!(!world.clients[third].is_up());
        let refused = FailureCause::Refused(Refusal::TooManySessions);
        assert_eq!(failures(world), [(Stage::Authentication, refused)]);
        assert!(world.pings(a, ROUTER.octets()) && world.pings(b, ROUTER.octets()));
        world.with_client(a, super::dialer::Dialer::hang_up);
        world.run_ms(1_000);
        let fourth = world.dial_up(Habits::default());
        assert!(world.pings(fourth, ROUTER.octets()));
    });
}

#[test]
fn a_hub_without_dhcp_server_is_named_as_the_reason() {
    let hub = HubConfig { secure_nat: None, ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let client = world.dial(Habits::default());
        world.run_ms(60_000);
        assert!(world.clients[client].is_down());
        assert_eq!(failures(world), [(Stage::Address, FailureCause::NoDhcpAnswer)]);
        world.run_ms(200_000);
        assert_eq!(world.census(), [0; 5]);
    });
}

#[test]
fn an_address_that_is_given_back_goes_to_the_next() {
    let only = Ipv4Addr::new(192, 168, 30, 10);
    let secure_nat = SecureNatConfig { pool: (only, only), ..setup::secure_nat() };
    let hub = HubConfig { secure_nat: Some(secure_nat), ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let first = world.dial_up(Habits::default());
        let second = world.dial(Habits::default());
        world.run_ms(60_000);
        assert!(world.clients[second].is_down());
        assert_eq!(failures(world).len(), 1);
        assert!(world.pings(first, ROUTER.octets()));
        world.with_client(first, super::dialer::Dialer::hang_up);
        world.run_ms(1_000);
        let other = Habits { user: b"hanako".to_vec(), password: "hana".into(), ..wrong() };
        let third = world.dial_up(other);
        assert_eq!(world.clients[third].ip(), only.octets());
    });
}

/// Dials one more than fits; those who are in must not notice.
fn overfill(limits: Limits, refused_for: Option<DropReason>) {
    play(&Setup::with_limits(limits), |world| {
        let inside = [(); 2].map(|()| world.dial_up(Habits::default()));
        for _ in 0..3 {
            let newcomer = world.dial(Habits::default());
            world.run_ms(70_000);
            assert!(!world.clients[newcomer].is_up());
            world.with_client(newcomer, super::dialer::Dialer::hang_up);
        }
        let reason = |event: &Event| match event {
            Event::Refused { reason, .. } => Some(*reason),
            _ => None,
        };
        let told: Vec<_> = world.events.iter().filter_map(reason).collect();
        match refused_for {
            Some(reason) => {
                assert!(told.len() >= 3 && told.iter().all(|it| *it == reason), "{told:?}");
                assert!(world.drops(reason) >= 3);
            }
            None => assert_eq!(failures(world).len(), 3, "{:?}", world.events),
        }
        for client in inside {
            assert!(world.clients[client].is_up() && world.pings(client, ROUTER.octets()));
        }
        // Room is made, and the next one comes in.
        world.with_client(inside[0], super::dialer::Dialer::hang_up);
        world.run_ms(120_000);
        let next = world.dial_up(Habits::default());
        assert!(world.pings(next, ROUTER.octets()));
    });
}

#[test]
fn a_full_table_of_tunnels_refuses_newcomers_only() {
    let limits = Limits { tunnels: 2, ..setup::limits(8) };
    overfill(limits, Some(DropReason::TunnelTableFull));
}

#[test]
fn a_full_table_of_calls_refuses_newcomers_only() {
    let limits = Limits { calls: 2, ..setup::limits(8) };
    overfill(limits, Some(DropReason::CallTableFull));
}

#[test]
fn a_full_table_of_ports_refuses_newcomers_only() {
    // One for the bridge, one for the router.
    overfill(Limits { ports: 4, ..setup::limits(8) }, None);
}

#[test]
fn a_full_table_of_leases_refuses_newcomers_only() {
    overfill(Limits { leases: 2, ..setup::limits(8) }, None);
}

#[test]
fn a_full_table_of_macs_refuses_newcomers_only() {
    // One is the router's.
    overfill(Limits { macs: 3, ..setup::limits(8) }, None);
}

#[test]
fn without_buffers_everything_waits_and_then_goes_on() {
    play(&Setup { buffers: 12, ..Setup::default() }, |world| {
        let client = world.dial_up(Habits::default());
        let hoard = world.pool.hoard();
        world.with_client(client, |dialer, _| dialer.ping(ROUTER.octets(), 9));
        world.run_ms(60_000);
        assert!(!world.clients[client].has_pong(ROUTER.octets(), 9));
        world.pool.give(hoard);
        assert!(world.pings(client, ROUTER.octets()));
    });
}

#[test]
fn a_flood_of_tunnels_under_forged_addresses_keeps_nobody_out() {
    play(&Setup::with_limits(Limits { tunnels: 6, ..setup::limits(8) }), |world| {
        let inside = world.dial_up(Habits::default());
        for round in 0..20_u16 {
            for number in 0..100_u16 {
                let [a, b] = (round * 100 + number).to_be_bytes();
                let stranger = path_to(1701, ([198, 18, a, b], 1701).into());
                let sccrq = lac::control((0, 0), 0, 0, &lac::sccrq(number + 1));
                world.inject(stranger, &sccrq);
            }
            assert!(world.pings(inside, ROUTER.octets()));
        }
        let newcomer = world.dial_up(Habits::default());
        assert!(world.pings(newcomer, ROUTER.octets()));
        world.run_ms(120_000);
        assert_eq!(world.census(), [2; 5]);
    });
}

#[test]
fn a_short_queue_of_outputs_slows_nobody_down() {
    play(&Setup::with_limits(Limits { outputs: 8, ..setup::limits(8) }), |world| {
        let clients = [(); 4].map(|()| world.dial_up(Habits::default()));
        let to = world.clients[clients[0]].ip();
        for client in clients {
            assert!(world.pings(client, ROUTER.octets()));
            assert!(client == clients[0] || world.pings(client, to));
        }
        assert_eq!(world.drops(DropReason::OutputFull), 0);
    });
}

#[test]
fn a_tunnel_that_is_refused_is_told_with_its_stage_and_its_cause() {
    play(&Setup::default(), |world| {
        let stranger = path_to(1701, ([203, 0, 113, 9], 1701).into());
        let mut request = lac::sccrq(9);
        let version = request.iter_mut().find(|avp| avp[4..6] == [0, 2]).expect("a version");
        *version = lac::avp(2, &[2, 0]);
        world.inject(stranger, &lac::control((0, 0), 0, 0, &request));
        let cause = FailureCause::Protocol(DropReason::BadVersion);
        assert_eq!(failures(world), [(Stage::L2tp, cause)]);
    });
}
