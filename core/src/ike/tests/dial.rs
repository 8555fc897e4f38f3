//! Dials that come up, and those that cannot.

use std::vec;

use super::client::{DPD, DRAFT_02_N, MICROSOFT, RFC_3947, attributes, sa};
use super::*;
use crate::crypto::prf::digest;
use crate::crypto::{Cipher, EspSuite, Group, Hash, Mac};
use crate::event::{FailureCause, Stage};
use crate::ipsec::Encapsulation;

#[test]
fn a_client_gets_a_pair_of_sas_with_the_same_keys_on_both_sides() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let seen = lab.main_mode(&mut client, home());
    assert!(matches!(events(&seen)[..], [Event::PeerUp { .. }]));
    let (agreed, params) = lab.quick_mode(&mut client, home(), 0x0100_0000);
    let len = params.suite.key_len();
    assert_eq!(params.spi_in.0, agreed.spi_server);
    assert_eq!(params.spi_out.0, client.quick.spi);
    assert_eq!(params.key_in.expose(), &agreed.key_to_server[..len]);
    assert_eq!(params.key_out.expose(), &agreed.key_to_client[..len]);
    assert_eq!(params.encapsulation, Encapsulation::Udp);
    assert_eq!(params.peer_port, 1701);
    assert_eq!(params.lifetime.time, Duration::from_secs(3_600));
    let suite = EspSuite::Cbc { cipher: Cipher::Aes256, mac: Mac::Sha1_96 };
    assert_eq!(params.suite, suite);
}

#[test]
fn every_cipher_hash_and_group_works_in_phase_1() {
    let suites = [
        (Cipher::Aes128, Hash::Sha256, Group::Ecp256),
        (Cipher::Aes256, Hash::Sha1, Group::Ecp384),
        (Cipher::Aes192, Hash::Sha512, Group::Ecp521),
        (Cipher::TripleDes, Hash::Sha1, Group::Modp1024),
        (Cipher::Aes256, Hash::Sha384, Group::Modp2048),
        (Cipher::TripleDes, Hash::Sha256, Group::Modp1536),
        (Cipher::Aes128, Hash::Sha1, Group::Modp3072),
        (Cipher::Aes256, Hash::Sha256, Group::Modp4096),
    ];
    let suites = suites.into_iter().filter(|(_, _, group)| group.is_built_in());
    for (number, (cipher, hash, group)) in suites.enumerate() {
        let mut lab = Lab::new();
        let mut client = Client::new(number as u8);
        (client.cipher, client.hash, client.group) = (cipher, hash, group);
        lab.main_mode(&mut client, home());
        lab.quick_mode(&mut client, home(), 7);
    }
}

#[test]
fn md5_works_with_the_legacy_policy_and_nowhere_else() {
    for (policy, works) in [(Policy::Legacy, true), (Policy::Compat, false)] {
        let config = IpsecConfig { policy, ..settings() };
        let mut lab = Lab::with(&Limits::server(8), &config);
        let mut client = Client::new(1);
        client.hash = Hash::Md5;
        let (result, _) = lab.deliver(path(500, home()), &client.first());
        assert_eq!(result.is_ok(), works);
    }
}

#[test]
fn perfect_forward_secrecy_works_with_modp_and_ecp_groups() {
    let groups = [Group::Modp1024, Group::Modp4096, Group::Ecp256, Group::Ecp521];
    for group in groups.into_iter().filter(|group| group.is_built_in()) {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.quick.group = Some(group);
        lab.main_mode(&mut client, home());
        let (agreed, params) = lab.quick_mode(&mut client, home(), 7);
        assert_eq!(params.key_in.expose(), &agreed.key_to_server[..params.suite.key_len()]);
    }
}

#[test]
fn aes_gcm_gets_key_and_salt() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.quick.transform = 20;
    client.quick.attributes = attributes(&[(1, 1), (2, 3600), (4, 4), (6, 128)]);
    lab.main_mode(&mut client, home());
    let (agreed, params) = lab.quick_mode(&mut client, home(), 7);
    assert_eq!(params.suite, EspSuite::AesGcm16 { cipher: Cipher::Aes128 });
    assert_eq!(params.key_in.expose(), &agreed.key_to_server[..20]);
}

/// The offers of the profiles CP-WIN and CP-AND-N, and what we take of them.
#[test]
fn our_order_of_preference_chooses_and_the_answer_keeps_numbers_and_attributes() {
    let transform = |cipher, bits, hash, group| {
        let mut list = vec![(1, cipher), (2, hash), (4, group), (3, 1), (11, 1), (12, 28_800)];
        if bits > 0 {
            list.insert(1, (14, bits));
        }
        (1, attributes(&list))
    };
    let windows = [
        transform(7, 256, 2, 20),
        transform(7, 128, 2, 19),
        transform(7, 256, 2, 14),
        transform(5, 0, 2, 14),
        transform(5, 0, 2, 2),
    ];
    let android = [
        transform(7, 256, 5, 2),
        transform(7, 256, 4, 2),
        transform(7, 256, 6, 2),
        transform(7, 256, 2, 2),
        transform(7, 256, 1, 2),
        transform(1, 0, 2, 2),
    ];
    let mixed = [transform(7, 256, 4, 2), transform(7, 128, 4, 14), transform(5, 0, 2, 14)];
    // What is not built in is not accepted.
    let of_windows = if cfg!(feature = "ecp") { 0 } else { 2 };
    for (offer, chosen) in [(&windows[..], of_windows), (&android[..], 1), (&mixed[..], 1)] {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.offer = Some(sa(1, &[], offer));
        let answer = lab.ask(path(500, home()), &client.first());
        let body = &client::payloads(answer[16], &answer[28..])[0].1;
        assert_eq!(body[20], chosen as u8 + 1, "the number of the chosen transform");
        assert_eq!(body[24..], offer[chosen].1, "its attributes");
    }
}

#[test]
fn nothing_acceptable_is_answered_and_reported_with_what_was_offered() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let list = [(1, 1), (2, 1), (4, 1), (3, 1)];
    client.offer = Some(sa(1, &[], &[(1, attributes(&list))]));
    let first = client.first();
    let (result, seen) = lab.deliver(path(500, home()), &first);
    assert_eq!(result, Err(DropReason::NoProposalChosen));
    let answer = &sent(&seen)[0];
    assert!(answer.len() <= first.len());
    assert_eq!(answer[28 + 10..28 + 12], 14_u16.to_be_bytes());
    let [Event::DialFailed(failure)] = &events(&seen)[..] else { panic!("{seen:?}") };
    assert_eq!((failure.stage, failure.cause), (Stage::Phase1, FailureCause::NoProposal));
    assert_eq!((failure.offered[0].cipher, failure.offered[0].group), (1, 1));
    assert_eq!(lab.ike.negotiation_count(), 0);
}

#[test]
fn what_phase_2_cannot_accept_is_refused_and_named() {
    let cases: [(u8, &[(u16, u16)]); 6] = [
        (2, &[(4, 4), (5, 2)]),
        (12, &[(4, 4), (5, 1), (6, 256)]),
        (12, &[(4, 3), (5, 2), (6, 256)]),
        (12, &[(4, 2), (5, 2), (6, 256)]),
        (12, &[(4, 4), (5, 2), (6, 100)]),
        (12, &[(4, 4), (5, 2), (6, 256), (11, 1)]),
    ];
    for (transform, list) in cases {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.quick.transform = transform;
        client.quick.attributes = attributes(list);
        lab.main_mode(&mut client, home());
        let (first, _) = client.quick_first(7);
        let (result, seen) = lab.deliver(path(4500, home()), &first);
        assert_eq!(result, Err(DropReason::NoProposalChosen), "{list:?}");
        let told = client.read(&sent(&seen)[0]);
        assert_eq!(told[0].1[6..8], 14_u16.to_be_bytes());
        let [Event::DialFailed(failure)] = &events(&seen)[..] else { panic!("{seen:?}") };
        assert_eq!((failure.stage, failure.cause), (Stage::Phase2, FailureCause::NoProposal));
    }
}

#[test]
fn bare_esp_is_agreed_on_only_where_it_may_be_used() {
    for (encapsulation, works) in
        [(EncapsulationPolicy::Auto, true), (EncapsulationPolicy::Udp, false)]
    {
        let mut lab = Lab::with(&Limits::server(8), &IpsecConfig { encapsulation, ..settings() });
        let mut client = Client::new(1);
        client.quick.attributes = attributes(&[(4, 2), (5, 2), (6, 256)]);
        lab.main_mode(&mut client, home());
        let (first, _) = client.quick_first(7);
        let (result, seen) = lab.deliver(path(4500, home()), &first);
        assert_eq!(result.is_ok(), works);
        let bare = |seen: &Seen| match seen {
            Seen::Install(params) => params.encapsulation == Encapsulation::Esp,
            _ => false,
        };
        assert_eq!(seen.iter().any(bare), works);
    }
}

#[test]
fn drafts_get_draft_payloads_and_modes() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.vendor_ids = vec![DRAFT_02_N];
    client.quick.attributes = attributes(&[(4, 61444), (5, 2), (6, 128)]);
    let second = lab.ask(path(500, home()), &client.first());
    let vendor = &client::payloads(second[16], &second[28..])[1];
    assert_eq!(vendor.1, crate::crypto::testing::hex(DRAFT_02_N));
    let fourth = lab.ask(path(500, home()), &client.third(&second));
    let kinds: Vec<u8> =
        client::payloads(fourth[16], &fourth[28..]).iter().map(|found| found.0).collect();
    assert_eq!(kinds, [4, 10, 130, 130]);
    let sixth = lab.ask(path(4500, home()), &client.fifth(&fourth, false));
    client.done(&sixth);
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    assert_eq!(params.encapsulation, Encapsulation::Udp);
}

fn hash_of(client: &Client, address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(v4) = address else { panic!("IPv4 in this test") };
    let (ip, port) = (v4.ip().octets(), v4.port().to_be_bytes());
    let parts: [&[u8]; 4] = [&client.cookies.0, &client.cookies.1, &ip, &port];
    digest(client.hash, &parts).expose().to_vec()
}

#[test]
fn the_clients_hash_is_wrong_on_purpose_unless_the_policy_is_auto() {
    for (encapsulation, honest) in
        [(EncapsulationPolicy::Udp, false), (EncapsulationPolicy::Auto, true)]
    {
        let mut lab = Lab::with(&Limits::server(8), &IpsecConfig { encapsulation, ..settings() });
        let mut client = Client::new(1);
        // What the client says of our address is right: no NAT on our side.
        client.vendor_ids = vec![RFC_3947, DPD];
        let second = lab.ask(path(500, home()), &client.first());
        let mut third = client.third(&second);
        let ours = hash_of(&client, ([192, 0, 2, 1], 500).into());
        let at = third.len() - 2 * (4 + ours.len()) + 4;
        third[at..at + ours.len()].copy_from_slice(&ours);
        let fourth = lab.ask(path(500, home()), &third);
        client.fifth(&fourth, false);
        assert_eq!(client.nat_d[0] == hash_of(&client, home()), honest);
        assert_eq!(client.nat_d[1], ours);
    }
}

/// Quirk `microsoft-nat-d`.
#[test]
fn a_microsoft_client_gets_its_own_hash_of_us_back() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.vendor_ids = vec![MICROSOFT, RFC_3947];
    let second = lab.ask(path(500, home()), &client.first());
    let third = client.third(&second);
    let of_us = client::payloads(third[16], &third[28..])[2].1.clone();
    let fourth = lab.ask(path(500, home()), &third);
    client.fifth(&fourth, false);
    assert_eq!(client.nat_d[1], of_us);
    assert_ne!(client.nat_d[0], hash_of(&client, home()));
}

#[test]
fn identities_and_original_addresses_come_back() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    client.quick.nat_oa = vec![vec![1, 0, 0, 0, 10, 0, 0, 2], vec![1, 0, 0, 0, 192, 0, 2, 1]];
    lab.main_mode(&mut client, home());
    let (agreed, _) = lab.quick_mode(&mut client, home(), 7);
    let all = |kind| -> Vec<Vec<u8>> {
        agreed
            .payloads
            .iter()
            .filter(|found| found.0 == kind)
            .map(|found| found.1.clone())
            .collect()
    };
    let (ours, theirs) = client.quick.ids.clone().unwrap();
    assert_eq!(all(5), [ours, theirs]);
    assert_eq!(all(21), [vec![1, 0, 0, 0, 198, 51, 100, 7], vec![1, 0, 0, 0, 192, 0, 2, 1]]);
}

#[test]
fn selectors_other_than_our_l2tp_port_are_refused() {
    for (ours, theirs, works) in [
        (vec![1, 17, 0, 0, 10, 0, 0, 2], vec![1, 17, 6, 165, 192, 0, 2, 1], true),
        (vec![1, 17, 0xc0, 0, 10, 0, 0, 2], vec![1, 17, 0, 0, 192, 0, 2, 1], true),
        (vec![1, 6, 6, 165, 10, 0, 0, 2], vec![1, 6, 6, 165, 192, 0, 2, 1], false),
        (vec![1, 17, 6, 165, 10, 0, 0, 2], vec![1, 17, 0, 53, 192, 0, 2, 1], false),
        (vec![1, 17, 6, 165, 10, 0, 0], vec![1, 17, 6, 165, 192, 0, 2, 1], false),
    ] {
        let mut lab = Lab::new();
        let mut client = Client::new(1);
        client.quick.ids = Some((ours, theirs));
        lab.main_mode(&mut client, home());
        let (first, _) = client.quick_first(7);
        let (result, seen) = lab.deliver(path(4500, home()), &first);
        assert_eq!(result.is_ok(), works);
        if !works {
            assert_eq!(client.read(&sent(&seen)[0])[0].1[6..8], 18_u16.to_be_bytes());
        }
    }
}

#[test]
fn a_lifetime_of_eight_octets_is_read_and_ours_is_told_if_it_is_shorter() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let mut list = attributes(&[(4, 4), (5, 2), (6, 256), (1, 2)]);
    list.extend([0, 2, 0, 8, 0, 0, 0, 0, 0, 3, 0xd0, 0x90]);
    list.extend(attributes(&[(1, 1)]));
    list.extend([0, 2, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0]);
    client.quick.attributes = list;
    lab.main_mode(&mut client, home());
    let (agreed, params) = lab.quick_mode(&mut client, home(), 7);
    assert_eq!(params.lifetime.time, Duration::from_secs(3_600));
    assert_eq!(params.lifetime.bytes, Some(250_000 * 1024));
    let notify = agreed.payloads.iter().find(|found| found.0 == 11).expect("RESPONDER-LIFETIME");
    assert_eq!(notify.1[6..8], 24576_u16.to_be_bytes());
    assert_eq!(notify.1[12..], attributes(&[(1, 1), (2, 3600)]));
}

#[test]
fn the_first_esp_counts_as_message_3() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    lab.main_mode(&mut client, home());
    let (first, state) = client.quick_first(7);
    let second = lab.ask(path(4500, home()), &first);
    let agreed = client.quick_third(state, &second);
    let spi = Spi(agreed.spi_server);
    let seen = lab.with_cx(|ike, cx, out| ike.handle_sa_proven(cx, spi, out));
    assert!(matches!(seen[..], [Seen::Activate(found)] if found == spi));
    let seen = lab.with_cx(|ike, cx, out| ike.handle_sa_proven(cx, spi, out));
    assert!(seen.is_empty());
    assert_eq!(lab.deliver(path(4500, home()), &agreed.third).0, Err(DropReason::Duplicate));
}

#[test]
fn repeated_messages_get_the_same_answers() {
    let mut lab = Lab::new();
    let mut client = Client::new(1);
    let again = |lab: &mut Lab, port, message: &[u8], answer: &[u8]| {
        let (result, seen) = lab.deliver(path(port, home()), message);
        assert_eq!(result, Err(DropReason::Duplicate));
        assert_eq!(sent(&seen), [answer.to_vec()]);
    };
    let first = client.first();
    let second = lab.ask(path(500, home()), &first);
    again(&mut lab, 500, &first, &second);
    let third = client.third(&second);
    let fourth = lab.ask(path(500, home()), &third);
    again(&mut lab, 500, &third, &fourth);
    assert!(sent(&lab.deliver(path(500, home()), &first).1).is_empty(), "too late for that");
    let fifth = client.fifth(&fourth, false);
    let sixth = lab.ask(path(4500, home()), &fifth);
    again(&mut lab, 4500, &fifth, &sixth);
    client.done(&sixth);
    let (first, state) = client.quick_first(7);
    let second = lab.ask(path(4500, home()), &first);
    again(&mut lab, 4500, &first, &second);
    let agreed = client.quick_third(state, &second);
    assert_eq!(lab.deliver(path(4500, home()), &agreed.third).0, Ok(()));
    assert_eq!(lab.deliver(path(4500, home()), &agreed.third).0, Err(DropReason::Duplicate));
    assert_eq!(lab.deliver(path(4500, home()), &first).0, Err(DropReason::Duplicate));
    assert_eq!(lab.spis.given, 1);
}

#[test]
fn message_3_again_while_diffie_hellman_runs_starts_no_second_one() {
    let mut lab = Lab::new();
    lab.holds = true;
    let mut client = Client::new(1);
    let second = lab.ask(path(500, home()), &client.first());
    let third = client.third(&second);
    assert_eq!(lab.deliver(path(500, home()), &third).0, Ok(()));
    assert_eq!(lab.deliver(path(500, home()), &third).0, Err(DropReason::Busy));
    assert_eq!(lab.held.len(), 1);
    let (token, job) = lab.held.remove(0);
    let seen = lab.answer(token, &job);
    client.fifth(&sent(&seen)[0], false);
    assert!(lab.answer(token, &job).is_empty(), "an answer nobody waits for");
}

/// The client has to put ESP into UDP: what it sends without would not pass our NAT.
#[test]
fn a_server_behind_nat_hides_the_clients_address_whatever_the_policy() {
    let encapsulation = EncapsulationPolicy::Auto;
    let mut lab = Lab::with(&Limits::server(8), &IpsecConfig { encapsulation, ..settings() });
    let mut client = Client::new(1);
    client.outer = Some([([203, 0, 113, 80], 500).into(), home()]);
    lab.main_mode(&mut client, home());
    assert_ne!(client.nat_d[0], hash_of(&client, home()));
    assert_eq!(client.nat_d[1], hash_of(&client, ([192, 0, 2, 1], 500).into()));
}
