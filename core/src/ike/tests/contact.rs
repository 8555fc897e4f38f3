//! Clients that come back: renewals, new dials, INITIAL-CONTACT, neighbours behind one NAT.

use super::*;

/// Main mode on one path from the first message on.
pub(super) fn main_mode_on(
    lab: &mut Lab,
    client: &mut Client,
    path: Path,
    contact: bool,
) -> Vec<Seen> {
    let second = lab.ask(path, &client.first());
    let fourth = lab.ask(path, &client.third(&second));
    let (result, seen) = lab.deliver(path, &client.fifth(&fourth, contact));
    assert_eq!(result, Ok(()));
    client.done(sent(&seen).last().expect("message 6"));
    seen
}

fn up(lab: &mut Lab, seed: u8, from: SocketAddr) -> Client {
    let mut client = Client::new(seed);
    lab.main_mode(&mut client, from);
    lab.quick_mode(&mut client, from, 7);
    lab.wait(Duration::from_secs(10));
    client
}

#[test]
fn a_client_that_renews_on_port_4500_stays_the_same_peer() {
    let mut lab = Lab::new();
    up(&mut lab, 1, home());
    let mut again = Client::new(2);
    let seen = main_mode_on(&mut lab, &mut again, path(4500, home()), false);
    assert!(downs(&seen).is_empty() && events(&seen).is_empty(), "{seen:?}");
    assert_eq!(lab.ike.peer_count(), 1);
    lab.quick_mode(&mut again, home(), 8);
    assert_eq!(lab.ike.children.len(), 2);
}

#[test]
fn a_client_that_dials_again_replaces_itself() {
    for contact in [false, true] {
        let mut lab = Lab::new();
        up(&mut lab, 1, home());
        let mut again = Client::new(2);
        let seen = lab.main_mode_with(&mut again, home(), contact);
        assert_eq!(downs(&seen), [DownCause::Replaced]);
        assert_eq!(lab.ike.peer_count(), 1);
        assert_eq!(lab.ike.children.len(), 0);
        lab.quick_mode(&mut again, home(), 8);
    }
}

#[test]
fn initial_contact_replaces_even_on_the_same_path() {
    let mut lab = Lab::new();
    up(&mut lab, 1, home());
    let mut again = Client::new(2);
    let seen = main_mode_on(&mut lab, &mut again, path(4500, home()), true);
    assert_eq!(downs(&seen), [DownCause::Replaced]);
}

/// Without NAT all is on port 500.
fn up_on_500(lab: &mut Lab) -> Client {
    let mut client = Client::new(1);
    main_mode_on(lab, &mut client, path(500, home()), false);
    let (first, state) = client.quick_first(7);
    let second = lab.ask(path(500, home()), &first);
    let agreed = client.quick_third(state, &second);
    assert_eq!(lab.deliver(path(500, home()), &agreed.third).0, Ok(()));
    lab.wait(Duration::from_secs(10));
    client
}

#[test]
fn on_port_500_quick_mode_at_once_shows_a_new_dial() {
    let mut lab = Lab::new();
    up_on_500(&mut lab);
    let mut again = Client::new(2);
    let seen = main_mode_on(&mut lab, &mut again, path(500, home()), false);
    assert!(downs(&seen).is_empty());
    let (first, _) = again.quick_first(8);
    let (result, seen) = lab.deliver(path(500, home()), &first);
    assert_eq!(result, Ok(()));
    assert_eq!(downs(&seen), [DownCause::Replaced]);
    assert_eq!((lab.ike.peer_count(), lab.ike.children.len()), (1, 1));
}

#[test]
fn on_port_500_a_renewal_is_no_new_dial() {
    let mut lab = Lab::new();
    up_on_500(&mut lab);
    let mut again = Client::new(2);
    main_mode_on(&mut lab, &mut again, path(500, home()), false);
    lab.wait(Duration::from_secs(6));
    let (first, _) = again.quick_first(8);
    let (result, seen) = lab.deliver(path(500, home()), &first);
    assert_eq!(result, Ok(()));
    assert!(downs(&seen).is_empty());
    assert_eq!((lab.ike.peer_count(), lab.ike.children.len()), (1, 2));
}

#[test]
fn neighbours_with_the_same_inner_address_do_not_evict_each_other() {
    let mut lab = Lab::new();
    up(&mut lab, 1, home());
    let elsewhere = ([203, 0, 113, 9], 4500).into();
    let mut other = Client::new(2);
    let mut seen = lab.main_mode_with(&mut other, elsewhere, true);
    seen.extend(lab.wait(Duration::from_secs(5)));
    assert!(downs(&seen).is_empty());
    assert_eq!(lab.ike.peer_count(), 2);
}

#[test]
fn from_another_port_initial_contact_removes_only_who_does_not_answer() {
    for answers in [true, false] {
        let mut lab = Lab::new();
        let mut old = up(&mut lab, 1, home());
        let other_port = (home().ip(), 29_582).into();
        let mut newcomer = Client::new(2);
        let seen = lab.main_mode_with(&mut newcomer, other_port, true);
        assert!(downs(&seen).is_empty());
        let probe = seen.iter().find_map(|seen| match seen {
            Seen::Send(path, message) if path.remote == home() => Some(message.clone()),
            _ => None,
        });
        let asked = old.read(&probe.expect("a probe to the old one"));
        assert_eq!(asked[0].1[6..8], 36136_u16.to_be_bytes());
        if answers {
            let mut ack = asked[0].1.clone();
            ack[6..8].copy_from_slice(&36137_u16.to_be_bytes());
            let ack = old.informational(77, &[(11, ack)]);
            assert_eq!(lab.deliver(path(4500, home()), &ack).0, Ok(()));
        }
        let seen = lab.wait(Duration::from_secs(3));
        let expected: &[DownCause] = if answers { &[] } else { &[DownCause::Replaced] };
        assert_eq!(downs(&seen), expected);
    }
}

#[test]
fn a_peer_moves_with_what_is_fresh_and_stays_with_what_is_replayed() {
    let mut lab = Lab::new();
    let mut client = up(&mut lab, 1, home());
    let cookies = [&client.cookies.0[..], &client.cookies.1].concat();
    let ask = client::notify(36136, 1, &cookies, &5_u32.to_be_bytes());
    let probe = client.informational(3, &[(11, ask)]);
    let moved: SocketAddr = ([203, 0, 113, 50], 6).into();
    let (result, seen) = lab.deliver(path(4500, moved), &probe);
    assert_eq!(result, Ok(()));
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Moved(path) if path.remote == moved)));
    let answer = client.read(&sent(&seen)[0]);
    assert_eq!(answer[0].1[6..8], 36137_u16.to_be_bytes());
    assert_eq!(answer[0].1[24..], 5_u32.to_be_bytes());
    // The same octets from elsewhere, and an older number under a new message id.
    let thief = ([203, 0, 113, 66], 6).into();
    assert_eq!(lab.deliver(path(4500, thief), &probe).0, Err(DropReason::Duplicate));
    let old = client::notify(36136, 1, &cookies, &4_u32.to_be_bytes());
    let old = client.informational(4, &[(11, old)]);
    let (result, seen) = lab.deliver(path(4500, thief), &old);
    assert_eq!(result, Err(DropReason::Replayed));
    assert!(seen.is_empty());
}

#[test]
fn initial_contact_in_an_informational_message_tells_a_new_dial_from_a_renewal() {
    let mut lab = Lab::new();
    up(&mut lab, 1, home());
    let mut again = Client::new(2);
    main_mode_on(&mut lab, &mut again, path(4500, home()), false);
    assert_eq!(lab.ike.children.len(), 1);
    let cookies = [&again.cookies.0[..], &again.cookies.1].concat();
    let contact = again.informational(3, &[(11, client::notify(24578, 1, &cookies, &[]))]);
    let (result, seen) = lab.deliver(path(4500, home()), &contact);
    assert_eq!(result, Ok(()));
    assert_eq!(downs(&seen), [DownCause::Replaced]);
    assert_eq!((lab.ike.peer_count(), lab.ike.children.len()), (1, 0));
    lab.quick_mode(&mut again, home(), 8);
}

#[test]
fn a_message_full_of_probes_does_not_overflow() {
    let mut lab = Lab::new();
    let mut client = up(&mut lab, 1, home());
    let cookies = [&client.cookies.0[..], &client.cookies.1].concat();
    let probe = |number: u32| (11, client::notify(36136, 1, &cookies, &number.to_be_bytes()));
    let probes: Vec<_> = (1..30).map(probe).collect();
    let message = client.informational(3, &probes);
    let moved = ([203, 0, 113, 50], 6).into();
    let (result, seen) = lab.deliver(path(4500, moved), &message);
    assert_eq!(result, Err(DropReason::OutboxFull));
    assert!(sent(&seen).len() > 2);
}

#[test]
fn initial_contact_does_not_put_a_neighbour_to_a_test_that_it_cannot_pass() {
    let mut lab = Lab::new();
    let mut neighbour = Client::new(1);
    neighbour.vendor_ids.retain(|id| *id != client::DPD);
    lab.main_mode(&mut neighbour, home());
    lab.quick_mode(&mut neighbour, home(), 7);
    lab.wait(Duration::from_secs(10));
    let other_port = (home().ip(), 29_582).into();
    let mut seen = lab.main_mode_with(&mut Client::new(2), other_port, true);
    let to_neighbour =
        seen.iter().any(|seen| matches!(seen, Seen::Send(path, _) if path.remote == home()));
    assert!(!to_neighbour, "it is not even asked");
    seen.extend(lab.wait(Duration::from_secs(5)));
    assert!(downs(&seen).is_empty());
    assert_eq!(lab.ike.peer_count(), 2);
}

#[test]
fn initial_contact_puts_each_neighbour_to_the_test_once() {
    let mut lab = Lab::new();
    let ports = [1011, 1012, 1013];
    for (seed, port) in (1..).zip(ports) {
        up(&mut lab, seed, (home().ip(), port).into());
    }
    let seen = lab.main_mode_with(&mut Client::new(9), (home().ip(), 29_582).into(), true);
    let asked = seen
        .iter()
        .filter(|seen| matches!(seen, Seen::Send(path, _) if ports.contains(&path.remote.port())));
    assert_eq!(asked.count(), 2, "as many as one message may put to the test");
    let seen = lab.wait(Duration::from_secs(3));
    assert_eq!(downs(&seen), [DownCause::Replaced; 2]);
    assert_eq!(lab.ike.peer_count(), 2);
}

/// INITIAL-CONTACT in an informational message, so many seconds after the client renewed.
fn contact_after_renewal(wait: u64) -> Vec<DownCause> {
    let mut lab = Lab::new();
    let mut client = up(&mut lab, 1, home());
    let mut again = Client::new(2);
    main_mode_on(&mut lab, &mut again, path(4500, home()), false);
    lab.wait(Duration::from_secs(wait));
    let cookies = [&again.cookies.0[..], &again.cookies.1].concat();
    let contact = again.informational(3, &[(11, client::notify(24578, 1, &cookies, &[]))]);
    let (result, mut seen) = lab.deliver(path(4500, home()), &contact);
    assert_eq!(result, Ok(()));
    // The old IKE SA is still of use to the peer that stays.
    let _ = client.informational(4, &[(11, client::notify(24578, 1, &cookies, &[]))]);
    seen.extend(lab.wait(Duration::from_secs(3)));
    assert_eq!(lab.ike.peer_count(), 1);
    assert_eq!(lab.ike.children.len(), usize::from(downs(&seen).is_empty()));
    downs(&seen)
}

#[test]
fn initial_contact_long_after_a_renewal_is_not_about_that_renewal() {
    assert_eq!(contact_after_renewal(29), [DownCause::Replaced]);
    assert_eq!(contact_after_renewal(31), []);
}

#[test]
fn a_peer_that_moved_is_found_where_it_is_and_no_longer_where_it_was() {
    let mut lab = Lab::new();
    let client = up(&mut lab, 1, home());
    let peer = lab.ike.peer_at(0).expect("a peer");
    let moved: SocketAddr = ([203, 0, 113, 50], 3_333).into();
    let seen = lab.with_cx(|ike, cx, out| ike.handle_moved(cx.now, peer, path(4500, moved), out));
    assert!(matches!(seen[..], [Seen::Moved(_), Seen::Event(Event::PeerMoved { .. })]));
    drop(client);
    // Somebody else, where it was.
    let mut other = Client::new(2);
    let seen = lab.main_mode(&mut other, home());
    assert!(downs(&seen).is_empty());
    assert_eq!(lab.ike.peer_count(), 2);
    // Itself, where it is.
    let mut again = Client::new(3);
    let seen = lab.main_mode(&mut again, moved);
    assert_eq!(downs(&seen), [DownCause::Replaced]);
    assert_eq!(lab.ike.peer_count(), 2);
    // And back again, a second time.
    lab.quick_mode(&mut again, moved, 8);
    lab.wait(Duration::from_secs(1));
    let peers: Vec<_> = (0..4).filter_map(|at| lab.ike.peer_at(at)).collect();
    let is_there = |peer: &PeerId| lab.ike.path_of(*peer).is_some_and(|path| path.remote == moved);
    let peer = *peers.iter().find(|peer| is_there(peer)).expect("the one that moved");
    let third: SocketAddr = ([203, 0, 113, 51], 3_333).into();
    lab.with_cx(|ike, cx, out| ike.handle_moved(cx.now, peer, path(4500, third), out));
    let seen = lab.main_mode(&mut Client::new(4), third);
    assert_eq!(downs(&seen), [DownCause::Replaced]);
}

#[test]
fn a_move_to_another_port_is_told_and_a_packet_from_the_same_place_is_not() {
    let mut lab = Lab::new();
    up(&mut lab, 1, home());
    let peer = lab.ike.peer_at(0).expect("a peer");
    let moved = path(4500, (home().ip(), 7_777).into());
    for (to, told) in [(path(4500, home()), 0), (moved, 2), (moved, 0)] {
        let seen = lab.with_cx(|ike, cx, out| ike.handle_moved(cx.now, peer, to, out));
        assert_eq!(seen.len(), told);
    }
    let seen = lab.main_mode(&mut Client::new(2), moved.remote);
    assert_eq!(downs(&seen), [DownCause::Replaced]);
}

#[test]
fn initial_contact_does_not_put_a_neighbour_without_an_ike_sa_to_the_test() {
    let mut lab = Lab::new();
    let mut neighbour = up(&mut lab, 1, home());
    let cookies = [&neighbour.cookies.0[..], &neighbour.cookies.1].concat();
    let goodbye = neighbour.informational(9, &[(12, client::delete(1, &[&cookies]))]);
    assert_eq!(lab.deliver(path(4500, home()), &goodbye).0, Ok(()));
    let other_port = (home().ip(), 29_582).into();
    let mut seen = lab.main_mode_with(&mut Client::new(2), other_port, true);
    seen.extend(lab.wait(Duration::from_secs(5)));
    assert!(downs(&seen).is_empty(), "it has no way to answer");
    assert_eq!((lab.ike.peer_count(), lab.ike.children.len()), (2, 1));
}
