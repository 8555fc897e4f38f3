//! The tables of a board: what they cost, and what fits.

use core::net::SocketAddr;
use std::vec::Vec;

use super::pool::Counting;
use super::setup::{ROUTER, Setup};
use super::world::{World, play};
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;
use crate::server::{AllLengths, Server};

const CLIENTS: usize = 4;

type Buf = <Counting as crate::buf::Pool>::Buf;

fn octets(clients: usize) -> usize {
    AllLengths::of(&Limits::board(clients)).octets::<Buf>()
}

/// The tables alone are bounded in `server::storage`, where every target is built.
#[test]
fn the_memory_of_a_board_has_a_ceiling() {
    let server = size_of::<Server<'_, Counting>>();
    let all = octets(CLIENTS) + server;
    assert!(all <= 96 * 1024, "{all} octets, {server} of them the server");
    let further = octets(CLIENTS + 1) - octets(CLIENTS);
    assert!(further <= 7 * 1024, "{further} octets for each further client");
}

fn board() -> Setup {
    let limits = Limits::board(CLIENTS);
    Setup { buffers: 24, ..Setup::with_limits(limits) }
}

fn home(number: u8) -> SocketAddr {
    ([198, 51, 100, number], 4500).into()
}

fn dial_up(world: &mut World, number: u8) -> usize {
    let client = world.dial_ipsec(home(number), Habits::default());
    assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
    client
}

#[test]
fn a_board_serves_its_clients_and_one_that_comes_back_without_a_goodbye() {
    play(&board(), |world| {
        let clients: Vec<_> = (1..).take(CLIENTS).map(|number| dial_up(world, number)).collect();
        assert!(clients.iter().all(|&client| world.pings(client, ROUTER.octets())));
        // Its plug is pulled.
        world.clients[clients[0]].is_dead = true;
        let again = dial_up(world, 50);
        assert!(clients[1..].iter().all(|&client| world.pings(client, ROUTER.octets())));
        assert!(world.pings(again, ROUTER.octets()));
    });
}

#[test]
fn a_full_board_refuses_newcomers_and_those_who_are_in_stay() {
    play(&board(), |world| {
        let fit = Limits::board(CLIENTS).peers;
        let clients: Vec<_> = (1..).take(fit).map(|number| dial_up(world, number)).collect();
        for number in 100..104 {
            let late = world.dial_ipsec(home(number), Habits::default());
            assert!(!world.run_until_up(late, 10_000));
            world.clients[late].is_dead = true;
        }
        // Through a rekey of everyone.
        world.run_ms(4_000_000);
        assert!(clients.iter().all(|&client| world.pings(client, ROUTER.octets())));
    });
}
