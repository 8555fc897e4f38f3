//! A client that asks for more than our queue of answers takes.

use super::lac::{Seen, control, icrq, message};
use super::*;

/// Ten requests for calls from a client that acknowledges nothing.
fn ask_for_ten() -> (Bench, lac::Lac, usize) {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 0);
    for number in 0..10 {
        let ns = lac.ns + number;
        let bytes = control((lac.peer_tunnel, 0), ns, lac.nr, &icrq(40 + number));
        let _ = bench.hear(esp(1), &bytes);
    }
    lac.ns += 10;
    let calls = bench.lns.call_count();
    (bench, lac, calls)
}

#[test]
fn requests_wait_until_there_is_room_for_their_answers() {
    let (mut bench, mut lac, calls) = ask_for_ten();
    assert_eq!(calls, 7, "one place is for the last message, and one for what comes with it");
    let mut answers = std::collections::BTreeSet::new();
    loop {
        let sent: Vec<_> = bench.take_sent().iter().map(|bytes| Seen::parse(bytes)).collect();
        let Some(last) = sent.iter().filter(|seen| seen.kind == 11).map(|seen| seen.ns).max()
        else {
            break;
        };
        answers.extend(sent.iter().filter(|seen| seen.kind == 11).map(|seen| seen.session));
        lac.nr = last + 1;
        let _ = bench.hear(esp(1), &lac.ack());
    }
    assert!(answers.into_iter().eq(40..50), "each has its answer");
    assert_eq!(bench.lns.call_count(), 10);
}

#[test]
fn a_crowded_tunnel_that_ends_acknowledges_all_the_same() {
    let (mut bench, lac, _) = ask_for_ten();
    bench.take_sent();
    let Action::TunnelUp { tunnel, .. } = bench.actions[0] else { panic!() };
    let mut out = Out::new();
    bench.lns.close_tunnel(bench.now, tunnel, ResultCode::SHUTDOWN, &mut out);
    bench.collect(out);
    let sent = bench.take_sent();
    let stop = Seen::parse(sent.last().expect("StopCCN"));
    assert_eq!(stop.kind, 4);
    // What it said last, and what it says now.
    let last = stop.nr;
    let hello = control((lac.peer_tunnel, 0), last, lac.nr, &message(6, &[]));
    let _ = bench.hear(esp(1), &hello);
    let said = bench.wait(1);
    let acks = said.iter().map(|(_, bytes)| Seen::parse(bytes).nr);
    assert_eq!(acks.max(), Some(last + 1));
}
