//! How long we go on with a client that does not come to an end, the second time too.

use std::string::String;
use std::vec::Vec;

use super::CONFIG;
use super::bench::{Bench, CHAP, IPCP, LCP, PAP, authenticated, parse, respond, up};
use crate::discard::DropReason;
use crate::ppp::LinkConfig;
use crate::time::Duration;

/// Lets time pass in which the client agrees with all we ask for on `protocol`, and always asks
/// for `bad` itself; tells after how many seconds we say goodbye.
fn goodbye_after(bench: &mut Bench, protocol: u16, bad: &[u8]) -> Option<u64> {
    let requests = std::format!("{protocol:04X} 01 ");
    let mut said = bench.take(protocol, 1, 0x40, bad);
    for second in 0..100_u8 {
        for line in said.iter().filter_map(|line| line.find(&requests).map(|at| &line[at..])) {
            let (id, options) = parse(line);
            bench.take(protocol, 2, id, &options);
        }
        bench.take(protocol, 1, 0x41 + second, bad);
        said = bench.wait(1);
        if said.iter().any(|line| line.contains("C021 05")) {
            return Some(u64::from(second) + 1);
        }
    }
    None
}

#[test]
fn who_negotiates_anew_and_never_agrees_is_given_up_after_a_minute() {
    // A callback that it does not do without.
    let mut bench = up(&CONFIG, &[]);
    assert_eq!(goodbye_after(&mut bench, LCP, &[13, 3, 6]), Some(60));
    // An address that is not its own.
    let mut bench = up(&CONFIG, &[]);
    assert_eq!(goodbye_after(&mut bench, IPCP, &[3, 6, 1, 2, 3, 4]), Some(60));
}

#[test]
fn who_was_refused_and_types_no_other_password_is_given_up_after_a_minute() {
    let config = LinkConfig { ms_chap_v2: false, ..CONFIG };
    let (mut bench, sent) = Bench::new(&config);
    bench.open_lcp(&sent[0], &[]);
    bench.wait(30);
    assert_eq!(bench.take(PAP, 1, 1, b"\x04jiro\x04past"), ["who?"]);
    let verdict = bench.verdict.unwrap();
    assert_eq!(bench.tell(verdict)[0][..10], *"C023 03 01");
    let is_over = |lines: Vec<String>| lines.iter().any(|line| line.contains("C021 05"));
    assert!(!is_over(bench.wait(59)));
    assert!(is_over(bench.wait(1)));
}

#[test]
fn a_success_that_nobody_takes_is_said_ten_times() {
    let mut bench = authenticated(&CONFIG, &[]);
    let again = bench.wait(55);
    assert_eq!(again.iter().filter(|line| line.contains("C223 03")).count(), 9, "{again:?}");
}

#[test]
fn another_try_has_the_identifier_of_the_failure_or_the_next() {
    for (ahead, is_taken) in [(255, false), (0, true), (1, true), (2, false)] {
        let (mut bench, sent) = Bench::new(&CONFIG);
        let challenge = bench.open_lcp(&sent[0], &[]);
        let (id, data) = parse(&challenge[1]);
        bench.take(CHAP, 2, id, &respond(&data[1..17], "wrong").0);
        let verdict = bench.verdict.unwrap();
        bench.tell(verdict);
        let again = respond(&data[1..17], "another").0;
        let lines = bench.take(CHAP, 2, id.wrapping_add(ahead), &again);
        assert_eq!(!lines.is_empty(), is_taken, "{ahead} ahead: {lines:?}");
        assert_eq!(bench.dropped, (!is_taken).then_some(DropReason::UnexpectedPpp));
    }
}

#[test]
fn what_was_naked_in_one_negotiation_is_naked_in_the_next() {
    let mut bench = authenticated(&CONFIG, &[]);
    bench.take(IPCP, 1, 1, &[3, 6, 0, 0, 0, 0]);
    bench.assign();
    let dns = [129, 6, 1, 1, 1, 1];
    while bench.take(IPCP, 1, 2, &dns)[0].starts_with("8021 03") {}
    let lines = bench.take(LCP, 1, 0x40, &[5, 6, 1, 2, 3, 4]);
    let (id, options) = parse(&lines[0]);
    let challenge = bench.take(LCP, 2, id, &options);
    let (id, data) = parse(&challenge[1]);
    bench.take(CHAP, 2, id, &respond(&data[1..17], "pass").0);
    let verdict = bench.verdict.unwrap();
    bench.tell(verdict);
    assert_eq!(bench.take(IPCP, 1, 3, &dns)[0][..7], *"8021 03");
}

#[test]
fn naks_of_former_negotiations_do_not_count() {
    let mut bench = up(&CONFIG, &[]);
    for round in 0..30 {
        let lines = bench.take(LCP, 1, 0x40 + round, &[5, 6, 1, 2, 3, round]);
        let (id, _) = parse(&lines[0]);
        let lines = bench.take(LCP, 3, id, &[5, 6, 0, 0, 0, 1]);
        assert_eq!(lines[0][..7], *"C021 01", "round {round}");
        let (id, options) = parse(&lines[0]);
        assert_eq!(bench.take(LCP, 2, id, &options)[1][..7], *"C223 01", "round {round}");
    }
}

#[test]
fn silence_is_over_at_its_second_and_not_with_the_next_echo() {
    let config = LinkConfig { dead_after: Duration::from_secs(130), ..CONFIG };
    let mut bench = up(&config, &[]);
    assert!(bench.wait(129).iter().all(|line| !line.contains("down")));
    assert!(bench.wait(1).iter().any(|line| line.contains("down Silence")));
}
