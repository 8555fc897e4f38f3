//! Pools that are changed, taken away and brought back while clients have leases in them.

use super::*;

/// Every message that touches a lease of client 1 at `address`, and newcomers beside it.
fn go_through(bench: &mut Bench, address: Ipv4Addr) {
    let mut decline = message(MessageType::Decline, 1);
    decline.options.requested_address = Some(address);
    let _ = bench.discover(1);
    let _ = bench.renew(1, address);
    let _ = bench.release(1, address);
    let _ = bench.send(hub(0), &decline);
    for client in 2..8 {
        let mut wants = message(MessageType::Discover, client);
        wants.options.requested_address = Some(address);
        let _ = bench.send(hub(0), &wants);
        let _ = bench.renew(client, address);
        let counted = bench.dhcp.counted();
        assert_eq!([counted.of_pools, counted.names], [counted.leases, 2 * counted.leases]);
    }
    bench.wait(1_000);
    for client in 1..8 {
        assert!(bench.lease(client).is_ok(), "client {client}");
    }
}

#[test]
fn the_server_of_a_hub_that_is_gone_leaves_an_empty_table() {
    for pool in [(10, 20), (100, 110)] {
        for is_bound in [true, false] {
            let mut bench = Bench::new(8, 10, 20);
            let address = bench.lease(1).unwrap();
            if !is_bound {
                assert_eq!(bench.release(1, address), Ok(None));
            }
            bench.dhcp.remove(hub(0));
            assert_eq!(bench.dhcp.counted(), Counted::default());
            bench.dhcp.configure(hub(0), &config(pool.0, pool.1)).unwrap();
            assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 0);
            go_through(&mut bench, address);
        }
    }
}

#[test]
fn the_former_client_of_a_changed_pool_is_offered_an_address_inside_it() {
    for is_bound in [true, false] {
        let mut bench = Bench::new(16, 10, 20);
        let old = bench.lease(1).unwrap();
        if !is_bound {
            assert_eq!(bench.release(1, old), Ok(None));
        }
        bench.dhcp.configure(hub(0), &config(100, 110)).unwrap();
        assert_eq!(bench.discover(1), Ok(ip(100)));
        assert_eq!(bench.request(1, ip(100)), Ok(MessageType::Ack));
        // The old address is outside: whoever claims it may have it from another server.
        let claim = bench.renew(2, old);
        assert_eq!(claim, Err(DropReason::BadDhcp));
        assert_eq!(bench.renew(1, old), Ok(MessageType::Nak));
    }
}

#[test]
fn a_lease_outside_a_changed_pool_is_refused_when_it_is_renewed() {
    let mut bench = Bench::new(16, 10, 20);
    let [first, second] = [1, 2].map(|client| bench.lease(client).unwrap());
    bench.dhcp.configure(hub(0), &config(11, 20)).unwrap();
    assert_eq!(bench.renew(1, first), Ok(MessageType::Nak));
    assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 1, "it is in force no longer");
    assert_eq!(bench.renew(2, second), Ok(MessageType::Ack), "its address is in both pools");
    // Another subnet: a client that extends is told nothing, one that asks is refused.
    let mut elsewhere = config(11, 20);
    elsewhere.address = Ipv4Addr::new(10, 9, 0, 1);
    elsewhere.pool = (Ipv4Addr::new(10, 9, 0, 10), Ipv4Addr::new(10, 9, 0, 20));
    bench.dhcp.configure(hub(0), &elsewhere).unwrap();
    let mut out = Actions::new();
    for client in 2..4 {
        let mut room = [0; 1_000];
        let mut writer = Writer::new(&mut room);
        message(MessageType::Discover, client).emit(&mut writer);
        let (from, bytes) = (mac(client), writer.written());
        bench.dhcp.handle_message(bench.now, hub(0), from, bytes, &mut out).unwrap();
        let Some(Action::Frame(span)) = out.pop() else { panic!("an offer") };
        let frame = out.bytes(span);
        let offered = Message::parse(&frame[42..]).unwrap().yiaddr;
        assert!(ipv4::same_subnet(offered, elsewhere.address, 24), "{offered}");
        out.clear();
    }
}

#[test]
fn every_setting_of_a_server_that_changes_is_in_its_next_answer() {
    let mut bench = Bench::new(16, 10, 20);
    let old = bench.lease(1).unwrap();
    let dns: &[Ipv4Addr] = &[ip(5), ip(6)];
    // All but the router, which the answers' sender shows: `server/tests/reload.rs`.
    let lease = Duration::from_secs(5_000);
    let changed = SecureNatConfig { dns, gateway: true, lease, ..config(10, 20) };
    bench.dhcp.configure(hub(0), &changed).unwrap();
    let mut renewal = message(MessageType::Request, 1);
    renewal.ciaddr = old;
    for message in [message(MessageType::Discover, 2), renewal] {
        let answer = bench.send(hub(0), &message).unwrap().unwrap();
        assert_eq!(answer.lease_secs, Some(5_000));
        assert_eq!((answer.routers, answer.dns), ([SERVER].into(), dns.into()));
    }
}

#[test]
fn a_server_that_was_stopped_by_a_reload_still_knows_who_has_which_address() {
    for pool in [(10, 20), (11, 20)] {
        let mut bench = Bench::new(8, 10, 20);
        let addresses = [1, 2].map(|client| bench.lease(client).unwrap());
        bench.dhcp.stop(hub(0));
        assert_eq!(bench.discover(3), Err(DropReason::NotServed));
        assert_eq!(bench.renew(2, addresses[1]), Err(DropReason::NotServed));
        bench.dhcp.configure(hub(0), &config(pool.0, pool.1)).unwrap();
        let newcomer = bench.lease(3).unwrap();
        assert!(!addresses.contains(&newcomer), "{newcomer} is in use");
        assert_eq!(bench.lease(2), Ok(addresses[1]));
        let counted = bench.dhcp.counted();
        assert_eq!([counted.of_pools, counted.names], [counted.leases, 2 * counted.leases]);
    }
}

#[test]
fn leases_of_a_server_that_is_stopped_give_way_to_those_of_one_that_runs() {
    let mut bench = Bench::new(2, 10, 20);
    let _ = [1, 2].map(|client| bench.lease(client).unwrap());
    bench.dhcp.stop(hub(0));
    bench.dhcp.configure(hub(1), &config(10, 20)).unwrap();
    let offer = bench.send(hub(1), &message(MessageType::Discover, 3));
    assert!(matches!(offer, Ok(Some(_))), "{offer:?}");
    let counted = bench.dhcp.counted();
    assert_eq!([counted.of_pools, counted.names], [counted.leases, 2 * counted.leases]);
}
