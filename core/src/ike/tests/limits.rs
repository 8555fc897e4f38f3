//! What an address, and a prefix, may get of us before it has proven itself.

use std::net::{IpAddr, Ipv6Addr};

use super::*;
use crate::addr::limit_prefix;

/// Address number `host` of network number `net`.
fn address(version: u8, net: u16, host: u16) -> IpAddr {
    match version {
        4 => [100, 64, net as u8, host as u8].into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, net, 0, host, 0, 1).into(),
    }
}

/// Repeats message 1 from an address until nothing comes back; tells how many octets came.
fn drain(lab: &mut Lab, from: IpAddr, seed: u8) -> usize {
    let first = Client::new(seed).first();
    let before = lab.octets_out;
    for _ in 0..200 {
        if sent(&lab.deliver(path(500, (from, 500).into()), &first).1).is_empty() {
            return lab.octets_out - before;
        }
    }
    panic!("no budget ends");
}

fn lab() -> Lab {
    Lab::with(&Limits { half_open: 512, quotas: 8_192, ..Limits::server(64) }, &settings())
}

#[test]
fn addresses_of_one_prefix_share_a_budget_and_those_of_another_have_their_own() {
    const OF_ONE: usize = 8 * 1024;
    const OF_ALL: usize = 64 * 1024;
    for version in [4, 6] {
        let mut lab = lab();
        let each: Vec<usize> =
            (1..=20).map(|host| drain(&mut lab, address(version, 7, host), host as u8)).collect();
        // The answer to message 1 itself is not longer than it and costs nothing.
        let answers = 20 * 150;
        assert!(each[0] > OF_ONE - 150 && each[0] < OF_ONE + 150, "IPv{version}: {each:?}");
        let all: usize = each.iter().sum();
        assert!(all > OF_ALL - answers && all < OF_ALL + answers, "IPv{version}: {all}");
        assert!(each[19] < 150, "IPv{version}: {each:?}");
        let elsewhere = drain(&mut lab, address(version, 8, 1), 50);
        assert!(elsewhere > OF_ONE - 150, "IPv{version}: {elsewhere}");
        // It comes back with time.
        lab.wait(Duration::from_secs(61));
        let later = drain(&mut lab, address(version, 7, 19), 51);
        assert!(later > OF_ONE - 150, "IPv{version}: {later}");
    }
}

#[test]
fn a_budget_comes_back_in_proportion_to_the_time() {
    let mut lab = lab();
    let from = address(4, 7, 1);
    let whole = drain(&mut lab, from, 1);
    lab.wait(Duration::from_secs(15));
    let quarter = drain(&mut lab, from, 1);
    assert!(quarter.abs_diff(whole / 4) < 300, "{quarter} of {whole}");
    for _ in 0..5 {
        lab.wait(Duration::from_secs(3));
        let _ = lab.deliver(path(500, (from, 500).into()), &Client::new(1).first());
    }
    // A third time, in small steps.
    lab.wait(Duration::from_secs(15));
    let rest = drain(&mut lab, from, 2);
    assert!(rest.abs_diff(whole / 2) < 1_200, "{rest} of {whole}");
}

#[test]
fn a_prefix_is_24_bits_of_ipv4_and_64_of_ipv6() {
    let v4 = |last: [u8; 4]| IpAddr::from(last);
    assert_eq!(limit_prefix(v4([198, 51, 100, 7])), v4([198, 51, 100, 0]));
    assert_ne!(limit_prefix(v4([198, 51, 101, 7])), v4([198, 51, 100, 0]));
    let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(limit_prefix(v6("2001:db8:1:2:3:4:5:6")), v6("2001:db8:1:2::"));
    assert_ne!(limit_prefix(v6("2001:db8:1:3:3:4:5:6")), v6("2001:db8:1:2::"));
}

#[test]
fn events_that_strangers_cause_are_paced_in_every_second_anew() {
    let mut lab = Lab::new();
    let refused = |lab: &mut Lab| {
        let mut heard = 0;
        for seed in 0..60 {
            let mut stranger = Client::new(seed);
            stranger.offer = Some(client::sa(1, &[], &[(1, client::phase1(1, 0, 1, 1))]));
            let from = ([203, 0, seed, 9], 500).into();
            heard += events(&lab.deliver(path(500, from), &stranger.first()).1).len();
        }
        heard
    };
    assert_eq!(refused(&mut lab), 20);
    assert_eq!(refused(&mut lab), 0);
    lab.wait(Duration::from_secs(1));
    assert_eq!(refused(&mut lab), 20);
    lab.wait(Duration::from_secs(1));
    assert_eq!(refused(&mut lab), 20);
}

#[test]
fn a_spent_budget_comes_back_however_often_it_is_asked_for() {
    let mut quotas = Quotas::new(crate::store::Backing::allocate(64), [3; 16]);
    let mut now = Instant::from_micros(1_000_000);
    let address = home().ip();
    assert!(quotas.spend(now, address, quota::ADDRESS_BURST as usize));
    // In a millisecond less than one octet comes back.
    let refused = (0..60_000).take_while(|_| {
        now += Duration::from_millis(1);
        !quotas.spend(now, address, 1_000)
    });
    let millis = refused.count();
    assert!((7_000..8_000).contains(&millis), "1000 of 8192 octets after {millis} ms");
}
