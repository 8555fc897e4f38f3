//! What happens after a dial.

use kumihimo_core::config::EncapsulationPolicy;
use kumihimo_core::event;
use kumihimo_core::server::Command;

use super::wire::{ROUTER, Terms, Wire};
use crate::peer::{
    Again, Carrier, Event, Input, Reason, Stage, esp_sa_table, ikev1_decryption_table,
};
use crate::profile::{ALL, CP_AND_N, CP_APL_MM, CP_CROS, CP_WIN, Profile};

fn up(terms: Terms, profile: &'static Profile) -> (Wire, usize) {
    let mut wire = Wire::new(terms);
    let client = wire.dial(profile, Carrier::Ipsec);
    assert!(wire.run_until(60, |wire| wire.is_up(client)), "{:?}", wire.events);
    (wire, client)
}

/// How many pairs of SAs the server has had.
fn pairs(wire: &Wire) -> usize {
    wire.core_events.iter().filter(|it| matches!(it, event::Event::SaUp { .. })).count()
}

/// How many IKE SAs the server has had.
fn ike_sas(wire: &Wire) -> usize {
    wire.core_events.iter().filter(|it| matches!(it, event::Event::PeerUp { .. })).count()
}

#[test]
fn every_profile_stays_up_for_a_day_and_renews_both_phases() {
    for profile in ALL {
        let (mut wire, client) = up(Terms::default(), profile);
        for hour in 0..26 {
            wire.run_secs(3_600);
            assert!(wire.pings(client, ROUTER), "{} hour {hour} {:?}", profile.name, wire.events);
        }
        let is_news = |it: &&Event| !matches!(it, Event::Informed(_));
        let news = wire.events[client].iter().filter(is_news).count();
        assert_eq!(news, 1, "{} {:?}", profile.name, wire.events[client]);
        let keys = wire.clients[client].esp_keys().len() / 2;
        assert!(pairs(&wire) >= 24 && keys >= 24, "{}: {} pairs", profile.name, pairs(&wire));
        assert!(wire.clients[client].ike_keys().len() >= 3, "{}", profile.name);
    }
}

#[test]
fn the_server_renews_where_the_client_does_not() {
    for profile in [&CP_WIN, &CP_AND_N] {
        let terms = Terms { esp_lifetime_secs: 600, ike_lifetime_secs: 1_200, ..Terms::default() };
        let (mut wire, client) = up(terms, profile);
        for _ in 0..30 {
            wire.run_secs(100);
            assert!(wire.pings(client, ROUTER), "{} {:?}", profile.name, wire.events);
        }
        assert!(pairs(&wire) >= 5, "{}: {} pairs", profile.name, pairs(&wire));
        let keys = wire.clients[client].ike_keys().len();
        assert!(keys >= 2, "{}: {keys} IKE SAs, {}", profile.name, ike_sas(&wire));
    }
}

#[test]
fn the_server_may_replace_the_pair_at_any_time() {
    for profile in ALL {
        let (mut wire, client) = up(Terms::default(), profile);
        for _ in 0..3 {
            wire.command(Command::Rekey);
            assert!(wire.pings(client, ROUTER), "{}", profile.name);
            wire.run_secs(60);
            assert!(wire.pings(client, ROUTER), "{}", profile.name);
        }
        assert_eq!(pairs(&wire), 4, "{}", profile.name);
    }
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let (mut wire, client) = up(Terms::default(), &CP_CROS);
    wire.tell(client, Input::HangUp);
    assert!(wire.clients[client].is_idle() && wire.clients[client].deadline().is_none());
    assert_eq!(wire.events[client].last(), Some(&Event::Down { reason: Reason::HungUp }));
    wire.run_secs(5);
    let down = |it: &event::Event| matches!(it, event::Event::SessionDown { .. });
    assert!(wire.core_events.iter().any(down), "{:?}", wire.core_events);
    wire.tell(client, Input::Dial);
    assert!(wire.run_until(10, |wire| wire.is_up(client)));
    assert!(wire.pings(client, ROUTER));
}

#[test]
fn a_client_that_vanished_dials_again_at_once() {
    let (mut wire, client) = up(Terms::default(), &CP_APL_MM);
    wire.tell(client, Input::Vanish);
    wire.tell(client, Input::Dial);
    assert!(wire.run_until(10, |wire| wire.is_up(client)), "{:?}", wire.events);
    assert!(wire.pings(client, ROUTER));
}

#[test]
fn the_server_says_goodbye_and_the_client_hears_it() {
    for profile in ALL {
        let (mut wire, client) = up(Terms::default(), profile);
        wire.command(Command::Shutdown);
        assert!(wire.run_until(2, |wire| wire.clients[client].is_idle()), "{}", profile.name);
        assert!(matches!(wire.events[client].last(), Some(Event::Down { .. })), "{}", profile.name);
    }
}

#[test]
fn a_wrong_password_is_told() {
    for profile in ALL {
        let mut wire = Wire::new(Terms::default());
        let client = wire.dial_with(profile, |setup| setup.password = "wrong".into());
        assert!(wire.run_until(60, |wire| !wire.events[client].is_empty()));
        let Some(Event::Failed { stage, .. }) = wire.events[client].first() else {
            panic!("{} {:?}", profile.name, wire.events)
        };
        assert_eq!(*stage, Stage::Authentication, "{}", profile.name);
    }
}

#[test]
fn a_wrong_key_ends_in_silence() {
    let mut wire = Wire::new(Terms::default());
    let client = wire.dial_with(&CP_CROS, |setup| setup.psk = b"wrong".to_vec());
    let failed = Event::Failed { stage: Stage::MainMode, reason: Reason::Silence };
    assert!(wire.run_until(400, |wire| wire.events[client].contains(&failed)), "{:?}", wire.events);
}

#[test]
fn esp_travels_without_udp_where_there_is_no_nat_and_the_server_likes_it() {
    let terms = Terms { encapsulation: EncapsulationPolicy::Auto, ..Terms::default() };
    for profile in ALL {
        let (mut wire, client) = up(terms, profile);
        assert!(wire.pings(client, ROUTER), "{}", profile.name);
        assert!(wire.bare_count > 0, "{}", profile.name);
    }
}

#[test]
fn one_packet_in_ten_may_be_lost() {
    for profile in ALL {
        let terms = Terms { loss: 10, ..Terms::default() };
        let (mut wire, client) = up(terms, profile);
        let pongs = (0..20).filter(|_| wire.pings(client, ROUTER)).count();
        assert!(pongs > 10, "{}: {pongs}", profile.name);
    }
}

#[test]
fn two_clients_ping_each_other() {
    let (mut wire, one) = up(Terms::default(), &CP_WIN);
    let other = wire.dial(&CP_APL_MM, Carrier::IpsecInUdp);
    assert!(wire.run_until(10, |wire| wire.is_up(other)));
    let [a, b] = [one, other].map(|it| wire.clients[it].address().expect("it is up"));
    assert!(wire.pings(one, b) && wire.pings(other, a));
}

#[test]
fn keys_are_told_in_the_formats_of_wireshark() {
    let (wire, client) = up(Terms::default(), &CP_WIN);
    let ike = ikev1_decryption_table(&wire.clients[client].ike_keys());
    let fields: Vec<_> = ike.trim().split(',').map(str::len).collect();
    assert_eq!(fields, [16, 64], "a cookie and a key of 256 bits");
    let esp = esp_sa_table(wire.clients[client].esp_keys());
    assert_eq!(esp.lines().count(), 2);
    let first = esp.lines().next().expect("a line");
    assert!(first.starts_with("\"IPv4\",\"*\",\"*\",\"0x"), "{first}");
    assert!(first.contains("\"AES-CBC [RFC3602]\",\"0x"), "{first}");
    assert!(first.ends_with(",\"32-bit\""), "{first}");
}

#[test]
fn the_same_seed_says_the_same() {
    let run = || {
        let (mut wire, client) = up(Terms { loss: 20, ..Terms::default() }, &CP_CROS);
        wire.run_secs(7_200);
        (wire.transcript, wire.clients[client].ike_keys())
    };
    assert_eq!(run(), run());
}

/// A client's IKE SAs, its pairs of IPsec SAs, and how often a layer of PPP began again.
fn done(wire: &Wire, client: usize) -> (usize, usize, u64) {
    let it = &wire.clients[client];
    (it.ike_keys().len(), it.esp_keys().len() / 2, it.counters().relapses)
}

#[test]
fn whoever_begins_again_in_the_middle_keeps_the_session() {
    let all = [Again::MainMode, Again::QuickMode, Again::Link, Again::Network, Again::Proof];
    for profile in ALL {
        let (mut wire, client) = up(Terms::default(), profile);
        for again in all {
            let before = done(&wire, client);
            wire.tell(client, Input::Again(again));
            wire.run_secs(20);
            assert!(wire.pings(client, ROUTER), "{} {again:?} {:?}", profile.name, wire.events);
            let after = done(&wire, client);
            let is_done = match again {
                Again::MainMode => after.0 == before.0 + 1,
                Again::QuickMode => after.1 == before.1 + 1,
                Again::Link | Again::Network => after.2 > before.2,
                _ => after == before,
            };
            assert!(is_done, "{} {again:?}: {before:?} {after:?}", profile.name);
        }
    }
}
