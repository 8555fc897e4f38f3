//! Full tables of IPsec, and floods of first messages under forged addresses.

use core::net::SocketAddr;

use super::dialer::Dialer;
use super::setup::{self, ROUTER, Setup};
use super::world::{World, path_to, play};
use crate::discard::DropReason;
use crate::event::Event;
use crate::ike::tests::client::{self, Client};
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;

fn home(number: u8) -> SocketAddr {
    ([203, 0, 113, number], 4500).into()
}

fn dial_up(world: &mut World, number: u8) -> usize {
    let client = world.dial_ipsec(home(number), Habits::default());
    assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
    client
}

/// Dials one more than fits; those who are in must not notice.
fn overfill(limits: Limits, reasons: &[DropReason]) {
    play(&Setup::with_limits(limits), |world| {
        let inside = [dial_up(world, 1), dial_up(world, 2)];
        for number in 3..6 {
            let newcomer = world.dial_ipsec(home(number), Habits::default());
            assert!(!world.run_until_up(newcomer, 20_000));
            world.clients[newcomer].is_dead = true;
        }
        let counted: u64 = reasons.iter().map(|&reason| world.drops(reason)).sum();
        assert!(counted >= 3, "{counted}");
        for client in inside {
            assert!(world.clients[client].is_up() && world.pings(client, ROUTER.octets()));
        }
        world.run_ms(200_000);
        world.with_client(inside[0], Dialer::hang_up);
        world.run_ms(60_000);
        let next = dial_up(world, 7);
        assert!(world.pings(next, ROUTER.octets()) && world.pings(inside[1], ROUTER.octets()));
    });
}

#[test]
fn a_full_table_of_peers_refuses_newcomers_only() {
    let full = [DropReason::PeerTableFull, DropReason::HalfOpenQuota];
    overfill(Limits { peers: 2, ..setup::limits(8) }, &full);
}

#[test]
fn a_full_table_of_sas_refuses_newcomers_only() {
    overfill(Limits { sas: 2, ..setup::limits(8) }, &[DropReason::SaTableFull]);
}

#[test]
fn a_full_table_of_tunnels_refuses_newcomers_only() {
    overfill(Limits { tunnels: 2, ..setup::limits(8) }, &[DropReason::TunnelTableFull]);
}

#[test]
fn a_flood_of_first_messages_is_bounded_and_harms_nobody_who_is_in() {
    play(&Setup::default(), |world| {
        let inside = dial_up(world, 1);
        let (mut octets_in, mut before) = (0, world.transmitted);
        for number in 0..3_000_u32 {
            let mut stranger = Client::new(number as u8);
            stranger.cookies.0 = number.to_be_bytes().repeat(2);
            stranger.vendor_ids.truncate(number as usize % 3);
            if number % 5 == 0 {
                // The shortest that is acceptable.
                let least = [(1, 5), (2, 2), (3, 1), (4, 2)];
                stranger.offer = Some(client::sa(1, &[], &[(1, client::attributes(&least))]));
            }
            let first = stranger.first();
            octets_in += first.len();
            let from: SocketAddr = ([198, 18, 0, (number % 250) as u8], 500).into();
            world.inject(path_to(500, from), &first);
            if number % 100 == 0 {
                assert!(world.pings(inside, ROUTER.octets()));
                before += 1;
            }
        }
        let octets_out: usize = world.strays.iter().map(|stray| stray.1.len()).sum();
        assert!(octets_out <= octets_in + PREFIX_BUDGET, "{octets_out} for {octets_in}");
        assert!(world.transmitted - before < 1_000, "the half-open table bounds it");
        assert!(world.drops(DropReason::HalfOpenQuota) > 2_000);
        let refusals =
            world.events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
        assert!(refusals < 100, "the log is no flood: {refusals}");
        // When it is over, the next client comes in.
        world.run_ms(40_000);
        let next = dial_up(world, 2);
        assert!(world.pings(next, ROUTER.octets()));
    });
}

/// What a prefix may get beyond what it sent.
const PREFIX_BUDGET: usize = 64 * 1024;
