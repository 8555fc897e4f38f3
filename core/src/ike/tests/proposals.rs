//! Offers and answers of other stacks: values that our own peer neither sends nor reads.

use std::vec;

use super::client::{Proposal, attributes, phase1, proposals, sa};
use super::*;
use crate::crypto::{Cipher, EspSuite, Mac};
use crate::event::{FailureCause, Stage};

/// The SA payload with which message 1 of main mode is answered; `None` if it is refused.
fn answer(config: &IpsecConfig<'_>, offer: Vec<u8>) -> Option<Vec<u8>> {
    let mut lab = Lab::with(&Limits::server(8), config);
    let mut client = Client::new(1);
    client.offer = Some(offer);
    let (result, seen) = lab.deliver(path(500, home()), &client.first());
    match result {
        Ok(()) => {
            let answer = &sent(&seen)[0];
            Some(client::payloads(answer[16], &answer[28..])[0].1.clone())
        }
        Err(reason) => {
            assert_eq!(reason, DropReason::NoProposalChosen);
            None
        }
    }
}

/// Number and attributes of the transform that was chosen.
fn chosen(answer: &[u8]) -> (u8, &[u8]) {
    assert_eq!(answer.len(), 16 + usize::from(u16::from_be_bytes([answer[18], answer[19]])));
    (answer[20], &answer[24..])
}

/// What comes of an offer of IPsec SAs.
fn quick(offer: Vec<u8>, edit: impl FnOnce(&mut Client)) -> Result<SaParams, DropReason> {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.quick.offer = Some(offer);
    edit(&mut client);
    lab.main_mode(&mut client, home());
    let (first, _) = client.quick_first(7);
    let (result, seen) = lab.deliver(path(4500, home()), &first);
    result.map(|()| {
        let params = seen.into_iter().find_map(|seen| match seen {
            Seen::Install(params) => Some(params),
            _ => None,
        });
        params.expect("an SA")
    })
}

const SPI: [u8; 4] = [0xc0, 0, 0, 1];

fn aes_sha1() -> (u8, Vec<u8>) {
    (12, attributes(&[(1, 1), (2, 3_600), (4, 4), (5, 2), (6, 256)]))
}

#[test]
fn of_equal_transforms_of_phase_1_the_clients_first_is_chosen() {
    let with_life = |life| {
        let list = [(1, 7), (14, 256), (2, 4), (4, 14), (3, 1), (11, 1), (12, life)];
        (1, attributes(&list))
    };
    let weaker = (1, phase1(5, 0, 2, 2));
    let list = [weaker.clone(), with_life(3_600), with_life(7_200), weaker, with_life(600)];
    let answer = answer(&settings(), sa(1, &[], &list)).expect("an answer");
    assert_eq!(chosen(&answer), (2, &list[1].1[..]));
}

#[test]
fn of_equal_transforms_of_phase_2_the_clients_first_is_chosen() {
    let with_life = |life| (12, attributes(&[(1, 1), (2, life), (4, 4), (5, 2), (6, 256)]));
    let offer = sa(3, &SPI, &[with_life(1_200), with_life(600), with_life(1_800)]);
    let params = quick(offer, |_| {}).expect("a pair");
    assert_eq!(params.lifetime.time, Duration::from_secs(1_200));
    // Likewise of proposals.
    let (one, two) = ([with_life(700)], [with_life(800)]);
    let offer = proposals(&[Proposal(1, 3, &SPI, &one), Proposal(2, 3, &SPI, &two)]);
    let params = quick(offer, |_| {}).expect("a pair");
    assert_eq!(params.lifetime.time, Duration::from_secs(700));
}

#[test]
fn a_bundle_of_several_protocols_is_refused_and_an_alternative_is_taken() {
    let (esp, ah) = ([aes_sha1()], [(3, attributes(&[(1, 1), (2, 3_600), (4, 4), (5, 2)]))]);
    let ipcomp = [(2, attributes(&[(4, 4)]))];
    let other = [(12, attributes(&[(4, 4), (5, 2), (6, 128)]))];
    let esp = |number| Proposal(number, 3, &SPI, &esp);
    let ah = |number| Proposal(number, 2, &SPI, &ah);
    let ipcomp = |number| Proposal(number, 4, &[0, 2], &ipcomp);
    for bundle in [
        proposals(&[ah(1), esp(1)]),
        proposals(&[esp(1), ah(1)]),
        proposals(&[esp(1), ipcomp(1)]),
        proposals(&[esp(7), esp(7)]),
        proposals(&[ah(1)]),
    ] {
        assert_eq!(quick(bundle, |_| {}).err(), Some(DropReason::NoProposalChosen));
    }
    for alternative in [proposals(&[ah(1), esp(2)]), proposals(&[esp(1), ah(2)])] {
        assert!(quick(alternative, |_| {}).is_ok());
    }
    // The bundle is passed over, not the whole offer.
    let third = Proposal(2, 3, &SPI, &other);
    let offer = proposals(&[ah(1), esp(1), third]);
    let cipher = Cipher::Aes128;
    let params = quick(offer, |_| {}).expect("a pair");
    assert_eq!(params.suite, EspSuite::Cbc { cipher, mac: Mac::Sha1_96 });
}

#[test]
fn selectors_of_which_only_one_side_is_udp_are_refused() {
    let id = |protocol, port: u16, last| {
        let [high, low] = port.to_be_bytes();
        vec![1, protocol, high, low, 10, 0, 0, last]
    };
    for (theirs, ours, works) in [
        (id(17, 1701, 2), id(6, 1701, 1), false),
        (id(6, 1701, 2), id(17, 1701, 1), false),
        (id(17, 1701, 2), id(0, 0, 1), true),
        (id(0, 0, 2), id(17, 1701, 1), true),
        (id(0, 0, 2), id(1, 0, 1), false),
        (id(17, 1701, 2), id(17, 1702, 1), false),
    ] {
        let both = (theirs, ours);
        let usual = sa(3, &SPI, &[aes_sha1()]);
        let result = quick(usual, |client| client.quick.ids = Some(both.clone()));
        let expected = if works { None } else { Some(DropReason::BadIdentity) };
        assert_eq!(result.err(), expected, "{both:?}");
    }
}

#[test]
fn one_identity_or_three_are_refused_and_none_stand_for_the_addresses() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.quick.ids = None;
    lab.main_mode(&mut client, home());
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    assert_eq!(params.peer_port, 0);
    let ours = vec![1, 17, 6, 165, 10, 0, 0, 2];
    for count in [1, 3] {
        client.quick.extra = core::iter::repeat_n((5, ours.clone()), count).collect();
        let (first, _) = client.quick_first(10 + count as u32);
        let (result, seen) = lab.deliver(path(4500, home()), &first);
        assert_eq!(result, Err(DropReason::BadIdentity));
        assert_eq!(client.read(&sent(&seen)[0])[0].1[6..8], 18_u16.to_be_bytes());
        let [Event::DialFailed(failure)] = &events(&seen)[..] else { panic!("{seen:?}") };
        let cause = FailureCause::Protocol(DropReason::BadIdentity);
        assert_eq!((failure.stage, failure.cause), (Stage::Phase2, cause));
    }
}

#[test]
fn lifetimes_of_phase_1_of_any_length_and_kind_are_read() {
    let suite = attributes(&[(1, 7), (14, 256), (2, 2), (4, 2), (3, 1)]);
    let with = |rest: &[u8]| [&suite[..], rest].concat();
    let long = |octets: &[u8]| [&[0, 12, 0, octets.len() as u8], octets].concat();
    let seconds = attributes(&[(11, 1)]);
    let kilobytes = attributes(&[(11, 2)]);
    // What is said, and the lifetime it leads to.
    let cases = [
        (with(&[]), 28_800),
        (with(&[&seconds[..], &long(&[0, 0, 0x0e, 0x10])].concat()), 3_600),
        (with(&[&seconds[..], &long(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x58])].concat()), 600),
        (with(&[&seconds[..], &long(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x58])].concat()), 28_800),
        (with(&[&seconds[..], &attributes(&[(12, 5)])].concat()), 20),
        (with(&[&kilobytes[..], &attributes(&[(12, 1)])].concat()), 28_800),
        (with(&attributes(&[(11, 1), (12, 900), (11, 2), (12, 1), (11, 1), (12, 700)])), 700),
        (with(&attributes(&[(11, 1), (12, 700), (11, 1), (12, 900)])), 700),
    ];
    for (number, (list, life)) in cases.into_iter().enumerate() {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.offer = Some(sa(1, &[], &[(1, list)]));
        lab.main_mode(&mut client, home());
        let hard = lab.ike.sas.iter().find_map(|(_, sa)| match &sa.state {
            table::SaState::Established(established) => Some(established.hard),
            table::SaState::Negotiating(_) => None,
        });
        let left = hard.map(|hard| hard.since(lab.now).as_secs());
        assert_eq!(left, Some(life), "case {number}");
    }
}

#[test]
fn a_transform_of_phase_1_with_anything_unknown_in_it_is_not_taken() {
    let good = phase1(7, 256, 2, 2);
    let with = |list: &[(u16, u16)]| [&good[..], &attributes(list)].concat();
    let mut pre_shared = good.clone();
    client::change(&mut pre_shared, 3, 3);
    let cases = [
        with(&[(13, 1)]),
        with(&[(12, 5)]),
        with(&[(11, 3)]),
        with(&[(0x4001, 1)]),
        pre_shared,
        phase1(7, 100, 2, 2),
        phase1(7, 0, 2, 2),
        phase1(6, 0, 2, 2),
        phase1(7, 256, 3, 2),
        phase1(7, 256, 2, 1),
        phase1(7, 256, 2, 22),
        attributes(&[(1, 7), (14, 256), (4, 2), (3, 1)]),
        attributes(&[(1, 7), (14, 256), (2, 2), (3, 1)]),
        attributes(&[(1, 7), (14, 256), (2, 2), (4, 2)]),
        [&good[..], &[0x80]].concat(),
    ];
    for (number, bad) in cases.into_iter().enumerate() {
        assert_eq!(answer(&settings(), sa(1, &[], &[(1, bad.clone())])), None, "case {number}");
        let both = sa(1, &[], &[(1, bad), (1, phase1(5, 0, 2, 2))]);
        let answer = answer(&settings(), both).expect("the other one");
        assert_eq!(chosen(&answer).0, 2, "case {number}");
    }
    assert_eq!(answer(&settings(), sa(1, &[], &[(2, good.clone())])), None, "not KEY_IKE");
    assert_eq!(answer(&settings(), sa(3, &[], &[(1, good)])), None, "not ISAKMP");
}

#[test]
fn attributes_are_taken_up_to_the_length_that_is_kept() {
    let list = phase1(7, 256, 2, 2);
    let padded = |len: usize| {
        // A long lifetime, in as many octets as make the list `len` long.
        let rest = len - list.len() - 4 - 4;
        let head = [&attributes(&[(11, 1)])[..], &[0, 12, 0, rest as u8]].concat();
        [&list[..], &head, &vec![0; rest - 1], &[200]].concat()
    };
    assert!(answer(&settings(), sa(1, &[], &[(1, padded(100))])).is_some());
    assert!(answer(&settings(), sa(1, &[], &[(1, padded(101))])).is_none());
    let esp = attributes(&[(4, 4), (5, 2), (6, 256), (1, 1)]);
    let padded = |len: usize| {
        let rest = len - esp.len() - 4;
        [&esp[..], &[0, 2, 0, rest as u8], &vec![0; rest - 1], &[200]].concat()
    };
    assert!(quick(sa(3, &SPI, &[(12, padded(100))]), |_| {}).is_ok());
    let refused = quick(sa(3, &SPI, &[(12, padded(101))]), |_| {});
    assert_eq!(refused.err(), Some(DropReason::NoProposalChosen));
}

/// Each pair of suites with the better one last, in the words of `docs/CONTRACT.md`.
#[test]
fn of_two_transforms_of_phase_1_the_better_one_is_chosen() {
    let better = [
        (phase1(7, 128, 2, 2), phase1(7, 256, 2, 2)),
        (phase1(7, 192, 2, 2), phase1(7, 128, 2, 2)),
        (phase1(5, 0, 4, 2), phase1(7, 192, 2, 2)),
        (phase1(7, 256, 5, 14), phase1(7, 256, 4, 14)),
        (phase1(7, 256, 6, 14), phase1(7, 256, 5, 14)),
        (phase1(7, 256, 2, 14), phase1(7, 256, 6, 14)),
        (phase1(7, 256, 2, 2), phase1(7, 256, 2, 5)),
        (phase1(7, 256, 2, 5), phase1(7, 256, 2, 14)),
        // A strong cipher does not bring a weak group with it.
        (phase1(7, 256, 4, 2), phase1(7, 128, 2, 14)),
        (phase1(5, 0, 4, 2), phase1(5, 0, 2, 14)),
    ];
    for (number, (worse, better)) in better.into_iter().enumerate() {
        for (at, list) in [(2, [&worse, &better]), (1, [&better, &worse])] {
            let list = list.map(|one| (1, one.clone()));
            let answer = answer(&settings(), sa(1, &[], &list)).expect("an answer");
            assert_eq!(chosen(&answer).0, at, "pair {number}");
        }
    }
}

#[test]
fn the_modern_policy_takes_nothing_that_is_there_for_old_clients() {
    let modern = IpsecConfig { policy: Policy::Modern, ..settings() };
    for old in [
        phase1(7, 256, 2, 14),
        phase1(7, 256, 4, 2),
        phase1(7, 256, 4, 5),
        phase1(5, 0, 4, 14),
        phase1(7, 192, 4, 14),
        phase1(7, 256, 1, 14),
    ] {
        assert_eq!(answer(&modern, sa(1, &[], &[(1, old)])), None);
    }
    for good in [phase1(7, 256, 4, 14), phase1(7, 128, 6, 14), phase1(7, 256, 5, 14)] {
        assert!(answer(&modern, sa(1, &[], &[(1, good)])).is_some());
    }
}

/// Which of two ESP transforms is chosen, under which policy.
fn prefers(policy: Policy, list: &[(u8, Vec<u8>)]) -> Option<EspSuite> {
    let mut lab = Lab::with(&Limits::server(8), &settings());
    let mut client = Client::new(1);
    client.quick.offer = Some(sa(3, &SPI, list));
    lab.main_mode(&mut client, home());
    lab.ike.configure(&IpsecConfig { policy, ..settings() });
    let (first, _) = client.quick_first(7);
    let (_, seen) = lab.deliver(path(4500, home()), &first);
    seen.iter().find_map(|seen| match seen {
        Seen::Install(params) => Some(params.suite),
        _ => None,
    })
}

#[test]
fn of_two_transforms_of_phase_2_the_better_one_is_chosen() {
    let cbc = |mac, bits| (12, attributes(&[(4, 4), (5, mac), (6, bits)]));
    let gcm = |bits| (20, attributes(&[(4, 4), (6, bits)]));
    let tdes = |mac| (3, attributes(&[(4, 4), (5, mac)]));
    let of_cbc = |cipher, mac| EspSuite::Cbc { cipher, mac };
    use Cipher::{Aes128, Aes192, Aes256, TripleDes};
    let compat = [
        (tdes(2), cbc(5, 192), of_cbc(Aes192, Mac::Sha256_128)),
        (cbc(5, 256), cbc(6, 256), of_cbc(Aes256, Mac::Sha384_192)),
        (cbc(6, 256), cbc(7, 256), of_cbc(Aes256, Mac::Sha512_256)),
        (cbc(7, 256), cbc(2, 128), of_cbc(Aes128, Mac::Sha1_96)),
        (cbc(2, 192), cbc(2, 128), of_cbc(Aes128, Mac::Sha1_96)),
        (cbc(2, 128), cbc(2, 256), of_cbc(Aes256, Mac::Sha1_96)),
        (cbc(2, 256), gcm(192), EspSuite::AesGcm16 { cipher: Aes192 }),
        (gcm(192), gcm(128), EspSuite::AesGcm16 { cipher: Aes128 }),
        (gcm(128), gcm(256), EspSuite::AesGcm16 { cipher: Aes256 }),
        (tdes(5), tdes(7), of_cbc(TripleDes, Mac::Sha512_256)),
    ];
    let modern = [
        (cbc(2, 256), cbc(7, 128), of_cbc(Aes128, Mac::Sha512_256)),
        (cbc(7, 256), cbc(6, 256), of_cbc(Aes256, Mac::Sha384_192)),
        (cbc(6, 256), cbc(5, 128), of_cbc(Aes128, Mac::Sha256_128)),
        (tdes(5), cbc(7, 192), of_cbc(Aes192, Mac::Sha512_256)),
    ];
    for (policy, pairs) in [(Policy::Compat, &compat[..]), (Policy::Modern, &modern[..])] {
        for (worse, better, suite) in pairs {
            for list in [[worse, better], [better, worse]] {
                assert_eq!(prefers(policy, &list.map(Clone::clone)), Some(*suite), "{policy:?}");
            }
        }
    }
    for old in [tdes(5), cbc(2, 256)] {
        assert_eq!(prefers(Policy::Modern, &[old]), None);
    }
    for never in [cbc(1, 256), cbc(8, 256), (12, attributes(&[(4, 4), (6, 256)])), cbc(2, 100)] {
        assert_eq!(prefers(Policy::Legacy, &[never]), None);
    }
    let gcm_with_mac = (20, attributes(&[(4, 4), (5, 2), (6, 256)]));
    assert_eq!(prefers(Policy::Compat, &[gcm_with_mac]), None);
}

#[test]
fn a_reserved_spi_is_refused() {
    for (spi, works) in [(&[0, 0, 0, 255][..], false), (&[0, 0, 1, 0], true), (&[1, 0], false)] {
        assert_eq!(quick(sa(3, spi, &[aes_sha1()]), |_| {}).is_ok(), works, "{spi:?}");
    }
}

#[test]
fn lifetimes_of_phase_2_stay_within_bounds() {
    let cases = [
        (vec![(1, 1), (2, 5)], 15, None),
        (vec![(1, 1), (2, 600)], 600, None),
        (vec![], 3_600, None),
        (vec![(1, 2), (2, 1)], 3_600, Some(1_024)),
        (vec![(1, 2), (2, 9), (1, 2), (2, 7)], 3_600, Some(7 * 1_024)),
        (vec![(1, 2), (2, 7), (1, 2), (2, 9)], 3_600, Some(7 * 1_024)),
    ];
    for (life, time, bytes) in cases {
        let list = [&attributes(&[(4, 4), (5, 2), (6, 256)])[..], &attributes(&life)].concat();
        let params = quick(sa(3, &SPI, &[(12, list)]), |_| {}).expect("a pair");
        assert_eq!((params.lifetime.time.as_secs(), params.lifetime.bytes), (time, bytes));
    }
}
