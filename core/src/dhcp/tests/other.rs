//! What clients send that our own does not, and what they read that ours does without.

use super::*;

#[test]
fn offers_and_grants_name_half_and_seven_eighths_of_the_lease() {
    for (secs, renewal, rebinding) in [(100, 50, 88), (7_200, 3_600, 6_300), (16, 8, 14)] {
        let mut bench = Bench::new(16, 10, 20);
        let lease = Duration::from_secs(secs);
        bench.dhcp.configure(hub(0), &SecureNatConfig { lease, ..config(10, 20) }).unwrap();
        let mut request = message(MessageType::Request, 1);
        request.options.requested_address = Some(ip(10));
        for (message, kind) in
            [(message(MessageType::Discover, 1), MessageType::Offer), (request, MessageType::Ack)]
        {
            let answer = bench.send(hub(0), &message).unwrap().unwrap();
            assert_eq!((answer.kind, answer.lease_secs), (kind, Some(secs as u32)));
            assert_eq!(answer.times, [Some(renewal), Some(rebinding)]);
        }
    }
}

#[test]
fn what_is_said_to_another_server_changes_nothing_here() {
    for kind in [MessageType::Release, MessageType::Decline] {
        let mut bench = Bench::new(16, 10, 10);
        let own = bench.lease(1).unwrap();
        let mut goodbye = message(kind, 1);
        goodbye.options.server = Some(ip(2));
        match kind {
            MessageType::Release => goodbye.ciaddr = own,
            _ => goodbye.options.requested_address = Some(own),
        }
        assert_eq!(bench.send(hub(0), &goodbye), Err(DropReason::NotForHost));
        assert_eq!(bench.discover(2), Err(DropReason::NoLease), "{kind:?}");
        assert_eq!(bench.renew(1, own), Ok(MessageType::Ack), "{kind:?}");
        // Without a name, and by our own, it is for us.
        goodbye.options.server = Some(SERVER);
        assert_eq!(bench.send(hub(0), &goodbye), Ok(None));
        assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 0);
    }
}

#[test]
fn a_client_that_extends_by_broadcast_is_served_like_one_that_asks_us() {
    let mut bench = Bench::new(16, 10, 20);
    let own = bench.lease(1).unwrap();
    bench.wait(90);
    // REBINDING: neither a server nor a requested address (RFC 2131 §4.3.2).
    assert_eq!(bench.renew(1, own), Ok(MessageType::Ack));
    bench.wait(90);
    assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 1);
    assert_eq!(bench.discover(1), Ok(own));
}

#[test]
fn a_client_that_has_changed_its_hardware_keeps_its_lease() {
    let mut bench = Bench::new(16, 10, 20);
    let mut renewal = message(MessageType::Request, 1);
    renewal.options.client_id = b"a laptop";
    renewal.ciaddr = ip(10);
    for number in [1, 2] {
        renewal.hardware = mac(number).into();
        let answer = bench.send(hub(0), &renewal).unwrap().unwrap();
        assert_eq!((answer.kind, answer.to), (MessageType::Ack, (mac(number), ip(10))));
        let leases: Vec<_> = bench.dhcp.leases(bench.now, hub(0)).collect();
        assert_eq!((leases.len(), leases[0].mac), (1, Some(mac(number))));
    }
}

#[test]
fn a_lease_in_force_outlasts_a_request_that_names_another_server() {
    let mut bench = Bench::new(16, 10, 10);
    let own = bench.lease(1).unwrap();
    let mut request = message(MessageType::Request, 1);
    request.options.requested_address = Some(ip(77));
    request.options.server = Some(ip(2));
    assert_eq!(bench.send(hub(0), &request), Err(DropReason::NotForHost));
    assert_eq!(bench.discover(2), Err(DropReason::NoLease));
    assert_eq!(bench.renew(1, own), Ok(MessageType::Ack));
}

#[test]
fn who_has_an_address_is_answered_there_though_it_asks_for_broadcast() {
    let mut bench = Bench::new(16, 10, 20);
    let own = bench.lease(1).unwrap();
    let mut request = message(MessageType::Request, 1);
    (request.ciaddr, request.broadcast) = (own, true);
    let answer = bench.send(hub(0), &request).unwrap().unwrap();
    assert_eq!((answer.kind, answer.to), (MessageType::Ack, (mac(1), own)));
}

/// RFC 3021: it has neither a network nor a broadcast address.
#[test]
fn in_a_subnet_of_two_addresses_both_are_hosts() {
    let mut bench = Bench::new(16, 10, 20);
    let pool = (ip(0), ip(0));
    bench
        .dhcp
        .configure(hub(0), &SecureNatConfig { prefix_len: 31, pool, ..config(0, 0) })
        .unwrap();
    assert_eq!(bench.discover(1), Ok(ip(0)));
}

#[test]
fn nobody_has_the_name_that_a_long_identifier_is_kept_as() {
    use sha2::{Digest as _, Sha256};
    let long = [7; 40];
    let digest: [u8; 32] = Sha256::digest(long).into();
    let mut bench = Bench::new(16, 10, 20);
    let mut first = message(MessageType::Discover, 1);
    first.options.client_id = &long;
    let mut second = message(MessageType::Discover, 2);
    second.options.client_id = &digest[..31];
    let [one, other] =
        [first, second].map(|message| bench.send(hub(0), &message).unwrap().unwrap().address);
    assert_ne!(one, other);
}

#[test]
fn who_calls_itself_by_the_address_of_a_group_is_answered_by_broadcast() {
    let mut bench = Bench::new(16, 10, 20);
    let mut discover = message(MessageType::Discover, 1);
    discover.hardware = MacAddr([0x01, 0, 0x5e, 0, 0, 1]).into();
    let answer = bench.send(hub(0), &discover).unwrap().unwrap();
    assert_eq!(answer.to, (MacAddr::BROADCAST, Ipv4Addr::BROADCAST));
}

#[test]
fn no_lease_is_too_short_to_be_renewed() {
    let mut bench = Bench::new(16, 10, 20);
    let lease = Duration::from_secs(1);
    bench.dhcp.configure(hub(0), &SecureNatConfig { lease, ..config(10, 20) }).unwrap();
    let answer = bench.send(hub(0), &message(MessageType::Discover, 1)).unwrap().unwrap();
    assert_eq!(answer.lease_secs, Some(15));
}
