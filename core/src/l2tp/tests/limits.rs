//! Full tables, quotas, and carriers that are mixed up.

use super::lac::{Lac, Seen, cdn, control, data, icrq, message, stop_ccn};
use super::*;

fn refusals(bench: &Bench) -> Vec<DropReason> {
    let reason = |action: &Action| match action {
        Action::Refused { reason, .. } => Some(*reason),
        _ => None,
    };
    bench.actions.iter().filter_map(reason).collect()
}

#[test]
fn a_full_table_of_tunnels_refuses_newcomers_and_keeps_the_others() {
    let mut bench = Bench::new();
    for peer in 0..8 {
        bench.dial(esp(peer), 7, 1);
    }
    for carrier in [esp(9), udp(9)] {
        let result = bench.hear(carrier, &Lac::new(7, 0).dial(0));
        assert_eq!(result, Err(DropReason::TunnelTableFull));
        let seen = Seen::parse(&bench.take_sent()[0]);
        assert_eq!((seen.kind, seen.avp(1)), (4, Some(&[0, 2, 0, 4][..])));
    }
    assert_eq!(refusals(&bench), [DropReason::TunnelTableFull; 2]);
    assert!(bench.calls_up().iter().all(|&call| bench.lns.data_header(call).is_some()));
}

#[test]
fn a_carrier_may_have_only_so_many_tunnels() {
    let mut bench = Bench::with(&Limits { tunnels_per_carrier: 3, ..limits() });
    let mut lacs: Vec<_> = (1..=3).map(|tunnel| bench.dial(esp(1), tunnel, 0)).collect();
    let result = bench.hear(esp(1), &Lac::new(4, 0).dial(0));
    assert_eq!(result, Err(DropReason::TunnelTableFull));
    bench.take_sent();
    bench.dial(esp(2), 4, 0);
    // One that is over does not count.
    let bytes = lacs[0].say(0, 0, stop_ccn(1));
    bench.hear(esp(1), &bytes).unwrap();
    bench.take_sent();
    bench.dial(esp(1), 4, 0);
}

#[test]
fn tunnels_that_are_over_do_not_pile_up() {
    let mut bench = Bench::with(&Limits { tunnels_per_carrier: 3, ..limits() });
    for round in 0..50 {
        let mut lac = bench.dial(esp(1), 100 + round, 0);
        let bytes = lac.say(0, 0, stop_ccn(100 + round));
        bench.hear(esp(1), &bytes).unwrap();
        bench.take_sent();
        assert!(bench.lns.tunnel_count() <= 3);
    }
    // Other carriers find room at the cost of those.
    for peer in 2..10 {
        bench.dial(esp(peer), 7, 0);
    }
    assert_eq!(bench.lns.tunnel_count(), 8);
}

#[test]
fn forged_requests_take_at_most_half_of_the_table() {
    let mut bench = Bench::new();
    for port in 0..1_000 {
        let _ = bench.hear(udp(port), &Lac::new(7, 0).dial(0));
        bench.take_sent();
        assert!(bench.lns.tunnel_count() <= 4);
    }
    assert!(refusals(&bench).is_empty(), "the oldest of them goes");
    for peer in 0..4 {
        bench.dial(esp(peer), 7, 1);
    }
    bench.dial(esp(9), 7, 1);
    bench.dial(udp(2_000), 7, 1);
    assert!(bench.calls_up().iter().all(|&call| bench.lns.data_header(call).is_some()));
}

#[test]
fn a_tunnel_may_have_only_so_many_calls() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 12);
    let bytes = lac.say(0, 0, icrq(999));
    assert_eq!(bench.hear(esp(1), &bytes), Err(DropReason::CallTableFull));
    let bytes = bench.take_sent().remove(0);
    let seen = Seen::parse(&bytes);
    assert_eq!((seen.kind, seen.session), (14, 999));
    assert_eq!(seen.avp(1), Some(&[0, 4, 0, 0][..]));
    assert_eq!(refusals(&bench), [DropReason::CallTableFull]);
    lac.hear(0, &bytes);
    let (ours, theirs) = lac.calls[0];
    let hang_up = lac.say(0, theirs, cdn(ours));
    bench.hear(esp(1), &hang_up).unwrap();
    let bytes = lac.say(0, 0, icrq(1_000));
    bench.hear(esp(1), &bytes).unwrap();
    assert_eq!(bench.lns.call_count(), 12);
}

#[test]
fn a_full_table_of_calls_refuses_newcomers() {
    let (mut bench, _) = Bench::dialled(esp(1), 12);
    let mut lac = bench.dial(esp(2), 7, 4);
    let bytes = lac.say(0, 0, icrq(999));
    assert_eq!(bench.hear(esp(2), &bytes), Err(DropReason::CallTableFull));
    assert_eq!(bench.lns.call_count(), 16);
}

#[test]
fn a_tunnel_is_found_only_on_its_own_carrier() {
    let other_port = |peer: u32| {
        let peer = PeerId::from(Key { index: peer, generation: 0 });
        Carrier::Esp { peer, port: 1702 }
    };
    let next_peer = PeerId::from(Key { index: 1, generation: 1 });
    let strangers =
        [esp(2), other_port(1), Carrier::Esp { peer: next_peer, port: 1701 }, udp(1701)];
    let (mut bench, lac) = Bench::dialled(esp(1), 1);
    let (ours, theirs) = lac.calls[0];
    let ids = (lac.peer_tunnel, 0);
    let attacks = [
        control(ids, lac.ns, lac.nr, &stop_ccn(7)),
        control((lac.peer_tunnel, theirs), lac.ns, lac.nr, &cdn(ours)),
        control(ids, lac.ns, lac.nr, &icrq(50)),
        control(ids, lac.ns, lac.nr, &[]),
        control((0, 0), lac.ns, lac.nr, &stop_ccn(7)),
        data((lac.peer_tunnel, theirs), true, b"\xff\x03\x00\x21"),
    ];
    bench.actions.clear();
    for stranger in strangers {
        for bytes in &attacks {
            assert_eq!(bench.hear(stranger, bytes), Err(DropReason::UnknownTunnel));
        }
    }
    assert!(bench.sent.is_empty() && bench.actions.is_empty());
    assert_eq!((bench.lns.tunnel_count(), bench.lns.call_count()), (1, 1));
    bench.hear(esp(1), &attacks[5]).unwrap();
}

#[test]
fn two_clients_that_choose_the_same_ids_do_not_meet() {
    let mut bench = Bench::new();
    let carriers = [udp(1701), udp(1702), esp(1), esp(2)];
    let lacs: Vec<_> = carriers.map(|carrier| bench.dial(carrier, 1, 1)).into();
    let calls = bench.calls_up();
    for (index, (lac, carrier)) in lacs.iter().zip(carriers).enumerate() {
        let frame = data((lac.peer_tunnel, lac.calls[0].1), false, b"\xff\x03\x00\x21");
        let Ok(Received::Data { call, .. }) = bench.hear(carrier, &frame) else { panic!() };
        assert_eq!(call, calls[index]);
        let (on, header) = bench.lns.data_header(call).unwrap();
        assert_eq!((on, header.tunnel.get(), header.session.get()), (carrier, 1, 101));
    }
}

#[test]
fn several_tunnels_and_calls_of_one_client_live_side_by_side() {
    let mut bench = Bench::new();
    let mut lacs: Vec<_> = (1..=3).map(|tunnel| bench.dial(esp(1), tunnel, 3)).collect();
    assert_eq!((bench.lns.tunnel_count(), bench.lns.call_count()), (3, 9));
    let bytes = lacs[1].say(0, 0, stop_ccn(2));
    bench.hear(esp(1), &bytes).unwrap();
    bench.run_timers();
    assert_eq!(bench.lns.call_count(), 6);
    for lac in [&lacs[0], &lacs[2]] {
        for &(_, theirs) in &lac.calls {
            bench.hear(esp(1), &data((lac.peer_tunnel, theirs), true, b"\xff\x03")).unwrap();
        }
    }
}

#[test]
fn no_table_at_all_refuses_everything() {
    let none = Limits { tunnels: 0, calls: 0, ..limits() };
    let mut bench = Bench::with(&none);
    for carrier in [esp(1), udp(1)] {
        let result = bench.hear(carrier, &Lac::new(7, 0).dial(0));
        assert_eq!(result, Err(DropReason::TunnelTableFull));
    }
    let hello = control((5, 0), 0, 0, &message(6, &[]));
    assert_eq!(bench.hear(esp(1), &hello), Err(DropReason::UnknownTunnel));
}

#[test]
fn a_session_costs_little_memory() {
    let (tunnel, call) = (size_of::<Slot<Tunnel>>(), size_of::<Slot<Call>>());
    assert!(tunnel <= 768 && call <= 128, "{tunnel} octets for a tunnel, {call} for a call");
}

#[test]
fn a_board_lends_the_memory() {
    let mut arrays = Arrays::<2, 16, 2, 2, 8>::new();
    let mut rng = Rng::from_seed([1; 32]);
    let mut lns = Lns::new(arrays.lend(), &limits(), "", &mut rng);
    let mut out = Out::new();
    let first = Lac::new(7, 0).dial(0);
    lns.handle_datagram(Instant::ZERO, &mut rng, esp(1), &first, &mut out).unwrap();
    let Some(Action::Send { message, .. }) = out.pop() else { panic!() };
    assert_eq!(Seen::parse(out.bytes(message)).avp(7), Some(&b"vpn"[..]));
}
