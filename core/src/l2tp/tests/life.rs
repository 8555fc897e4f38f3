//! HELLO, silence and the end of carriers.

use super::lac::{Seen, avp, control, data, iccn, icrq, message};
use super::*;

fn kinds(said: &[(u64, Vec<u8>)]) -> Vec<(u64, u16)> {
    said.iter().map(|(at, bytes)| ((at + 500) / 1_000, Seen::parse(bytes).kind)).collect()
}

#[test]
fn a_quiet_tunnel_says_hello_and_a_silent_one_ends_after_two_minutes() {
    for carrier in [esp(1), udp(5000)] {
        let (mut bench, _) = Bench::dialled(carrier, 1);
        bench.actions.clear();
        let said = bench.wait(119);
        let hellos = [60, 61, 63, 67, 75, 83].map(|at| (at, 6));
        assert_eq!(kinds(&said)[..6], hellos);
        assert!(bench.actions.is_empty(), "nobody is dropped before 120 s of silence");
        let said = bench.wait(2);
        assert_eq!(Seen::parse(&said[0].1).kind, 4);
        let [down, call] = &bench.actions[..] else { panic!("{:?}", bench.actions) };
        assert!(matches!(down, Action::TunnelDown { cause: DownCause::Silence, .. }));
        assert!(matches!(call, Action::CallDown { cause: DownCause::Silence, .. }));
        bench.wait(40);
        assert_eq!((bench.lns.tunnel_count(), bench.lns.deadline()), (0, None));
    }
}

#[test]
fn a_client_that_answers_hello_stays() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 1);
    bench.actions.clear();
    for minute in 0..10 {
        let said = bench.wait(60 - u64::from(minute == 0));
        let said = if said.is_empty() { bench.wait(1) } else { said };
        assert_eq!(said.len(), 1);
        assert_eq!(Seen::parse(&said[0].1).kind, 6);
        for bytes in lac.hear(bench.now.as_micros(), &said[0].1) {
            bench.hear(esp(1), &bytes).unwrap();
        }
    }
    assert!(bench.actions.is_empty());
}

#[test]
fn a_client_that_never_answers_hello_stays_while_its_data_flows() {
    let (mut bench, lac) = Bench::dialled(esp(1), 1);
    bench.actions.clear();
    let frame = data((lac.peer_tunnel, lac.calls[0].1), true, b"\xff\x03\x00\x21");
    let mut said = Vec::new();
    for _ in 0..40 {
        said.extend(bench.wait(100));
        bench.hear(esp(1), &frame).unwrap();
    }
    assert!(bench.actions.is_empty());
    assert!(said.iter().all(|(_, bytes)| Seen::parse(bytes).kind == 6));
    assert!(said.len() < 80, "{} HELLOs in 4000 s are no flood", said.len());
    bench.wait(121);
    assert!(matches!(bench.actions[0], Action::TunnelDown { cause: DownCause::Silence, .. }));
}

#[test]
fn data_that_flows_keeps_hello_away() {
    let (mut bench, lac) = Bench::dialled(esp(1), 1);
    let frame = data((lac.peer_tunnel, lac.calls[0].1), true, b"\xff\x03\x00\x21");
    for _ in 0..50 {
        assert!(bench.wait(59).is_empty());
        bench.hear(esp(1), &frame).unwrap();
    }
    let Action::TunnelUp { tunnel, .. } = bench.actions[0] else { panic!() };
    assert!(bench.wait(59).is_empty());
    bench.lns.note_heard(bench.now, tunnel);
    assert!(bench.wait(59).is_empty());
    assert_eq!(bench.wait(2).len(), 1);
}

#[test]
fn data_outside_an_established_call_does_not_count() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 1);
    let (_, theirs) = lac.calls[0];
    bench.hear(esp(1), &lac.say(0, 0, icrq(33))).unwrap();
    let nascent = Seen::parse(&bench.take_sent()[0]).avp_u16(14);
    let mut hear = |ids| bench.hear(esp(1), &data(ids, true, b"\xff\x03"));
    assert_eq!(hear((lac.peer_tunnel, nascent)), Err(DropReason::LinkDown));
    assert_eq!(hear((lac.peer_tunnel, 0)), Err(DropReason::UnknownCall));
    assert_eq!(hear((lac.peer_tunnel ^ 1, theirs)), Err(DropReason::UnknownTunnel));
    assert_eq!(hear((0, theirs)), Err(DropReason::UnknownTunnel));
    assert!(hear((lac.peer_tunnel, theirs)).is_ok());
}

#[test]
fn a_tunnel_that_no_call_is_made_in_is_closed() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.actions.clear();
    for _ in 0..5 {
        bench.wait(30);
        let hello = lac.say(0, 0, message(6, &[]));
        let _ = bench.hear(esp(1), &hello);
    }
    let [failed, down] = &bench.actions[..] else { panic!("{:?}", bench.actions) };
    assert!(matches!(failed, Action::DialFailed { cause: FailureCause::Silence, .. }));
    assert!(matches!(down, Action::TunnelDown { cause: DownCause::Expired, .. }));
}

#[test]
fn a_tunnel_that_goes_down_ends_its_calls_one_by_one() {
    let (mut bench, _) = Bench::dialled(esp(1), 12);
    let Action::TunnelUp { tunnel, .. } = bench.actions[0] else { panic!() };
    let calls = bench.calls_up();
    bench.actions.clear();
    let mut out = Out::new();
    bench.lns.close_tunnel(bench.now, tunnel, ResultCode::CLEAR, &mut out);
    bench.collect(out);
    assert!(matches!(bench.actions[..], [Action::TunnelDown { .. }]));
    assert!(calls.iter().all(|&call| bench.lns.data_header(call).is_none()));
    for left in (0..12).rev() {
        assert!(bench.lns.deadline().is_some_and(|at| at <= bench.now));
        let mut out = Out::new();
        assert!(bench.lns.handle_timeout(bench.now, &mut out));
        assert_eq!(out.iter().count(), 1);
        bench.collect(out);
        assert_eq!(bench.lns.call_count(), left);
    }
    bench.run_timers();
    let down = |action: &Action| match action {
        Action::CallDown { call, cause: DownCause::Administrative } => Some(*call),
        _ => None,
    };
    assert_eq!(bench.actions.iter().filter_map(down).collect::<Vec<_>>(), calls);
}

#[test]
fn a_tunnel_that_was_ending_is_told_down_for_its_own_cause() {
    let (mut bench, _) = Bench::dialled(esp(1), 3);
    bench.wait(119);
    bench.actions.clear();
    bench.now += Duration::from_secs(2);
    let mut out = Out::new();
    while !bench.actions.iter().any(|action| matches!(action, Action::TunnelDown { .. })) {
        assert!(bench.lns.handle_timeout(bench.now, &mut out), "it is given up");
        bench.collect(core::mem::take(&mut out));
    }
    assert_eq!(bench.lns.call_count(), 3, "its calls go one by one");
    let Carrier::Esp { peer, .. } = esp(1) else { unreachable!() };
    assert!(bench.lns.close_carrier(peer, &mut out));
    bench.collect(out);
    bench.run_timers();
    assert_eq!(bench.actions.len(), 4, "{:?}", bench.actions);
    for action in &bench.actions {
        let (Action::TunnelDown { cause, .. } | Action::CallDown { cause, .. }) = action else {
            panic!("{action:?}");
        };
        assert_eq!(*cause, DownCause::Silence);
    }
    assert_eq!((bench.lns.tunnel_count(), bench.lns.call_count()), (0, 0));
}

#[test]
fn a_peer_that_is_gone_takes_its_tunnels_along_without_a_word() {
    let mut bench = Bench::new();
    for (peer, tunnel) in [(1, 7), (1, 8), (2, 7)] {
        bench.dial(esp(peer), tunnel, 2);
    }
    let mut opening = lac::Lac::new(9, 0);
    bench.hear(esp(1), &opening.dial(0)).unwrap();
    bench.take_sent();
    bench.actions.clear();
    let peer = |index| PeerId::from(Key { index, generation: 0 });
    for left in [true, true, true, false, false] {
        let mut out = Out::new();
        assert_eq!(bench.lns.close_carrier(peer(1), &mut out), left);
        assert!(out.iter().count() <= 1);
        bench.collect(out);
    }
    bench.run_timers();
    assert!(bench.take_sent().is_empty());
    let downs = |wanted: fn(&Action) -> bool| bench.actions.iter().filter(|it| wanted(it)).count();
    let cause =
        |it: &Action| matches!(it, Action::TunnelDown { cause: DownCause::CarrierDown, .. });
    assert_eq!(downs(cause), 2);
    let cause = |it: &Action| matches!(it, Action::CallDown { cause: DownCause::CarrierDown, .. });
    assert_eq!(downs(cause), 4);
    assert_eq!(bench.actions.len(), 6);
    assert_eq!((bench.lns.tunnel_count(), bench.lns.call_count()), (1, 2));
}

#[test]
fn frames_are_numbered_where_the_client_demands_it() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    bench.hear(esp(1), &lac.say(0, 0, icrq(33))).unwrap();
    let seen = Seen::parse(&bench.take_sent()[0]);
    lac.nr += 1;
    let mut connected = iccn();
    connected.push(avp(39, &[]));
    bench.hear(esp(1), &lac.say(0, seen.avp_u16(14), connected)).unwrap();
    let call = bench.calls_up()[0];
    for expected in 0..3 {
        let (_, header) = bench.lns.data_header(call).unwrap();
        assert_eq!((header.sequence, header.len()), (Some(expected), 12));
    }
}

#[test]
fn numbers_wrap_after_65535_in_both_directions() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    let Action::TunnelUp { tunnel, .. } = bench.actions[0] else { panic!() };
    bench.lns.tunnels.find_mut(tunnel).unwrap().channel.skip_to(65_530, 65_531);
    (lac.ns, lac.nr) = (65_531, 65_530);
    for session in 0..20 {
        let bytes = lac.say(0, 0, icrq(500 + session));
        bench.hear(esp(1), &bytes).unwrap();
        assert_eq!(bench.hear(esp(1), &bytes), Err(DropReason::Duplicate));
        bench.take_sent();
        let hang_up =
            control((lac.peer_tunnel, 0), lac.ns, lac.nr.wrapping_add(1), &lac::cdn(500 + session));
        lac.nr = lac.nr.wrapping_add(1);
        lac.ns = lac.ns.wrapping_add(1);
        bench.hear(esp(1), &hang_up).unwrap();
        assert_eq!(bench.lns.call_count(), 0);
    }
    assert!(lac.ns < 100 && lac.nr < 100);
}
