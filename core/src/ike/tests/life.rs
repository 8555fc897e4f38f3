//! Lifetimes, renewals by either side, liveness and goodbyes.

use super::*;
use crate::crypto::Group;

fn short() -> IpsecConfig<'static> {
    let (ike_lifetime, esp_lifetime) = (Duration::from_secs(60), Duration::from_secs(30));
    IpsecConfig { ike_lifetime, esp_lifetime, ..settings() }
}

fn up(lab: &mut Lab, group: Option<Group>) -> (Client, SaParams) {
    let mut client = Client::new(1);
    // The server's own view of the client, so that another server can stand in for it.
    client.id = [1, 0, 0, 0, 198, 51, 100, 7].to_vec();
    client.quick.group = group;
    lab.main_mode(&mut client, home());
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    (client, params)
}

/// Whether nothing happened but NAT keepalives, which the hashes of the test client cause.
fn quiet(seen: &[Seen]) -> bool {
    seen.iter().all(|seen| matches!(seen, Seen::Keepalive(_)))
}

/// Another server that answers in the client's place.
struct Answerer(Lab);

impl Answerer {
    fn new() -> Self {
        Self(Lab::with(&Limits::server(8), &short()))
    }

    /// Carries messages to and fro until both sides are silent.
    fn talk(&mut self, lab: &mut Lab, seen: Vec<Seen>) -> Vec<Seen> {
        let ours = Path { local: home(), remote: ([192, 0, 2, 1], 4500).into(), outer: Outer::Udp };
        let theirs = path(4500, home());
        let (mut all, mut fresh) = (Vec::new(), seen);
        for _ in 0..20 {
            let messages = sent(&fresh);
            all.append(&mut fresh);
            for message in messages {
                let ours = Path { local: (home().ip(), 4500).into(), ..ours };
                let (_, answers) = self.0.deliver(ours, &message);
                for answer in sent(&answers) {
                    fresh.extend(lab.deliver(theirs, &answer).1);
                }
            }
            if fresh.is_empty() {
                break;
            }
        }
        all
    }
}

#[test]
fn the_server_renews_both_phases_if_the_client_does_not() {
    for group in [None, Some(Group::Modp1024)] {
        let mut lab = Lab::with(&Limits::server(8), &short());
        let (client, params) = up(&mut lab, group);
        let mut answerer = Answerer::new();
        // Quick mode of the answerer needs an IKE SA: phase 1 first.
        let peer = params.peer;
        let began = lab.with_cx(|ike, cx, out| ike.renew(cx, peer, out));
        let seen = answerer.talk(&mut lab, began);
        assert!(events(&seen).is_empty(), "{seen:?}");
        assert_eq!(answerer.0.ike.peer_count(), 1);
        assert_eq!(lab.ike.negotiation_count(), 0);
        assert_eq!(lab.ike.peer_count(), 1);
        let seen = lab.wait(Duration::from_secs(29));
        let seen = answerer.talk(&mut lab, seen);
        let new = seen.iter().find_map(|seen| match seen {
            Seen::Install(params) => Some(params.clone()),
            _ => None,
        });
        let new = new.expect("a new pair");
        assert_eq!((new.suite, new.peer), (params.suite, peer));
        assert_ne!(new.spi_in, params.spi_in);
        // Both are there until the old one ends; the new one is used after a moment.
        assert_eq!(lab.ike.children.len(), 2);
        let seen = lab.wait(Duration::from_secs(4));
        assert!(seen.iter().any(|seen| matches!(seen, Seen::Activate(spi) if *spi == new.spi_in)));
        assert!(seen.iter().any(|seen| matches!(seen, Seen::Delete(spi) if *spi == params.spi_in)));
        assert_eq!(lab.ike.children.len(), 1);
        drop(client);
    }
}

#[test]
fn both_sides_of_a_renewal_have_the_same_keys() {
    let mut lab = Lab::with(&Limits::server(8), &short());
    let (_, params) = up(&mut lab, None);
    let mut answerer = Answerer::new();
    let peer = params.peer;
    let began = lab.with_cx(|ike, cx, out| ike.renew(cx, peer, out));
    answerer.talk(&mut lab, began);
    let began = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, peer, out));
    let ours = Path {
        local: (home().ip(), 4500).into(),
        remote: ([192, 0, 2, 1], 4500).into(),
        outer: Outer::Udp,
    };
    let (_, answers) = answerer.0.deliver(ours, &sent(&began)[0]);
    let (_, ends) = lab.deliver(path(4500, home()), &sent(&answers)[0]);
    let pair = |seen: &[Seen]| {
        let params = seen.iter().find_map(|seen| match seen {
            Seen::Install(params) => Some(params.clone()),
            _ => None,
        });
        params.expect("a pair")
    };
    let (theirs, ours_pair) = (pair(&answers), pair(&ends));
    assert_eq!(ours_pair.key_in.expose(), theirs.key_out.expose());
    assert_eq!(ours_pair.key_out.expose(), theirs.key_in.expose());
    assert_eq!((ours_pair.spi_in, ours_pair.spi_out), (theirs.spi_out, theirs.spi_in));
    // Message 2 once more gets message 3 once more.
    let (result, again) = lab.deliver(path(4500, home()), &sent(&answers)[0]);
    assert_eq!(result, Err(DropReason::Duplicate));
    assert_eq!(sent(&again), sent(&ends));
    let (result, seen) = answerer.0.deliver(ours, &sent(&ends)[0]);
    assert_eq!(result, Ok(()));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Activate(_))));
    // The IKE SA that we began serves the other side's quick mode as well.
    let peer = theirs.peer;
    let began = answerer.0.with_cx(|ike, cx, out| ike.rekey_peer(cx, peer, out));
    let (result, seen) = lab.deliver(path(4500, home()), &sent(&began)[0]);
    assert_eq!(result, Ok(()));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Install(_))));
}

#[test]
fn quick_modes_of_both_sides_at_once_leave_pairs_that_work() {
    let mut lab = Lab::new();
    let (mut client, params) = up(&mut lab, None);
    let began = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, params.peer, out));
    assert_eq!(sent(&began).len(), 1);
    client.quick.spi += 1;
    let (_, theirs) = lab.quick_mode(&mut client, home(), 8);
    assert_ne!(theirs.spi_in, params.spi_in);
    assert_eq!(lab.ike.children.len(), 2);
}

#[test]
fn esp_near_its_limit_is_replaced_once() {
    let mut lab = Lab::new();
    let (_, params) = up(&mut lab, None);
    let wanted =
        |lab: &mut Lab| lab.with_cx(|ike, cx, out| ike.handle_rekey_wanted(cx, params.spi_in, out));
    assert_eq!(sent(&wanted(&mut lab)).len(), 1);
    assert!(wanted(&mut lab).is_empty(), "one is on its way");
}

#[test]
fn a_client_that_renews_in_time_is_left_alone() {
    let mut lab = Lab::with(&Limits::server(8), &short());
    let (mut client, first) = up(&mut lab, None);
    for round in 0..4 {
        lab.wait(Duration::from_secs(20));
        client.quick.spi += 1;
        let (_, params) = lab.quick_mode(&mut client, home(), 100 + round);
        assert_ne!(params.spi_in, first.spi_in);
        let mut again = Client::new(10 + round as u8);
        again.id = client.id.clone();
        again.quick = client.quick.clone();
        let on_4500 = path(4500, home());
        let second = lab.ask(on_4500, &again.first());
        let fourth = lab.ask(on_4500, &again.third(&second));
        let sixth = lab.ask(on_4500, &again.fifth(&fourth, false));
        again.done(&sixth);
        client = again;
    }
    assert_eq!(lab.ike.peer_count(), 1);
    assert!(lab.ike.children.len() <= 2);
    let quick_modes = lab.ike.exchanges.len();
    assert_eq!(quick_modes, 0);
}

#[test]
fn requests_of_ours_are_repeated_with_back_off_and_then_given_up() {
    let mut lab = Lab::new();
    let (_, params) = up(&mut lab, None);
    let began = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, params.peer, out));
    let request = sent(&began)[0].clone();
    lab.ike.handle_heard(lab.now, params.peer);
    let mut times = Vec::new();
    for _ in 0..300 {
        let at = lab.now;
        let seen = lab.wait(Duration::from_millis(100));
        let repeated = sent(&seen).iter().filter(|message| **message == request).count();
        times.extend(core::iter::repeat_n(at.since(Instant::ZERO).as_secs(), repeated));
    }
    assert_eq!(times.len(), 4, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1));
    lab.wait(Duration::from_secs(31));
    assert_eq!(lab.spis.released.len(), 1);
}

#[test]
fn a_silent_peer_is_asked_and_given_up_after_two_minutes_not_before() {
    for dpd in [true, false] {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        if !dpd {
            client.vendor_ids.retain(|id| *id != client::DPD);
        }
        lab.main_mode(&mut client, home());
        let (_, params) = lab.quick_mode(&mut client, home(), 7);
        let seen = lab.wait(Duration::from_secs(119));
        assert!(downs(&seen).is_empty());
        assert_eq!(sent(&seen).is_empty(), !dpd);
        if dpd {
            assert_eq!(client.read(&sent(&seen)[0])[0].1[6..8], 36136_u16.to_be_bytes());
        }
        let seen = lab.wait(Duration::from_secs(3));
        assert_eq!(downs(&seen), [DownCause::Silence]);
        assert_eq!(lab.ike.find_child(params.spi_in), None);
        assert_eq!((lab.ike.sas.len(), lab.ike.children.len()), (0, 0));
        assert_eq!(lab.ike.deadline(), None);
    }
}

#[test]
fn esp_keeps_a_peer_alive_without_a_word_of_ike() {
    let mut lab = Lab::new();
    let (_, params) = up(&mut lab, None);
    for _ in 0..30 {
        let seen = lab.wait(Duration::from_secs(20));
        assert!(quiet(&seen), "{seen:?}");
        lab.ike.handle_heard(lab.now, params.peer);
    }
}

#[test]
fn a_peer_without_ipsec_sa_is_given_up_after_a_minute() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.vendor_ids.retain(|id| *id != client::DPD);
    lab.main_mode(&mut client, home());
    assert!(quiet(&lab.wait(Duration::from_secs(59))));
    let seen = lab.wait(Duration::from_secs(2));
    assert_eq!(downs(&seen), [DownCause::Expired]);
    let goodbye = client.read(&sent(&seen)[0]);
    assert_eq!((goodbye[0].0, goodbye[0].1[4]), (12, 1));
    assert_eq!(lab.ike.sas.len(), 0);
}

#[test]
fn an_ipsec_sa_that_nobody_uses_is_removed() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    lab.main_mode(&mut client, home());
    lab.quick_mode(&mut client, home(), 6);
    let (first, _) = client.quick_first(7);
    lab.ask(path(4500, home()), &first);
    assert_eq!(lab.ike.children.len(), 2);
    let seen = lab.wait(Duration::from_secs(62));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Delete(_))));
    assert_eq!((lab.ike.children.len(), lab.ike.exchanges.len()), (1, 0));
    assert!(lab.spis.released.is_empty(), "the SPI went with its SA");
}

#[test]
fn a_client_that_says_goodbye_is_gone() {
    let mut lab = Lab::new();
    let (mut client, params) = up(&mut lab, None);
    let spi = client.quick.spi.to_be_bytes();
    let (result, seen) = lab.deliver(
        path(4500, home()),
        &client.informational(31, &[(12, client::delete(3, &[&spi]))]),
    );
    assert_eq!(result, Ok(()));
    assert!(matches!(seen[..], [Seen::Delete(spi)] if spi == params.spi_in));
    let cookies = [&client.cookies.0[..], &client.cookies.1].concat();
    let goodbye = client.informational(32, &[(12, client::delete(1, &[&cookies]))]);
    let (_, seen) = lab.deliver(path(4500, home()), &goodbye);
    assert_eq!(downs(&seen), [DownCause::PeerClosed]);
    assert_eq!((lab.ike.peer_count(), lab.ike.sas.len()), (0, 0));
    assert_eq!(lab.deliver(path(4500, home()), &goodbye).0, Err(DropReason::UnknownCookie));
}

#[test]
fn our_goodbye_names_every_sa() {
    let mut lab = Lab::new();
    let (client, params) = up(&mut lab, None);
    let cause = DownCause::Administrative;
    let seen = lab.with_cx(|ike, cx, out| ike.close_peer(cx, params.peer, cause, out));
    let messages = sent(&seen);
    let (esp, isakmp) = (client.read(&messages[0]), client.read(&messages[1]));
    assert_eq!(esp[0].1[8..], params.spi_in.0.to_be_bytes());
    assert_eq!(isakmp[0].1[8..], [&client.cookies.0[..], &client.cookies.1].concat());
    assert_eq!(downs(&seen), [cause]);
    assert_eq!(lab.ike.deadline(), None);
}

#[test]
fn a_server_behind_nat_keeps_its_mapping_alive() {
    let mut lab = Lab::new();
    // The hashes of the test client never fit: it knows us by another address.
    up(&mut lab, None);
    let seen = lab.wait(Duration::from_secs(25));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Keepalive(_))));
}
