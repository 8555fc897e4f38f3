//! What strangers and attackers send.

use super::*;
use crate::event::{FailureCause, Stage};
use crate::store::model::Random;

#[test]
fn a_wrong_key_is_reported_once_and_the_right_message_still_counts() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let second = lab.ask(path(500, home()), &client.first());
    let fourth = lab.ask(path(500, home()), &client.third(&second));
    let fifth = client.fifth(&fourth, false);
    let mut forged = fifth.clone();
    forged[28..].iter_mut().for_each(|octet| *octet ^= 0x5a);
    let (result, seen) = lab.deliver(path(4500, home()), &forged);
    assert!(matches!(result, Err(DropReason::NotDecryptable | DropReason::HashMismatch)));
    let [Event::DialFailed(failure)] = &events(&seen)[..] else { panic!("{seen:?}") };
    assert_eq!((failure.stage, failure.cause), (Stage::Phase1, FailureCause::WrongKey));
    let (result, seen) = lab.deliver(path(4500, home()), &forged);
    assert!(result.is_err() && seen.is_empty());
    let sixth = lab.ask(path(4500, home()), &fifth);
    client.done(&sixth);
    lab.quick_mode(&mut client, home(), 7);
}

#[test]
fn a_client_with_another_key_gets_nothing() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.psk = b"another secret".to_vec();
    let second = lab.ask(path(500, home()), &client.first());
    let fourth = lab.ask(path(500, home()), &client.third(&second));
    let (result, seen) = lab.deliver(path(4500, home()), &client.fifth(&fourth, false));
    assert!(result.is_err());
    assert!(sent(&seen).is_empty());
    assert_eq!(lab.ike.peer_count(), 0);
}

#[test]
fn messages_of_phase_2_that_do_not_verify_change_nothing() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    lab.main_mode(&mut client, home());
    let (first, state) = client.quick_first(7);
    let mut forged = first.clone();
    let last = forged.len() - 1;
    forged[last - 20] ^= 1;
    assert!(lab.deliver(path(4500, home()), &forged).0.is_err());
    let second = lab.ask(path(4500, home()), &first);
    let agreed = client.quick_third(state, &second);
    let mut forged = agreed.third.clone();
    forged[40] ^= 1;
    assert!(lab.deliver(path(4500, home()), &forged).0.is_err());
    assert_eq!(lab.deliver(path(4500, home()), &agreed.third).0, Ok(()));
    let goodbye =
        client.informational(9, &[(12, client::delete(3, &[&client.quick.spi.to_be_bytes()]))]);
    let mut forged = goodbye.clone();
    forged[35] ^= 1;
    let (result, seen) = lab.deliver(path(4500, home()), &forged);
    assert!(result.is_err() && seen.is_empty());
    let mut plain = goodbye.clone();
    plain[19] = 0;
    assert!(lab.deliver(path(4500, home()), &plain).0.is_err());
    let (result, seen) = lab.deliver(path(4500, home()), &goodbye);
    assert_eq!(result, Ok(()));
    assert!(matches!(seen[..], [Seen::Delete(_)]));
}

#[test]
fn a_delete_reaches_only_what_is_the_peers_own() {
    let mut lab = Lab::new();
    let (mut one, mut other) = (Client::new(1), Client::new(2));
    let elsewhere = ([203, 0, 113, 9], 4500).into();
    lab.main_mode(&mut one, home());
    lab.quick_mode(&mut one, home(), 7);
    other.id = [1, 0, 0, 0, 10, 0, 0, 3].to_vec();
    lab.main_mode(&mut other, elsewhere);
    let spi = one.quick.spi.to_be_bytes();
    let cookies = [&one.cookies.0[..], &one.cookies.1].concat();
    let attack = other.informational(
        5,
        &[(12, client::delete(3, &[&spi])), (12, client::delete(1, &[&cookies]))],
    );
    let (result, seen) = lab.deliver(path(4500, elsewhere), &attack);
    assert_eq!(result, Ok(()));
    assert!(seen.is_empty());
    // Deleting twice harms nobody either.
    let goodbye =
        |client: &mut Client, id| client.informational(id, &[(12, client::delete(3, &[&spi]))]);
    let (_, seen) = lab.deliver(path(4500, home()), &goodbye(&mut one, 21));
    assert_eq!(seen.len(), 1);
    let (_, seen) = lab.deliver(path(4500, home()), &goodbye(&mut one, 22));
    assert!(seen.is_empty());
}

#[test]
fn bad_public_values_get_no_answer() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let second = lab.ask(path(500, home()), &client.first());
    let good = client.third(&second);
    let mut zero = good.clone();
    zero[32..32 + 128].fill(0);
    let mut one = zero.clone();
    one[32 + 127] = 1;
    let mut told = 0;
    for bad in [&zero, &one, &zero] {
        let (_, seen) = lab.deliver(path(500, home()), bad);
        assert!(sent(&seen).is_empty());
        told += events(&seen).len();
    }
    assert_eq!(told, 1, "once for each dial");
    let fourth = lab.ask(path(500, home()), &good);
    let sixth = lab.ask(path(4500, home()), &client.fifth(&fourth, false));
    client.done(&sixth);
}

#[test]
fn nothing_is_sent_on_a_timer_to_an_address_that_has_proven_nothing() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let second = lab.ask(path(500, home()), &client.first());
    lab.ask(path(500, home()), &client.third(&second));
    assert!(lab.wait(Duration::from_secs(59)).is_empty());
    let seen = lab.wait(Duration::from_secs(120));
    assert!(sent(&seen).is_empty());
    assert_eq!(lab.ike.negotiation_count(), 0);
    let [Event::DialFailed(failure)] = &events(&seen)[..] else { panic!("{seen:?}") };
    assert_eq!(failure.cause, FailureCause::Silence);
    assert_eq!(lab.ike.sas.len(), 0);
}

#[test]
fn strangers_never_get_more_than_they_sent_but_for_the_budget() {
    let mut lab = Lab::new();
    let mut random = Random(5);
    for seed in 0..40 {
        let mut client = Client::new(seed);
        if seed % 3 == 0 {
            client.vendor_ids.clear();
        }
        if seed % 5 == 0 {
            client.offer = Some(client::sa(1, &[], &[(1, client::attributes(&[(1, 1)]))]));
        }
        let first = client.first();
        for _ in 0..100 {
            let port = 500 + 4000 * (random.below(2) as u16);
            let _ = lab.deliver(path(port, home()), &first);
        }
    }
    let budget = quota::ADDRESS_BURST as usize;
    assert!(lab.octets_out <= lab.octets_in + budget);
    let one_each = 40 * 2 * 130;
    assert!(lab.octets_out < budget + one_each, "{} octets", lab.octets_out);
}

#[test]
fn one_address_cannot_take_all_half_open_places() {
    let mut lab = Lab::with(&Limits { half_open: 32, ..Limits::server(64) }, &settings());
    let mut refused = 0;
    for seed in 0..32 {
        let (result, _) = lab.deliver(path(500, home()), &Client::new(seed).first());
        refused += usize::from(result == Err(DropReason::HalfOpenQuota));
    }
    assert_eq!(refused, 24);
    let other = ([203, 0, 113, 1], 500).into();
    assert_eq!(lab.deliver(path(500, other), &Client::new(99).first()).0, Ok(()));
    let all = (0..60).map(|last| ([203, 0, 113, last], 500).into());
    for (seed, from) in all.enumerate() {
        let _ = lab.deliver(path(500, from), &Client::new(seed as u8).first());
    }
    assert_eq!(lab.ike.negotiation_count(), 32);
    lab.wait(Duration::from_secs(31));
    assert_eq!(lab.ike.negotiation_count(), 0);
    assert_eq!(lab.deliver(path(500, home()), &Client::new(1).first()).0, Ok(()));
}

/// Message 1 under a forged address, about `rate` times a second for `millis`.
fn flood(lab: &mut Lab, random: &mut Random, rate: u64, millis: u64) {
    for _ in 0..(rate * millis).div_ceil(1000) {
        let mut stranger = Client::new(random.next() as u8);
        stranger.cookies.0 = random.next().to_be_bytes().to_vec();
        let from = (random.next() as u32).to_be_bytes();
        let _ = lab.deliver(path(500, (from, 500).into()), &stranger.first());
        let pause = random.next() % (2_000_000 / rate);
        lab.wait(Duration::from_micros(pause));
    }
}

/// A whole main mode with a round trip of 200 ms in the midst of a flood.
fn dials_through(lab: &mut Lab, random: &mut Random, rate: u64, last: u8) -> bool {
    let (mut client, from) = (Client::new(last), ([203, 0, 113, last], 500).into());
    let (result, seen) = lab.deliver(path(500, from), &client.first());
    if result.is_err() {
        return false;
    }
    let second = sent(&seen)[0].clone();
    flood(lab, random, rate, 200);
    let fourth = lab.ask(path(500, from), &client.third(&second));
    // Now it may take its time.
    flood(lab, random, rate, 5_000);
    let from = ([203, 0, 113, last], 4500).into();
    let sixth = lab.ask(path(4500, from), &client.fifth(&fourth, false));
    client.done(&sixth);
    true
}

#[test]
fn a_slow_flood_of_first_messages_locks_nobody_out() {
    for half_open in [6, 300] {
        let mut random = Random(7);
        let mut lab = Lab::with(&Limits { half_open, ..Limits::server(64) }, &settings());
        flood(&mut lab, &mut random, 20, 40_000);
        // On a board every place is fought for: a newcomer tries until it gets in, but then it
        // comes through.
        for last in 1..9 {
            let tries = (0..60).position(|_| {
                let is_in = dials_through(&mut lab, &mut random, 20, last);
                flood(&mut lab, &mut random, 20, 500);
                is_in
            });
            let fair = if half_open == 6 { 60 } else { 1 };
            assert!(tries.is_some_and(|tries| tries < fair), "{half_open}: {tries:?}");
        }
        assert_eq!(lab.ike.peer_count(), 8);
    }
}

#[test]
fn who_has_proven_its_address_does_not_give_way() {
    let mut random = Random(9);
    let mut lab = Lab::with(&Limits { half_open: 4, ..Limits::server(64) }, &settings());
    let from = |last| ([203, 0, 113, last], 500).into();
    let mut clients: Vec<_> = (1..=3).map(Client::new).collect();
    let fourths = (1..).zip(&mut clients).map(|(last, client)| {
        let second = lab.ask(path(500, from(last)), &client.first());
        lab.ask(path(500, from(last)), &client.third(&second))
    });
    let fourths: Vec<_> = fourths.collect();
    flood(&mut lab, &mut random, 50, 20_000);
    for ((last, client), fourth) in (1..).zip(&mut clients).zip(&fourths) {
        let from = ([203, 0, 113, last], 4500).into();
        let sixth = lab.ask(path(4500, from), &client.fifth(fourth, false));
        client.done(&sixth);
    }
}

#[test]
fn a_full_table_of_peers_refuses_newcomers_and_keeps_the_others() {
    let limits = Limits { peers: 2, half_open: 16, ..Limits::server(8) };
    let mut lab = Lab::with(&limits, &settings());
    let from = |last| ([203, 0, 113, last], 4500).into();
    for last in 0..2 {
        lab.main_mode(&mut Client::new(last), from(last));
    }
    let mut late = Client::new(7);
    let second = lab.ask(path(500, from(7)), &late.first());
    let fourth = lab.ask(path(500, from(7)), &late.third(&second));
    let (result, seen) = lab.deliver(path(4500, from(7)), &late.fifth(&fourth, false));
    assert_eq!(result, Err(DropReason::PeerTableFull));
    assert!(sent(&seen).is_empty());
    assert!(matches!(events(&seen)[..], [Event::Refused { .. }]));
    assert_eq!(lab.ike.peer_count(), 2);
    assert_eq!(lab.ike.sas.len(), 2);
}

#[test]
fn no_spi_left_means_no_answer_and_nothing_leaks() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    lab.main_mode(&mut client, home());
    lab.spis.full = true;
    let (first, _) = client.quick_first(7);
    assert_eq!(lab.deliver(path(4500, home()), &first).0, Err(DropReason::SaTableFull));
    assert_eq!(lab.ike.exchanges.len(), 0);
    assert_eq!(lab.ike.children.len(), 0);
}

/// Random octets, and real messages with random changes, at every step of a dial.
#[test]
fn garbage_in_every_state_neither_panics_nor_leaks_nor_ends_the_dial() {
    let mut random = Random(77);
    for seed in 0..12 {
        let mut lab = Lab::new();
        let mut client = Client::new(seed);
        let mut known: Vec<Vec<u8>> = Vec::new();
        let pester = |lab: &mut Lab, known: &[Vec<u8>], random: &mut Random| {
            for _ in 0..150 {
                let mut junk: Vec<u8> = match random.below(4) {
                    0 => (0..random.below(200)).map(|_| random.next() as u8).collect(),
                    _ => known[random.below(known.len())].clone(),
                };
                for _ in 0..1 + random.below(4) {
                    let at = random.below(junk.len().max(1));
                    if let Some(octet) = junk.get_mut(at) {
                        *octet = random.next() as u8;
                    }
                }
                if random.below(8) == 0 {
                    junk.truncate(random.below(junk.len() + 1));
                }
                let port = 500 + 4000 * (random.below(2) as u16);
                let from = ([198, 51, 100, random.below(9) as u8], 4500).into();
                let _ = lab.deliver(path(port, from), &junk);
            }
        };
        let first = client.first();
        known.push(first.clone());
        pester(&mut lab, &known, &mut random);
        let second = lab.ask(path(500, home()), &first);
        let third = client.third(&second);
        known.push(third.clone());
        pester(&mut lab, &known, &mut random);
        lab.wait(Duration::from_secs(1));
        let (result, seen) = lab.deliver(path(500, home()), &third);
        // A changed copy of message 3 may have been answered first: then this dial is lost, as
        // main mode has it, and nothing else.
        let Some(fourth) = sent(&seen).first().cloned().filter(|_| result.is_ok()) else {
            continue;
        };
        let fifth = client.fifth(&fourth, false);
        known.push(fifth.clone());
        pester(&mut lab, &known, &mut random);
        let sixth = lab.ask(path(4500, home()), &fifth);
        client.done(&sixth);
        let (first, state) = client.quick_first(7);
        known.push(first.clone());
        pester(&mut lab, &known, &mut random);
        let second = lab.deliver(path(4500, home()), &first).1;
        let agreed = client.quick_third(state, &sent(&second)[0]);
        known.push(agreed.third.clone());
        pester(&mut lab, &known, &mut random);
        lab.wait(Duration::from_secs(40));
        assert_eq!(lab.ike.negotiation_count(), 0);
        assert_eq!(lab.ike.peer_count(), 1);
    }
}

/// Key exchanges of S15 (a) and hashes of S15 (e) of the reference of past vulnerabilities.
#[test]
fn malformed_key_exchanges_and_hashes_are_dropped_and_the_dial_goes_on() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let second = lab.ask(path(500, home()), &client.first());
    let good = client.third(&second);
    let list = client::payloads(good[16], &good[28..]);
    let (public, nonce) = (list[0].1.clone(), list[1].1.clone());
    let case = |list: &[(u8, Vec<u8>)]| client.plain(2, list);
    let mut long = public.clone();
    long.push(1);
    let bad = [
        case(&[(4, public[1..].to_vec()), (10, nonce.clone())]),
        case(&[(4, long), (10, nonce.clone())]),
        case(&[(10, nonce.clone())]),
        case(&[(4, public.clone())]),
        case(&[(4, public.clone()), (4, public.clone()), (10, nonce.clone())]),
        case(&[(4, public.clone()), (10, nonce[..7].to_vec())]),
        case(&[(4, public.clone()), (10, [7; 257].to_vec())]),
        case(&[(4, Vec::new()), (10, nonce)]),
    ];
    for message in bad {
        let (result, seen) = lab.deliver(path(500, home()), &message);
        assert!(result.is_err() && sent(&seen).is_empty());
    }
    let fourth = lab.ask(path(500, home()), &good);
    let sixth = lab.ask(path(4500, home()), &client.fifth(&fourth, false));
    client.done(&sixth);
    for cut in [0, 1, 19] {
        let (first, _) = client.quick_first_with_hash_of(50 + cut as u32, cut);
        let (result, seen) = lab.deliver(path(4500, home()), &first);
        assert!(result.is_err() && seen.is_empty());
    }
    lab.quick_mode(&mut client, home(), 7);
}

/// Every exchange type in every state, with and without encryption (S15 b).
#[test]
fn exchanges_that_do_not_belong_here_change_nothing() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let pester = |lab: &mut Lab, client: &Client, known: bool| {
        for exchange in 0..=255 {
            for flags in 0..8 {
                let mut message = client.plain(exchange, &[(10, [7; 12].to_vec())]);
                message[19] = flags;
                message[23] = exchange % 3;
                let (result, seen) = lab.deliver(path(500, home()), &message);
                assert!(result.is_err(), "{exchange} {flags}");
                assert!(sent(&seen).is_empty());
            }
        }
        assert_eq!(lab.ike.negotiation_count(), usize::from(known));
    };
    pester(&mut lab, &client, false);
    let second = lab.ask(path(500, home()), &client.first());
    pester(&mut lab, &client, true);
    let fourth = lab.ask(path(500, home()), &client.third(&second));
    pester(&mut lab, &client, true);
    let sixth = lab.ask(path(4500, home()), &client.fifth(&fourth, false));
    client.done(&sixth);
    pester(&mut lab, &client, true);
    lab.quick_mode(&mut client, home(), 7);
    pester(&mut lab, &client, false);
    assert_eq!(lab.ike.peer_count(), 1);
}

#[test]
fn no_entry_of_a_table_outgrows_what_boards_plan_with() {
    let sizes = [
        size_of::<IkeSa>(),
        size_of::<Negotiation>(),
        size_of::<Peer>(),
        size_of::<Child>(),
        size_of::<Exchange>(),
    ];
    assert!(
        sizes.iter().zip([400, 4_096, 400, 200, 2_048]).all(|(size, most)| *size <= most),
        "{sizes:?}"
    );
}

#[test]
fn messages_of_phase_2_whose_hash_is_wrong_change_nothing_though_they_are_sound_otherwise() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    lab.main_mode(&mut client, home());
    client.lies = true;
    let (first, _) = client.quick_first(6);
    let (result, seen) = lab.deliver(path(4500, home()), &first);
    assert_eq!((result, seen.len()), (Err(DropReason::HashMismatch), 0));
    client.lies = false;
    let (first, state) = client.quick_first(7);
    let second = lab.ask(path(4500, home()), &first);
    client.lies = true;
    let forged = client.quick_third(state.clone(), &second).third;
    let (result, seen) = lab.deliver(path(4500, home()), &forged);
    assert_eq!((result, seen.len()), (Err(DropReason::HashMismatch), 0));
    let spi = client.quick.spi.to_be_bytes();
    let goodbye = client.informational(9, &[(12, client::delete(3, &[&spi]))]);
    let (result, seen) = lab.deliver(path(4500, home()), &goodbye);
    assert_eq!((result, seen.len()), (Err(DropReason::HashMismatch), 0));
    client.lies = false;
    let third = client.quick_third(state, &second).third;
    assert_eq!(lab.deliver(path(4500, home()), &third).0, Ok(()));
}
