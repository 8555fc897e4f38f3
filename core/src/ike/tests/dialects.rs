//! Drafts of NAT traversal, nonces and names as other stacks have them.

use std::vec;

use super::client::{DPD, DRAFT_02_N, MICROSOFT, RFC_3947, attributes};
use super::*;
use crate::ipsec::Encapsulation;

#[test]
fn the_best_nat_traversal_that_both_sides_know_is_used() {
    const DRAFT_00: &str = "4485152d18b6bbcd0be8a8469579ddcc";
    const DRAFT_02: &str = "cd60464335df21f87cfdb2fc68b6a448";
    const DRAFT_03: &str = "7d9419a65310ca6f2c179d9215529d56";
    for (ids, best) in [
        (vec![DRAFT_00, RFC_3947, DRAFT_03], Some(RFC_3947)),
        (vec![DRAFT_03, DRAFT_02_N, DRAFT_02], Some(DRAFT_03)),
        (vec![DRAFT_02_N, DRAFT_02], Some(DRAFT_02_N)),
        (vec![DRAFT_02, DRAFT_00], Some(DRAFT_02)),
        (vec![DRAFT_00], Some(DRAFT_00)),
        (vec![MICROSOFT], None),
        (vec![], None),
    ] {
        for dpd in [false, true] {
            let mut lab = Lab::new();
            let mut client = Client::new(1);
            client.vendor_ids = ids.clone();
            client.vendor_ids.extend(Some(DPD).filter(|_| dpd));
            let second = lab.ask(path(500, home()), &client.first());
            let said = client::payloads(second[16], &second[28..]);
            let said: Vec<_> = said[1..].iter().map(|found| found.1.clone()).collect();
            let expected = best.into_iter().chain(Some(DPD).filter(|_| dpd));
            let expected: Vec<_> = expected.map(crate::crypto::testing::hex).collect();
            assert_eq!(said, expected, "{ids:?}");
        }
    }
}

#[test]
fn original_addresses_of_the_drafts_come_back_as_the_drafts_have_it() {
    // Which payload the client sends, and how many addresses come back.
    for (vendor, kind, mode, count) in [
        (RFC_3947, 21, 4, 2),
        (RFC_3947, 131, 4, 1),
        (DRAFT_02_N, 131, 61_444, 1),
        (DRAFT_02_N, 16, 61_444, 1),
        (DRAFT_02_N, 21, 4, 1),
    ] {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.vendor_ids = vec![vendor];
        client.quick.attributes = attributes(&[(4, mode), (5, 2), (6, 256)]);
        client.quick.extra = vec![(kind, vec![1, 0, 0, 0, 10, 0, 0, 2])];
        lab.main_mode(&mut client, home());
        let (agreed, params) = lab.quick_mode(&mut client, home(), 7);
        assert_eq!(params.encapsulation, Encapsulation::Udp);
        let back: Vec<_> = agreed.payloads.iter().filter(|found| found.0 == kind).collect();
        assert_eq!(back.len(), count, "{kind}");
        // Ours comes last.
        assert_eq!(back[count - 1].1, [1, 0, 0, 0, 192, 0, 2, 1]);
    }
}

#[test]
fn on_port_500_udp_encapsulation_has_the_non_ike_marker() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.quick.attributes = attributes(&[(4, 61_444), (5, 2), (6, 256)]);
    contact::main_mode_on(&mut lab, &mut client, path(500, home()), false);
    let (first, _) = client.quick_first(7);
    let (result, seen) = lab.deliver(path(500, home()), &first);
    assert_eq!(result, Ok(()));
    assert!(seen.iter().any(|seen| {
        matches!(seen, Seen::Install(params)
            if params.encapsulation == Encapsulation::UdpNonIke)
    }));
}

#[test]
fn nonces_of_8_to_256_octets_are_taken() {
    for (len, works) in [(7, false), (8, true), (256, true), (257, false)] {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.nonce = vec![0x6e; len];
        let second = lab.ask(path(500, home()), &client.first());
        let third = client.third(&second);
        let (result, seen) = lab.deliver(path(500, home()), &third);
        assert_eq!(result.is_ok(), works, "{len}");
        if works {
            let fifth = client.fifth(&sent(&seen)[0], false);
            let sixth = lab.ask(path(4500, home()), &fifth);
            client.done(&sixth);
        }
    }
}

#[test]
fn names_longer_than_what_is_kept_still_tell_clients_apart_by_their_ports() {
    let mut lab = Lab::new();
    for (seed, port) in [(1, 3_000), (2, 3_001)] {
        let mut client = Client::new(seed);
        client.id = [&[2, 0, 0, 0][..], &[b'a'; 200]].concat();
        let from = (home().ip(), port).into();
        lab.main_mode(&mut client, from);
        lab.quick_mode(&mut client, from, 7);
    }
    assert_eq!(lab.ike.peer_count(), 2);
    // And the same client is known again.
    let mut again = Client::new(3);
    again.id = [&[2, 0, 0, 0][..], &[b'a'; 200]].concat();
    let seen = lab.main_mode(&mut again, (home().ip(), 3_001).into());
    assert_eq!(downs(&seen), [DownCause::Replaced]);
    assert_eq!(lab.ike.peer_count(), 2);
}
