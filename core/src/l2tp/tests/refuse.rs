//! What is refused, and how.

use std::vec;

use super::lac::{Lac, Seen, avp, control, iccn, icrq, message, raw_avp, sccrq};
use super::*;

/// Sends SCCRQ with `extra` and tells the result code of the StopCCN it gets.
fn refused(extra: Vec<u8>) -> (DropReason, Vec<u8>) {
    let mut bench = Bench::new();
    let mut avps = sccrq(7);
    avps.push(extra);
    let reason = bench.hear(esp(1), &control((0, 0), 0, 0, &avps)).unwrap_err();
    let seen = Seen::parse(&bench.take_sent()[0]);
    assert_eq!((seen.tunnel, seen.ns, seen.nr, seen.kind), (7, 0, 1, 4));
    assert_ne!(seen.avp_u16(9), 0);
    assert!(matches!(bench.actions[..], [Action::DialFailed { .. }]));
    assert_eq!((bench.lns.tunnel_count(), bench.lns.deadline()), (0, None), "nothing is kept");
    (reason, seen.avp(1).unwrap().to_vec())
}

#[test]
fn an_unknown_mandatory_avp_in_sccrq_is_refused() {
    for extra in [
        raw_avp(0x8000, 0, 99, b"?"),
        raw_avp(0x8000, 311, 1, b"?"),
        raw_avp(0xc000, 0, 10, b"hidden"),
        raw_avp(0x8400, 0, 10, &[0, 4]),
    ] {
        assert_eq!(refused(extra), (DropReason::BadAvp, vec![0, 2, 0, 8]));
    }
    let wrong_length = avp(10, &[4]);
    assert_eq!(refused(wrong_length), (DropReason::BadAvp, vec![0, 2, 0, 2]));
}

#[test]
fn unknown_avps_that_are_not_mandatory_are_ignored() {
    let mut bench = Bench::new();
    let mut avps = sccrq(7);
    avps.insert(1, raw_avp(0, 311, 1, b"correlation"));
    avps.push(raw_avp(0, 0, 99, b"?"));
    avps.push(raw_avp(0x4000, 0, 8, b"hidden vendor name"));
    avps.push(raw_avp(0x0400, 0, 8, b"reserved bit"));
    bench.hear(esp(1), &control((0, 0), 0, 0, &avps)).unwrap();
    assert_eq!(Seen::parse(&bench.take_sent()[0]).kind, 2);
}

#[test]
fn a_challenge_is_refused_because_there_is_no_secret() {
    assert_eq!(refused(avp(11, &[1; 16])), (DropReason::BadAvp, vec![0, 4, 0, 0]));
}

#[test]
fn another_version_of_the_protocol_is_refused() {
    let mut bench = Bench::new();
    let avps = message(1, &[avp(2, &[2, 0]), avp(7, b"client"), avp(9, &[0, 7])]);
    let reason = bench.hear(esp(1), &control((0, 0), 0, 0, &avps));
    assert_eq!(reason, Err(DropReason::BadVersion));
    assert_eq!(Seen::parse(&bench.take_sent()[0]).avp(1), Some(&[0, 5, 1, 0][..]));
    let v3 = [0xc8, 3, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 1];
    assert_eq!(bench.hear(esp(1), &v3), Err(DropReason::BadVersion));
    assert!(bench.take_sent().is_empty());
}

#[test]
fn an_sccrq_of_which_the_rest_is_missing_is_forgiven() {
    let mut bench = Bench::new();
    let avps = message(1, &[avp(9, &[0, 7])]);
    bench.hear(esp(1), &control((0, 0), 0, 0, &avps)).unwrap();
    assert_eq!(Seen::parse(&bench.take_sent()[0]).kind, 2);
    for id in [avp(9, &[0, 0]), avp(9, &[7]), avp(7, b"client"), raw_avp(0xc000, 0, 9, &[0, 7])] {
        let bytes = control((0, 0), 0, 0, &message(1, &[id]));
        assert_eq!(bench.hear(esp(2), &bytes), Err(DropReason::BadAvp));
        assert!(bench.take_sent().is_empty(), "there is no id to answer to");
    }
}

/// Sends `avps` about `session` in an established tunnel with one call.
fn told(session: bool, avps: Vec<Vec<u8>>) -> (Bench, Result<Received, DropReason>, Vec<Seen>) {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 1);
    bench.actions.clear();
    let session = if session { lac.calls[0].1 } else { 0 };
    let bytes = lac.say(0, session, avps);
    let result = bench.hear(esp(1), &bytes);
    let sent = bench.take_sent().iter().map(|bytes| Seen::parse(bytes)).collect();
    (bench, result, sent)
}

#[test]
fn an_unknown_mandatory_avp_about_a_call_ends_the_call() {
    let unknown = raw_avp(0x8000, 0, 99, b"?");
    let mut avps = icrq(33);
    avps.push(unknown.clone());
    let (bench, result, sent) = told(false, avps);
    assert_eq!(result, Err(DropReason::BadAvp));
    assert_eq!((sent[0].kind, sent[0].session), (14, 33));
    assert_eq!(sent[0].avp(1), Some(&[0, 2, 0, 8][..]));
    assert_eq!((bench.lns.call_count(), bench.actions.len()), (1, 0), "and no other");

    for kind in [15, 16, 12] {
        let (bench, result, sent) = told(true, message(kind, core::slice::from_ref(&unknown)));
        assert_eq!(result, Err(DropReason::BadAvp));
        assert_eq!((sent[0].kind, sent[0].session), (14, 101));
        assert_eq!(sent[0].avp(1), Some(&[0, 2, 0, 8][..]));
        assert_eq!(bench.lns.call_count(), 0);
        let down = DownCause::Failed;
        assert!(matches!(bench.actions[..], [Action::CallDown { cause, .. }] if cause == down));
    }
}

#[test]
fn an_unknown_mandatory_avp_in_iccn_keeps_the_call_down() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.hear(esp(1), &lac.say(0, 0, icrq(33))).unwrap();
    let session = Seen::parse(&bench.take_sent()[0]).avp_u16(14);
    lac.nr += 1;
    let mut avps = iccn();
    avps.push(raw_avp(0x8000, 9, 9, b""));
    assert_eq!(bench.hear(esp(1), &lac.say(0, session, avps)), Err(DropReason::BadAvp));
    assert_eq!(Seen::parse(&bench.take_sent()[0]).kind, 14);
    assert_eq!((bench.lns.call_count(), bench.calls_up().len()), (0, 0));
}

#[test]
fn an_unknown_mandatory_avp_about_the_tunnel_ends_the_tunnel() {
    let unknown = raw_avp(0x8000, 0, 99, b"?");
    for avps in [message(6, &[unknown]), message(77, &[])] {
        let (mut bench, result, sent) = told(false, avps);
        assert_eq!(result, Err(DropReason::BadAvp));
        assert_eq!(sent[0].kind, 4);
        bench.run_timers();
        let [tunnel, call] = &bench.actions[..] else { panic!("{:?}", bench.actions) };
        assert!(matches!(tunnel, Action::TunnelDown { cause: DownCause::Failed, .. }));
        assert!(matches!(call, Action::CallDown { cause: DownCause::Failed, .. }));
    }
}

#[test]
fn what_does_not_matter_is_acknowledged_and_ignored() {
    let ignored = [
        (message(15, &[avp(34, &[0; 26])]), Ok(Received::Control)),
        (message(16, &[avp(35, &[0; 10])]), Ok(Received::Control)),
        (vec![raw_avp(0, 0, 0, &[0, 77])], Ok(Received::Control)),
        (message(3, &[]), Err(DropReason::UnexpectedMessage)),
        (message(2, &[avp(9, &[0, 9])]), Err(DropReason::UnexpectedMessage)),
        (message(11, &[avp(14, &[0, 9])]), Err(DropReason::UnexpectedMessage)),
        (iccn(), Err(DropReason::UnexpectedMessage)),
    ];
    for (avps, expected) in ignored {
        let (mut bench, result, sent) = told(true, avps);
        assert_eq!((result, sent.len()), (expected, 0));
        let said = bench.wait(1);
        assert_eq!((said.len(), Seen::parse(&said[0].1).kind), (1, 0));
        assert_eq!((bench.lns.call_count(), bench.actions.len()), (1, 0));
    }
}

#[test]
fn a_call_that_we_should_place_is_refused() {
    let (bench, result, sent) = told(false, message(7, &[avp(14, &[0, 33])]));
    assert_eq!(result, Err(DropReason::Unsupported));
    assert_eq!((sent[0].kind, sent[0].session), (14, 33));
    assert_eq!(sent[0].avp(1), Some(&[0, 5, 0, 0][..]));
    assert_eq!(bench.lns.call_count(), 1);
}

#[test]
fn a_call_before_the_tunnel_stands_ends_the_tunnel() {
    let mut bench = Bench::new();
    let mut lac = Lac::new(7, 0);
    bench.hear(esp(1), &lac.dial(0)).unwrap();
    lac.peer_tunnel = Seen::parse(&bench.take_sent()[0]).avp_u16(9);
    lac.nr = 1;
    let bytes = lac.say(0, 0, icrq(33));
    assert_eq!(bench.hear(esp(1), &bytes), Err(DropReason::UnexpectedMessage));
    let seen = Seen::parse(&bench.take_sent()[0]);
    assert_eq!((seen.kind, seen.avp(1)), (4, Some(&[0, 7, 0, 0][..])));
    let cause = FailureCause::Protocol(DropReason::UnexpectedMessage);
    assert!(matches!(&bench.actions[..], [Action::DialFailed { cause: it, .. }] if *it == cause));
}

#[test]
fn a_cdn_finds_its_call_by_either_id() {
    for ids in [(true, 101), (false, 101), (true, 0)] {
        let avps = if ids.1 == 0 { message(14, &[]) } else { lac::cdn(ids.1) };
        let (bench, result, _) = told(ids.0, avps);
        assert_eq!(result, Ok(Received::Control));
        assert_eq!(bench.lns.call_count(), 0);
    }
    let (bench, result, _) = told(false, lac::cdn(5));
    assert_eq!((result, bench.lns.call_count()), (Err(DropReason::UnknownCall), 1));
}

#[test]
fn over_bare_udp_no_answer_is_longer_than_its_cause() {
    let id = avp(9, &[0, 7]);
    let version = avp(2, &[1, 0]);
    let requests = [
        message(1, std::slice::from_ref(&id)),
        message(1, &[id.clone(), version.clone()]),
        message(1, &[id.clone(), version.clone(), avp(7, b"x"), avp(3, &[0; 4])]),
        message(1, &[id.clone(), version.clone(), avp(7, b"a longer name"), avp(3, &[0; 4])]),
        message(1, &[id.clone(), raw_avp(0x8000, 0, 99, b"unknown")]),
        message(1, &[id, avp(11, b"challenge")]),
        sccrq(7),
    ];
    let mut answered = 0;
    for avps in requests {
        let bytes = control((0, 0), 0, 0, &avps);
        let mut bench = Bench::new();
        for _ in 0..3 {
            let _ = bench.hear(udp(5000), &bytes);
            let sent: usize = bench.take_sent().iter().map(Vec::len).sum();
            assert!(sent <= bytes.len(), "{sent} octets for {}", bytes.len());
            answered += usize::from(sent > 0);
        }
        assert!(bench.wait(60).is_empty());
    }
    assert_eq!(answered, 12, "those that leave room for an answer get one");
}

#[test]
fn a_repeated_request_that_is_shorter_gets_no_longer_answer() {
    let short = control((0, 0), 0, 0, &message(1, &[avp(9, &[0, 7])]));
    for (carrier, answers) in [(udp(5000), 0), (esp(1), 1)] {
        let mut bench = Bench::new();
        bench.hear(carrier, &control((0, 0), 0, 0, &sccrq(7))).unwrap();
        let first = bench.take_sent();
        assert!(first[0].len() > short.len());
        let told = bench.hear(carrier, &short);
        let reason = if answers == 0 { DropReason::UnprovenBudget } else { DropReason::Duplicate };
        assert_eq!(told, Err(reason));
        assert_eq!(bench.take_sent(), first[..answers]);
        // Who asks as before is answered as before.
        assert_eq!(
            bench.hear(carrier, &control((0, 0), 0, 0, &sccrq(7))),
            Err(DropReason::Duplicate)
        );
        assert_eq!(bench.take_sent(), first);
    }
}

#[test]
fn over_bare_udp_a_guessed_id_is_not_enough() {
    let mut bench = Bench::new();
    let mut lac = Lac::new(7, 0);
    bench.hear(udp(5000), &lac.dial(0)).unwrap();
    lac.peer_tunnel = Seen::parse(&bench.take_sent()[0]).avp_u16(9);
    // It has our tunnel id, but has not seen our message: Nr is 0.
    let bytes = lac.say(0, 0, message(3, &[]));
    assert_eq!(bench.hear(udp(5000), &bytes), Err(DropReason::UnexpectedMessage));
    assert!(bench.take_sent().is_empty() && bench.actions.is_empty());
}
