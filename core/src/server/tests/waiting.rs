//! Packets that wait: for encryption when their SA goes, and for a neighbour's address.

use core::net::SocketAddr;

use super::packet;
use super::setup::Setup;
use super::world::{World, path_to, play};
use crate::addr::Outer;
use crate::discard::DropReason;
use crate::ppp::tests::client::Habits;
use crate::server::BridgeId;

const HOME: ([u8; 4], u16) = ([203, 0, 113, 1], 4500);
/// LCP Echo-Request without a magic number.
const ECHO: &[u8] = &[0xff, 3, 0xc0, 0x21, 9, 77, 0, 8, 0, 0, 0, 0];

fn dial_up(world: &mut World) -> usize {
    let client = world.dial_ipsec(HOME.into(), Habits::default());
    assert!(world.run_until_up(client, 30_000), "{:?}", world.clients[client]);
    world.run_ms(1_000);
    client
}

/// Hands in what a client has to say, and lets the server do no more for it than it must.
fn hand_in_without_polling(world: &mut World, client: usize) -> usize {
    let sent = world.clients[client].take_sent();
    for (port, bytes) in &sent {
        let path = path_to(*port, world.clients[client].address_towards(*port));
        world.hand_over(path, bytes);
    }
    sent.len()
}

/// ESP datagrams among those that went to `client` and nobody has taken.
fn esp_heard(world: &World, client: usize) -> usize {
    let ipsec = world.clients[client].ipsec.as_ref().expect("it speaks IPsec");
    ipsec.sas.iter().map(|sa| sa.heard_count()).sum()
}

#[test]
fn a_packet_that_waits_to_be_sealed_leaves_before_its_sa_goes() {
    play(&Setup::default(), |world| {
        let client = dial_up(world);
        let heard = esp_heard(world, client);
        world.clients[client].send_ppp(ECHO);
        world.clients[client].ipsec.as_mut().expect("it speaks IPsec").delete_pair();
        assert_eq!(hand_in_without_polling(world, client), 2);
        assert_eq!(world.server.esp.len(), 0, "the Delete came in the same batch");
        world.drain();
        world.run_ms(50);
        assert_eq!(esp_heard(world, client), heard + 1, "the answer to the echo");
        assert_eq!(world.drops(DropReason::NoSa), 0);
    });
}

#[test]
fn a_packet_that_waits_to_be_sealed_leaves_before_its_peer_goes() {
    play(&Setup::default(), |world| {
        let old = dial_up(world);
        // The client starts anew; what it sent before comes late.
        let new = world.dial_ipsec(HOME.into(), Habits::default());
        world.clients[new].ipsec.as_mut().expect("it speaks IPsec").initial_contact = true;
        world.clients[old].send_ppp(ECHO);
        let late = world.clients[old].take_sent();
        let asked_last = |world: &World| {
            let ipsec = world.clients[new].ipsec.as_ref().expect("it speaks IPsec");
            ipsec.has_sent_fifth()
        };
        assert!(world.run_until(1_000, asked_last));
        let (port, fifth) = world.overheard.last().expect("message 5").clone();
        assert_eq!(world.server.ike.peer_count(), 1);
        let (sent, pairs) = (world.transmitted, world.server.esp.len());
        for (port, bytes) in late.iter().chain([&(port, fifth)]) {
            world.hand_over(path_to(*port, HOME.into()), bytes);
        }
        assert_eq!((pairs, world.server.esp.len()), (1, 0), "the old peer went in the same batch");
        world.drain();
        assert_eq!(world.transmitted, sent + 2, "the answer to the echo, and message 6");
        assert_eq!(world.drops(DropReason::NoSa), 0);
    });
}

#[test]
fn of_packets_that_wait_for_a_neighbour_the_oldest_gives_way() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
        let (from, to) = (world.clients[client].ip(), world.stations[station].ip);
        for number in 0..6 {
            let packet = packet::udp((from, 1), (to, 2), &[number; 4]);
            world.with_client(client, |dialer, _| dialer.send_ip(&packet));
        }
        world.run_ms(1_000);
        let heard = world.stations[station].heard.iter().map(|ip| ip.payload[8]);
        assert!(heard.eq(2..6), "the last four, in their order");
        assert_eq!(world.drops(DropReason::ArpQueueFull), 2);
        // Now that the neighbour is known nothing waits.
        for number in 6..12 {
            let packet = packet::udp((from, 1), (to, 2), &[number; 4]);
            world.with_client(client, |dialer, _| dialer.send_ip(&packet));
        }
        world.run_ms(1_000);
        assert_eq!(world.stations[station].heard.len(), 10);
    });
}

#[test]
fn the_narrowest_outer_network_that_was_told_of_counts() {
    play(&Setup::default(), |world| {
        let remote: SocketAddr = ([198, 51, 100, 10], 1701).into();
        let path = crate::addr::Path { outer: Outer::Udp, ..path_to(1701, remote) };
        let mut mtus = std::vec::Vec::new();
        for told in [None, Some(1_400), Some(1_480), Some(575), Some(0), Some(1_300)] {
            if let Some(mtu) = told {
                world.path_mtu(path, mtu);
            }
            let client = world.dial_up(Habits::default());
            assert!(world.clients[client].is_up());
            mtus.push(world.server.sessions.iter().map(|(_, session)| session.mtu).last());
        }
        // 40 octets are those of IP, UDP, L2TP and PPP; the client itself takes 1 400.
        let [wide, narrow, narrowest] = [1_400, 1_360, 1_260].map(Some);
        assert_eq!(mtus, [wide, narrow, narrow, narrow, narrow, narrowest]);
        assert_eq!(world.drops(DropReason::BadLength), 2);
    });
}
