//! SPIs, lists and lives.

use super::*;
use crate::store::model::Random;

#[test]
fn spis_name_their_slots_and_are_never_reserved_ones() {
    for capacity in [1, 2, 3, 8, 300] {
        let mut esp = esp(capacity, capacity);
        let spis: Vec<Spi> = core::iter::from_fn(|| esp.reserve(other())).collect();
        assert_eq!(spis.len(), capacity);
        for (slot, spi) in spis.iter().enumerate() {
            assert!(spi.0 >= 256);
            assert_eq!(esp.sadb.id_of(*spi).map(SaId::index), Some(slot as u32));
        }
    }
}

#[test]
fn an_spi_does_not_come_back_with_its_slot() {
    let mut esp = esp(1, 1);
    let mut old = Vec::new();
    for _ in 0..100 {
        let spi = esp.reserve(other()).unwrap();
        assert!(!old.contains(&spi));
        esp.release(spi);
        assert!(esp.is_empty());
        old.push(spi);
    }
}

#[test]
fn a_full_table_and_a_full_quota_refuse_and_keep_what_they_hold() {
    let mut esp = esp(5, 3);
    let greedy: Vec<Spi> = core::iter::from_fn(|| esp.reserve(peer(0))).collect();
    let other: Vec<Spi> = core::iter::from_fn(|| esp.reserve(peer(1))).collect();
    assert_eq!((greedy.len(), other.len()), (3, 2));
    esp.release(greedy[1]);
    assert!(esp.reserve(peer(1)).is_some());
    assert!(esp.reserve(peer(0)).is_none());
    assert!(greedy[2..].iter().chain(&other).all(|spi| esp.sadb.id_of(*spi).is_some()));
    assert!(esp.reserve(peer(99)).is_none(), "a peer beyond the table");
}

#[test]
fn only_what_is_reserved_for_a_peer_is_installed_and_only_once() {
    let mut esp = esp(4, 4);
    let spi = esp.reserve(other()).unwrap();
    let good = params(AES_SHA1, spi, Spi(700), (1, 2));
    let foreign = SaParams { peer: peer(1), ..good.clone() };
    assert_eq!(esp.install(at(0), &foreign), Err(DropReason::UnknownSpi));
    let unknown = SaParams { spi_in: Spi(spi.0 ^ TOP), ..good.clone() };
    assert_eq!(esp.install(at(0), &unknown), Err(DropReason::UnknownSpi));
    assert!(esp.install(at(0), &good).is_ok());
    assert_eq!(esp.install(at(0), &good), Err(DropReason::UnknownSpi));
    // Releasing is for reservations alone.
    esp.release(spi);
    assert_eq!(esp.len(), 1);
}

const TOP: u32 = 1 << 30;

#[test]
fn keys_that_do_not_fit_their_suite_release_the_spi() {
    let mut esp = esp(4, 4);
    let spi = esp.reserve(other()).unwrap();
    let good = params(AES_SHA1, spi, Spi(700), (1, 2));
    let bad = SaParams { key_out: key(GCM, 1), ..good };
    assert_eq!(esp.install(at(0), &bad), Err(DropReason::Unsupported));
    assert!(esp.is_empty());
}

#[test]
fn a_peer_names_a_pair_by_our_outbound_spi() {
    let ends = ends(AES_SHA1);
    let spi = ends.us.spi(ends.ours).unwrap();
    let spi_out = ends.client.spi(ends.theirs).unwrap();
    assert_eq!(ends.us.spi_of_outbound(other(), spi_out), Some(spi));
    assert_eq!(ends.us.spi_of_outbound(peer(1), spi_out), None);
    assert_eq!(ends.us.spi_of_outbound(other(), Spi(1)), None);
}

#[test]
fn pairs_expire_one_by_one_when_their_time_is_over() {
    let mut esp = esp(4, 4);
    for secs in [30, 10, 20] {
        let spi = esp.reserve(other()).unwrap();
        let mut params = params(AES_SHA1, spi, Spi(700), (1, 2));
        params.lifetime.time = Duration::from_secs(secs);
        esp.install(at(0), &params).unwrap();
    }
    let reserved = esp.reserve(other()).unwrap();
    assert!(esp.deadline().is_some_and(|deadline| deadline <= at(11)));
    assert_eq!(esp.handle_timeout(at(9)), None);
    let expired = esp.handle_timeout(at(25)).unwrap();
    assert_eq!(expired.peer, other());
    assert!(esp.sadb.id_of(expired.spi).is_none());
    assert!(esp.handle_timeout(at(25)).is_some());
    assert_eq!(esp.handle_timeout(at(25)), None);
    assert!(esp.handle_timeout(at(31)).is_some());
    assert_eq!(esp.deadline(), None);
    assert!(esp.sadb.id_of(reserved).is_some(), "a reservation is for IKE to release");
}

#[test]
fn what_the_predecessor_in_a_slot_left_behind_is_removed() {
    let mut esp = esp(4, 4);
    let successor = PeerId::from(Key { index: other().index(), generation: 1 });
    let spi = esp.reserve(other()).unwrap();
    esp.install(at(0), &params(AES_SHA1, spi, Spi(700), (1, 2))).unwrap();
    esp.activate(spi);
    assert_eq!(esp.outbound_for(successor, 1701), None);
    let new = esp.reserve(successor).unwrap();
    assert_eq!(esp.len(), 1);
    assert!(esp.sadb.id_of(spi).is_none() && esp.sadb.id_of(new).is_some());
    assert_eq!(esp.outbound_for(other(), 1701), None);
    esp.remove_peer(other());
    assert!(esp.sadb.id_of(new).is_some());
}

/// Reservations, pairs, activations and removals at random equal plain lists, newest last.
#[test]
fn lists_of_peers_equal_plain_lists() {
    const PEERS: usize = 4;
    for seed in 1..40 {
        let mut random = Random(seed);
        let mut esp = esp(12, 5);
        let mut model: [Vec<(Spi, bool)>; PEERS] = Default::default();
        for _ in 0..400 {
            let index = random.below(PEERS);
            let peer = peer(index as u32);
            let list = &mut model[index];
            let chosen = list.get(random.below(5)).map(|entry| entry.0);
            match (random.below(8), chosen) {
                (0..4, _) => {
                    let total: usize = model.iter().map(Vec::len).sum();
                    let reserved = esp.reserve(peer);
                    assert_eq!(reserved.is_some(), total < 12 && model[index].len() < 5);
                    model[index].extend(reserved.map(|spi| (spi, false)));
                }
                (4..6, Some(spi)) => {
                    let params = SaParams { peer, ..params(GCM, spi, Spi(700), (1, 2)) };
                    let was_pair = list.contains(&(spi, true));
                    assert_eq!(esp.install(at(0), &params).is_err(), was_pair);
                    if !was_pair {
                        list.retain(|entry| entry.0 != spi);
                        list.push((spi, true));
                    }
                }
                (6, Some(spi)) => {
                    assert!(esp.remove(spi));
                    list.retain(|entry| entry.0 != spi);
                }
                (7, _) if random.below(6) == 0 => {
                    esp.remove_peer(peer);
                    list.clear();
                }
                _ => {}
            }
            for (index, list) in model.iter().enumerate() {
                let pairs = list.iter().rev().filter(|entry| entry.1).map(|entry| entry.0);
                let found: Vec<Spi> = esp
                    .sadb
                    .list(super::peer(index as u32))
                    .filter_map(|(id, _)| esp.spi(id))
                    .collect();
                assert!(pairs.eq(found), "seed {seed}");
            }
            assert_eq!(esp.len(), model.iter().map(Vec::len).sum::<usize>());
        }
    }
}

/// What a board and a server have to reserve for each pair.
#[test]
fn a_pair_of_sas_stays_small() {
    assert!(size_of::<Slot<Entry>>() <= 1_280, "{} octets", size_of::<Slot<Entry>>());
    assert!(size_of::<PeerEntry>() <= 160, "{} octets", size_of::<PeerEntry>());
}

#[test]
fn a_peer_that_is_gone_is_forgotten_with_all_that_was_known_of_it() {
    let mut ends = ends(AES_SHA256);
    let packet = ends.send(b"here");
    ends.receive(&packet).unwrap();
    assert_eq!(ends.us.heard_at(other()), Some(at(1)));
    ends.us.remove_peer(other());
    assert!(ends.us.is_empty());
    assert_eq!(ends.us.heard_at(other()), None);
}
