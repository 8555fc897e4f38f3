//! The ends of a pair: of octets in either direction, of sequence numbers, of time.

use super::*;

fn ends_of(bytes: u64) -> Ends {
    ends_with(AES_SHA1, |params| params.lifetime.bytes = Some(bytes))
}

/// Prepares a packet of ours.
fn prepare(ends: &mut Ends, len: usize) -> Result<bool, DropReason> {
    let mut packet = frame(&payload(len));
    let prepared = ends.us.prepare(at(1), &mut ends.rng, ends.ours, &mut packet);
    prepared.map(|prepared| prepared.rekey)
}

/// Takes a packet of the client's other end, which has no limit.
fn receive(ends: &mut Ends, len: usize) -> Result<bool, DropReason> {
    let packet = ends.send(&payload(len));
    ends.receive(&packet).map(|opened| opened.rekey)
}

fn unlimited_client(bytes: u64) -> Ends {
    let mut ends = ends_of(bytes);
    let sa = ends.client.sadb.find_sa_mut(ends.theirs).unwrap();
    sa.life = lifetime::Life::new(at(0), Lifetime { time: Duration::from_secs(3600), bytes: None });
    ends
}

#[test]
fn a_limit_of_octets_ends_a_pair_that_only_sends() {
    let mut ends = ends_of(1_000);
    activate_ours(&mut ends);
    assert_eq!(prepare(&mut ends, 500), Ok(false));
    assert_eq!(prepare(&mut ends, 249), Ok(false));
    assert_eq!(prepare(&mut ends, 1), Ok(true), "three quarters");
    assert_eq!(prepare(&mut ends, 1), Ok(false), "told once");
    assert_eq!(ends.us.handle_timeout(at(2)), None);
    assert_eq!(prepare(&mut ends, 249), Ok(false), "the last one still leaves");
    assert_eq!(prepare(&mut ends, 1), Err(DropReason::SaExpired));
    let expired = ends.us.handle_timeout(at(2)).expect("at once");
    assert_eq!((expired.sa, expired.peer), (ends.ours, other()));
    assert!(ends.us.is_empty());
}

#[test]
fn a_limit_of_octets_ends_a_pair_that_only_receives() {
    let mut ends = unlimited_client(1_000);
    assert_eq!(receive(&mut ends, 749), Ok(false));
    assert_eq!(receive(&mut ends, 1), Ok(true));
    assert_eq!(receive(&mut ends, 1), Ok(false));
    assert_eq!(receive(&mut ends, 249), Ok(false));
    assert_eq!(receive(&mut ends, 1), Err(DropReason::SaExpired));
    assert_eq!(prepare(&mut ends, 1), Err(DropReason::SaExpired), "the pair, not one direction");
    assert!(ends.us.handle_timeout(at(2)).is_some());
}

#[test]
fn the_directions_are_counted_each_by_itself() {
    let mut ends = unlimited_client(1_000);
    for _ in 0..7 {
        assert_eq!(receive(&mut ends, 100), Ok(false));
        assert_eq!(prepare(&mut ends, 100), Ok(false));
    }
    assert_eq!(receive(&mut ends, 100), Ok(true));
    assert_eq!(prepare(&mut ends, 100), Ok(false), "the pair wants one successor");
    let usage = ends.us.usage(ends.ours).unwrap();
    let expected = Usage { packets: 8, bytes: 800 };
    assert_eq!(usage, (expected, expected));
}

#[test]
fn the_end_of_time_holds_for_both_directions() {
    let mut ends = ends(AES_SHA1);
    activate_ours(&mut ends);
    let packet = ends.send(b"late");
    let mut ours = frame(b"late");
    let end = at(3_600);
    let result = ends.us.prepare(end, &mut ends.rng, ends.ours, &mut ours);
    assert_eq!(result, Err(DropReason::SaExpired));
    let result = ends.us.open(end, &path(7, 4500), &mut frame(packet.bytes()));
    assert_eq!(result.unwrap_err(), DropReason::SaExpired);
    assert!(ends.us.handle_timeout(at(3_601)).is_some());
}

fn activate_ours(ends: &mut Ends) {
    let spi = ends.us.spi(ends.ours).unwrap();
    ends.us.activate(spi);
}
