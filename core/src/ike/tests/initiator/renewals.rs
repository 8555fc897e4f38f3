//! Phase 1 that we begin.

use super::*;

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
fn while_the_key_exchange_of_a_renewal_is_computed_nothing_is_sent_again() {
    for of_fourth in [false, true] {
        let mut lab = lab();
        let (_, params) = up(&mut lab, None);
        let first = renew(&mut lab, params.peer);
        let mut again = Client::new(2);
        let mut answer = again.main_second(&first);
        if of_fourth {
            let third = lab.ask(on_4500(), &answer);
            answer = again.main_fourth(&third);
        }
        lab.holds = true;
        assert_eq!(lab.deliver(on_4500(), &answer).0, Ok(()));
        assert_eq!(lab.ike.counted().questions, 1);
        assert!(sent(&live(&mut lab, params.peer, secs(20))).is_empty());
        let (token, job) = lab.held.remove(0);
        assert_eq!(sent(&lab.answer(token, &job)).len(), 1);
        assert!(lab.answer(token, &job).is_empty(), "an answer nobody waits for");
    }
}

#[test]
fn no_renewal_begins_that_could_not_end_in_time_and_the_end_is_told() {
    let mut lab = lab();
    let (client, params) = up(&mut lab, None);
    let (mut last, mut told) = (0, Vec::new());
    for second in 0..IKE_LIFE + 10 {
        let seen = live(&mut lab, params.peer, secs(1));
        for message in sent(&seen) {
            match message[18] {
                MAIN_MODE => last = second,
                _ => told.extend(client.read(&message)),
            }
        }
    }
    // Each is repeated for fifteen seconds.
    assert!(last > IKE_LIFE * 9 / 10 && last < IKE_LIFE - 40 + 16, "{last}");
    let cookies = [&client.cookies.0[..], &client.cookies.1].concat();
    assert_eq!(told, [(12, client::delete(1, &[&cookies]))], "the IKE SA is over");
    assert_eq!((lab.ike.peer_count(), lab.ike.counted().sas), (1, 0));
    assert_eq!(lab.ike.counted().children, 1, "its IPsec SAs are not");
}
