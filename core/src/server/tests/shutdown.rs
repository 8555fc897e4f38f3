//! The server says goodbye.

use super::setup::{self, Setup};
use super::world::{path_to, play};
use crate::config::HubConfig;
use crate::discard::DropReason;
use crate::event::{DownCause, Event};
use crate::l2tp::tests::lac;
use crate::ppp::tests::client::Habits;
use crate::server::{BridgeId, Command};

const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };

#[test]
fn everyone_hears_goodbye_and_then_there_is_silence() {
    let hub = HubConfig { secure_nat: None, ..setup::hub("DEFAULT") };
    play(&Setup::with_hubs(std::vec![hub]), |world| {
        let station = world.add_station(BRIDGE);
        world.stations[station].leases_from = Some([192, 168, 30, 100]);
        let clients = [(); 3].map(|()| world.dial_up(Habits::default()));
        let half = world.dial(Habits::default());
        world.run_ms(25);
        world.command(Command::Shutdown);
        assert_eq!(world.server.session_count(), 0);
        world.run_ms(100);
        for client in clients {
            let heard = &world.clients[client].lac.heard;
            assert_eq!(heard[heard.len() - 2..], [14, 4], "CDN, then StopCCN");
            assert_eq!(world.clients[client].lac.results, [3, 6], "ended by an administrator");
        }
        // Its address may be forged: not a word more than it said.
        assert!(!world.clients[half].lac.stopped);
        assert!(world.stations[station].leased.is_empty(), "the addresses went back");
        let is_down = |event: &&Event| {
            matches!(event, Event::SessionDown { cause: DownCause::Administrative, .. })
        };
        assert_eq!(world.events.iter().filter(is_down).count(), 3);
        world.run_ms(60_000);
        let said = world.transmitted;
        world.run_ms(600_000);
        assert_eq!(world.transmitted, said);
    });
}

#[test]
fn nobody_comes_in_while_the_server_goes_down() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let session = world.server.session_count();
        world.command(Command::Shutdown);
        let said = world.transmitted;
        let stranger = path_to(1701, ([203, 0, 113, 9], 1701).into());
        let sccrq = lac::control((0, 0), 0, 0, &lac::sccrq(9));
        assert_eq!(world.inject(stranger, &sccrq), 1);
        let refused = world.drops(DropReason::NotServed);
        world.with_client(client, |dialer, _| dialer.send_ppp(&[0xff, 3, 0xc0, 0x21, 9, 1, 0, 8]));
        world.run_ms(20);
        assert!(world.drops(DropReason::NotServed) > refused);
        assert_eq!((session, world.transmitted), (1, said));
        assert!(world.strays.is_empty());
        // Said twice, it is done once.
        world.command(Command::Shutdown);
        assert_eq!(world.transmitted, said);
    });
}

#[test]
fn an_answer_that_comes_after_the_goodbye_wakes_nothing() {
    play(&Setup::default(), |world| {
        world.dial_ipsec(([203, 0, 113, 1], 4500).into(), Habits::default());
        assert!(world.run_until(5_000, |world| world.requests == 1));
        let said = world.transmitted;
        world.command(Command::Shutdown);
        world.run_ms(120_000);
        assert_eq!(world.transmitted, said);
        assert_eq!(world.server.ike.negotiation_count(), 0);
    });
}

#[test]
fn an_order_that_comes_after_the_goodbye_does_not_open_the_server_again() {
    play(&Setup::default(), |world| {
        world.command(Command::Shutdown);
        let busy = world.drops(DropReason::Busy);
        world.command(Command::Rekey);
        assert_eq!(world.drops(DropReason::Busy), busy + 1);
        let (refused, said) = (world.drops(DropReason::NotServed), world.transmitted);
        let stranger = path_to(1701, ([203, 0, 113, 9], 1701).into());
        assert_eq!(world.inject(stranger, &lac::control((0, 0), 0, 0, &lac::sccrq(9))), 1);
        assert_eq!(world.drops(DropReason::NotServed), refused + 1);
        assert_eq!(world.transmitted, said);
    });
}
