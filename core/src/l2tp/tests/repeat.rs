//! Repetitions: the client's and ours.

use std::vec;

use super::lac::{Lac, Seen, cdn, control, iccn, icrq, message, sccrq, stop_ccn};
use super::*;

#[test]
fn a_repeated_sccrq_gets_the_same_sccrp() {
    for carrier in [esp(1), udp(5000)] {
        let mut bench = Bench::new();
        let first = Lac::new(7, 0).dial(0);
        bench.hear(carrier, &first).unwrap();
        let answer = bench.take_sent();
        for _ in 0..3 {
            assert_eq!(bench.hear(carrier, &first), Err(DropReason::Duplicate));
            assert_eq!(bench.take_sent(), answer);
        }
        assert_eq!(bench.lns.tunnel_count(), 1);
    }
}

#[test]
fn a_repeated_icrq_gets_the_same_icrp() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    let first = lac.say(0, 0, icrq(33));
    bench.hear(esp(1), &first).unwrap();
    let answer = bench.take_sent();
    let seen = Seen::parse(&answer[0]);
    assert_eq!((seen.kind, seen.session), (11, 33));
    // The very same message again.
    assert_eq!(bench.hear(esp(1), &first), Err(DropReason::Duplicate));
    assert_eq!(bench.take_sent(), answer);
    // The same request as a new message.
    lac.nr += 1;
    let again = lac.say(0, 0, icrq(33));
    assert_eq!(bench.hear(esp(1), &again), Err(DropReason::Duplicate));
    let repeated = Seen::parse(&bench.take_sent()[0]);
    assert_eq!((repeated.kind, &repeated.avps), (11, &seen.avps));
    assert_eq!(bench.lns.call_count(), 1);
}

#[test]
fn goodbyes_are_acknowledged_when_repeated_after_the_end() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 1);
    let (ours, theirs) = lac.calls[0];
    let hang_up = lac.say(0, theirs, cdn(ours));
    bench.hear(esp(1), &hang_up).unwrap();
    let stop = lac.say(0, 0, stop_ccn(7));
    bench.hear(esp(1), &stop).unwrap();
    let ack = Seen::parse(&bench.take_sent().pop().unwrap());
    assert_eq!((ack.tunnel, ack.kind, ack.nr), (7, 0, lac.ns));
    for _ in 0..3 {
        bench.wait(9);
        for bytes in [&hang_up, &stop] {
            assert_eq!(bench.hear(esp(1), bytes), Err(DropReason::Duplicate));
            let ack = Seen::parse(&bench.take_sent()[0]);
            assert_eq!((ack.kind, ack.nr), (0, lac.ns));
        }
    }
    bench.wait(5);
    assert_eq!(bench.hear(esp(1), &stop), Err(DropReason::UnknownTunnel));
    assert_eq!((bench.lns.tunnel_count(), bench.lns.deadline()), (0, None));
}

#[test]
fn sccrp_is_repeated_by_a_timer_only_inside_esp() {
    for (carrier, expected) in [(esp(1), vec![1, 3, 7, 15, 23]), (udp(5000), vec![])] {
        let mut bench = Bench::new();
        bench.hear(carrier, &Lac::new(7, 0).dial(0)).unwrap();
        let first = bench.take_sent();
        let said = bench.wait(60);
        let times: Vec<u64> = said.iter().map(|(at, _)| at / 1_000).collect();
        assert_eq!(times, expected);
        assert!(said.iter().all(|(at, bytes)| at % 1_000 < 60 && *bytes == first[0]));
        assert_eq!(bench.lns.tunnel_count(), 0);
        let failed = FailureCause::Silence;
        assert!(matches!(&bench.actions[..],
            [Action::DialFailed { cause, .. }] if *cause == failed));
    }
}

#[test]
fn icrp_is_repeated_with_the_back_off_of_the_rfc() {
    for carrier in [esp(1), udp(5000)] {
        let (mut bench, mut lac) = Bench::dialled(carrier, 0);
        bench.hear(carrier, &lac.say(0, 0, icrq(33))).unwrap();
        let first = bench.take_sent().remove(0);
        let said = bench.wait(40);
        let times: Vec<u64> = said.iter().map(|(at, _)| at / 1_000).collect();
        assert_eq!(times, [1, 3, 7, 15, 23, 31, 39], "1, 2, 4, 8, 8, … seconds apart");
        assert!(said.iter().all(|(at, bytes)| at % 1_000 < 60 && *bytes == first));
    }
}

#[test]
fn a_repeated_message_carries_the_newest_acknowledgement() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.hear(esp(1), &lac.say(0, 0, icrq(33))).unwrap();
    let first = Seen::parse(&bench.take_sent()[0]);
    bench.hear(esp(1), &lac.say(0, 0, message(6, &[]))).unwrap();
    let said = bench.wait(2);
    let (ack, again) = (Seen::parse(&said[0].1), Seen::parse(&said[1].1));
    assert_eq!((ack.kind, ack.ns, ack.nr), (0, first.ns + 1, first.nr + 1));
    assert_eq!((again.kind, again.ns, again.nr), (11, first.ns, first.nr + 1));
}

#[test]
fn a_message_without_an_answer_is_acknowledged_a_moment_later() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.hear(esp(1), &lac.say(0, 0, message(6, &[]))).unwrap();
    assert!(bench.take_sent().is_empty());
    let said = bench.wait(1);
    assert_eq!(said.len(), 1);
    assert!((30..50).contains(&said[0].0), "after {} ms", said[0].0);
    assert_eq!(Seen::parse(&said[0].1).kind, 0);
}

#[test]
fn a_client_that_restarted_replaces_its_tunnel_once_the_new_one_is_up() {
    let (mut bench, _) = Bench::dialled(esp(1), 1);
    let old_call = bench.calls_up()[0];
    bench.actions.clear();
    let mut lac = Lac::new(7, 1);
    let first = lac.dial(0);
    bench.hear(esp(1), &first).unwrap();
    let answer = bench.take_sent();
    assert_eq!(bench.hear(esp(1), &first), Err(DropReason::Duplicate));
    assert_eq!(bench.take_sent(), answer, "the new tunnel answers, not the old one");
    assert!(bench.actions.is_empty(), "nothing is over yet");
    let mut next = lac.hear(0, &answer[0]);
    bench.hear(esp(1), &next.remove(0)).unwrap();
    bench.run_timers();
    let [up, down, call] = &bench.actions[..] else { panic!("{:?}", bench.actions) };
    assert!(matches!(up, Action::TunnelUp { .. }));
    assert!(matches!(down, Action::TunnelDown { cause: DownCause::Replaced, .. }));
    assert!(
        matches!(call, Action::CallDown { call, cause: DownCause::Replaced } if *call == old_call)
    );
    assert!(bench.take_sent().iter().all(|bytes| Seen::parse(bytes).kind != 4));
    assert_eq!(bench.lns.tunnel_count(), 1);
}

#[test]
fn a_late_copy_of_the_sccrq_harms_nobody() {
    let (mut bench, _) = Bench::dialled(esp(1), 1);
    let call = bench.calls_up()[0];
    bench.actions.clear();
    bench.hear(esp(1), &Lac::new(7, 1).dial(0)).unwrap();
    bench.wait(40);
    assert!(bench.actions.is_empty(), "{:?}", bench.actions);
    assert!(bench.lns.data_header(call).is_some());
    assert_eq!(bench.lns.tunnel_count(), 1);
}

#[test]
fn a_client_that_gives_up_before_it_hears_us_is_understood() {
    for carrier in [esp(1), udp(5000)] {
        let mut bench = Bench::new();
        let mut lac = Lac::new(7, 0);
        bench.hear(carrier, &lac.dial(0)).unwrap();
        bench.take_sent();
        let stop = lac.say(0, 0, stop_ccn(7));
        bench.hear(carrier, &stop).unwrap();
        let ack = Seen::parse(&bench.take_sent()[0]);
        assert_eq!((ack.tunnel, ack.kind, ack.nr), (7, 0, 2));
        assert!(matches!(
            bench.actions[..],
            [Action::DialFailed { cause: FailureCause::PeerClosed, .. }]
        ));
        assert_eq!(bench.hear(carrier, &stop), Err(DropReason::UnknownTunnel));
        bench.wait(40);
        assert_eq!(bench.lns.tunnel_count(), 0);
    }
}

#[test]
fn messages_that_come_early_wait_for_their_turn() {
    let mut bench = Bench::new();
    let mut lac = Lac::new(7, 0);
    bench.hear(esp(1), &lac.dial(0)).unwrap();
    lac.peer_tunnel = Seen::parse(&bench.take_sent()[0]).avp_u16(9);
    lac.nr = 1;
    let connected = lac.say(0, 0, message(3, &[]));
    let mut requests = vec![];
    for session in 1..=6 {
        requests.push(lac.say(0, 0, icrq(session)));
    }
    for bytes in requests.iter().rev() {
        bench.hear(esp(1), bytes).unwrap();
        assert!(bench.take_sent().is_empty());
    }
    assert_eq!(bench.hear(esp(1), &requests[2]), Err(DropReason::Duplicate));
    bench.hear(esp(1), &connected).unwrap();
    assert_eq!(bench.lns.call_count(), 6);
    let sessions: Vec<u16> =
        bench.take_sent().iter().map(|bytes| Seen::parse(bytes).session).collect();
    assert_eq!(sessions, [1, 2], "as many as slow start lets out");
}

#[test]
fn a_message_outside_the_receive_window_is_dropped() {
    let (mut bench, lac) = Bench::dialled(esp(1), 0);
    let ids = (lac.peer_tunnel, 0);
    let ahead = |by: u16| control(ids, lac.ns + by, lac.nr, &icrq(44 + by));
    bench.hear(esp(1), &ahead(7)).unwrap();
    assert_eq!(bench.hear(esp(1), &ahead(8)), Err(DropReason::OutsideWindow));
    let unsent = control(ids, lac.ns, lac.nr + 1, &icrq(99));
    assert_eq!(bench.hear(esp(1), &unsent), Err(DropReason::OutsideWindow));
    assert_eq!(bench.lns.call_count(), 0);
}

#[test]
fn our_goodbye_is_repeated_until_it_is_acknowledged() {
    let (mut bench, mut lac) = Bench::dialled(udp(5000), 1);
    let Action::TunnelUp { tunnel, .. } = bench.actions[0] else { panic!() };
    let mut out = Out::new();
    bench.lns.close_tunnel(bench.now, tunnel, ResultCode::SHUTDOWN, &mut out);
    bench.collect(out);
    let first = bench.take_sent().remove(0);
    let seen = Seen::parse(&first);
    assert_eq!((seen.kind, seen.avp(1)), (4, Some(&[0, 6, 0, 0][..])));
    let said = bench.wait(4);
    assert!(said.iter().all(|(_, bytes)| *bytes == first) && said.len() == 2, "{said:?}");
    assert_eq!((bench.lns.call_count(), bench.lns.tunnel_count()), (0, 1));
    for bytes in lac.hear(0, &first) {
        bench.hear(udp(5000), &bytes).unwrap();
    }
    assert!(lac.stopped);
    bench.wait(1);
    assert_eq!((bench.lns.tunnel_count(), bench.lns.deadline()), (0, None));
}

#[test]
fn a_goodbye_that_nobody_acknowledges_ends_too() {
    let (mut bench, _) = Bench::dialled(esp(1), 1);
    let Action::TunnelUp { tunnel, .. } = bench.actions[0] else { panic!() };
    let mut out = Out::new();
    bench.lns.close_tunnel(bench.now, tunnel, ResultCode::CLEAR, &mut out);
    bench.collect(out);
    bench.take_sent();
    assert_eq!(bench.wait(60).len(), 5);
    assert_eq!((bench.lns.tunnel_count(), bench.lns.deadline()), (0, None));
}

#[test]
fn no_more_messages_are_under_way_than_the_client_has_room_for() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 12);
    for call in bench.calls_up() {
        let mut out = Out::new();
        bench.lns.close_call(bench.now, call, ResultCode::ADMINISTRATIVE, &mut out);
        bench.collect(out);
    }
    let mut under_way = bench.take_sent();
    assert_eq!(under_way.len(), 4, "the client has announced a window of four");
    assert!(bench.lns.data_header(bench.calls_up()[11]).is_none());
    let mut heard = 0;
    while !under_way.is_empty() {
        for bytes in core::mem::take(&mut under_way) {
            heard += 1;
            for answer in lac.hear(0, &bytes) {
                bench.hear(esp(1), &answer).unwrap();
            }
            under_way.extend(bench.take_sent());
        }
    }
    assert_eq!((heard, lac.calls.len(), bench.lns.call_count()), (12, 0, 0));
    assert!(!bench.actions.iter().any(|action| matches!(action, Action::CallDown { .. })));
}

#[test]
fn after_a_loss_only_the_first_message_is_repeated() {
    let (mut bench, lac) = Bench::dialled(esp(1), 12);
    for call in bench.calls_up() {
        let mut out = Out::new();
        bench.lns.close_call(bench.now, call, ResultCode::ADMINISTRATIVE, &mut out);
        bench.collect(out);
    }
    let first = Seen::parse(&bench.take_sent()[0]).ns;
    let again = bench.wait(2);
    assert_eq!(again.len(), 1);
    assert_eq!(Seen::parse(&again[0].1).ns, first);
    // The client had three of the four.
    bench.hear(esp(1), &control((lac.peer_tunnel, 0), lac.ns, first + 3, &[])).unwrap();
    let next: Vec<u16> = bench.take_sent().iter().map(|bytes| Seen::parse(bytes).ns).collect();
    assert_eq!(next[0], first + 3);
    assert!(next.len() <= 3, "slow start begins anew: {next:?}");
}

#[test]
fn a_call_whose_iccn_never_comes_is_ended() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.hear(esp(1), &lac.say(0, 0, icrq(33))).unwrap();
    for bytes in bench.take_sent() {
        lac.hear(0, &bytes);
    }
    bench.hear(esp(1), &lac.ack()).unwrap();
    bench.wait(30);
    bench.hear(esp(1), &lac.ack()).unwrap();
    let said = bench.wait(50);
    let cdn = said.iter().map(|(at, bytes)| (*at, Seen::parse(bytes))).find(|it| it.1.kind == 14);
    let (at, cdn) = cdn.expect("a CDN");
    assert_eq!(at / 1_000, 32, "62 s after its ICRQ");
    assert_eq!((cdn.session, cdn.avp(1)), (33, Some(&[0, 10, 0, 0][..])));
    assert_eq!(bench.lns.call_count(), 0);
    assert!(bench.calls_up().is_empty());
}

#[test]
fn a_session_id_that_is_used_again_names_a_new_call() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 1);
    let (ours, _) = lac.calls[0];
    let old = bench.calls_up()[0];
    bench.hear(esp(1), &lac.say(0, 0, icrq(ours))).unwrap();
    assert!(matches!(bench.actions.last(),
        Some(Action::CallDown { call, cause: DownCause::Replaced }) if *call == old));
    let seen = Seen::parse(&bench.take_sent()[0]);
    lac.nr += 1;
    bench.hear(esp(1), &lac.say(0, seen.avp_u16(14), iccn())).unwrap();
    assert_eq!((bench.calls_up().len(), bench.lns.call_count()), (2, 1));
}

#[test]
fn an_sccrq_must_be_the_first_message() {
    let mut bench = Bench::new();
    for bytes in [control((0, 0), 1, 0, &sccrq(7)), control((0, 5), 0, 0, &sccrq(7))] {
        assert_eq!(bench.hear(esp(1), &bytes), Err(DropReason::UnexpectedMessage));
    }
    assert_eq!(bench.hear(esp(1), &control((0, 0), 0, 0, &[])), Err(DropReason::UnknownTunnel));
    assert!(bench.take_sent().is_empty());
}

#[test]
fn a_client_that_ended_its_tunnel_may_repeat_that_though_it_has_acknowledged_all() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.hear(esp(1), &lac.say(0, 0, icrq(33))).unwrap();
    bench.take_sent();
    let stop = lac.say(0, 0, stop_ccn(7));
    bench.hear(esp(1), &stop).unwrap();
    bench.take_sent();
    lac.nr += 1;
    bench.hear(esp(1), &control((lac.peer_tunnel, 0), lac.ns, lac.nr, &[])).unwrap();
    bench.wait(20);
    assert_eq!(bench.hear(esp(1), &stop), Err(DropReason::Duplicate));
    assert_eq!(Seen::parse(&bench.take_sent()[0]).kind, 0);
}

/// RFC 2661 §4.4.3.
#[test]
fn a_client_that_does_not_tell_its_window_has_one_of_four() {
    let mut bench = Bench::new();
    let mut request = sccrq(7);
    request.retain(|avp| avp[4..6] != [0, 10]);
    let mut lac = Lac::new(7, 0);
    let first = lac.say(0, 0, request);
    bench.talk(esp(1), &mut lac, first);
    let mut windows = Vec::new();
    for round in 0..6 {
        for call in 0..8 {
            let _ = bench.hear(esp(1), &lac.say(0, 0, icrq(100 + round * 8 + call)));
        }
        let under_way = bench.take_sent().iter().filter(|sent| Seen::parse(sent).kind != 0).count();
        windows.push(under_way);
        lac.nr += under_way as u16;
        // What there is no room for is refused, and that is a message too.
        let _ = bench.hear(esp(1), &control((lac.peer_tunnel, 0), lac.ns, lac.nr, &[]));
        let under_way = bench.take_sent().iter().filter(|sent| Seen::parse(sent).kind != 0).count();
        windows.push(under_way);
        lac.nr += under_way as u16;
        let _ = bench.hear(esp(1), &control((lac.peer_tunnel, 0), lac.ns, lac.nr, &[]));
        lac.nr += bench.take_sent().len() as u16;
    }
    assert_eq!(windows.iter().max(), Some(&4), "{windows:?}");
}
