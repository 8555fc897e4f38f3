//! Bad lines: loss, copies and packets that overtake each other, on a virtual clock.

use std::collections::BTreeMap;

use super::lac::Lac;
use super::*;
use crate::store::model::Random;

/// A line between a LAC and the LNS.
struct Line {
    random: Random,
    /// Packets under way, by when they arrive; `true` for those to the LNS.
    under_way: BTreeMap<(u64, u64), (bool, Vec<u8>)>,
    count: u64,
    loss: usize,
    copies: usize,
}

impl Line {
    fn send(&mut self, now: u64, to_lns: bool, bytes: &[u8]) {
        let copies = 1 + usize::from(self.random.below(100) < self.copies);
        for _ in 0..copies {
            if self.random.below(100) < self.loss {
                continue;
            }
            let late = if self.random.below(10) == 0 { 80_000 } else { 0 };
            let at = now + 10_000 + late + self.random.below(5_000) as u64;
            self.count += 1;
            self.under_way.insert((at, self.count), (to_lns, bytes.to_vec()));
        }
    }
}

/// Dials over a bad line; tells how long it took in seconds until every call was up.
fn dial(seed: u64, carrier: Carrier, calls: u16, loss: usize) -> Option<u64> {
    let mut bench = Bench::new();
    let mut lac = Lac::new(7, calls);
    let random = Random(seed);
    let mut line = Line { random, under_way: BTreeMap::new(), count: 0, loss, copies: 5 };
    let start = bench.now.as_micros();
    let first = lac.dial(start);
    line.send(start, true, &first);
    loop {
        let now = bench.now.as_micros();
        while let Some(entry) = line.under_way.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (to_lns, bytes) = entry.remove();
            if to_lns {
                let _ = bench.hear(carrier, &bytes);
            } else {
                for answer in lac.hear(now, &bytes) {
                    line.send(now, true, &answer);
                }
            }
        }
        for bytes in lac.repeat(now) {
            line.send(now, true, &bytes);
        }
        bench.run_timers();
        for bytes in bench.take_sent() {
            line.send(now, false, &bytes);
        }
        if bench.calls_up().len() == usize::from(calls) {
            let per_call: Vec<_> = bench.calls_up();
            assert!(per_call.iter().all(|&call| bench.lns.data_header(call).is_some()));
            return Some((now - start) / 1_000_000);
        }
        let arrival = line.under_way.keys().next().map_or(u64::MAX, |key| key.0);
        let timer = bench.lns.deadline().map_or(u64::MAX, Instant::as_micros);
        let next = arrival.min(timer).min(lac.deadline());
        if next > start + 120_000_000 {
            return None;
        }
        bench.now = bench.now.max(Instant::from_micros(next));
    }
}

#[test]
fn dials_come_up_over_a_line_that_loses_a_tenth() {
    for carrier in [esp(1), udp(1701)] {
        let mut slowest = 0;
        for seed in 1..300 {
            let took = dial(seed, carrier, 1, 10).expect("the call comes up");
            slowest = slowest.max(took);
        }
        assert!(slowest < 31, "{slowest} s");
    }
}

#[test]
fn many_calls_come_up_over_a_bad_line() {
    for seed in 1..60 {
        let took = dial(seed, esp(1), 12, 20);
        assert!(took.is_some(), "seed {seed}");
    }
}

#[test]
fn over_a_good_line_nothing_waits() {
    assert_eq!(dial(1, esp(1), 1, 0), Some(0));
}
