//! Whole dials through the real runner.

mod rig;

use std::net::Ipv4Addr;

use kumihimo_core::config::EncapsulationPolicy;
use kumihimo_sim::peer::Input;
use kumihimo_sim::profile::CP_WIN;
use rig::dialer::Dialer;
use rig::host::{Station, echo};
use rig::wire::Port;
use rig::{BOARD, Rig, settings};

/// A LAN with its router, and a client on it that is up.
fn with_client(rig: &mut Rig) -> (usize, usize, Ipv4Addr) {
    let router = rig.add(Station::router());
    let client = rig.add(Dialer::near(50, &CP_WIN, "jiro", "pass"));
    rig.host::<Dialer>(client).tell(Input::Dial);
    let up = |rig: &mut Rig| rig.host::<Dialer>(client).address().is_some();
    assert!(rig.run_until(20_000, up), "{}", rig.log);
    let address = rig.host::<Dialer>(client).address().unwrap();
    (router, client, address)
}

#[test]
fn a_burst_both_ways_loses_nothing() {
    let mut rig = Rig::new(settings());
    let (router, client, address) = with_client(&mut rig);
    let router_ip = Ipv4Addr::from([192, 0, 2, 254]);
    rig.host::<Station>(router).ping(address, 1_000);
    rig.run_ms(100);
    for _ in 0..20 {
        for sequence in 0..12 {
            let ping = echo(address, router_ip, true, sequence, &[7; 1_300]);
            rig.host::<Dialer>(client).tell(Input::Packet(ping));
            let ping = echo(router_ip, address, true, sequence, &[8; 1_300]);
            rig.host::<Station>(router).send_ip(ping);
        }
        rig.run_ms(20);
    }
    let received = &rig.host::<Dialer>(client).received;
    let pongs = received.iter().filter(|packet| packet[20] == 0).count();
    assert_eq!(pongs, 240, "{:?}", rig.handle.status().traffic);
    assert_eq!(rig.host::<Station>(router).heard.len(), 241);
    rig.run_ms(600);
    let lost: u32 = rig.handle.status().traffic.losses().iter().map(|&(_, count)| count).sum();
    assert_eq!(lost, 0, "{:?}", rig.handle.status());
}

#[test]
fn a_client_without_nat_may_use_esp_without_udp() {
    let mut settings = settings();
    settings.encapsulation = EncapsulationPolicy::Auto;
    let mut rig = Rig::new(settings);
    let (router, _, address) = with_client(&mut rig);
    rig.wire.take_seen();
    for sequence in 0..30 {
        rig.host::<Station>(router).ping(address, sequence);
        let has_pong = |rig: &mut Rig| rig.host::<Station>(router).has_pong(address, sequence);
        assert!(rig.run_until(100, has_pong), "{sequence}");
    }
    let bare = |(_, frame): &&(Port, Vec<u8>)| frame[12..14] == [8, 0] && frame[23] == 50;
    assert!(rig.wire.take_seen().iter().filter(bare).count() >= 60);
}

#[test]
fn a_client_from_far_away_is_answered_through_its_router() {
    let mut rig = Rig::new(settings());
    rig.add(Station::router());
    let client = rig.add(Dialer::far(60, [198, 51, 100, 7], &CP_WIN, "jiro", "pass"));
    rig.host::<Dialer>(client).tell(Input::Dial);
    let is_up = |rig: &mut Rig| rig.host::<Dialer>(client).address().is_some();
    assert!(rig.run_until(20_000, is_up), "{}", rig.log);
}

#[test]
fn a_client_dials_in_and_gets_its_address_from_the_lan() {
    let mut rig = Rig::new(settings());
    let (router, client, address) = with_client(&mut rig);
    assert_eq!(address.octets(), [192, 0, 2, 100], "of the LAN's DHCP server");

    // The LAN reaches the client, and the client the LAN and the board itself.
    rig.host::<Station>(router).ping(address, 7);
    assert!(rig.run_until(2_000, |rig| rig.host::<Station>(router).has_pong(address, 7)));
    for (to, sequence) in [([192, 0, 2, 254], 8), (BOARD, 9)] {
        let ping = echo(address, to.into(), true, sequence, b"hello");
        rig.host::<Dialer>(client).tell(Input::Packet(ping));
        let expected = echo(to.into(), address, false, sequence, b"hello");
        let has_pong = |rig: &mut Rig| {
            let received = &rig.host::<Dialer>(client).received;
            received.iter().any(|packet| packet[20..] == expected[20..])
        };
        assert!(rig.run_until(2_000, has_pong), "{to:?} answers");
    }
}
