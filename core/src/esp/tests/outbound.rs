//! What goes out.

use std::collections::BTreeSet;

use super::*;
use crate::crypto::transform::{LANES, Opener};

/// Another pair with the same peer, on our side only.
fn another(esp: &mut Esp<'_>, peer_port: u16) -> SaId {
    let spi = esp.reserve(other()).unwrap();
    let params = SaParams { peer_port, ..params(AES_SHA1, spi, Spi(9_999), (1, 2)) };
    esp.install(at(0), &params).unwrap()
}

fn activate(esp: &mut Esp<'_>, sa: SaId) {
    let spi = esp.spi(sa).unwrap();
    esp.activate(spi);
}

#[test]
fn a_pair_sends_once_it_is_activated_or_has_received() {
    let mut ends = ends(AES_SHA1);
    assert_eq!(ends.us.outbound_for(other(), 1701), None);
    let packet = ends.send(b"hello");
    ends.receive(&packet).unwrap();
    assert_eq!(ends.us.outbound_for(other(), 1701), Some(ends.ours));
    assert_eq!(ends.us.outbound_for(peer(4), 1701), None);

    let successor = another(&mut ends.us, 1701);
    assert_eq!(ends.us.outbound_for(other(), 1701), Some(ends.ours));
    activate(&mut ends.us, successor);
    assert_eq!(ends.us.outbound_for(other(), 1701), Some(successor));
    let spi = ends.us.spi(successor).unwrap();
    assert!(ends.us.remove(spi));
    assert_eq!(ends.us.outbound_for(other(), 1701), Some(ends.ours));
}

#[test]
fn the_selector_that_names_the_port_is_preferred_then_any_port_then_the_newest() {
    let mut esp = esp(8, 8);
    let [any, on_1701, on_5000, pending] =
        [0, 1701, 5000, 1701].map(|port| another(&mut esp, port));
    for sa in [any, on_1701, on_5000] {
        activate(&mut esp, sa);
    }
    assert_eq!(esp.outbound_for(other(), 1701), Some(on_1701));
    assert_eq!(esp.outbound_for(other(), 5000), Some(on_5000));
    assert_eq!(esp.outbound_for(other(), 6000), Some(any));
    let spi = esp.spi(any).unwrap();
    esp.remove(spi);
    assert_eq!(esp.outbound_for(other(), 6000), Some(on_5000));
    activate(&mut esp, pending);
    assert_eq!(esp.outbound_for(other(), 1701), Some(pending));
}

/// The text of a sealed packet of ours, payload to trailer.
fn text_of(suite: EspSuite, packet: &Packet) -> Vec<u8> {
    let mut packet = packet.bytes().to_vec();
    let opener = Opener::new(suite, key(suite, 2).expose()).unwrap();
    let text = opener.open(&mut packet).unwrap();
    packet[text].to_vec()
}

#[test]
fn padding_is_1_2_3_and_as_short_as_can_be() {
    for suite in SUITES {
        let mut ends = ends(suite);
        for len in 0..40 {
            let packet = ends.answer(&payload(len));
            let text = text_of(suite, &packet);
            let pad_len = text.len() - len - 2;
            assert!(text.len().is_multiple_of(suite.align_len()) && pad_len < suite.align_len());
            let padding: Vec<u8> = (1..=pad_len as u8).collect();
            let expected = [&payload(len), &padding[..], &[pad_len as u8, UDP]].concat();
            assert_eq!(text, expected, "{suite:?}");
        }
    }
}

#[test]
fn sequence_numbers_count_from_one_and_no_iv_comes_twice() {
    for suite in SUITES {
        let mut ends = ends(suite);
        let spi_out = ends.client.spi(ends.theirs).unwrap();
        let mut ivs = BTreeSet::new();
        for sequence in 1_u32..=50 {
            let packet = ends.answer(b"same");
            let (header, rest) = packet.bytes().split_at(8);
            assert_eq!(header, [spi_out.0.to_be_bytes(), sequence.to_be_bytes()].concat());
            assert!(ivs.insert(rest[..suite.iv_len()].to_vec()), "{suite:?}");
        }
    }
}

#[test]
fn sequence_numbers_end_and_a_successor_is_asked_for_before() {
    let mut ends = ends(GCM);
    let prepare = |ends: &mut Ends, sent| {
        ends.us.sadb.find_sa_mut(ends.ours).unwrap().sent = sent;
        ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut frame(b"x"))
    };
    assert_eq!(prepare(&mut ends, 0), Ok(Prepared { rekey: false }));
    assert_eq!(prepare(&mut ends, u32::MAX / 8 * 7), Ok(Prepared { rekey: true }));
    assert_eq!(prepare(&mut ends, u32::MAX - 1), Ok(Prepared { rekey: false }));
    assert_eq!(prepare(&mut ends, u32::MAX), Err(DropReason::SaExpired));
    assert_eq!(ends.us.handle_timeout(at(2)).map(|expired| expired.sa), Some(ends.ours));
}

#[test]
fn in_udp_500_the_non_ike_marker_stands_in_front() {
    let mut ends = ends_with(AES_SHA1, |params| params.encapsulation = Encapsulation::UdpNonIke);
    let mut packet = ends.answer(b"old draft");
    assert_eq!(packet.bytes()[..8], [0; 8]);
    packet.strip(8).unwrap();
    ends.client.open(at(1), &path(7, 500), &mut packet).unwrap();
    assert_eq!(packet.bytes(), b"old draft");
}

#[test]
fn bare_esp_leaves_without_udp_wherever_ike_speaks() {
    let ends = ends_with(AES_SHA1, |params| params.encapsulation = Encapsulation::Esp);
    let bare = ends.us.path(ends.ours).unwrap();
    assert_eq!(bare.outer, Outer::Esp);
    assert_eq!((bare.local.port(), bare.remote.port()), (0, 0));
    assert_eq!(bare.remote.ip(), path(7, 4500).remote.ip());
}

#[test]
fn a_batch_is_sealed_as_its_packets_would_be_one_by_one() {
    for encapsulation in [Encapsulation::Udp, Encapsulation::UdpNonIke] {
        for suite in SUITES {
            let mut ends = ends_with(suite, |params| params.encapsulation = encapsulation);
            let count = LANES * 2 + 3;
            let mut packets: Vec<Packet> = (0..count)
                .map(|at_len| {
                    let mut packet = frame(&payload(at_len * 37 % 301));
                    ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut packet).unwrap();
                    packet
                })
                .collect();
            let mut batch: Vec<&mut [u8]> = packets.iter_mut().map(Frame::bytes_mut).collect();
            ends.us.seal(ends.ours, &mut batch).unwrap();
            for (at_len, mut packet) in packets.into_iter().enumerate() {
                let marker = if encapsulation == Encapsulation::UdpNonIke { 8 } else { 0 };
                packet.strip(marker).unwrap();
                ends.client.open(at(1), &path(7, 4500), &mut packet).unwrap();
                assert_eq!(packet.bytes(), payload(at_len * 37 % 301));
            }
        }
    }
}

#[test]
fn a_pair_that_is_gone_neither_prepares_nor_seals() {
    let mut ends = ends(AES_SHA1);
    let mut packet = frame(b"too late");
    ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut packet).unwrap();
    let spi = ends.us.spi(ends.ours).unwrap();
    assert!(ends.us.remove(spi));
    assert!(!ends.us.remove(spi));
    let sealed = ends.us.seal(ends.ours, &mut [packet.bytes_mut()]);
    assert_eq!(sealed, Err(DropReason::NoSa));
    let prepared = ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut packet);
    assert_eq!(prepared, Err(DropReason::NoSa));
    assert_eq!(ends.us.path(ends.ours), None);
}

#[test]
fn what_was_not_prepared_is_not_sealed() {
    for suite in SUITES {
        let ends = ends(suite);
        for len in 0..8 {
            let mut packet = std::vec![0; len];
            let sealed = ends.us.seal(ends.ours, &mut [&mut packet]);
            assert_eq!(sealed, Err(DropReason::BadLength));
        }
    }
}

#[test]
fn a_packet_without_room_is_refused() {
    let mut ends = ends(AES_SHA1);
    let mut no_tail = Frame::received([0_u8; 140], 12).unwrap();
    let prepared = ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut no_tail);
    assert_eq!(prepared, Err(DropReason::NoRoom));
    let mut no_head = frame(b"");
    no_head.push(120).unwrap();
    let prepared = ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut no_head);
    assert_eq!(prepared, Err(DropReason::NoRoom));
}

#[test]
fn the_overhead_is_the_most_that_is_ever_added() {
    use Encapsulation::{Esp, Udp, UdpNonIke};
    for encapsulation in [Esp, Udp, UdpNonIke] {
        for suite in SUITES {
            let mut ends = ends_with(suite, |params| params.encapsulation = encapsulation);
            activate(&mut ends.us, ends.ours);
            let added = (0..64).map(|len| ends.answer(&payload(len)).len() - len);
            let most = usize::from(overhead(suite, encapsulation));
            assert_eq!(added.max(), Some(most), "{suite:?} {encapsulation:?}");
            assert_eq!(usize::from(ends.us.overhead_of(other(), 1701)), most);
            assert!(most <= usize::from(ends.us.overhead_of(peer(6), 1701)), "no pair: the worst");
        }
    }
}

#[test]
fn the_longest_payload_fits_and_one_octet_more_does_not() {
    for (encapsulation, udp) in [(Encapsulation::Esp, 0), (Encapsulation::UdpNonIke, 8)] {
        for suite in SUITES {
            let mut ends = ends_with(suite, |params| params.encapsulation = encapsulation);
            for mtu in [576, 1280, 1400, 1492, 1500] {
                let most = usize::from(max_payload(mtu, 20, suite, encapsulation));
                let mut outer = |len| 20 + udp + ends.answer(&payload(len)).len();
                assert!(outer(most) <= usize::from(mtu), "{suite:?} {mtu}");
                assert!(outer(most + 1) > usize::from(mtu), "{suite:?} {mtu}");
            }
            assert_eq!(max_payload(40, 20, suite, encapsulation), 0);
        }
    }
}

#[test]
fn of_pairs_for_any_port_the_newest_is_used() {
    let mut esp = esp(4, 4);
    let mut pairs = Vec::new();
    for _ in 0..3 {
        let spi = esp.reserve(other()).unwrap();
        let any = SaParams { peer_port: 0, ..params(AES_SHA1, spi, Spi(0x7000), (1, 2)) };
        pairs.push(esp.install(at(0), &any).unwrap());
        esp.activate(spi);
    }
    assert_eq!(esp.outbound_for(other(), 1701), pairs.last().copied());
}
