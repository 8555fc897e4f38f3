//! Phase 2 that we begin.

use std::vec;

use super::*;

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

/// What a client makes of the transform that we offer.
type Edit = fn(&mut Vec<u8>);

/// A rekey whose answer is what `edit` makes of it, and what came of it.
fn rekeyed_with(group: Option<Group>, edit: Edit) -> (Lab, Result<(), DropReason>, Vec<Seen>) {
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
    let others: [Edit; 6] = [
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
    let cases: [(Edit, u64); 3] = [
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
        (12, vec_of(&[(4, 2), (5, 2), (6, 256)]), cbc(Cipher::Aes256, Mac::Sha1_96)),
        (20, vec_of(&[(4, 4), (6, 128)]), EspSuite::AesGcm16 { cipher: Cipher::Aes128 }),
        (3, vec_of(&[(4, 4), (5, 2)]), cbc(Cipher::TripleDes, Mac::Sha1_96)),
        (12, vec_of(&[(4, 61_444), (5, 7), (6, 192)]), cbc(Cipher::Aes192, Mac::Sha512_256)),
        (12, vec_of(&[(4, 4), (5, 6), (6, 256)]), cbc(Cipher::Aes256, Mac::Sha384_192)),
        (12, vec_of(&[(4, 4), (5, 5), (6, 128)]), cbc(Cipher::Aes128, Mac::Sha256_128)),
    ] {
        let encapsulation = EncapsulationPolicy::Auto;
        let mut lab = Lab::with(&Limits::server(8), &IpsecConfig { encapsulation, ..settings() });
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

#[test]
fn a_rekey_with_a_public_value_that_is_none_is_given_up_and_tried_again() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, Some(Group::Modp1024));
    let peer = params.peer;
    let first = rekey(&mut lab, peer);
    client.quick.public = Some(vec![0; 128]);
    let (second, _) = client.quick_second(&first, 0x5000);
    let (_, seen) = lab.deliver(on_4500(), &second);
    assert!(installed(&seen).is_none());
    assert_eq!((lab.spis.released.len(), lab.ike.counted().exchanges), (1, 0));
    let (_, first) = until_asked(&mut lab, peer, QUICK_MODE, 6);
    client.quick.public = None;
    let (second, _) = client.quick_second(&first, 0x5001);
    let (_, seen) = lab.deliver(on_4500(), &second);
    assert!(installed(&seen).is_some());
}

#[test]
fn a_rekey_whose_key_exchange_is_never_computed_is_tried_again() {
    for of_second in [false, true] {
        let mut lab = lab();
        let (mut client, params) = up(&mut lab, Some(Group::Modp1024));
        let peer = params.peer;
        if of_second {
            let first = rekey(&mut lab, peer);
            let (second, _) = client.quick_second(&first, 0x5000);
            lab.holds = true;
            assert_eq!(lab.deliver(on_4500(), &second).0, Ok(()));
        } else {
            lab.holds = true;
            let seen = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, peer, out));
            assert!(seen.is_empty());
        }
        assert_eq!(lab.ike.counted().questions, 1);
        let seen = live(&mut lab, peer, secs(50));
        assert!(sent(&seen).is_empty(), "an answered request is not sent again: {seen:?}");
        lab.holds = false;
        lab.held.clear();
        live(&mut lab, peer, secs(11));
        assert_eq!(lab.ike.counted().questions, 0);
        let (_, first) = until_asked(&mut lab, peer, QUICK_MODE, 6);
        let (second, _) = client.quick_second(&first, 0x5001);
        assert!(installed(&lab.deliver(on_4500(), &second).1).is_some());
    }
}

#[test]
fn the_answer_to_a_rekey_counts_only_with_its_hash() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let first = rekey(&mut lab, params.peer);
    client.lies = true;
    let (second, _) = client.quick_second(&first, 0x5000);
    let (result, seen) = lab.deliver(on_4500(), &second);
    assert_eq!(result, Err(DropReason::HashMismatch));
    assert!(seen.is_empty());
    client.lies = false;
    let (second, _) = client.quick_second(&first, 0x5000);
    assert_eq!(lab.deliver(on_4500(), &second).0, Ok(()));
}

#[test]
fn a_pair_that_the_client_made_meanwhile_is_not_replaced_before_its_time() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let lost = rekey(&mut lab, params.peer);
    client.quick.spi += 1;
    lab.quick_mode(&mut client, home(), 8);
    let seen = live(&mut lab, params.peer, secs(80));
    assert!(sent(&seen).iter().all(|message| *message == lost), "{seen:?}");
    assert_eq!(lab.spis.released.len(), 1);
}

#[test]
fn a_peer_that_answers_a_rekey_from_elsewhere_has_moved() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, None);
    let first = rekey(&mut lab, params.peer);
    let (second, _) = client.quick_second(&first, 0x5000);
    let elsewhere = path(4500, ([203, 0, 113, 50], 6).into());
    let (result, seen) = lab.deliver(elsewhere, &second);
    assert_eq!(result, Ok(()));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Moved(path) if *path == elsewhere)));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Send(path, _) if *path == elsewhere)));
    assert_eq!(installed(&seen).expect("a new pair").path, elsewhere);
}

#[test]
fn an_answer_to_a_rekey_without_the_key_exchange_that_was_asked_for_is_refused() {
    let mut lab = lab();
    let (mut client, params) = up(&mut lab, Some(Group::Modp1024));
    let first = rekey(&mut lab, params.peer);
    client.quick.public = Some(Vec::new());
    let (second, _) = client.quick_second_with(&first, 0x5000, |transform| {
        let group = (8..transform.len()).step_by(4).find(|&at| transform[at..at + 2] == [0x80, 3]);
        let group = group.expect("a group is asked for");
        transform.drain(group..group + 4);
    });
    let (result, seen) = lab.deliver(on_4500(), &second);
    assert_eq!(result, Err(DropReason::NoProposalChosen));
    assert!(seen.is_empty(), "{seen:?}");
}
