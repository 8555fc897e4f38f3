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
