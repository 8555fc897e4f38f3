//! Valid messages in every order, and octets that are none.

use std::vec;

use super::lac::{Lac, Seen, avp, cdn, control, data, iccn, icrq, message, sccrq, stop_ccn};
use super::*;
use crate::store::model::Random;

/// Checks what must hold whatever was received.
fn check(bench: &mut Bench, before: &mut (usize, usize)) {
    let up = |it: &&Action| matches!(it, Action::CallUp { .. });
    let down = |it: &&Action| matches!(it, Action::CallDown { .. });
    let ups = bench.actions.iter().filter(up).count();
    let downs = bench.actions.iter().filter(down).count();
    assert!(ups >= downs && ups >= before.0 && downs >= before.1);
    *before = (ups, downs);
    let flowing: Vec<_> = bench.calls_up();
    let flowing = flowing.iter().filter(|&&call| bench.lns.data_header(call).is_some()).count();
    assert!(flowing <= ups - downs);
    assert!(bench.lns.call_count() >= flowing);
    for (_, bytes) in bench.sent.drain(..) {
        Seen::parse(&bytes);
    }
}

/// Message number `choice` of those that a client may send.
fn choose(choice: usize, lac: &Lac, local: u16) -> Vec<u8> {
    let tunnel = (lac.peer_tunnel, 0);
    let call = (lac.peer_tunnel, local);
    let say = |ids, avps: &[Vec<u8>]| control(ids, lac.ns, lac.nr, avps);
    match choice {
        0 => control((0, 0), 0, 0, &sccrq(7)),
        1 => say(tunnel, &message(3, &[])),
        2 => say(tunnel, &icrq(33)),
        3 => say(call, &iccn()),
        4 => say(call, &cdn(33)),
        5 => say(tunnel, &stop_ccn(7)),
        6 => say(tunnel, &message(6, &[])),
        7 => say(call, &message(15, &[avp(34, &[0; 26])])),
        8 => say(tunnel, &message(7, &[avp(14, &[0, 34])])),
        9 => say(tunnel, &message(2, &[avp(9, &[0, 9])])),
        10 => say(tunnel, &[]),
        11 => data(call, true, b"\xff\x03\xc0\x21"),
        12 => say(tunnel, &cdn(33)),
        _ => control((0, 0), 0, 0, &stop_ccn(7)),
    }
}

/// Plays `script`, following what the LNS says so that every message is in order.
fn play(bench: &mut Bench, carrier: Carrier, script: &[usize], wait: bool) {
    let mut lac = Lac::new(7, 0);
    let (mut local, mut counts) = (9, (0, 0));
    for &choice in script {
        let bytes = choose(choice, &lac, local);
        let numbered = !matches!(choice, 0 | 10 | 11 | 13);
        let _ = bench.hear(carrier, &bytes);
        if choice == 0 {
            lac.ns = 1;
        }
        lac.ns += u16::from(numbered);
        for (_, bytes) in &bench.sent {
            let seen = Seen::parse(bytes);
            if seen.kind != 0 {
                lac.nr = lac.nr.max(seen.ns + 1);
            }
            match seen.kind {
                2 if seen.ns == 0 => (lac.peer_tunnel, lac.nr) = (seen.avp_u16(9), 1),
                11 => local = seen.avp_u16(14),
                _ => {}
            }
        }
        check(bench, &mut counts);
        if wait {
            bench.wait(1);
            check(bench, &mut counts);
        }
    }
    bench.wait(200);
    check(bench, &mut counts);
    assert_eq!((bench.lns.tunnel_count(), bench.lns.call_count()), (0, 0), "{script:?}");
    assert_eq!(bench.lns.deadline(), None);
    assert_eq!(counts.0, counts.1, "every call that came up went down: {script:?}");
}

#[test]
fn valid_messages_in_every_order_leave_nothing_behind() {
    const CHOICES: usize = 14;
    let mut bench = Bench::new();
    for carrier in [esp(1), udp(1701)] {
        for number in 0..CHOICES * CHOICES * CHOICES {
            let rest = [number % CHOICES, number / CHOICES % CHOICES, number / CHOICES / CHOICES];
            for prefix in [&[][..], &[0], &[0, 1], &[0, 1, 2], &[0, 1, 2, 3]] {
                let script = [prefix, &rest].concat();
                bench.actions.clear();
                play(&mut bench, carrier, &script, false);
            }
        }
    }
}

#[test]
fn long_random_sequences_of_valid_messages_leave_nothing_behind() {
    let mut random = Random(77);
    let mut bench = Bench::new();
    for round in 0..2_000 {
        let mut script = vec![0, 1, 2, 3];
        script.extend((0..20).map(|_| random.below(14)));
        bench.actions.clear();
        play(&mut bench, [esp(1), udp(1701)][round % 2], &script, round % 3 == 0);
    }
}

#[test]
fn random_octets_change_nothing() {
    let (mut bench, lac) = Bench::dialled(esp(1), 1);
    bench.actions.clear();
    let mut random = Random(13);
    for _ in 0..100_000 {
        let len = random.below(60);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        if random.below(2) == 0 && len > 3 {
            bytes[..4].copy_from_slice(&[0xc8, 2, 0, len as u8]);
        }
        let _ = bench.hear([esp(1), esp(2), udp(3)][random.below(3)], &bytes);
        assert!(bench.sent.is_empty());
    }
    assert!(bench.actions.is_empty());
    let frame = data((lac.peer_tunnel, lac.calls[0].1), true, b"\xff\x03");
    bench.hear(esp(1), &frame).unwrap();
}

#[test]
fn damaged_messages_never_break_the_lns() {
    let mut random = Random(31);
    let mut bench = Bench::new();
    for round in 0..20_000 {
        let carrier = [esp(1), udp(1701)][round % 2];
        let mut lac = Lac::new(7, 0);
        bench.actions.clear();
        let mut counts = (0, 0);
        for choice in [0, 1, 2, 3, 6, 4, 5] {
            let mut bytes = choose(choice, &lac, 9);
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            bytes.truncate(bytes.len() - random.below(2) * random.below(bytes.len()));
            let _ = bench.hear(carrier, &bytes);
            if let Some((_, bytes)) = bench.sent.first()
                && let seen = Seen::parse(bytes)
                && seen.kind == 2
            {
                (lac.peer_tunnel, lac.nr) = (seen.avp_u16(9), 1);
            }
            lac.ns += 1;
            check(&mut bench, &mut counts);
        }
        if round % 50 == 0 {
            bench.wait(300);
            assert_eq!((bench.lns.tunnel_count(), bench.lns.call_count()), (0, 0));
        }
    }
}

#[test]
fn every_length_of_every_avp_is_survived() {
    for choice in [0, 1, 2, 3, 4, 5, 7, 8] {
        for length in 0..=255_u8 {
            let (mut bench, mut lac) = Bench::dialled(esp(1), 1);
            if choice == 0 {
                lac = Lac::new(8, 0);
            }
            let bytes = choose(choice, &lac, 101);
            let mut at = 12;
            while at + 6 <= bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at + 1] = length;
                let _ = bench.hear(esp(1), &damaged);
                at += usize::from(bytes[at + 1]);
            }
            check(&mut bench, &mut (0, 0));
        }
    }
}

#[test]
fn a_timer_without_a_deadline_changes_nothing() {
    let (mut bench, _) = Bench::dialled(esp(1), 3);
    bench.wait(1);
    let deadline = bench.lns.deadline();
    for _ in 0..1_000 {
        let mut out = Out::new();
        assert!(!bench.lns.handle_timeout(bench.now, &mut out));
        assert!(out.is_empty());
        assert_eq!(bench.lns.deadline(), deadline);
    }
    assert!(deadline.is_some_and(|at| at > bench.now));
}
