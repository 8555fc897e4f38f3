use super::*;
use crate::ids::SessionId;
use crate::limits::Limits;
use crate::store::Key;
use crate::store::model::Random;
use crate::time::{Duration, Instant};

extern crate std;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

fn hubs(hubs: usize, ports: usize, macs: usize) -> Hubs<'static> {
    let limits = Limits { hubs, ports, macs, ..Limits::server(1) };
    let storage = HubStorage::allocate(&limits);
    Hubs::new(storage, [3; 16])
}

fn mac(number: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 0, number])
}

fn frame(source: MacAddr, destination: MacAddr) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&destination.0);
    frame[6..12].copy_from_slice(&source.0);
    frame[12] = 8;
    frame
}

fn bridge(hubs: &mut Hubs<'_>, hub: HubId) -> PortId {
    hubs.attach(hub, PortKind::Bridge, PortOwner::Bridge { hub: 0, bridge: 0 }).unwrap()
}

fn host(hubs: &mut Hubs<'_>, hub: HubId, mac: MacAddr) -> Result<PortId, DropReason> {
    let session = SessionId::from(Key { index: 0, generation: 0 });
    hubs.attach(hub, PortKind::Host(mac), PortOwner::Session(session))
}

fn targets(hubs: &Hubs<'_>, mut cursor: FloodCursor) -> Vec<PortId> {
    core::iter::from_fn(|| hubs.next_flood_target(&mut cursor)).collect()
}

/// Where a frame ends up.
fn send(
    hubs: &mut Hubs<'_>,
    now: Instant,
    from: PortId,
    source: MacAddr,
    destination: MacAddr,
) -> Result<Vec<PortId>, DropReason> {
    match hubs.forward(now, from, &frame(source, destination)) {
        Decision::Port(port) => Ok(std::vec![port]),
        Decision::Flood(cursor) => Ok(targets(hubs, cursor)),
        Decision::Drop(reason) => Err(reason),
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_micros(secs * 1_000_000)
}

#[test]
fn an_address_is_learned_moves_and_ages() {
    let mut hubs = hubs(1, 4, 16);
    let hub = hubs.add().unwrap();
    let [a, b, c] = [(); 3].map(|()| bridge(&mut hubs, hub));
    assert_eq!(send(&mut hubs, at(0), a, mac(1), mac(2)), Ok(std::vec![b, c]));
    assert_eq!(send(&mut hubs, at(1), b, mac(2), mac(1)), Ok(std::vec![a]));
    assert_eq!(send(&mut hubs, at(2), a, mac(1), mac(2)), Ok(std::vec![b]));
    assert_eq!(send(&mut hubs, at(3), c, mac(2), mac(1)), Ok(std::vec![a]));
    assert_eq!(send(&mut hubs, at(4), a, mac(1), mac(2)), Ok(std::vec![c]));
    assert_eq!(send(&mut hubs, at(4), c, mac(3), mac(2)), Err(DropReason::SamePort));
    assert_eq!(send(&mut hubs, at(302), a, mac(1), mac(2)), Ok(std::vec![c]));
    assert_eq!(send(&mut hubs, at(303), a, mac(1), mac(2)), Ok(std::vec![b, c]));
    assert!(hubs.detach(a));
    assert_eq!(send(&mut hubs, at(304), b, mac(3), mac(1)), Ok(std::vec![c]));
    assert_eq!(send(&mut hubs, at(304), a, mac(1), mac(3)), Err(DropReason::UnknownPort));
}

#[test]
fn a_host_owns_exactly_its_address() {
    let mut hubs = hubs(1, 4, 16);
    let hub = hubs.add().unwrap();
    let lan = bridge(&mut hubs, hub);
    // Learned behind the bridge first: the host takes it over.
    assert_eq!(send(&mut hubs, at(0), lan, mac(1), mac(9)), Err(DropReason::UnknownDestination));
    let one = host(&mut hubs, hub, mac(1)).unwrap();
    let two = host(&mut hubs, hub, mac(2)).unwrap();
    assert_eq!(host(&mut hubs, hub, mac(1)), Err(DropReason::MacInUse));
    assert_eq!(host(&mut hubs, hub, MacAddr::BROADCAST), Err(DropReason::SpoofedSource));
    assert_eq!(hubs.port_count(hub), 3);
    let spoofed = Err(DropReason::SpoofedSource);
    assert_eq!(send(&mut hubs, at(1), one, mac(2), mac(9)), spoofed);
    assert_eq!(send(&mut hubs, at(1), one, mac(3), mac(9)), spoofed);
    assert_eq!(send(&mut hubs, at(1), lan, mac(1), mac(2)), spoofed);
    assert_eq!(send(&mut hubs, at(1), lan, MacAddr::BROADCAST, mac(2)), spoofed);
    assert_eq!(send(&mut hubs, at(1), lan, MacAddr::default(), mac(2)), spoofed);
    assert_eq!(send(&mut hubs, at(9_999), lan, mac(7), mac(1)), Ok(std::vec![one]));
    // No one else's unicast reaches a host.
    assert_eq!(send(&mut hubs, at(9_999), one, mac(1), mac(8)), Ok(std::vec![lan]));
    assert!(hubs.detach(one));
    assert_eq!(send(&mut hubs, at(9_999), two, mac(2), mac(1)), Ok(std::vec![lan]));
    assert!(host(&mut hubs, hub, mac(1)).is_ok());
}

#[test]
fn frames_never_cross_hubs() {
    let mut hubs = hubs(2, 8, 32);
    let (red, blue) = (hubs.add().unwrap(), hubs.add().unwrap());
    let red_ports = [bridge(&mut hubs, red), bridge(&mut hubs, red)];
    let blue_ports = [bridge(&mut hubs, blue), bridge(&mut hubs, blue)];
    let red_host = host(&mut hubs, red, mac(1)).unwrap();
    let blue_host = host(&mut hubs, blue, mac(1)).unwrap();
    let mut random = Random(4);
    for step in 0..5_000 {
        let numbers = [(); 2].map(|()| mac(random.below(12) as u8 + 2));
        let destination = if random.below(4) == 0 { MacAddr::BROADCAST } else { numbers[1] };
        let (ports, own) = if random.below(2) == 0 {
            (red_ports, [red_ports[0], red_ports[1], red_host])
        } else {
            (blue_ports, [blue_ports[0], blue_ports[1], blue_host])
        };
        let now = at(step);
        let reached = send(&mut hubs, now, ports[random.below(2)], numbers[0], destination);
        assert!(reached.into_iter().flatten().all(|port| own.contains(&port)));
    }
    assert!(!hubs.remove(red));
    assert!([red_ports[0], red_ports[1], red_host].iter().all(|&port| hubs.detach(port)));
    assert!(hubs.remove(red) && !hubs.remove(red));
    assert_eq!(
        hubs.attach(red, PortKind::Bridge, PortOwner::Gateway(red)),
        Err(DropReason::UnknownPort)
    );
    let green = hubs.add().unwrap();
    assert_eq!((hubs.port_count(green), hubs.macs(green).count()), (0, 0));
}

/// The database against a map, with ports that come and go and tables that overflow.
#[test]
fn the_database_equals_a_map() {
    for seed in 1..30 {
        let mut random = Random(seed);
        let (macs, ports_max) = (24, 6);
        let mut hubs = hubs(2, ports_max, macs);
        let ids = [hubs.add().unwrap(), hubs.add().unwrap()];
        let mut ports: Vec<(PortId, HubId)> = Vec::new();
        let mut model: BTreeMap<(HubId, MacAddr), (PortId, Instant)> = BTreeMap::new();
        let mut now = at(0);
        for _ in 0..4_000 {
            now += Duration::from_millis(random.below(3_000) as u64);
            if random.below(40) == 0 && ports.len() < ports_max {
                let hub = ids[random.below(2)];
                ports.push((bridge(&mut hubs, hub), hub));
            } else if random.below(50) == 0 && !ports.is_empty() {
                let (port, _) = ports.swap_remove(random.below(ports.len()));
                assert!(hubs.detach(port));
                model.retain(|_, (behind, _)| *behind != port);
            } else if !ports.is_empty() {
                let (port, hub) = ports[random.below(ports.len())];
                let (source, destination) =
                    (mac(random.below(30) as u8 + 1), mac(random.below(30) as u8 + 1));
                let decision = hubs.forward(now, port, &frame(source, destination));
                if hubs.macs(hub).any(|found| found == (source, port)) {
                    let seen = model.entry((hub, source)).or_insert((port, now));
                    if seen.0 != port || now.since(seen.1) >= Duration::from_secs(1) {
                        *seen = (port, now);
                    }
                } else {
                    // Not learned: only where the table is full.
                    assert!(model.len() >= macs - ports_max);
                    model.remove(&(hub, source));
                }
                let known = model.get(&(hub, destination));
                let known = known.filter(|(_, seen)| now.since(*seen) < fdb::AGEING_TIME);
                match (decision, known) {
                    (Decision::Port(to), Some(&(behind, _))) => assert_eq!(to, behind),
                    (Decision::Drop(DropReason::SamePort), Some(&(behind, _))) => {
                        assert_eq!(behind, port);
                    }
                    (Decision::Flood(_) | Decision::Drop(DropReason::UnknownDestination), None) => {
                    }
                    other => panic!("{other:?}"),
                }
                // Outdated entries may have made room.
                let is_kept =
                    |hub: HubId, mac, port| hubs.macs(hub).any(|found| found == (mac, port));
                model.retain(|&(hub, mac), &mut (port, seen)| {
                    let kept = is_kept(hub, mac, port);
                    assert!(kept || now.since(seen) >= fdb::AGEING_TIME);
                    kept
                });
            }
        }
        assert!(ids.iter().map(|&hub| hubs.macs(hub).count()).sum::<usize>() == model.len());
    }
}

#[test]
fn a_port_learns_up_to_its_ceiling_and_hosts_always_find_a_place() {
    let mut hubs = hubs(1, 4, 12);
    let hub = hubs.add().unwrap();
    let lan = bridge(&mut hubs, hub);
    for number in 1..=100 {
        let _ = hubs.forward(at(0), lan, &frame(mac(number), mac(200)));
    }
    assert_eq!(hubs.macs(hub).count(), 8);
    for number in 201..=203 {
        assert!(host(&mut hubs, hub, mac(number)).is_ok());
    }
    assert_eq!(host(&mut hubs, hub, mac(204)), Err(DropReason::PortTableFull));
    // What was learned ages, and newcomers take the places.
    for number in 101..=120 {
        let _ = hubs.forward(at(301), lan, &frame(mac(number), mac(200)));
    }
    let is_new = |found: MacAddr| (101..=120).any(|number| found == mac(number));
    assert_eq!(hubs.macs(hub).filter(|&(found, _)| is_new(found)).count(), 8);

    let mut hubs = self::hubs(1, 2, 8_192);
    let hub = hubs.add().unwrap();
    let lan = bridge(&mut hubs, hub);
    let numbered = |number: u16| {
        let [high, low] = number.to_be_bytes();
        MacAddr([2, 0, 0, 1, high, low])
    };
    for number in 0..5_000 {
        let _ = hubs.forward(at(0), lan, &frame(numbered(number), mac(1)));
    }
    assert_eq!(hubs.macs(hub).count(), 4_096);
    let _ = hubs.forward(at(400), lan, &frame(numbered(4_999), mac(1)));
    assert_eq!(hubs.macs(hub).count(), 4_096);
    assert!(hubs.macs(hub).any(|(found, _)| found == numbered(4_999)));
    assert!(hubs.detach(lan));
    assert_eq!(hubs.macs(hub).count(), 0);
}

#[test]
fn full_tables_refuse_newcomers() {
    let mut hubs = hubs(1, 3, 1);
    let hub = hubs.add().unwrap();
    assert_eq!(hubs.add(), Err(Full));
    let one = host(&mut hubs, hub, mac(1)).unwrap();
    assert_eq!(host(&mut hubs, hub, mac(2)), Err(DropReason::MacTableFull));
    assert_eq!(hubs.port_count(hub), 1);
    assert!(hubs.detach(one) && !hubs.detach(one));
    assert!(host(&mut hubs, hub, mac(2)).is_ok());
}

#[test]
fn broadcasts_beyond_the_limit_are_dropped_and_unicasts_are_not() {
    let mut hubs = hubs(1, 4, 16);
    let hub = hubs.add().unwrap();
    let (one, two) = (host(&mut hubs, hub, mac(1)).unwrap(), host(&mut hubs, hub, mac(2)).unwrap());
    let mut sent = 0;
    let reason = loop {
        match send(&mut hubs, at(1), one, mac(1), MacAddr::BROADCAST) {
            Ok(to) => assert_eq!(to, [two]),
            Err(reason) => break reason,
        }
        sent += 1;
    };
    assert_eq!((sent, reason), (PortLimits::HOST.broadcast.burst, DropReason::BroadcastLimit));
    assert_eq!(send(&mut hubs, at(1), one, mac(1), mac(2)), Ok(std::vec![two]));
    assert!(send(&mut hubs, at(1), two, mac(2), MacAddr::BROADCAST).is_ok());
    assert!(send(&mut hubs, at(1), one, mac(1), MacAddr([1, 0, 0x5e, 0, 0, 251])).is_ok());
    assert!(send(&mut hubs, at(2), one, mac(1), MacAddr::BROADCAST).is_ok());
}

#[test]
fn a_frame_too_short_or_too_long_is_dropped() {
    let mut hubs = hubs(1, 2, 8);
    let hub = hubs.add().unwrap();
    let port = bridge(&mut hubs, hub);
    assert_eq!(hubs.forward(at(0), port, &[0; 13]), Decision::Drop(DropReason::Truncated));
    let long = [2; MAX_FRAME_LEN + 1];
    assert_eq!(hubs.forward(at(0), port, &long), Decision::Drop(DropReason::TooLong));
}

/// A flood reaches every port that stays, once, while at most one port leaves between two steps.
#[test]
fn a_flood_reaches_everyone_who_stays_while_ports_leave() {
    for seed in 1..400 {
        let mut random = Random(seed);
        let mut hubs = hubs(2, 24, 64);
        let (hub, other) = (hubs.add().unwrap(), hubs.add().unwrap());
        let mut staying: BTreeSet<PortId> = BTreeSet::new();
        for number in 0..20 {
            let hub = if random.below(5) == 0 { other } else { hub };
            let port = if random.below(2) == 0 {
                bridge(&mut hubs, hub)
            } else {
                host(&mut hubs, hub, mac(number + 1)).unwrap()
            };
            staying.insert(port);
        }
        let foreign = |hubs: &Hubs<'_>, port| hubs.hub_of(port) != Some(hub);
        let own: Vec<PortId> = staying.iter().copied().filter(|&p| !foreign(&hubs, p)).collect();
        let Some(&from) = own.get(random.below(own.len().max(1))) else { continue };
        let mut cursor = hubs.flood_to_all(hub, from);
        let mut reached = BTreeSet::new();
        let leavers_at_once = 1 + usize::from(seed % 10 == 0) * 4;
        loop {
            for _ in 0..random.below(leavers_at_once + 1).min(staying.len()) {
                let leaver = *staying.iter().nth(random.below(staying.len())).unwrap();
                staying.remove(&leaver);
                assert!(hubs.detach(leaver));
                if random.below(2) == 0 {
                    // Its slot is taken by a newcomer, which gets a copy or not.
                    bridge(&mut hubs, if random.below(2) == 0 { hub } else { other });
                }
            }
            let Some(target) = hubs.next_flood_target(&mut cursor) else { break };
            assert_eq!(hubs.hub_of(target), Some(hub));
            assert_ne!(target, from);
            assert!(reached.insert(target), "twice");
        }
        assert_eq!(hubs.next_flood_target(&mut cursor), None);
        if leavers_at_once == 1 {
            let expected = staying.iter().filter(|&&p| p != from && hubs.hub_of(p) == Some(hub));
            assert!(expected.into_iter().all(|port| reached.contains(port)), "seed {seed}");
        }
    }
}

#[test]
fn garbage_is_dropped_or_forwarded_but_never_panics() {
    let mut random = Random(8);
    let mut hubs = hubs(1, 4, 16);
    let hub = hubs.add().unwrap();
    let ports =
        [bridge(&mut hubs, hub), bridge(&mut hubs, hub), host(&mut hubs, hub, mac(1)).unwrap()];
    for step in 0..20_000 {
        let bytes: [u8; 40] = core::array::from_fn(|_| random.next() as u8 & 3);
        let len = random.below(41);
        let _ = hubs.forward(at(step / 100), ports[random.below(3)], &bytes[..len]);
    }
}
