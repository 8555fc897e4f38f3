//! Who gives way when there is no room, and who does not.

use super::*;

const HALF_OPEN: usize = 16;
/// One address may have a quarter.
const OF_ONE: u8 = 4;

fn lab(half_open: usize) -> Lab {
    Lab::with(&Limits { half_open, ..Limits::server(8) }, &settings())
}

fn at(last: u8, port: u16) -> Path {
    path(500, ([203, 0, 113, last], port).into())
}

fn first(lab: &mut Lab, client: &mut Client, from: Path) -> Result<(), DropReason> {
    lab.deliver(from, &client.first()).0
}

/// Whether message 1 is still known: it gets its answer once more.
fn is_known(lab: &mut Lab, client: &mut Client, from: Path) -> bool {
    let (result, seen) = lab.deliver(from, &client.first());
    result == Err(DropReason::Duplicate) && sent(&seen).len() == 1
}

#[test]
fn an_address_that_has_its_part_gives_way_to_itself_and_to_nobody_else() {
    let mut lab = lab(HALF_OPEN);
    let mut neighbour = Client::new(1);
    assert_eq!(first(&mut lab, &mut neighbour, at(1, 500)), Ok(()));
    lab.wait(Duration::from_secs(1));
    for seed in 10..10 + OF_ONE {
        assert_eq!(first(&mut lab, &mut Client::new(seed), at(2, 500)), Ok(()));
    }
    let early = first(&mut lab, &mut Client::new(50), at(2, 500));
    assert_eq!(early, Err(DropReason::HalfOpenQuota));
    lab.wait(Duration::from_secs(2));
    for seed in 60..70 {
        assert_eq!(first(&mut lab, &mut Client::new(seed), at(2, 500)), Ok(()));
        lab.wait(Duration::from_secs(1));
    }
    assert_eq!(lab.ike.negotiation_count(), usize::from(OF_ONE) + 1);
    assert!(is_known(&mut lab, &mut neighbour, at(1, 500)));
}

/// Message 5 of a client that has got in.
fn got_in(lab: &mut Lab, seed: u8) -> Vec<u8> {
    let mut client = Client::new(seed);
    let second = lab.ask(at(seed, 500), &client.first());
    let fourth = lab.ask(at(seed, 500), &client.third(&second));
    let fifth = client.fifth(&fourth, false);
    lab.ask(at(seed, 500), &fifth);
    fifth
}

#[test]
fn who_has_got_in_gives_way_after_fifteen_seconds_and_not_before() {
    let mut lab = lab(4);
    let fifths: Vec<_> = (1..=4).map(|seed| got_in(&mut lab, seed)).collect();
    lab.wait(Duration::from_secs(14));
    let early = first(&mut lab, &mut Client::new(50), at(50, 500));
    assert_eq!(early, Err(DropReason::HalfOpenQuota));
    for (seed, fifth) in (1..).zip(&fifths) {
        assert_eq!(sent(&lab.deliver(at(seed, 500), fifth).1).len(), 1, "message 6 once more");
    }
    lab.wait(Duration::from_secs(1));
    assert_eq!(first(&mut lab, &mut Client::new(51), at(51, 500)), Ok(()));
}

#[test]
fn who_has_said_nothing_gives_way_before_who_has_got_in() {
    let mut lab = lab(4);
    let fifths: Vec<_> = (1..=2).map(|seed| got_in(&mut lab, seed)).collect();
    lab.wait(Duration::from_secs(20));
    for seed in 10..12 {
        assert_eq!(first(&mut lab, &mut Client::new(seed), at(seed, 500)), Ok(()));
    }
    lab.wait(Duration::from_secs(2));
    for seed in 20..22 {
        assert_eq!(first(&mut lab, &mut Client::new(seed), at(seed, 500)), Ok(()));
    }
    for (seed, fifth) in (1..).zip(&fifths) {
        assert_eq!(sent(&lab.deliver(at(seed, 500), fifth).1).len(), 1);
    }
}

#[test]
fn a_full_table_of_ike_sas_is_told_and_leaves_nothing_behind() {
    let limits = Limits { ike_sas: 2, half_open: HALF_OPEN, ..Limits::server(8) };
    let mut lab = Lab::with(&limits, &settings());
    for seed in 1..3 {
        assert_eq!(first(&mut lab, &mut Client::new(seed), at(seed, 500)), Ok(()));
    }
    let (result, seen) = lab.deliver(at(9, 500), &Client::new(9).first());
    assert_eq!(result, Err(DropReason::PeerTableFull));
    assert!(matches!(
        events(&seen)[..],
        [Event::Refused { reason: DropReason::PeerTableFull, .. }]
    ));
    assert_eq!(lab.ike.negotiation_count(), 2);
}
