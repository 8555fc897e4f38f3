//! What is left over of a phase that is done does not count in the next one.

use std::string::String;
use std::vec::Vec;

use super::CONFIG;
use super::bench::{Bench, CHAP, IPCP, LCP, authenticated, parse, respond, up};
use crate::discard::DropReason;
use crate::event::DownCause;
use crate::ppp::LinkConfig;

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

/// A client whose first password was wrong, and what the next one has to answer.
fn refused() -> (Bench, u8, Vec<u8>) {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let challenge = bench.open_lcp(&sent[0], &[]);
    let (id, data) = parse(&challenge[1]);
    bench.take(CHAP, 2, id, &respond(&data[1..17], "wrong").0);
    let verdict = bench.verdict.unwrap();
    let lines = bench.tell(verdict);
    let text = String::from_utf8(parse(&lines[0]).1).unwrap();
    let challenge = parse(&std::format!("- - 00 {}", &text[12..44])).1;
    (bench, id.wrapping_add(1), challenge)
}

#[test]
fn who_negotiates_anew_before_it_asked_for_an_address_gets_none_before_it_proved_itself() {
    let mut bench = authenticated(&CONFIG, &[]);
    bench.take(LCP, 1, 0x40, &[5, 6, 1, 2, 3, 4]);
    let lines = bench.wait(3);
    assert!(!has(&lines, "address?"), "{lines:?}");
    // Where its dial ended is where it is now.
    let lines = bench.wait(100);
    assert_eq!(lines.last().unwrap()[4..], *"down Failed Some((Lcp, Silence))");
}

#[test]
fn once_we_hang_up_a_success_is_not_said_again() {
    let mut bench = authenticated(&CONFIG, &[]);
    bench.run(|link, now, _, out| link.close(now, DownCause::Administrative, out));
    let lines = bench.wait(10);
    assert!(has(&lines, "down Administrative") && !has(&lines, "C223"), "{lines:?}");
}

#[test]
fn a_wrong_password_is_forgotten_with_the_right_one() {
    let (mut bench, id, challenge) = refused();
    assert_eq!(bench.take(CHAP, 2, id, &respond(&challenge, "pass").0), ["who?"]);
    let verdict = bench.verdict.unwrap();
    bench.tell(verdict);
    bench.take(LCP, 5, 0x30, &[]);
    let lines = bench.wait(10);
    assert!(has(&lines, "down PeerClosed Some((Address, PeerClosed))"), "{lines:?}");
}

#[test]
fn a_failure_is_said_three_times_and_a_minute_is_left_for_another_try() {
    let (mut bench, _, _) = refused();
    let lines = bench.wait(59);
    assert_eq!(lines.iter().filter(|line| line.contains("C223 04")).count(), 2, "{lines:?}");
    assert!(!has(&lines, "C021 05"));
    assert!(has(&bench.wait(1), "C021 05"));
}

#[test]
fn an_older_request_is_late_for_ten_seconds_and_new_after_that() {
    let mut bench = up(&CONFIG, &[]);
    assert!(bench.take(LCP, 1, 8, &[7, 2]).is_empty());
    assert_eq!(bench.dropped, Some(DropReason::Duplicate));
    bench.wait(11);
    assert_eq!(bench.take(LCP, 1, 8, &[7, 2])[0][..7], *"C021 01");
}

#[test]
fn a_client_that_rejects_the_only_method_is_told_as_such() {
    let (mut bench, sent) = Bench::new(&LinkConfig { pap: false, ..CONFIG });
    let (id, _) = parse(&sent[0]);
    bench.take(LCP, 4, id, &[3, 5, 0xc2, 0x23, 0x81]);
    let lines = bench.wait(10);
    assert!(has(&lines, "Some((Authentication, Refused(MethodRefused)))"), "{lines:?}");
}

#[test]
fn a_protocol_that_is_rejected_when_it_is_not_spoken_is_of_no_concern() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    bench.open_lcp(&sent[0], &[]);
    assert!(bench.take(LCP, 8, 1, &[0x80, 0x21]).is_empty());
    let mut bench = up(&CONFIG, &[]);
    assert!(bench.take(LCP, 8, 1, &[0xc2, 0x23]).is_empty());
    assert!(bench.link.carries_ipv4());
    assert_eq!(bench.take(LCP, 8, 1, &[0x80, 0x21])[0][..7], *"C021 05");
}

#[test]
fn an_address_may_take_a_minute_from_when_it_is_asked_for() {
    let mut bench = authenticated(&CONFIG, &[]);
    assert!(has(&bench.wait(1), "address? None"));
    assert!(!has(&bench.wait(59), "C021 05"));
    assert!(has(&bench.wait(1), "C021 05"));
}

#[test]
fn a_magic_number_that_was_rejected_is_not_asked_for_again() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let (id, options) = parse(&sent[0]);
    let lines = bench.take(LCP, 4, id, &options[9..]);
    let (id, without) = parse(&lines[0]);
    assert_eq!(without, options[..9]);
    let lines = bench.take(LCP, 3, id, &[5, 6, 0, 0, 0, 1]);
    assert_eq!(parse(&lines[0]).1, without);
}

#[test]
fn an_address_that_comes_late_changes_nothing() {
    let mut bench = up(&CONFIG, &[]);
    assert!(bench.assign().is_empty());
    bench.take(LCP, 1, 0x40, &[5, 6, 1, 2, 3, 4]);
    assert!(bench.assign().is_empty());
    assert!(bench.take(IPCP, 1, 1, &[]).is_empty());
}
