//! The server as initiator: requests that nobody answers, answers that differ from what was
//! asked, and the moment in which we switch.

use super::*;
use crate::crypto::{Cipher, EspSuite, Group, Mac};

const IKE_LIFE: u64 = 2_400;
const ESP_LIFE: u64 = 3_600;

fn on_4500() -> Path {
    path(4500, home())
}

fn lab() -> Lab {
    let ike_lifetime = Duration::from_secs(IKE_LIFE);
    Lab::with(
        &Limits { half_open: 16, ..Limits::server(8) },
        &IpsecConfig { ike_lifetime, ..settings() },
    )
}

fn up(lab: &mut Lab, group: Option<Group>) -> (Client, SaParams) {
    let mut client = Client::new(1);
    client.quick.group = group;
    lab.main_mode(&mut client, home());
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    (client, params)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Lets time pass while ESP of the peer comes in.
fn live(lab: &mut Lab, peer: PeerId, span: Duration) -> Vec<Seen> {
    let end = lab.now + span;
    let mut seen = Vec::new();
    while lab.now < end {
        lab.ike.handle_heard(lab.now, peer);
        let left = end.since(lab.now);
        seen.extend(lab.wait(left.min(secs(5))));
    }
    seen
}

/// Lets the peer live until the server says something of `exchange`; tells when, and what.
fn until_asked(lab: &mut Lab, peer: PeerId, exchange: u8, most: u64) -> (u64, Vec<u8>) {
    for _ in 0..most {
        let seen = live(lab, peer, secs(1));
        let asked = sent(&seen).into_iter().find(|message| message[18] == exchange);
        if let Some(asked) = asked {
            return (lab.now.since(Instant::ZERO).as_secs(), asked);
        }
    }
    panic!("nothing asked in {most} s");
}

const MAIN_MODE: u8 = 2;
const QUICK_MODE: u8 = 32;

/// The client answers the whole of the main mode that begins with `first`.
fn answer_main_mode(lab: &mut Lab, client: &mut Client, first: &[u8]) -> Vec<Seen> {
    let third = lab.ask(on_4500(), &client.main_second(first));
    let fifth = lab.ask(on_4500(), &client.main_fourth(&third));
    let (result, seen) = lab.deliver(on_4500(), &client.main_sixth(&fifth));
    assert_eq!(result, Ok(()));
    assert!(downs(&seen).is_empty() && events(&seen).is_empty(), "{seen:?}");
    seen
}

fn renew(lab: &mut Lab, peer: PeerId) -> Vec<u8> {
    let seen = lab.with_cx(|ike, cx, out| ike.renew(cx, peer, out));
    assert_eq!(sent(&seen).len(), 1);
    sent(&seen)[0].clone()
}

fn rekey(lab: &mut Lab, peer: PeerId) -> Vec<u8> {
    let seen = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, peer, out));
    assert_eq!(sent(&seen).len(), 1);
    sent(&seen)[0].clone()
}

fn installed(seen: &[Seen]) -> Option<SaParams> {
    seen.iter().find_map(|seen| match seen {
        Seen::Install(params) => Some(params.clone()),
        _ => None,
    })
}

fn activated(seen: &[Seen]) -> Vec<Spi> {
    let spis = seen.iter().filter_map(|seen| match seen {
        Seen::Activate(spi) => Some(*spi),
        _ => None,
    });
    spis.collect()
}

fn deleted(seen: &[Seen]) -> Vec<Spi> {
    let spis = seen.iter().filter_map(|seen| match seen {
        Seen::Delete(spi) => Some(*spi),
        _ => None,
    });
    spis.collect()
}

/// After how many seconds `message` is sent again while nobody answers it.
fn sent_again(lab: &mut Lab, peer: PeerId, message: &[u8]) -> Vec<u64> {
    let began = lab.now;
    let mut times = Vec::new();
    lab.wait(TICK.times(20));
    for _ in 0..38 {
        let seen = live(lab, peer, secs(1));
        if sent(&seen).iter().any(|found| found == message) {
            times.push(lab.now.since(began).as_secs());
        }
    }
    times
}

#[test]
fn every_request_of_a_renewal_is_repeated_with_back_off_and_none_that_was_answered() {
    const BACK_OFF: [u64; 4] = [1, 3, 7, 15];
    for lost in [1, 3, 5] {
        let mut lab = lab();
        let (_, params) = up(&mut lab, None);
        let mut again = Client::new(2);
        let mut asked = renew(&mut lab, params.peer);
        let mut before = Vec::new();
        for message in [1, 3] {
            if message < lost {
                let answer = match message {
                    1 => again.main_second(&asked),
                    _ => again.main_fourth(&asked),
                };
                before.push(asked);
                asked = lab.ask(on_4500(), &answer);
            }
        }
        let peer = params.peer;
        assert_eq!(sent_again(&mut lab, peer, &asked), BACK_OFF, "message {lost}");
        let seen = live(&mut lab, peer, secs(60));
        assert!(sent(&seen).iter().all(|found| !before.contains(found) && *found != asked));
        assert_eq!(lab.ike.negotiation_count(), 0, "given up");
        assert_eq!((lab.ike.peer_count(), lab.ike.counted().sas), (1, 1));
    }
}

#[test]
fn what_was_answered_is_not_asked_again() {
    for pfs in [None, Some(Group::Modp1024)] {
        let mut lab = lab();
        let (_, params) = up(&mut lab, pfs);
        let first = renew(&mut lab, params.peer);
        let mut again = Client::new(2);
        answer_main_mode(&mut lab, &mut again, &first);
        let first = rekey(&mut lab, params.peer);
        let (second, _) = again.quick_second(&first, 0x5000);
        lab.ask(on_4500(), &second);
        let seen = live(&mut lab, params.peer, secs(40));
        assert!(sent(&seen).iter().all(|found| found[18] == 5), "{seen:?}");
    }
}

#[test]
fn a_renewal_that_was_lost_is_tried_again_before_the_hard_end() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    let peer = params.peer;
    let began = lab.now;
    let (_, lost) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE);
    assert!(lab.now.since(began) >= secs(IKE_LIFE * 9 / 10), "the client is left to do it first");
    live(&mut lab, peer, secs(40));
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE / 10);
    assert_ne!(first[..8], lost[..8], "a new main mode");
    let mut again = Client::new(2);
    answer_main_mode(&mut lab, &mut again, &first);
    let seen = live(&mut lab, peer, secs(IKE_LIFE / 10));
    assert!(downs(&seen).is_empty());
    assert_eq!((lab.ike.peer_count(), lab.ike.counted().sas), (1, 1));
    // The new one serves, and is renewed in its turn.
    again.quick.spi = 0x7777;
    lab.quick_mode(&mut again, home(), 9);
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE);
    let mut third = Client::new(3);
    answer_main_mode(&mut lab, &mut third, &first);
    let seen = live(&mut lab, peer, secs(61));
    assert!(downs(&seen).is_empty());
    assert_eq!(lab.ike.counted().sas, 1);
}

#[test]
fn a_renewal_for_which_there_was_no_room_is_tried_again() {
    let limits = Limits { half_open: 4, ..Limits::server(8) };
    let ike_lifetime = secs(IKE_LIFE);
    let mut lab = Lab::with(&limits, &IpsecConfig { ike_lifetime, ..settings() });
    let (_, params) = up(&mut lab, None);
    let crowd = |lab: &mut Lab| {
        let mut last = 0;
        while lab.ike.negotiation_count() < 4 {
            last += 1;
            let from = ([203, 0, 113, last], 500).into();
            let mut stranger = Client::new(100 + last);
            let second = lab.ask(path(500, from), &stranger.first());
            lab.ask(path(500, from), &stranger.third(&second));
        }
    };
    live(&mut lab, params.peer, secs(IKE_LIFE * 9 / 10 - 10));
    let end = lab.now + secs(IKE_LIFE / 20 + 20);
    while lab.now < end {
        crowd(&mut lab);
        let seen = live(&mut lab, params.peer, secs(5));
        assert!(sent(&seen).is_empty());
    }
    until_asked(&mut lab, params.peer, MAIN_MODE, IKE_LIFE / 10);
}

#[test]
fn while_one_renewal_is_on_its_way_no_other_begins() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    renew(&mut lab, params.peer);
    let seen = lab.with_cx(|ike, cx, out| {
        assert_eq!(ike.renew(cx, params.peer, out), Err(DropReason::Busy));
    });
    assert!(seen.is_empty());
    live(&mut lab, params.peer, secs(41));
    renew(&mut lab, params.peer);
}

#[test]
fn a_peer_that_is_gone_is_asked_for_nothing_more() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    renew(&mut lab, params.peer);
    let cause = DownCause::Administrative;
    lab.with_cx(|ike, cx, out| ike.close_peer(cx, params.peer, cause, out));
    assert_eq!(lab.ike.counted(), Counted::default());
    let seen = lab.wait(secs(60));
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn an_ike_sa_other_than_what_was_asked_for_is_not_made() {
    // Ciphers, hashes and groups that we would have taken from a client.
    for (kind, value) in [(14, 128), (2, 4), (4, 5), (3, 3), (1, 1)] {
        let mut lab = lab();
        let (_, params) = up(&mut lab, None);
        let first = renew(&mut lab, params.peer);
        let mut again = Client::new(2);
        let other = again.main_second_with(&first, |list| client::change(list, kind, value));
        let (result, seen) = lab.deliver(on_4500(), &other);
        assert_eq!(result, Err(DropReason::NoProposalChosen), "attribute {kind}");
        assert!(seen.is_empty());
        // It was not answered: what comes then still counts.
        answer_main_mode(&mut lab, &mut again, &first);
    }
}

#[test]
fn what_does_not_verify_does_not_end_a_renewal() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    let first = renew(&mut lab, params.peer);
    let mut again = Client::new(2);
    let second = again.main_second(&first);
    let elsewhere = path(4500, ([203, 0, 113, 66], 4500).into());
    assert_eq!(lab.deliver(elsewhere, &second).0, Err(DropReason::UnknownCookie));
    let third = lab.ask(on_4500(), &second);
    assert!(lab.deliver(on_4500(), &second).0.is_err(), "once is enough");
    let fourth = again.main_fourth(&third);
    let list = client::payloads(fourth[16], &fourth[28..]);
    let (public, nonce) = (list[0].1.clone(), list[1].1.clone());
    for bad in [
        again.plain(2, &[(4, public[1..].to_vec()), (10, nonce.clone())]),
        again.plain(2, &[(4, public.clone()), (10, nonce[..7].to_vec())]),
        again.plain(2, &[(4, public)]),
        again.plain(2, &[(10, nonce)]),
    ] {
        let (result, seen) = lab.deliver(on_4500(), &bad);
        assert!(result.is_err() && seen.is_empty());
    }
    let fifth = lab.ask(on_4500(), &fourth);
    assert!(sent(&lab.deliver(on_4500(), &fourth).1).is_empty());
    let sixth = again.main_sixth(&fifth);
    for at in 28..sixth.len() {
        let mut bad = sixth.clone();
        bad[at] ^= 1;
        let (result, seen) = lab.deliver(on_4500(), &bad);
        assert!(result.is_err() && seen.is_empty(), "octet {at}");
    }
    assert_eq!(lab.deliver(on_4500(), &sixth).0, Ok(()));
}

#[test]
fn who_renews_under_another_name_is_not_the_peer_and_is_asked_again_later() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    let peer = params.peer;
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE);
    let mut stranger = Client::new(2);
    stranger.id = [1, 0, 0, 0, 10, 0, 0, 77].to_vec();
    let third = lab.ask(on_4500(), &stranger.main_second(&first));
    let fifth = lab.ask(on_4500(), &stranger.main_fourth(&third));
    let (result, seen) = lab.deliver(on_4500(), &stranger.main_sixth(&fifth));
    assert_eq!(result, Err(DropReason::BadIdentity));
    assert!(seen.is_empty());
    assert_eq!((lab.ike.peer_count(), lab.ike.counted().sas), (1, 1));
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE / 10);
    answer_main_mode(&mut lab, &mut Client::new(3), &first);
}

#[test]
fn one_public_value_that_is_none_does_not_end_all_renewals() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    let peer = params.peer;
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE);
    let mut again = Client::new(2);
    let third = lab.ask(on_4500(), &again.main_second(&first));
    let mut bad = again.main_fourth(&third);
    bad[32..32 + 128].fill(0);
    let _ = lab.deliver(on_4500(), &bad);
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, IKE_LIFE / 10);
    answer_main_mode(&mut lab, &mut Client::new(3), &first);
}

#[test]
fn a_peer_without_an_ike_sa_gets_one_before_its_pair_is_replaced() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let peer = params.peer;
    let cookies = [&client.cookies.0[..], &client.cookies.1].concat();
    let goodbye = client.informational(9, &[(12, client::delete(1, &[&cookies]))]);
    assert_eq!(lab.deliver(on_4500(), &goodbye).0, Ok(()));
    assert_eq!((lab.ike.peer_count(), lab.ike.counted().sas), (1, 0));
    let (_, first) = until_asked(&mut lab, peer, MAIN_MODE, ESP_LIFE);
    let mut again = Client::new(2);
    answer_main_mode(&mut lab, &mut again, &first);
    let (_, first) = until_asked(&mut lab, peer, QUICK_MODE, 10);
    let (second, _) = again.quick_second(&first, 0x5000);
    let (_, seen) = lab.deliver(on_4500(), &second);
    assert!(installed(&seen).is_some());
}

#[test]
fn a_rekey_that_was_not_answered_is_tried_again_with_another_spi() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let peer = params.peer;
    let lost = rekey(&mut lab, peer);
    let seen = live(&mut lab, peer, secs(62));
    assert!(sent(&seen).iter().all(|message| *message == lost));
    assert_eq!(lab.spis.released.len(), 1);
    assert_eq!(lab.ike.counted().exchanges, 0);
    let (_, first) = until_asked(&mut lab, peer, QUICK_MODE, 5);
    assert_ne!(first[20..24], lost[20..24], "another message id");
    let (second, _) = client.quick_second(&first, 0x5000);
    let (_, seen) = lab.deliver(on_4500(), &second);
    let new = installed(&seen).expect("a new pair");
    let seen = live(&mut lab, peer, secs(3));
    assert_eq!(activated(&seen), [new.spi_in]);
    // The answer to the first request comes too late.
    let (late, _) = client.quick_second(&lost, 0x6000);
    assert_eq!(lab.deliver(on_4500(), &late).0, Err(DropReason::Duplicate));
}

#[test]
fn a_rekey_that_could_not_begin_is_tried_again() {
    let mut lab = lab();
    let (_, params) = up(&mut lab, None);
    let peer = params.peer;
    lab.spis.full = true;
    let seen = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, peer, out));
    assert!(seen.is_empty());
    let seen = live(&mut lab, peer, secs(20));
    assert!(sent(&seen).is_empty());
    lab.spis.full = false;
    until_asked(&mut lab, peer, QUICK_MODE, 6);
}

/// A rekey whose answer is what `edit` makes of it, and what came of it.
fn rekeyed_with(
    group: Option<Group>,
    edit: fn(&mut Vec<u8>),
) -> (Lab, Result<(), DropReason>, Vec<Seen>) {
    let mut lab = Lab::new();
    let (mut client, params) = up(&mut lab, group);
    let first = rekey(&mut lab, params.peer);
    let (second, _) = client.quick_second_with(&first, 0x5000, edit);
    let (result, seen) = lab.deliver(on_4500(), &second);
    if result.is_err() {
        assert!(seen.is_empty(), "{seen:?}");
        // What comes then still counts.
        let (second, _) = client.quick_second(&first, 0x5001);
        let (result, seen) = lab.deliver(on_4500(), &second);
        assert_eq!(result, Ok(()));
        assert!(installed(&seen).is_some());
    }
    (lab, result, seen)
}

#[test]
fn a_pair_other_than_what_was_asked_for_is_not_made() {
    // All of these would have been taken from a client.
    let others: [fn(&mut Vec<u8>); 6] = [
        |transform| client::change(&mut transform[8..], 6, 128),
        |transform| client::change(&mut transform[8..], 5, 7),
        |transform| client::change(&mut transform[8..], 4, 61_444),
        |transform| client::change(&mut transform[8..], 4, 2),
        |transform| transform[5] = 3,
        |transform| transform.extend(client::attributes(&[(3, 2)])),
    ];
    for (number, edit) in others.into_iter().enumerate() {
        let (_, result, _) = rekeyed_with(None, edit);
        assert_eq!(result, Err(DropReason::NoProposalChosen), "edit {number}");
    }
    let (_, result, _) =
        rekeyed_with(Some(Group::Modp1024), |list| client::change(&mut list[8..], 3, 5));
    assert_eq!(result, Err(DropReason::NoProposalChosen));
}

#[test]
fn the_answer_to_a_rekey_may_shorten_the_lifetime_and_not_prolong_it() {
    let cases: [(fn(&mut Vec<u8>), u64); 3] = [
        (|_| {}, ESP_LIFE),
        (|transform| client::change(&mut transform[8..], 2, 40_000), ESP_LIFE),
        (|transform| client::change(&mut transform[8..], 2, 600), 600),
    ];
    for (edit, life) in cases {
        let (mut lab, result, seen) = rekeyed_with(None, edit);
        assert_eq!(result, Ok(()));
        let new = installed(&seen).expect("a new pair");
        assert_eq!(new.lifetime.time, secs(life));
        // And it is replaced in time for that.
        let (at, peer) = (lab.now, new.peer);
        let (_, _) = until_asked(&mut lab, peer, QUICK_MODE, ESP_LIFE);
        let age = lab.now.since(at);
        assert!(age >= secs(life * 9 / 10) && age < secs(life * 96 / 100 + 4), "{age:?}");
    }
}

#[test]
fn after_our_rekey_the_old_pair_is_used_for_two_seconds_more() {
    for pfs in [None, Some(Group::Modp1024)] {
        let mut lab = lab();
        let (mut client, params) = up(&mut lab, pfs);
        let first = rekey(&mut lab, params.peer);
        let (second, agreed) = client.quick_second(&first, 0x5000);
        let (result, seen) = lab.deliver(on_4500(), &second);
        assert_eq!(result, Ok(()));
        let new = installed(&seen).expect("a new pair");
        let len = new.suite.key_len();
        assert_eq!(new.key_in.expose(), &agreed.key_to_server[..len]);
        assert_eq!(new.key_out.expose(), &agreed.key_to_client[..len]);
        assert_eq!((new.spi_in.0, new.spi_out.0), (agreed.spi_server, 0x5000));
        assert!(activated(&seen).is_empty(), "the peer may wait for message 3");
        let seen = lab.wait(Duration::from_millis(1_999));
        assert!(activated(&seen).is_empty());
        let seen = lab.wait(TICK);
        assert_eq!(activated(&seen), [new.spi_in]);
        assert!(activated(&lab.wait(secs(10))).is_empty(), "once");
    }
}

#[test]
fn after_our_rekey_the_new_pair_is_used_as_soon_as_the_peer_uses_it() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let first = rekey(&mut lab, params.peer);
    let (second, _) = client.quick_second(&first, 0x5000);
    let (_, seen) = lab.deliver(on_4500(), &second);
    let new = installed(&seen).expect("a new pair");
    let seen = lab.with_cx(|ike, cx, out| ike.handle_sa_proven(cx, params.spi_in, out));
    assert!(activated(&seen).is_empty(), "that was the old one");
    let seen = lab.with_cx(|ike, cx, out| ike.handle_sa_proven(cx, new.spi_in, out));
    assert_eq!(activated(&seen), [new.spi_in]);
    assert!(activated(&lab.wait(secs(10))).is_empty(), "once");
    // Message 2 once more still gets message 3 once more.
    let (result, seen) = lab.deliver(on_4500(), &second);
    assert_eq!((result, sent(&seen).len()), (Err(DropReason::Duplicate), 1));
}

#[test]
fn a_pair_that_was_replaced_asks_for_nothing_and_ends_at_its_time() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let peer = params.peer;
    live(&mut lab, peer, secs(100));
    let first = rekey(&mut lab, peer);
    let (second, _) = client.quick_second(&first, 0x5000);
    let (_, seen) = lab.deliver(on_4500(), &second);
    let new = installed(&seen).expect("a new pair");
    live(&mut lab, peer, secs(3));
    let near_its_limit =
        |lab: &mut Lab, spi| lab.with_cx(|ike, cx, out| ike.handle_rekey_wanted(cx, spi, out));
    assert!(near_its_limit(&mut lab, params.spi_in).is_empty());
    assert!(near_its_limit(&mut lab, Spi(0x4242)).is_empty(), "nobody's");
    let asked = near_its_limit(&mut lab, new.spi_in);
    assert_eq!(sent(&asked).len(), 1);
    let seen = live(&mut lab, peer, secs(ESP_LIFE - 103 + 2));
    assert_eq!(deleted(&seen), [params.spi_in]);
    assert!(sent(&seen).iter().all(|message| *message != first));
    assert_eq!(lab.ike.counted().children, 1);
}

#[test]
fn what_the_client_offered_is_what_we_ask_for_again() {
    for (transform, list, suite) in [
        (20, vec_of(&[(4, 4), (6, 128)]), EspSuite::AesGcm16 { cipher: Cipher::Aes128 }),
        (3, vec_of(&[(4, 4), (5, 2)]), cbc(Cipher::TripleDes, Mac::Sha1_96)),
        (12, vec_of(&[(4, 61_444), (5, 7), (6, 192)]), cbc(Cipher::Aes192, Mac::Sha512_256)),
        (12, vec_of(&[(4, 4), (5, 6), (6, 256)]), cbc(Cipher::Aes256, Mac::Sha384_192)),
        (12, vec_of(&[(4, 4), (5, 5), (6, 128)]), cbc(Cipher::Aes128, Mac::Sha256_128)),
    ] {
        let mut lab = lab();
        let mut client = Client::new(1);
        client.quick.transform = transform;
        client.quick.attributes = list;
        lab.main_mode(&mut client, home());
        let (_, params) = lab.quick_mode(&mut client, home(), 7);
        assert_eq!(params.suite, suite);
        let first = rekey(&mut lab, params.peer);
        let (second, agreed) = client.quick_second(&first, 0x5000);
        let (result, seen) = lab.deliver(on_4500(), &second);
        assert_eq!(result, Ok(()));
        let new = installed(&seen).expect("a new pair");
        assert_eq!((new.suite, new.encapsulation), (suite, params.encapsulation));
        assert_eq!(new.peer_port, params.peer_port);
        let (ours, theirs) = client.quick.ids.clone().unwrap();
        let ids: Vec<_> = agreed.payloads.iter().filter(|found| found.0 == 5).collect();
        assert_eq!((&ids[0].1, &ids[1].1), (&theirs, &ours), "in our order: us first");
    }
}

fn vec_of(list: &[(u16, u16)]) -> Vec<u8> {
    client::attributes(list)
}

const fn cbc(cipher: Cipher, mac: Mac) -> EspSuite {
    EspSuite::Cbc { cipher, mac }
}

#[test]
fn a_limit_of_octets_is_asked_for_again() {
    let mut lab = lab();
    let mut client = Client::new(1);
    client.quick.attributes =
        client::attributes(&[(4, 4), (5, 2), (6, 256), (1, 1), (2, 3_600), (1, 2), (2, 5_000)]);
    lab.main_mode(&mut client, home());
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    assert_eq!(params.lifetime.bytes, Some(5_000 * 1024));
    let first = rekey(&mut lab, params.peer);
    let (second, agreed) = client.quick_second(&first, 0x5000);
    let (_, seen) = lab.deliver(on_4500(), &second);
    assert_eq!(installed(&seen).expect("a new pair").lifetime, params.lifetime);
    let offer = &agreed.payloads.iter().find(|found| found.0 == 1).unwrap().1;
    assert_eq!(offer[offer.len() - 2..], 5_000_u16.to_be_bytes());
}
