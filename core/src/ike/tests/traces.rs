//! What is over leaves no trace, however it ended: above all it does not stay counted against
//! the address it came from.

use super::contact::main_mode_on;
use super::*;
use crate::crypto::Group;

/// A way in which a dial, or what came of it, ends; all is over once two minutes have passed.
type Ending = fn(&mut Lab, &mut Client);

const PEERS_PER_ADDRESS: usize = 3;

fn lab() -> Lab {
    let limits =
        Limits { peers_per_address: PEERS_PER_ADDRESS, half_open: 16, ..Limits::server(8) };
    let config = IpsecConfig { dead_after: Duration::from_secs(120), ..settings() };
    Lab::with(&limits, &config)
}

/// Lets everything end in turn, more often than one address may have of it, and dials then.
fn leaves_no_trace(name: &str, ends: Ending) {
    let mut lab = lab();
    for seed in 1..=PEERS_PER_ADDRESS as u8 + 1 {
        ends(&mut lab, &mut Client::new(seed));
        let seen = lab.wait(Duration::from_secs(130));
        assert_eq!(lab.ike.counted(), Counted::default(), "{name}: {seen:?}");
        assert_eq!(lab.ike.deadline(), None, "{name}");
    }
    let mut client = Client::new(99);
    lab.main_mode(&mut client, home());
    lab.quick_mode(&mut client, home(), 7);
}

fn all_leave_no_trace(endings: &[(&str, Ending)]) {
    for (name, ends) in endings {
        leaves_no_trace(name, *ends);
    }
}

fn up(lab: &mut Lab, client: &mut Client) -> SaParams {
    lab.main_mode(client, home());
    lab.quick_mode(client, home(), 7).1
}

fn fourth(lab: &mut Lab, client: &mut Client) -> Vec<u8> {
    let second = lab.ask(path(500, home()), &client.first());
    lab.ask(path(500, home()), &client.third(&second))
}

fn peer_of(lab: &Lab) -> PeerId {
    (0..lab.ike.peer_capacity() as u32).find_map(|at| lab.ike.peer_at(at)).expect("a peer")
}

fn cookies(client: &Client) -> Vec<u8> {
    [&client.cookies.0[..], &client.cookies.1].concat()
}

/// What answered a message, whether or not it was one that counts.
fn say(lab: &mut Lab, message: &[u8]) -> Result<(), DropReason> {
    lab.deliver(path(4500, home()), message).0
}

#[test]
fn a_dial_that_ends_in_phase_1_does_not_stay_counted() {
    all_leave_no_trace(&[
        ("silence after message 2", |lab, client| {
            lab.ask(path(500, home()), &client.first());
        }),
        ("silence after message 4", |lab, client| {
            fourth(lab, client);
        }),
        ("silence while the key exchange is computed", |lab, client| {
            let second = lab.ask(path(500, home()), &client.first());
            lab.holds = true;
            assert_eq!(lab.deliver(path(500, home()), &client.third(&second)).0, Ok(()));
            assert_eq!(lab.ike.counted().questions, 1);
            lab.holds = false;
            lab.held.clear();
        }),
        ("a refused proposal", |lab, client| {
            client.offer = Some(client::sa(1, &[], &[(1, client::phase1(1, 0, 1, 1))]));
            let refused = lab.deliver(path(500, home()), &client.first()).0;
            assert_eq!(refused, Err(DropReason::NoProposalChosen));
        }),
        ("a wrong key", |lab, client| {
            client.psk = b"another secret".to_vec();
            let fourth = fourth(lab, client);
            let fifth = client.fifth(&fourth, false);
            assert!(say(lab, &fifth).is_err());
        }),
        ("a public value that is none", |lab, client| {
            let second = lab.ask(path(500, home()), &client.first());
            let mut third = client.third(&second);
            third[32..32 + 128].fill(0);
            assert!(sent(&lab.deliver(path(500, home()), &third).1).is_empty());
        }),
        ("message 1 until the budget is spent", |lab, client| {
            let first = client.first();
            lab.ask(path(500, home()), &first);
            while !sent(&lab.deliver(path(500, home()), &first).1).is_empty() {}
        }),
        ("another key, since a reload", |lab, client| {
            let fourth = fourth(lab, client);
            let fifth = client.fifth(&fourth, false);
            lab.ike.configure(&IpsecConfig { psk: b"new", ..settings() });
            // What was negotiated before is not undone: it ends like any other.
            let _ = say(lab, &fifth);
            lab.ike.configure(&settings());
        }),
    ]);
}

#[test]
fn who_gives_way_to_a_newcomer_does_not_stay_counted() {
    let mut lab = Lab::with(&Limits { half_open: 4, ..Limits::server(8) }, &settings());
    for seed in 0..12 {
        lab.ask(path(500, home()), &Client::new(seed).first());
        lab.wait(Duration::from_secs(2));
        assert!(lab.ike.counted().held <= 4);
    }
    for last in 0..12 {
        let from = ([203, 0, 113, last], 500).into();
        lab.ask(path(500, from), &Client::new(100 + last).first());
        lab.wait(Duration::from_secs(2));
        assert!(lab.ike.counted().held <= 4);
    }
    lab.wait(Duration::from_secs(31));
    assert_eq!(lab.ike.counted(), Counted::default());
}

#[test]
fn a_peer_that_is_refused_does_not_stay_counted() {
    let mut lab = Lab::with(&Limits { peers: 1, half_open: 16, ..Limits::server(8) }, &settings());
    lab.main_mode(&mut Client::new(1), ([203, 0, 113, 1], 4500).into());
    for seed in 2..6 {
        let mut client = Client::new(seed);
        let fourth = fourth(&mut lab, &mut client);
        let fifth = client.fifth(&fourth, false);
        assert_eq!(say(&mut lab, &fifth), Err(DropReason::PeerTableFull));
        assert_eq!(lab.ike.counted().held, 1);
    }
}

#[test]
fn an_ike_sa_that_is_over_does_not_stay_counted() {
    all_leave_no_trace(&[
        ("no IPsec SA", |lab, client| {
            lab.main_mode(client, home());
        }),
        ("silence", |lab, client| {
            up(lab, client);
        }),
        ("a Delete", |lab, client| {
            up(lab, client);
            let spi = client.quick.spi.to_be_bytes();
            let all =
                [(12, client::delete(3, &[&spi])), (12, client::delete(1, &[&cookies(client)]))];
            let goodbye = client.informational(9, &all);
            assert_eq!(say(lab, &goodbye), Ok(()));
            assert_eq!(lab.ike.counted(), Counted::default(), "at once");
        }),
        ("the end of the server", |lab, client| {
            let params = up(lab, client);
            let cause = DownCause::Administrative;
            lab.with_cx(|ike, cx, out| ike.close_peer(cx, params.peer, cause, out));
            assert_eq!(lab.ike.counted(), Counted::default(), "at once");
        }),
        ("the end of the server in the midst of quick mode", |lab, client| {
            lab.main_mode(client, home());
            client.quick.group = Some(Group::Modp1024);
            lab.holds = true;
            let (first, _) = client.quick_first(7);
            assert_eq!(say(lab, &first), Ok(()));
            assert_eq!(lab.ike.counted().questions, 1);
            let (peer, cause) = (peer_of(lab), DownCause::Administrative);
            lab.with_cx(|ike, cx, out| ike.close_peer(cx, peer, cause, out));
            assert_eq!(lab.ike.counted(), Counted::default(), "at once");
            lab.holds = false;
            lab.held.clear();
        }),
        ("a new dial", |lab, client| {
            up(lab, client);
            client.vendor_ids.retain(|id| *id != client::DPD);
            lab.main_mode(&mut Client::new(50), home());
            assert_eq!(lab.ike.counted().held, 1, "at once");
        }),
        ("INITIAL-CONTACT", |lab, client| {
            up(lab, client);
            main_mode_on(lab, &mut Client::new(50), path(4500, home()), true);
            assert_eq!(lab.ike.counted().held, 1, "at once");
        }),
        ("INITIAL-CONTACT in a message of its own", |lab, client| {
            up(lab, client);
            let mut again = Client::new(50);
            main_mode_on(lab, &mut again, path(4500, home()), false);
            let contact = client::notify(24578, 1, &cookies(&again), &[]);
            let contact = again.informational(3, &[(11, contact)]);
            assert_eq!(say(lab, &contact), Ok(()));
            assert_eq!(lab.ike.counted().held, 1, "at once");
        }),
        ("INITIAL-CONTACT from another port", |lab, client| {
            up(lab, client);
            let other_port = (home().ip(), 29_582).into();
            lab.main_mode_with(&mut Client::new(50), other_port, true);
            lab.wait(Duration::from_secs(3));
            assert_eq!(lab.ike.counted().held, 1);
        }),
    ]);
}

#[test]
fn what_renewals_leave_behind_does_not_stay_counted() {
    all_leave_no_trace(&[
        ("a renewal of ours that nobody answers", |lab, client| {
            let params = up(lab, client);
            lab.with_cx(|ike, cx, out| ike.renew(cx, params.peer, out));
            assert_eq!(lab.ike.counted().held, 2);
        }),
        ("a renewal of ours whose peer goes", |lab, client| {
            let params = up(lab, client);
            let first = lab.with_cx(|ike, cx, out| ike.renew(cx, params.peer, out));
            let mut again = Client::new(70);
            let third = lab.ask(path(4500, home()), &again.main_second(&sent(&first)[0]));
            let cause = DownCause::Administrative;
            lab.with_cx(|ike, cx, out| ike.close_peer(cx, params.peer, cause, out));
            let _ = say(lab, &again.main_fourth(&third));
        }),
        ("a renewal of ours with a public value that is none", |lab, client| {
            let params = up(lab, client);
            let first = lab.with_cx(|ike, cx, out| ike.renew(cx, params.peer, out));
            let mut again = Client::new(70);
            let third = lab.ask(path(4500, home()), &again.main_second(&sent(&first)[0]));
            let mut bad = again.main_fourth(&third);
            bad[32..32 + 128].fill(0);
            let _ = say(lab, &bad);
            assert_eq!(lab.ike.counted().held, 1, "at once");
        }),
    ]);
}

#[test]
fn with_a_fifth_ike_sa_of_a_peer_the_oldest_goes() {
    let mut lab = Lab::new();
    up(&mut lab, &mut Client::new(1));
    for seed in 2..10 {
        lab.wait(Duration::from_secs(1));
        let mut again = Client::new(seed);
        main_mode_on(&mut lab, &mut again, path(4500, home()), false);
        assert_eq!(lab.ike.peer_count(), 1);
        assert_eq!(lab.ike.counted().sas, usize::from(seed).min(4));
    }
    lab.wait(Duration::from_secs(130));
    assert_eq!(lab.ike.counted(), Counted::default());
}

#[test]
fn the_hard_end_of_an_ike_sa_leaves_no_trace() {
    let config = IpsecConfig {
        ike_lifetime: Duration::from_secs(60),
        esp_lifetime: Duration::from_secs(30),
        ..settings()
    };
    let mut lab = Lab::with(&Limits::server(8), &config);
    let mut client = Client::new(1);
    let params = up(&mut lab, &mut client);
    for _ in 0..16 {
        lab.ike.handle_heard(lab.now, params.peer);
        lab.wait(Duration::from_secs(5));
    }
    assert_eq!(lab.ike.peer_count(), 0, "the peer is heard, but both its lives are over");
    lab.wait(Duration::from_secs(40));
    assert_eq!(lab.ike.counted(), Counted::default());
}

#[test]
fn a_peer_that_moved_is_no_longer_counted_where_it_came_from_once_it_is_over() {
    let mut lab = lab();
    let elsewhere: SocketAddr = ([203, 0, 113, 50], 4500).into();
    for seed in 1..=PEERS_PER_ADDRESS as u8 + 1 {
        let mut client = Client::new(seed);
        let params = up(&mut lab, &mut client);
        lab.with_cx(|ike, cx, out| {
            ike.handle_moved(cx.now, params.peer, path(4500, elsewhere), out);
        });
        assert_eq!(lab.ike.counted().held, 1);
        let goodbye = client.informational(9, &[(12, client::delete(1, &[&cookies(&client)]))]);
        assert_eq!(lab.deliver(path(4500, elsewhere), &goodbye).0, Ok(()));
        lab.wait(Duration::from_secs(130));
        assert_eq!(lab.ike.counted(), Counted::default());
    }
    // Neither of both addresses has lost anything.
    for (seed, from) in [(98, home()), (99, elsewhere)] {
        let mut client = Client::new(seed);
        lab.main_mode(&mut client, from);
        lab.quick_mode(&mut client, from, 7);
    }
}

#[test]
fn an_address_has_as_many_ike_sas_as_it_may_and_not_one_more() {
    let mut lab = lab();
    for seed in 0..PEERS_PER_ADDRESS as u8 {
        let from = (home().ip(), 2_000 + u16::from(seed)).into();
        lab.main_mode(&mut Client::new(seed), from);
    }
    let (result, seen) = lab.deliver(path(500, home()), &Client::new(50).first());
    assert_eq!(result, Err(DropReason::PeerTableFull));
    assert!(sent(&seen).is_empty());
    assert!(matches!(
        events(&seen)[..],
        [Event::Refused { reason: DropReason::PeerTableFull, remote: Some(remote) }]
            if remote == home()
    ));
    let elsewhere = ([203, 0, 113, 50], 500).into();
    lab.ask(path(500, elsewhere), &Client::new(51).first());
}
