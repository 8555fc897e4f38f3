//! What happens a second time: keepalives, probes, deletions, the loss of the last IPsec SA.

use super::*;

fn up(lab: &mut Lab, seed: u8, from: SocketAddr) -> (Client, SaParams) {
    let mut client = Client::new(seed);
    lab.main_mode(&mut client, from);
    let (_, params) = lab.quick_mode(&mut client, from, 7);
    (client, params)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn say(lab: &mut Lab, message: &[u8]) -> (Result<(), DropReason>, Vec<Seen>) {
    lab.deliver(path(4500, home()), message)
}

fn cookies(client: &Client) -> Vec<u8> {
    [&client.cookies.0[..], &client.cookies.1].concat()
}

/// A message of dead peer detection.
fn liveness(client: &mut Client, id: u32, kind: u16, number: u32) -> Vec<u8> {
    let body = client::notify(kind, 1, &cookies(client), &number.to_be_bytes());
    client.informational(id, &[(11, body)])
}

const R_U_THERE: u16 = 36136;
const R_U_THERE_ACK: u16 = 36137;

/// The number in a message of ours of dead peer detection of this kind.
fn number_in(client: &Client, message: &[u8], kind: u16) -> u32 {
    let told = client.read(message);
    let [(11, body)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(body[6..8], kind.to_be_bytes());
    assert_eq!(body[8..24], cookies(client));
    u32::from_be_bytes(body[24..].try_into().unwrap())
}

fn deleted(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| matches!(seen, Seen::Delete(_))).count()
}

#[test]
fn a_server_behind_nat_keeps_the_mapping_alive_for_as_long_as_the_peer_is_there() {
    let mut lab = Lab::new();
    // The hashes of the test client never fit: it knows us by another address.
    let (_, params) = up(&mut lab, 1, home());
    let began = lab.now;
    let mut times = Vec::new();
    lab.wait(TICK.times(20));
    for _ in 0..130 {
        lab.ike.handle_heard(lab.now, params.peer);
        let seen = lab.wait(secs(1));
        for seen in seen {
            let Seen::Keepalive(to) = seen else { panic!("{seen:?}") };
            assert_eq!(to, path(4500, home()));
            times.push(lab.now.since(began).as_secs());
        }
    }
    assert_eq!(times, [20, 40, 60, 80, 100, 120]);
    // To where the peer is.
    let moved = path(4500, ([203, 0, 113, 50], 6).into());
    lab.with_cx(|ike, cx, out| ike.handle_moved(cx.now, params.peer, moved, out));
    let seen = lab.wait(secs(11));
    assert!(matches!(seen[..], [Seen::Keepalive(to)] if to == moved), "{seen:?}");
}

#[test]
fn a_server_that_is_not_behind_nat_sends_no_keepalives() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.outer = Some([([192, 0, 2, 1], 500).into(), home()]);
    lab.main_mode(&mut client, home());
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    for _ in 0..10 {
        lab.ike.handle_heard(lab.now, params.peer);
        assert!(lab.wait(secs(10)).is_empty());
    }
}

#[test]
fn a_silent_peer_is_asked_every_ten_seconds_with_numbers_that_grow() {
    let mut lab = Lab::new();
    let (client, _) = up(&mut lab, 1, home());
    let began = lab.now;
    let mut asked = Vec::new();
    lab.wait(TICK.times(20));
    for _ in 0..119 {
        let seen = lab.wait(secs(1));
        let numbers = sent(&seen);
        let numbers = numbers.iter().map(|message| number_in(&client, message, R_U_THERE));
        asked.extend(numbers.map(|number| (lab.now.since(began).as_secs(), number)));
    }
    let first = asked[0].1;
    let expected: Vec<_> = (0..9).map(|at| (30 + 10 * u64::from(at), first + at)).collect();
    assert_eq!(asked, expected);
}

#[test]
fn who_answers_is_left_alone_and_asked_again_after_the_next_silence() {
    let mut lab = Lab::new();
    let (mut client, _) = up(&mut lab, 1, home());
    for round in 0..5 {
        let seen = lab.wait(secs(29));
        assert!(sent(&seen).is_empty(), "round {round}");
        let seen = lab.wait(secs(1) + TICK);
        let number = number_in(&client, &sent(&seen)[0], R_U_THERE);
        let ack = liveness(&mut client, 100 + round, R_U_THERE_ACK, number);
        assert_eq!(say(&mut lab, &ack).0, Ok(()));
    }
    assert_eq!(lab.ike.peer_count(), 1);
}

#[test]
fn an_answer_to_a_question_that_was_not_asked_is_none() {
    let mut lab = Lab::new();
    let (mut client, _) = up(&mut lab, 1, home());
    let unasked = liveness(&mut client, 90, R_U_THERE_ACK, 5);
    assert_eq!(say(&mut lab, &unasked).0, Err(DropReason::Replayed));
    let seen = lab.wait(secs(30) + TICK);
    let number = number_in(&client, &sent(&seen)[0], R_U_THERE);
    let elsewhere = path(4500, ([203, 0, 113, 66], 6).into());
    for (id, other) in [(91, number + 1), (92, number - 1), (93, 0)] {
        let ack = liveness(&mut client, id, R_U_THERE_ACK, other);
        let (result, seen) = lab.deliver(elsewhere, &ack);
        assert_eq!(result, Err(DropReason::Replayed));
        assert!(seen.is_empty(), "nobody moves");
    }
    let ack = liveness(&mut client, 94, R_U_THERE_ACK, number);
    assert_eq!(say(&mut lab, &ack).0, Ok(()));
    let again = liveness(&mut client, 95, R_U_THERE_ACK, number);
    assert_eq!(say(&mut lab, &again).0, Err(DropReason::Replayed), "once is enough");
    let short = client::notify(R_U_THERE_ACK, 1, &cookies(&client), &[0, 1]);
    let short = client.informational(96, &[(11, short)]);
    assert_eq!(say(&mut lab, &short).0, Err(DropReason::BadPayload));
}

#[test]
fn who_is_contested_stays_only_with_the_number_that_was_asked() {
    for (off, stays) in [(0, true), (1, false)] {
        let mut lab = Lab::new();
        let (mut old, _) = up(&mut lab, 1, home());
        lab.wait(secs(10));
        let other_port = (home().ip(), 29_582).into();
        let seen = lab.main_mode_with(&mut Client::new(2), other_port, true);
        let probe = seen.iter().find_map(|seen| match seen {
            Seen::Send(to, message) if to.remote == home() => Some(message.clone()),
            _ => None,
        });
        let number = number_in(&old, &probe.expect("a probe"), R_U_THERE);
        let ack = liveness(&mut old, 77, R_U_THERE_ACK, number.wrapping_add(off));
        let _ = say(&mut lab, &ack);
        let seen = lab.wait(secs(3));
        let expected: &[DownCause] = if stays { &[] } else { &[DownCause::Replaced] };
        assert_eq!(downs(&seen), expected);
    }
}

#[test]
fn every_probe_of_the_peer_with_a_number_that_grows_is_answered() {
    let mut lab = Lab::new();
    let (mut client, _) = up(&mut lab, 1, home());
    for (id, number, answered) in
        [(50, 7, true), (51, 8, true), (52, 8, false), (53, 6, false), (54, 4_000_000_000, true)]
    {
        let probe = liveness(&mut client, id, R_U_THERE, number);
        let (result, seen) = say(&mut lab, &probe);
        assert_eq!(result.is_ok(), answered, "{number}");
        if answered {
            assert_eq!(number_in(&client, &sent(&seen)[0], R_U_THERE_ACK), number);
        } else {
            assert!(seen.is_empty());
        }
    }
}

#[test]
fn a_delete_that_names_many_ipsec_sas_ends_all_of_them_at_once() {
    for count in [4, 5, 9] {
        let mut lab = Lab::new();
        let (mut client, _) = up(&mut lab, 1, home());
        let mut spis = Vec::from([client.quick.spi]);
        for id in 1..count {
            client.quick.spi += 1;
            spis.push(client.quick.spi);
            lab.quick_mode(&mut client, home(), 100 + id);
        }
        // One more stays.
        client.quick.spi = 0x9999;
        let (_, last) = lab.quick_mode(&mut client, home(), 99);
        assert_eq!(lab.ike.counted().children, count as usize + 1);
        let octets: Vec<_> = spis.iter().map(|spi| spi.to_be_bytes()).collect();
        let named: Vec<&[u8]> = octets.iter().map(|octets| &octets[..]).collect();
        let goodbye = client.informational(31, &[(12, client::delete(3, &named))]);
        let (result, mut seen) = say(&mut lab, &goodbye);
        assert_eq!(result, Ok(()));
        seen.extend(lab.wait(TICK));
        assert_eq!(deleted(&seen), count as usize);
        assert_eq!(lab.ike.counted().children, 1);
        assert!(lab.ike.find_child(last.spi_in).is_some());
    }
}

#[test]
fn two_deletes_in_one_message_both_count() {
    let mut lab = Lab::new();
    let (mut client, _) = up(&mut lab, 1, home());
    let first = client.quick.spi.to_be_bytes();
    client.quick.spi += 1;
    let second = client.quick.spi.to_be_bytes();
    lab.quick_mode(&mut client, home(), 8);
    let both = [(12, client::delete(3, &[&first])), (12, client::delete(3, &[&second]))];
    let goodbye = client.informational(31, &both);
    let (_, seen) = say(&mut lab, &goodbye);
    assert_eq!(deleted(&seen), 2);
    // Neither protocol nor length of an SPI is guessed.
    client.quick.spi += 1;
    lab.quick_mode(&mut client, home(), 9);
    let spi = client.quick.spi.to_be_bytes();
    for odd in [client::delete(2, &[&spi]), client::delete(3, &[&spi[..2]])] {
        let message = client.informational(32 + u32::from(odd[4]), &[(12, odd)]);
        let (_, seen) = say(&mut lab, &message);
        assert_eq!(deleted(&seen), 0);
    }
}

#[test]
fn a_peer_whose_last_ipsec_sa_is_gone_is_given_up_after_a_minute() {
    let mut lab = Lab::new();
    let (mut client, params) = up(&mut lab, 1, home());
    lab.wait(secs(10));
    let gone = |client: &mut Client, id| {
        let spi = client.quick.spi.to_be_bytes();
        client.informational(id, &[(12, client::delete(3, &[&spi]))])
    };
    let goodbye = gone(&mut client, 31);
    assert_eq!(say(&mut lab, &goodbye).0, Ok(()));
    lab.wait(secs(59));
    assert_eq!(lab.ike.peer_count(), 1, "it may make another");
    client.quick.spi += 1;
    lab.quick_mode(&mut client, home(), 8);
    lab.ike.handle_heard(lab.now, params.peer);
    assert!(downs(&lab.wait(secs(70))).is_empty(), "it did");
    // The second time it does not.
    let goodbye = gone(&mut client, 32);
    assert_eq!(say(&mut lab, &goodbye).0, Ok(()));
    assert!(downs(&lab.wait(secs(59))).is_empty());
    let seen = lab.wait(secs(1) + TICK);
    assert_eq!(downs(&seen), [DownCause::Expired]);
    assert!(matches!(events(&seen)[..], [Event::PeerDown { .. }]), "no dial has failed");
    let told = client.read(&sent(&seen)[0]);
    assert_eq!((told[0].0, told[0].1[4]), (12, 1), "a Delete of the IKE SA");
    assert_eq!(lab.ike.counted(), Counted::default());
    assert_eq!(lab.ike.deadline(), None);
}

#[test]
fn a_peer_that_never_had_an_ipsec_sa_is_told_as_a_dial_that_failed() {
    let mut lab = Lab::new();
    lab.main_mode(&mut Client::new(1), home());
    let seen = lab.wait(secs(61));
    let [Event::DialFailed(failure), Event::PeerDown { .. }] = &events(&seen)[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(failure.stage, crate::event::Stage::Phase2);
}

#[test]
fn a_second_quick_mode_takes_over_and_the_first_pair_ends_in_its_time() {
    let mut lab = Lab::new();
    let (mut client, first) = up(&mut lab, 1, home());
    client.quick.spi += 1;
    let (_, second) = lab.quick_mode(&mut client, home(), 8);
    let began = lab.now;
    let (mut ends, mut told) = (Vec::new(), Vec::new());
    lab.wait(TICK.times(20));
    for _ in 0..740 {
        lab.ike.handle_heard(lab.now, first.peer);
        let seen = lab.wait(secs(5));
        let informational = sent(&seen).into_iter().filter(|message| message[18] == 5);
        told.extend(informational.flat_map(|message| client.read(&message)));
        for seen in &seen {
            if let Seen::Delete(spi) = seen {
                ends.push((spi.0, lab.now.since(began).as_secs()));
            }
        }
    }
    // Both have the same time; the second was asked to be replaced, and nobody answered.
    ends.sort_unstable();
    assert_eq!(ends, [(first.spi_in.0, 3_600), (second.spi_in.0, 3_600)]);
    for spi in [first.spi_in, second.spi_in] {
        let goodbye = (12, client::delete(3, &[&spi.0.to_be_bytes()]));
        assert!(told.contains(&goodbye), "the peer is told: {told:?}");
    }
}

#[test]
fn silence_is_over_at_its_second_and_not_with_the_next_probe() {
    let dead_after = secs(125);
    let mut lab = Lab::with(&Limits::server(8), &IpsecConfig { dead_after, ..settings() });
    up(&mut lab, 1, home());
    assert!(downs(&lab.wait(secs(124))).is_empty());
    assert_eq!(downs(&lab.wait(secs(1) + TICK.times(4))), [DownCause::Silence]);
}

#[test]
fn any_sound_message_of_phase_2_shows_that_message_6_has_come() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    lab.main_mode(&mut client, home());
    assert_eq!(lab.ike.negotiation_count(), 1, "kept for a lost message 6");
    let probe = liveness(&mut client, 9, R_U_THERE, 1);
    assert_eq!(say(&mut lab, &probe).0, Ok(()));
    assert_eq!(lab.ike.negotiation_count(), 0);
}
