//! What comes in.

use std::vec;

use super::*;
use crate::crypto::transform::Sealer;

#[test]
fn every_payload_length_arrives_whole_in_both_directions() {
    for suite in SUITES {
        let mut ends = ends(suite);
        for len in 0..70 {
            let payload = payload(len);
            let mut packet = ends.send(&payload);
            let opened = ends.us.open(at(1), &path(7, 4500), &mut packet).unwrap();
            assert_eq!(packet.bytes(), payload, "{suite:?}");
            assert_eq!((opened.sa, opened.peer, opened.next_header), (ends.ours, other(), UDP));
            assert_eq!((opened.first, opened.moved, opened.rekey), (len == 0, None, false));
            let mut packet = ends.answer(&payload);
            ends.client.open(at(1), &path(7, 4500), &mut packet).unwrap();
            assert_eq!(packet.bytes(), payload, "{suite:?}");
        }
    }
}

#[test]
fn every_changed_octet_is_noticed_and_leaves_no_trace() {
    for suite in SUITES {
        let mut ends = ends(suite);
        let good = ends.send(b"do not touch");
        for octet in 0..good.len() {
            let mut changed = frame(good.bytes());
            changed.bytes_mut()[octet] ^= 0x80;
            let expected = if octet < 4 { DropReason::UnknownSpi } else { DropReason::BadIcv };
            assert_eq!(ends.receive(&changed).unwrap_err(), expected, "{suite:?} octet {octet}");
        }
        assert!(ends.receive(&good).unwrap().first);
    }
}

/// S17: short packets crash IPsec stacks.
#[test]
fn garbage_of_every_length_is_dropped_and_leaves_no_trace() {
    for suite in SUITES {
        let mut ends = ends(suite);
        let spi = ends.us.spi(ends.ours).unwrap().0.to_be_bytes();
        for len in 0..150 {
            for fill in [0, 1, 0xff] {
                let mut garbage = vec![fill; len];
                let known = len.min(4);
                garbage[..known].copy_from_slice(&spi[..known]);
                let expected = match (len, fill) {
                    (..8, _) => DropReason::Truncated,
                    (_, 0) => DropReason::Replayed,
                    _ => DropReason::BadIcv,
                };
                assert_eq!(ends.receive(&frame(&garbage)).unwrap_err(), expected, "{suite:?}");
            }
        }
        let good = ends.send(b"still here");
        assert!(ends.receive(&good).unwrap().first);
    }
}

/// Seals `text`, payload to trailer, as the client's next packet would be.
fn sealed_text(ends: &mut Ends, suite: EspSuite, text: &[u8]) -> Packet {
    let sequence = {
        let sa = ends.client.sadb.find_sa_mut(ends.theirs).unwrap();
        sa.sent += 1;
        sa.sent
    };
    let header = [ends.us.spi(ends.ours).unwrap().0.to_be_bytes(), sequence.to_be_bytes()];
    let mut packet = header.concat();
    packet.extend(vec![9; suite.iv_len()]);
    packet.extend(text);
    packet.extend(vec![0; suite.icv_len()]);
    Sealer::new(suite, key(suite, 1).expose()).unwrap().seal(&mut packet).unwrap();
    frame(&packet)
}

#[test]
fn padding_must_be_what_the_rfc_says() {
    let mut ends = ends(AES_SHA1);
    let mut case = |text: &[u8; 16]| {
        let packet = sealed_text(&mut ends, AES_SHA1, text);
        let mut opened = frame(packet.bytes());
        let result = ends.us.open(at(1), &path(7, 4500), &mut opened);
        result.map(|opened| opened.next_header).map(|next| (next, opened.bytes().to_vec()))
    };
    assert_eq!(case(b"0123456789\x01\x02\x03\x04\x04\x11"), Ok((UDP, b"0123456789".to_vec())));
    assert_eq!(case(b"0123456789abcd\x00\x11"), Ok((UDP, b"0123456789abcd".to_vec())));
    let all_padding = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0e\x11";
    assert_eq!(case(all_padding), Ok((UDP, vec![])));
    // Longer than the text; not 1, 2, 3; zeros.
    let bad = Err(DropReason::BadPadding);
    assert_eq!(case(b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x11"), bad);
    assert_eq!(case(b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff\x11"), bad);
    assert_eq!(case(b"0123456789\x01\x02\x03\x05\x04\x11"), bad);
    assert_eq!(case(b"0123456789\x00\x00\x00\x00\x04\x11"), bad);
    // No next header is special here: IPv4, IPv6, ESP, none.
    for next in [4, 41, 50, 59] {
        let mut text = *b"0123456789abcd\x00\x00";
        text[15] = next;
        assert_eq!(case(&text).unwrap().0, next);
    }
}

#[test]
fn a_packet_with_bad_padding_is_not_the_first_valid_one() {
    let mut ends = ends(AES_SHA1);
    let packet = sealed_text(&mut ends, AES_SHA1, &[0xff; 16]);
    assert_eq!(ends.receive(&packet).unwrap_err(), DropReason::BadPadding);
    assert_eq!(ends.receive(&packet).unwrap_err(), DropReason::Replayed);
    assert_eq!(ends.us.outbound_for(other(), 1701), None);
    let packet = ends.send(b"good");
    assert!(ends.receive(&packet).unwrap().first);
}

/// S10: a captured packet is worth nothing, from wherever it is sent again.
#[test]
fn a_replayed_packet_is_dropped_and_moves_nobody() {
    let mut ends = ends(AES_SHA1);
    let packets: Vec<Packet> = (0..20).map(|_| ends.send(b"once")).collect();
    for packet in packets.iter().rev() {
        assert!(ends.receive(packet).is_ok(), "out of order is fine");
    }
    for packet in &packets {
        let result = ends.receive_from(at(9), &path(66, 4500), packet);
        assert_eq!(result.unwrap_err(), DropReason::Replayed);
    }
    assert_eq!(ends.us.path(ends.ours), Some(path(7, 4500)));
}

#[test]
fn a_forged_sequence_number_does_not_move_the_window() {
    let mut ends = ends(GCM);
    let good = ends.send(b"good");
    let mut forged = frame(good.bytes());
    forged.bytes_mut()[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(ends.receive(&forged).unwrap_err(), DropReason::BadIcv);
    assert!(ends.receive(&good).is_ok());
}

#[test]
fn a_peer_moves_with_its_newest_packet_only() {
    let mut ends = ends(AES_SHA1);
    let (old, new, newer) = (ends.send(b"1"), ends.send(b"2"), ends.send(b"3"));
    let elsewhere = path(8, 61_000);
    let opened = ends.receive_from(at(1), &elsewhere, &new).unwrap();
    assert_eq!(opened.moved, Some(elsewhere));
    assert_eq!(ends.us.path(ends.ours), Some(elsewhere));
    // A packet that was overtaken is delivered, but says nothing about where the peer is.
    let opened = ends.receive_from(at(5), &path(7, 4500), &old).unwrap();
    assert_eq!(opened.moved, None);
    let opened = ends.receive_from(at(5), &elsewhere, &newer).unwrap();
    assert_eq!(opened.moved, None);
    assert_eq!(ends.us.path(ends.ours), Some(elsewhere));
}

#[test]
fn a_peer_moves_once_in_a_second_at_most() {
    let mut ends = ends(AES_SHA1);
    let mut moved = |millis, host| {
        let now = Instant::ZERO + Duration::from_millis(millis);
        let packet = ends.send(b"here");
        ends.receive_from(now, &path(host, 4500), &packet).unwrap().moved.is_some()
    };
    assert!(moved(1_000, 8));
    assert!(!moved(1_999, 9));
    assert!(moved(2_000, 9));
    assert!(!moved(9_000, 9));
}

#[test]
fn a_peer_does_not_change_its_encapsulation_by_moving() {
    let mut ends = ends(AES_SHA1);
    let raw = Path { outer: Outer::Esp, ..path(8, 0) };
    let on_500 = Path { local: ([192, 0, 2, 1], 500).into(), ..path(8, 500) };
    for path in [raw, on_500] {
        let packet = ends.send(b"other way");
        assert_eq!(ends.receive_from(at(4), &path, &packet).unwrap().moved, None);
    }
    assert_eq!(ends.us.path(ends.ours), Some(path(7, 4500)));
}

#[test]
fn what_is_heard_is_remembered_for_the_peer() {
    let mut ends = ends(AES_SHA1);
    assert_eq!(ends.us.heard_at(other()), None);
    let packet = ends.send(b"12345");
    ends.receive_from(at(3), &path(7, 4500), &packet).unwrap();
    let _ = ends.receive_from(at(4), &path(7, 4500), &packet);
    assert_eq!(ends.us.heard_at(other()), Some(at(3)));
    ends.answer(b"123");
    let usage = (Usage { packets: 1, bytes: 5 }, Usage { packets: 1, bytes: 3 });
    assert_eq!(ends.us.usage(ends.ours), Some(usage));
}

/// A client that negotiates 128 bits and sends 96.
fn android() -> Ends {
    let mut ends = ends(AES_SHA256);
    ends.client.sadb.find_sa_mut(ends.theirs).unwrap().cut_icv(Mac::Sha256_96);
    ends
}

#[test]
fn quirk_android_sha256_96_is_recognised_on_the_first_packet() {
    let mut ends = android();
    let packet = ends.send(b"cut short");
    assert_eq!((packet.len() - 8 - 16 - 12) % 16, 0);
    assert!(ends.receive(&packet).unwrap().first);
    let answer = ends.answer(b"cut too");
    assert_eq!((answer.len() - 8 - 16 - 12) % 16, 0);
    assert!(ends.client.open(at(1), &path(7, 4500), &mut frame(answer.bytes())).is_ok());
    // Its next pair begins that way, so that we may send first.
    let spi = ends.us.reserve(other()).unwrap();
    let next = params(AES_SHA256, spi, Spi(4_000), (3, 4));
    let next = ends.us.install(at(2), &next).unwrap();
    assert_eq!(ends.us.sadb.find_sa(next).unwrap().has_short_icv(), Some(true));
}

#[test]
fn a_peer_that_stops_cutting_its_icv_is_understood_again() {
    let mut ends = ends(AES_SHA256);
    ends.us.sadb.find_sa_mut(ends.ours).unwrap().cut_icv(Mac::Sha256_96);
    ends.us.sadb.peer_mut(other()).unwrap().short_icv = true;
    let packet = ends.send(b"whole");
    assert!(ends.receive(&packet).unwrap().first);
    assert_eq!(ends.us.sadb.find_sa(ends.ours).unwrap().has_short_icv(), Some(false));
    assert!(!ends.us.sadb.peer(other()).unwrap().short_icv);
}

#[test]
fn a_cut_icv_is_not_accepted_later_nor_with_another_mac() {
    let mut ends = ends(AES_SHA256);
    let packet = ends.send(b"whole");
    assert!(ends.receive(&packet).is_ok());
    let cut = EspSuite::Cbc { cipher: Cipher::Aes128, mac: Mac::Sha256_96 };
    let packet = sealed_text(&mut ends, cut, b"0123456789abcd\x00\x11");
    assert_eq!(ends.receive(&packet).unwrap_err(), DropReason::BadIcv);

    let mut ends = super::ends(AES_SHA512);
    let mut packet = ends.send(b"whole");
    packet.truncate(packet.len() - 16);
    assert_eq!(ends.receive(&packet).unwrap_err(), DropReason::BadIcv);
}

#[test]
fn a_packet_for_no_sa_or_only_a_reserved_spi_is_dropped() {
    let mut ends = ends(AES_SHA1);
    let reserved = ends.us.reserve(other()).unwrap();
    for spi in [0, 1, 255, reserved.0, u32::MAX] {
        let mut packet = ends.send(b"nobody");
        packet.bytes_mut()[..4].copy_from_slice(&spi.to_be_bytes());
        assert_eq!(ends.receive(&packet).unwrap_err(), DropReason::UnknownSpi);
    }
}

#[test]
fn nothing_passes_after_the_end_of_time() {
    let mut ends = ends(AES_SHA1);
    let [good, late] = [ends.send(b"good"), ends.send(b"late")];
    let path = path(7, 4500);
    assert!(ends.receive_from(at(3_599), &path, &good).is_ok());
    let result = ends.receive_from(at(3_600), &path, &late);
    assert_eq!(result.unwrap_err(), DropReason::SaExpired);
    let mut packet = frame(b"late too");
    let result = ends.us.prepare(at(3_600), &mut ends.rng, ends.ours, &mut packet);
    assert_eq!(result.unwrap_err(), DropReason::SaExpired);
}

#[test]
fn nothing_passes_after_the_last_octet_and_a_successor_is_asked_for_once() {
    let mut ends = ends_with(AES_SHA1, |params| params.lifetime.bytes = Some(1_000));
    ends.client.sadb.find_sa_mut(ends.theirs).unwrap().life =
        lifetime::Life::new(at(0), Lifetime { time: Duration::from_secs(3600), bytes: None });
    let rekeys: Vec<_> = (0..6)
        .map(|_| {
            let packet = ends.send(&payload(200));
            ends.receive(&packet).map(|opened| opened.rekey)
        })
        .collect();
    let over = Err(DropReason::SaExpired);
    assert_eq!(rekeys, [Ok(false), Ok(false), Ok(false), Ok(true), Ok(false), over]);
    // The pair is worn out, so it goes with the next timeout.
    let expired = ends.us.handle_timeout(at(2)).unwrap();
    assert_eq!((expired.sa, expired.peer), (ends.ours, other()));
    assert!(ends.us.is_empty());
}
