//! Single rules of the link, frame by frame.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::bench::{Bench, CHAP, IPCP, LCP, PAP, authenticated, parse, respond, up};
use super::client::{Habits, hex, packet};
use super::{CONFIG, Faults, World};
use crate::credentials::{Refusal, Verdict};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DownCause, FailureCause, Stage};
use crate::ppp::{Action, Data, Link, LinkConfig, Out};
use crate::store::model::Random;
use crate::time::Instant;
use crate::wire::ppp::Protocol;

#[test]
fn a_client_that_speaks_first_gets_our_request_with_its_answer() {
    let now = Instant::from_micros(1);
    let (link, rng) = (Link::new(now, &CONFIG), Rng::from_seed([3; 32]));
    let mut bench = Bench { link, rng, now, verdict: None, dropped: None };
    bench.run(|link, now, _, out| link.start(now, out));
    let said = bench.take(LCP, 1, 9, &[]);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("C021 01 01 "), "{said:?}");
    assert!(bench.wait(0).is_empty());
}

#[test]
fn an_ack_waits_for_the_clients_own() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    assert!(bench.take(LCP, 1, 9, &[7, 2]).is_empty());
    assert!(bench.take(LCP, 1, 10, &[8, 2]).is_empty(), "another request");
    let (id, options) = parse(&sent[0]);
    let said = bench.take(LCP, 2, id, &options);
    assert_eq!(said[0], "C021 02 0a 0802", "to the newest");
    assert!(said[1].starts_with("C223 01 "), "{said:?}");
}

#[test]
fn a_client_that_asks_a_third_time_is_acked_at_once() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    assert!(bench.take(LCP, 1, 9, &[7, 2]).is_empty());
    assert!(bench.take(LCP, 1, 9, &[7, 2]).is_empty());
    for id in 9..12 {
        assert_eq!(bench.take(LCP, 1, id, &[7, 2]), [format!("C021 02 {id:02x} 0702")]);
    }
    let (id, options) = parse(&sent[0]);
    assert_eq!(bench.take(LCP, 2, id, &options).len(), 1, "the Challenge alone");
}

#[test]
fn an_ack_that_waits_is_forgotten_with_its_request() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    assert!(bench.take(LCP, 1, 9, &[7, 2]).is_empty());
    assert_eq!(bench.take(LCP, 1, 10, &[13, 3, 6]), ["C021 04 0a 0D0306"]);
    let (id, options) = parse(&sent[0]);
    assert!(bench.take(LCP, 2, id, &options).is_empty());
    // The longest that anybody sends is answered, if not kept.
    let long = [[7, 2]; 40].concat();
    assert_eq!(bench.take(LCP, 1, 11, &long)[0][..10], *"C021 02 0b");
}

#[test]
fn a_link_is_small() {
    assert!(size_of::<Link>() < 800, "{}", size_of::<Link>());
}

#[test]
fn we_ask_for_mru_authentication_and_magic() {
    let (_, sent) = Bench::new(&CONFIG);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("C021 01 01 010405780305C223810506"), "{}", sent[0]);
    assert_eq!(parse(&sent[0]).1.len(), 15);
}

#[test]
fn an_empty_request_is_acked() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    assert_eq!(bench.open_lcp(&sent[0], &[])[0], "C021 02 09 ");
}

#[test]
fn unknown_options_are_rejected_byte_for_byte_and_alone() {
    let (mut bench, _) = Bench::new(&CONFIG);
    let callback = [13, 3, 6];
    let mrru = [17, 4, 0x05, 0xdc];
    let endpoint = [19, 9, 3, 0, 1, 2, 3, 4, 5];
    let authentication = [3, 4, 0xc2, 0x27];
    let unknown = [0xee, 2];
    let mru = [1, 4, 0x05, 0x78];
    let request =
        [&mru[..], &callback, &[7, 2], &mrru, &unknown, &endpoint, &[8, 2], &authentication];
    let rejected = [&callback[..], &mrru, &unknown, &endpoint, &authentication].concat();
    let expected = format!("C021 04 2a {}", hex(&rejected));
    assert_eq!(bench.take(LCP, 1, 0x2a, &request.concat()), [expected]);

    // Whatever is rejected is a part of the request, option by option, in its order.
    let mut random = Random(4);
    for _ in 0..2_000 {
        let options: Vec<Vec<u8>> = (0..random.below(6))
            .map(|_| {
                let len = random.below(12);
                let mut option = vec![random.next() as u8, len as u8 + 2];
                option.extend((0..len).map(|_| random.next() as u8));
                option
            })
            .collect();
        let unknown: Vec<u8> = options
            .iter()
            .filter(|option| !matches!(option[0], 1 | 2 | 5 | 7 | 8))
            .flatten()
            .copied()
            .collect();
        let (mut bench, _) = Bench::new(&CONFIG);
        let lines = bench.take(LCP, 1, 1, &options.concat());
        if unknown.is_empty() {
            assert!(lines.iter().all(|line| !line.starts_with("C021 04")), "{lines:?}");
        } else {
            assert_eq!(lines, [format!("C021 04 01 {}", hex(&unknown))]);
        }
    }
}

#[test]
fn a_bad_value_is_naked_and_after_five_times_rejected() {
    let (mut bench, _) = Bench::new(&CONFIG);
    for id in 0..5 {
        let lines = bench.take(LCP, 1, id, &[1, 4, 0, 100]);
        assert_eq!(lines, [format!("C021 03 {id:02x} 01040240")]);
    }
    assert_eq!(bench.take(LCP, 1, 5, &[1, 4, 0, 100]), ["C021 04 05 01040064"]);
    for (bad, good) in [("0103", "010405DC"), ("0203", "020600000000"), ("0703", "0702")] {
        let (mut bench, _) = Bench::new(&CONFIG);
        let (_, mut option) = parse(&format!("- - 00 {bad}"));
        option.push(0);
        assert_eq!(bench.take(LCP, 1, 1, &option), [format!("C021 03 01 {good}")]);
    }
}

#[test]
fn our_own_magic_number_thrown_back_is_naked() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let (_, request) = parse(&sent[0]);
    let magic = &request[9..15];
    let lines = bench.take(LCP, 1, 1, magic);
    assert!(lines[0].starts_with("C021 03 01 0506"), "{lines:?}");
    assert!(!lines[0].ends_with(&hex(&magic[2..])));
    assert!(bench.take(LCP, 1, 2, &[5, 6, 0, 0, 0, 0])[0].starts_with("C021 03 02 0506"));
}

#[test]
fn options_that_do_not_add_up_are_dropped() {
    let (mut bench, _) = Bench::new(&CONFIG);
    for bad in [&[1][..], &[1, 1], &[1, 0], &[1, 5, 0, 0], &[7, 2, 5]] {
        assert!(bench.take(LCP, 1, 1, bad).is_empty());
        assert!(bench.dropped.is_some());
    }
}

#[test]
fn a_repeated_request_is_answered_again_in_every_state() {
    let mut bench = up(&CONFIG, &[]);
    for _ in 0..3 {
        assert_eq!(bench.take(LCP, 1, 9, &[]), ["C021 02 09 "]);
        let again = bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]);
        assert_eq!(again, ["8021 02 01 0306C0A81E0A"]);
    }
    // One that comes late and is older than what was agreed on changes nothing.
    assert!(bench.take(LCP, 1, 8, &[13, 3, 6]).is_empty());
    assert_eq!(bench.dropped, Some(DropReason::Duplicate));
    assert!(bench.link.data(&[0x21]).is_some());
}

#[test]
fn the_address_is_answered_when_it_is_known() {
    let mut bench = authenticated(&CONFIG, &[]);
    let request =
        [&[2, 6, 0, 0x2d, 15, 1][..], &[3, 6, 0, 0, 0, 0], &[129, 6, 0, 0, 0, 0]].concat();
    assert_eq!(bench.take(IPCP, 1, 1, &request), ["address? None"]);
    assert!(bench.take(IPCP, 1, 1, &request).is_empty(), "asked once");
    let lines = bench.assign();
    assert_eq!(lines[0], "8021 01 01 0306C0A81E01");
    assert_eq!(lines[1], "8021 04 01 0206002D0F01");
    let lines = bench.take(IPCP, 1, 2, &request[6..]);
    assert_eq!(lines, ["8021 03 02 0306C0A81E0A8106C0A81E01"]);
}

#[test]
fn an_address_is_asked_for_though_the_client_waits() {
    let mut bench = authenticated(&CONFIG, &[]);
    assert_eq!(bench.wait(1), ["1: address? None"]);
    assert_eq!(bench.assign(), ["8021 01 01 0306C0A81E01"]);
    // A request without an address is told to have one.
    assert_eq!(bench.take(IPCP, 1, 1, &[]), ["8021 03 01 0306C0A81E0A"]);
}

#[test]
fn a_client_that_insists_on_its_address_never_gets_it() {
    let mut bench = authenticated(&CONFIG, &[]);
    let theirs = [3, 6, 10, 0, 0, 1];
    bench.take(IPCP, 1, 1, &theirs);
    let sent = bench.assign();
    let (id, options) = parse(&sent[0]);
    bench.take(IPCP, 2, id, &options);
    for id in 2..50 {
        let lines = bench.take(IPCP, 1, id, &theirs);
        assert_eq!(lines, [format!("8021 03 {id:02x} 0306C0A81E0A")]);
    }
    // Whoever does not give in is shown out.
    let mut lines = bench.wait(40);
    lines.extend(bench.wait(40));
    let last = lines.pop().unwrap();
    assert!(last.contains("down Failed Some((Address, "), "{last}");
}

#[test]
fn our_own_address_is_a_formality() {
    let mut bench = authenticated(&CONFIG, &[]);
    bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]);
    let sent = bench.assign();
    let nak = [3, 6, 10, 0, 0, 1];
    let (id, _) = parse(&sent[0]);
    let lines = bench.take(IPCP, 3, id, &nak);
    assert_eq!(lines, ["8021 01 02 0306C0000008"]);
    assert_eq!(bench.take(IPCP, 3, 2, &nak), ["8021 01 03 "]);
    assert_eq!(bench.take(IPCP, 2, 3, &[]), ["8021 02 01 0306C0A81E0A", "up 1400"]);
}

#[test]
fn protocols_that_we_do_not_speak_are_rejected() {
    let mut bench = authenticated(&CONFIG, &[]);
    let ccp = bench.take(0x80fd, 1, 1, &[18, 6, 1, 0, 0, 0x60]);
    assert_eq!(ccp[0][..7], *"C021 08");
    assert_eq!(
        parse(&ccp[0]).1,
        [&[0x80, 0xfd, 1, 1, 0, 10][..], &[18, 6, 1, 0, 0, 0x60]].concat()
    );
    assert_eq!(bench.dropped, Some(DropReason::UnknownProtocol));
    for protocol in [0x8057, 0xc227, 0x8235, 0x00fd] {
        assert_eq!(bench.take(protocol, 1, 1, &[0; 1400])[0][..7], *"C021 08", "{protocol:x}");
    }
    let long = bench.take(0x80fd, 1, 1, &[0; 1400]);
    assert!(parse(&long[0]).1.len() <= 576 - 4, "fits every MRU");
}

#[test]
fn unknown_codes_are_rejected_in_their_protocol() {
    let mut bench = up(&CONFIG, &[]);
    let lines = bench.take(LCP, 200, 3, &[1, 2]);
    assert_eq!(lines[0][..7], *"C021 07");
    assert_eq!(parse(&lines[0]).1, [200, 3, 0, 6, 1, 2]);
    assert_eq!(bench.take(IPCP, 8, 3, &[])[0][..7], *"8021 07");
    for tolerated in [10, 11, 12, 13] {
        assert!(bench.take(LCP, tolerated, 1, &[1, 2, 3, 4]).is_empty());
        assert_eq!(bench.dropped, None);
    }
}

#[test]
fn a_wrong_password_may_be_typed_three_times() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let challenge = bench.open_lcp(&sent[0], &[]);
    let (mut id, data) = parse(&challenge[1]);
    let mut challenge = data[1..17].to_vec();
    let mut seen = vec![challenge.clone()];
    for attempt in 1..=3 {
        let (response, _) = respond(&challenge, "wrong");
        assert_eq!(bench.take(CHAP, 2, id, &response), ["who?"], "attempt {attempt}");
        assert!(bench.take(CHAP, 2, id, &response).is_empty(), "not asked again");
        assert_eq!(bench.dropped, Some(DropReason::Duplicate));
        let lines = bench.tell(bench.verdict.unwrap());
        assert_eq!(lines[0][..10], format!("C223 04 {id:02x}"));
        let text = String::from_utf8(parse(&lines[0]).1).unwrap();
        let retry = u8::from(attempt < 3);
        assert!(text.starts_with(&format!("E=691 R={retry} C=")), "{text}");
        assert!(text.ends_with(" V=3 M=Access denied"), "{text}");
        if attempt == 3 {
            assert_eq!(lines[1][..7], *"C021 05");
            break;
        }
        assert_eq!(bench.take(CHAP, 2, id, &response), lines, "the same answer again");
        challenge = parse(&format!("- - 00 {}", &text[12..44])).1;
        assert!(!seen.contains(&challenge));
        seen.push(challenge.clone());
        id = id.wrapping_add(1);
    }
    let lines = bench.wait(10);
    let expected = "down Failed Some((Authentication, Refused(WrongPassword)))";
    assert_eq!(lines.last().unwrap(), &format!("2: {expected}"));
}

#[test]
fn the_right_password_after_a_wrong_one_is_enough() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let challenge = bench.open_lcp(&sent[0], &[]);
    let (id, data) = parse(&challenge[1]);
    let (response, _) = respond(&data[1..17], "wrong");
    bench.take(CHAP, 2, id, &response);
    let lines = bench.tell(bench.verdict.unwrap());
    let text = String::from_utf8(parse(&lines[0]).1).unwrap();
    let (response, proof) = respond(&parse(&format!("- - 00 {}", &text[12..44])).1, "pass");
    assert_eq!(bench.take(CHAP, 2, id.wrapping_add(1), &response), ["who?"]);
    let success = bench.tell(bench.verdict.unwrap());
    let text = String::from_utf8(parse(&success[0]).1).unwrap();
    assert_eq!(text, format!("S={proof} M=Welcome"));
    // It is repeated until the client goes on, and on request.
    assert_eq!(bench.take(CHAP, 2, id.wrapping_add(1), &response), success);
    assert_eq!(bench.dropped, None);
    let again = bench.wait(6);
    assert_eq!(again.iter().filter(|line| line.contains("C223 03")).count(), 2, "{again:?}");
    bench.take(IPCP, 1, 1, &[3, 6, 0, 0, 0, 0]);
    assert!(bench.wait(20).iter().all(|line| !line.contains("C223")));
}

#[test]
fn our_own_challenge_is_no_answer() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let challenge = bench.open_lcp(&sent[0], &[]);
    let (id, data) = parse(&challenge[1]);
    let reflected = [&[49][..], &data[1..17], &[0; 8], &[1; 24], &[0], b"jiro"].concat();
    assert!(bench.take(CHAP, 2, id, &reflected).is_empty());
    assert_eq!(bench.dropped, Some(DropReason::UnexpectedPpp));
    // We answer no challenge either.
    assert!(bench.take(CHAP, 1, id, &data).is_empty());
    assert_eq!(bench.dropped, Some(DropReason::UnexpectedPpp));
    for size in [0, 1, 48, 50, 255] {
        let data = [&[size][..], &[7; 49], b"jiro"].concat();
        assert!(bench.take(CHAP, 2, id, &data).is_empty());
        assert!(bench.dropped.is_some());
    }
}

#[test]
fn each_challenge_is_another_and_silence_ends_it() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let first = bench.open_lcp(&sent[0], &[]);
    let mut seen = vec![parse(&first[1])];
    let lines = bench.wait(60);
    for line in lines.iter().filter_map(|line| line.split_once(": ")).map(|(_, line)| line) {
        if line.starts_with("C223 01") {
            let (id, data) = parse(line);
            assert!(seen.iter().all(|known| known.0 != id && known.1 != data));
            assert_eq!(data[17..], *b"kumihimo");
            seen.push((id, data));
        }
    }
    assert_eq!(seen.len(), 10);
    let last = lines.last().unwrap();
    assert!(last.ends_with("down Failed Some((Authentication, Silence))"), "{last}");
}

#[test]
fn a_verdict_may_take_minutes() {
    let habits = Habits::default();
    let mut world = World::new(habits, Faults::default(), 3);
    world.verdict_ms = 150_000;
    let took = world.run_until_up(200_000).expect("up");
    assert!((150_000..151_000).contains(&took));
    assert_eq!(world.questions, 1);
    let mut world = World::new(Habits::default(), Faults::default(), 3);
    world.verdict_ms = 1_000_000;
    world.run(300_000);
    let failure = (Stage::Authentication, FailureCause::Refused(Refusal::Timeout));
    assert_eq!(world.down, Some((DownCause::Failed, Some(failure))));
}

#[test]
fn pap_requests_are_known_by_their_content() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let (id, _) = parse(&sent[0]);
    let sent = bench.take(LCP, 3, id, &[3, 4, 0xc0, 0x23]);
    assert!(sent[0].starts_with("C021 01 02 010405780304C0230506"), "{sent:?}");
    assert_eq!(bench.open_lcp(&sent[0], &[]).len(), 1, "no Challenge");
    let request = b"\x04jiro\x04pass";
    assert_eq!(bench.take(PAP, 1, 1, request), ["who?"]);
    assert!(bench.take(PAP, 1, 2, request).is_empty());
    let verdict = bench.verdict.unwrap();
    assert_eq!(bench.tell(verdict)[0][..10], *"C023 02 02");
    assert_eq!(bench.take(PAP, 1, 3, request)[0][..10], *"C023 02 03");
    assert!(bench.take(PAP, 1, 4, b"\x04jiro\x04past").is_empty());
    for bad in [&b"\x09jiro"[..], b"", b"\x04jiro", b"\x04jiro\xffpass"] {
        assert!(bench.take(PAP, 1, 5, bad).is_empty());
        assert_eq!(bench.dropped, Some(DropReason::Truncated));
    }
}

#[test]
fn a_client_that_wants_eap_is_asked_again_and_then_for_pap() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let eap = [3, 4, 0xc2, 0x27];
    let sent = bench.take(LCP, 3, parse(&sent[0]).0, &eap);
    assert!(sent[0].contains("0305C22381"), "{sent:?}");
    let sent = bench.take(LCP, 3, parse(&sent[0]).0, &eap);
    assert!(sent[0].contains("0304C023"), "{sent:?}");
    let sent = bench.take(LCP, 3, parse(&sent[0]).0, &eap);
    assert!(sent[0].contains("0305C22381"), "{sent:?}");
    let sent = bench.take(LCP, 3, parse(&sent[0]).0, &eap);
    assert_eq!(sent[0][..7], *"C021 05");
    let last = bench.wait(5).pop().unwrap();
    assert!(last.ends_with("Some((Authentication, Refused(MethodRefused)))"), "{last}");
}

#[test]
fn without_pap_nobody_gets_to_it() {
    let config = LinkConfig { pap: false, ..CONFIG };
    let (mut bench, sent) = Bench::new(&config);
    let sent = bench.take(LCP, 3, parse(&sent[0]).0, &[3, 4, 0xc0, 0x23]);
    assert!(sent[0].contains("0305C22381"), "{sent:?}");
    let (id, options) = parse(&sent[0]);
    assert_eq!(bench.take(LCP, 4, id, &options[4..9])[0][..7], *"C021 05");
}

#[test]
fn nobody_is_dropped_before_two_minutes_of_silence() {
    let mut bench = up(&CONFIG, &[]);
    let lines = bench.wait(300);
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, at) in lines.iter().zip([30, 60, 90]) {
        assert!(line.starts_with(&format!("{at}: C021 09 ")), "{line}");
    }
    assert_eq!(lines[3], "120: down Silence None");
    assert_eq!(bench.link.deadline(), None);
}

#[test]
fn traffic_needs_no_echo() {
    let mut bench = up(&CONFIG, &[]);
    for _ in 0..60 {
        assert_eq!(bench.wait(20), [""; 0]);
        bench.link.note_heard(bench.now);
    }
    let echo = bench.wait(31);
    assert_eq!(echo.len(), 1);
    assert!(bench.take(LCP, 10, 1, &[0; 4]).is_empty());
    assert!(bench.wait(119).iter().all(|line| line.contains("C021 09")));
}

#[test]
fn an_echo_is_answered_with_our_magic_number() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let magic = parse(&sent[0]).1[11..15].to_vec();
    assert!(bench.take(LCP, 9, 7, &[0; 4]).is_empty(), "not before the link is open");
    bench.open_lcp(&sent[0], &[]);
    let lines = bench.take(LCP, 9, 7, &[1, 2, 3, 4, 0xaa, 0xbb]);
    assert_eq!(lines, [format!("C021 10 07 {}AABB", hex(&magic))]);
    assert!(bench.take(LCP, 9, 8, &magic).is_empty(), "a loop");
    assert!(bench.take(LCP, 9, 8, &magic[1..]).is_empty(), "too short");
}

#[test]
fn a_client_may_hang_up() {
    let mut bench = up(&CONFIG, &[]);
    assert_eq!(bench.take(LCP, 5, 77, b"bye"), ["C021 06 4d "]);
    assert!(bench.link.data(&[0x21]).is_none());
    assert_eq!(bench.take(LCP, 5, 77, b"bye"), ["C021 06 4d "]);
    assert_eq!(bench.wait(5), ["1: down PeerClosed None"]);
    assert!(bench.take(LCP, 5, 77, b"bye").is_empty());
}

#[test]
fn we_may_hang_up() {
    let mut bench = up(&CONFIG, &[]);
    let lines = bench.run(|link, now, _, out| link.close(now, DownCause::Administrative, out));
    assert_eq!(lines[0][..7], *"C021 05");
    let id = parse(&lines[0]).0;
    assert!(bench.run(|link, now, _, out| link.close(now, DownCause::Failed, out)).is_empty());
    assert_eq!(bench.take(LCP, 6, id, &[]), ["down Administrative None"]);
    let mut bench = up(&CONFIG, &[]);
    bench.run(|link, now, _, out| link.close(now, DownCause::LeaseLost, out));
    let lines = bench.wait(20);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], "2: down LeaseLost None");
    let mut link = Link::new(Instant::ZERO, &CONFIG);
    let mut out = Out::new();
    link.close(Instant::ZERO, DownCause::Administrative, &mut out);
    assert!(matches!(out.pop(), Some(Action::Down { cause: DownCause::Administrative, .. })));
}

#[test]
fn a_client_that_never_answers_is_given_up() {
    let (mut bench, _) = Bench::new(&CONFIG);
    let lines = bench.wait(100);
    assert_eq!(lines.iter().filter(|line| line.contains("C021 01 01")).count(), 14);
    assert_eq!(lines.last().unwrap(), "35: down Failed Some((Lcp, Silence))");
}

#[test]
fn no_address_is_a_failure_with_its_cause() {
    let mut bench = authenticated(&CONFIG, &[]);
    bench.take(IPCP, 1, 1, &[3, 6, 0, 0, 0, 0]);
    let none = Err(FailureCause::NoDhcpAnswer);
    let lines = bench.run(|link, now, rng, out| link.handle_assignment(now, rng, none, out));
    assert_eq!(lines[0][..7], *"C021 05");
    let last = bench.wait(5).pop().unwrap();
    assert!(last.ends_with("down Failed Some((Address, NoDhcpAnswer))"), "{last}");
}

#[test]
fn headers_are_shortened_only_for_who_asked() {
    let (acfc, pfc) = ([8, 2], [7, 2]);
    let cases: [(&[u8], &[u8]); 4] = [
        (&[], &[0xff, 3, 0, 0x21]),
        (&pfc, &[0xff, 3, 0x21]),
        (&acfc, &[0, 0x21]),
        (&[8, 2, 7, 2], &[0x21]),
    ];
    for (options, expected) in cases {
        let bench = up(&CONFIG, options);
        let (header, len) = bench.link.header(Protocol::IPV4);
        assert_eq!(&header[..len], expected);
        let packet = [expected, &[0x45, 0]].concat();
        assert_eq!(bench.link.data(&packet), Some(Data::Ipv4 { offset: expected.len() }));
    }
}

#[test]
fn packets_pass_only_when_the_link_is_up() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    let ipv4 = [0xff, 3, 0, 0x21, 0x45];
    assert_eq!(bench.link.data(&ipv4), None);
    bench.open_lcp(&sent[0], &[]);
    assert_eq!(bench.link.data(&ipv4), None);
    bench.frame(&ipv4);
    assert_eq!(bench.dropped, Some(DropReason::LinkDown));
    bench.take(IPCP, 1, 1, &[3, 6, 0, 0, 0, 0]);
    assert_eq!(bench.dropped, Some(DropReason::UnexpectedPpp), "not before authentication");
    let bench = up(&CONFIG, &[]);
    assert_eq!(bench.link.data(&ipv4), Some(Data::Ipv4 { offset: 4 }));
    assert_eq!(bench.link.data(&[0xff, 3, 0, 0x57, 0x60]), None);
    assert_eq!(bench.link.data(&[0xff, 3]), None);
}

#[test]
fn the_mtu_is_what_both_path_and_client_take() {
    for (mru, mtu) in [(1280, "up 1280"), (1500, "up 1400"), (65_535, "up 1400"), (576, "up 576")] {
        let [high, low] = u16::to_be_bytes(mru);
        let mut bench = authenticated(&CONFIG, &[1, 4, high, low]);
        bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]);
        let sent = bench.assign();
        let (id, options) = parse(&sent[0]);
        assert_eq!(bench.take(IPCP, 2, id, &options)[1], mtu);
    }
}

#[test]
fn a_client_that_negotiates_anew_proves_itself_anew() {
    let mut bench = up(&CONFIG, &[]);
    let lines = bench.take(LCP, 1, 0x40, &[5, 6, 1, 2, 3, 4]);
    assert_eq!(lines.len(), 1);
    assert!(bench.link.data(&[0x21]).is_none());
    let (id, options) = parse(&lines[0]);
    let challenge = bench.take(LCP, 2, id, &options);
    assert_eq!(challenge[0], "C021 02 40 050601020304");
    let (id, data) = parse(&challenge[1]);
    let (mut response, _) = respond(&data[1..17], "pass");
    let mut other = response.clone();
    other.extend(b"2");
    assert_eq!(bench.take(CHAP, 2, id, &response), ["who?"]);
    let verdict = bench.verdict.unwrap();
    let lines = bench.tell(verdict);
    assert_eq!(lines[0][..7], *"C223 03");
    assert_eq!(lines[1][..7], *"8021 01", "the address is known already");
    assert!(bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]).is_empty());
    let (id, options) = parse(&lines[1]);
    assert_eq!(bench.take(IPCP, 2, id, &options)[1], "up 1400");

    // Under another name the link is over.
    let lines = bench.take(LCP, 1, 0x60, &[5, 6, 1, 2, 3, 5]);
    let (id, options) = parse(&lines[0]);
    let challenge = bench.take(LCP, 2, id, &options);
    response.extend(b"2");
    assert_eq!(bench.take(CHAP, 2, parse(&challenge[1]).0, &response), ["who?"]);
    let lines = bench.tell(verdict);
    assert_eq!((&lines[0][..7], &lines[1][..7]), ("C223 04", "C021 05"));
}

#[test]
fn ipv6_is_negotiated_where_it_is_wanted() {
    let config = LinkConfig { ipv6: true, ..CONFIG };
    let (mut bench, sent) = Bench::new(&config);
    let challenge = bench.open_lcp(&sent[0], &[]);
    let (id, data) = parse(&challenge[1]);
    bench.take(CHAP, 2, id, &respond(&data[1..17], "pass").0);
    let lines = bench.tell(bench.verdict.unwrap());
    assert!(lines[1].starts_with("8057 01 01 010A"), "{lines:?}");
    let (id, ours) = parse(&lines[1]);
    assert_eq!(ours[2] & 2, 0, "not universal");
    let nak = bench.take(0x8057, 1, 1, &[1, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(nak[0].starts_with("8057 03 01 010A"), "{nak:?}");
    assert!(bench.take(0x8057, 1, 2, &ours)[0].starts_with("8057 03 02 010A"), "ours is taken");
    let (_, suggested) = parse(&nak[0]);
    assert!(bench.take(0x8057, 1, 3, &suggested).is_empty());
    assert_eq!(bench.link.interface_id(), None);
    assert_eq!(bench.take(0x8057, 2, id, &ours)[0][..7], *"8057 02");
    assert_eq!(bench.link.interface_id().unwrap(), suggested[2..]);
    assert_eq!(bench.link.data(&[0x57, 0x60]), Some(Data::Ipv6 { offset: 1 }));
}

#[test]
fn noise_in_every_phase_does_no_harm() {
    let mut random = Random(77);
    for round in 0..60 {
        let config = LinkConfig { ipv6: round % 2 == 0, ..CONFIG };
        let mut bench = match round % 4 {
            0 => Bench::new(&config).0,
            1 => {
                let (mut bench, sent) = Bench::new(&config);
                bench.open_lcp(&sent[0], &[]);
                bench
            }
            2 => authenticated(&config, &[]),
            _ => up(&CONFIG, &[]),
        };
        for _ in 0..400 {
            let protocol = [LCP, PAP, CHAP, IPCP, 0x8057, 0x80fd, 0xc227, 0x21][random.below(8)];
            let mut frame = vec![0xff, 3];
            frame.extend(protocol.to_be_bytes());
            let most = if random.below(10) == 0 { 1600 } else { 40 };
            let len = random.below(most);
            let mut data: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            if random.below(2) == 0 {
                // Something that hangs together.
                data = (0..random.below(5))
                    .flat_map(|_| {
                        let len = random.below(7);
                        let mut option = vec![random.below(20) as u8, len as u8 + 2];
                        option.extend((0..len).map(|_| random.next() as u8));
                        option
                    })
                    .collect();
            }
            frame.extend(packet(random.below(14) as u8, random.below(12) as u8, &data));
            if random.below(4) == 0 {
                let at = random.below(frame.len());
                frame[at] = random.next() as u8;
                frame.truncate(random.below(frame.len() + 1));
            }
            for line in bench.frame(&frame) {
                assert!(!line.starts_with("up "), "nobody gets in by noise: {line}");
            }
            match random.below(30) {
                0 => drop(bench.wait(random.below(5) as u64)),
                1 => drop(bench.tell(Verdict::Refuse(Refusal::WrongPassword))),
                2 => drop(bench.assign()),
                _ => {}
            }
        }
        bench.link.note_heard(bench.now);
        let lines = bench.wait(100_000);
        assert!(lines.len() < 400, "it comes to rest: {}", lines.len());
        assert_eq!(bench.link.deadline(), None, "and to an end");
    }
}
