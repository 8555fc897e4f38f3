//! The formats against octets written down by hand, against themselves, and against noise.

extern crate std;

use std::vec::Vec;

use super::*;
use crate::buf::Writer;
use crate::crypto::testing::hex;
use crate::store::model::Random;
use crate::wire::Error;

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = [0; 512];
    let mut writer = Writer::new(&mut room);
    write(&mut writer);
    writer.written().to_vec()
}

/// Message 1 of strongSwan 5.9.8 (`ike=aes256-sha1-modp2048`), without its vendor IDs.
const OFFER: &str = "0000000100000001 00000030 01 01 00 01
                     00000028 01 01 0000 80010007 800e0100 80020002 8004000e 80030001
                     800b0001 000c000400002a30";

#[test]
fn an_offer_is_read_and_its_answer_has_the_same_octets() {
    let offer = hex(OFFER);
    // The lengths above belong to a basic lifetime; this one has four octets.
    let mut offer = offer;
    offer[11] = 8 + 8 + 6 * 4 + 8;
    offer[19] = 8 + 6 * 4 + 8;
    let body = SaBody::parse(&offer).unwrap();
    let proposal = body.proposals().next().unwrap().unwrap();
    assert_eq!((proposal.number, proposal.protocol), (1, protocol::ISAKMP));
    let transform = proposal.transforms().next().unwrap().unwrap();
    assert_eq!((transform.number, transform.id), (1, 1));
    let attributes: Vec<_> = transform.attributes().map(Result::unwrap).collect();
    assert_eq!(attributes.len(), 7);
    assert_eq!(attributes[1], Attribute { kind: 14, value: Value::Basic(256) });
    assert_eq!(attributes[6].value.number(), Some(10_800));
    assert!(proposal.transforms().nth(1).is_none() && body.proposals().nth(1).is_none());
    let answer = written(|writer| emit_chosen(&proposal, &transform, &[], writer));
    assert_eq!(answer, offer);
}

#[test]
fn a_header_survives_and_octets_behind_the_message_are_left_out() {
    let header = Header {
        initiator: Cookie([1; 8]),
        responder: Cookie([2; 8]),
        next_payload: payload_type::HASH,
        exchange: exchange::QUICK_MODE,
        flags: flag::ENCRYPTED,
        message_id: 0x0102_0304,
    };
    let octets = written(|writer| {
        header.emit(32, writer);
        writer.put(b"bodyrest");
    });
    assert_eq!(Header::parse(&octets), Ok((header, &b"body"[..])));
    assert_eq!(Header::parse(&octets[..31]), Err(Error::Truncated));
    let mut other = octets.clone();
    other[17] = 0x20;
    assert_eq!(Header::parse(&other), Err(Error::Version));
    other[17] = 0x10;
    other[27] = 27;
    assert_eq!(Header::parse(&other), Err(Error::Length));
}

#[test]
fn a_chain_is_written_and_read_and_padding_does_not_belong_to_it() {
    let header = Header {
        initiator: Cookie([1; 8]),
        responder: Cookie::NONE,
        next_payload: 99,
        exchange: exchange::MAIN_MODE,
        flags: 0,
        message_id: 0,
    };
    let mut unpadded = 0;
    let octets = written(|writer| {
        let mut chain = Chain::begin(&header, writer);
        chain.copy(payload_type::NONCE, b"nonce");
        chain.add(payload_type::VENDOR, |writer| writer.u32(7));
        unpadded = chain.end(16);
    });
    assert_eq!((unpadded, octets.len()), (28 + 9 + 8, 28 + 32));
    let (header, body) = Header::parse(&octets).unwrap();
    let mut chain = Payloads::new(header.next_payload, body);
    let nonce = Payload { kind: payload_type::NONCE, body: b"nonce" };
    let vendor = Payload { kind: payload_type::VENDOR, body: &[0, 0, 0, 7] };
    assert_eq!(chain.next(), Some(Ok(nonce)));
    assert_eq!(chain.next(), Some(Ok(vendor)));
    assert_eq!(chain.next(), None);
    assert_eq!(chain.rest().len(), 15);
}

#[test]
fn chains_that_are_broken_end_with_their_error() {
    let case = |first, text: &str| {
        let octets = hex(text);
        let steps: Vec<_> = Payloads::new(first, &octets).collect();
        steps.last().copied().map(|step| step.map(|payload| payload.body.len()))
    };
    assert_eq!(case(10, "00 00 0003"), Some(Err(Error::Length)));
    assert_eq!(case(10, "00 00 0000"), Some(Err(Error::Length)));
    assert_eq!(case(10, "00 01 0004"), Some(Err(Error::Reserved)));
    assert_eq!(case(10, "00 00 0009 aabbccdd"), Some(Err(Error::Truncated)));
    assert_eq!(case(10, "21 00 0004 00 00 0004"), Some(Err(Error::Unsupported)));
    assert_eq!(case(10, "82 00 0004 00 00 0006 0102"), Some(Ok(2)));
    assert_eq!(case(0, "ffff"), None);
    let many: Vec<u8> = [13, 0, 0, 4].repeat(40);
    let steps: Vec<_> = Payloads::new(13, &many).collect();
    assert_eq!(steps.len(), usize::from(PAYLOADS_MAX) + 1);
    assert_eq!(steps.last(), Some(&Err(Error::Unsupported)));
}

#[test]
fn numbers_come_in_two_octets_or_in_any_number_of_them() {
    let number = |text: &str| {
        let octets = hex(text);
        Attributes::new(&octets).next().unwrap().map(|attribute| attribute.value.number())
    };
    assert_eq!(number("800c 7080"), Ok(Some(28_800)));
    assert_eq!(number("000c 0004 00007080"), Ok(Some(28_800)));
    assert_eq!(number("000c 0008 0000000100000000"), Ok(Some(1 << 32)));
    assert_eq!(number("000c 0009 000000000100000000"), Ok(Some(1 << 32)));
    assert_eq!(number("000c 0009 010000000000000000"), Ok(None));
    assert_eq!(number("000c 0000"), Ok(None));
    assert_eq!(number("000c 0004 0000"), Err(Error::Truncated));
    for value in [0, 1, 65_535, 65_536, u32::MAX] {
        let octets = written(|writer| emit_u32(12, value, writer));
        let read = Attributes::new(&octets).next().unwrap().unwrap();
        assert_eq!((read.kind, read.value.number()), (12, Some(u64::from(value))));
    }
}

#[test]
fn identities_notifications_and_deletions_survive() {
    let address = [192, 0, 2, 1].into();
    let octets = written(|writer| Id::emit_address(address, 17, 1701, writer));
    let id = Id { kind: id_type::IPV4, protocol: 17, port: 1701, data: &[192, 0, 2, 1] };
    assert_eq!(Id::parse(&octets), Ok(id));
    assert_eq!(Id::parse(&octets[..7]), Err(Error::Length));
    assert!(Id::parse(&hex("c8 00 0000 00112233")).is_ok(), "an unknown type");
    let notify =
        Notify { protocol: 1, kind: notify_type::R_U_THERE, spi: &[7; 16], data: &[0, 0, 0, 1] };
    let octets = written(|writer| notify.emit(writer));
    assert_eq!(Notify::parse(&octets), Ok(notify));
    assert_eq!(Notify::parse(&octets[..20]), Err(Error::Truncated));
    let delete = Delete { protocol: 3, spi_len: 4, spis: &[1, 2, 3, 4, 5, 6, 7, 8] };
    let octets = written(|writer| delete.emit(writer));
    assert_eq!(Delete::parse(&octets), Ok(delete));
    assert!(delete.iter().eq([[1, 2, 3, 4], [5, 6, 7, 8]]));
    for (at, value) in [(5, 0), (5, 3), (7, 1), (7, 3)] {
        let mut broken = octets.clone();
        broken[at] = value;
        assert_eq!(Delete::parse(&broken), Err(Error::Length));
    }
    for address in [address, "2001:db8::1".parse().unwrap()] {
        let octets = written(|writer| NatOa(address).emit(writer));
        assert_eq!(NatOa::parse(&octets), Ok(NatOa(address)));
    }
}

#[test]
fn noise_is_read_to_an_end_whatever_it_is() {
    let mut random = Random(11);
    for _ in 0..20_000 {
        let noise: Vec<u8> = (0..random.below(96))
            .map(|_| if random.below(2) == 0 { random.below(8) as u8 } else { random.next() as u8 })
            .collect();
        let first = random.next() as u8;
        assert!(Payloads::new(first, &noise).count() <= usize::from(PAYLOADS_MAX) + 1);
        assert!(Attributes::new(&noise).count() <= noise.len() / 4 + 1);
        let _ = (Header::parse(&noise), Id::parse(&noise), Notify::parse(&noise));
        let _ = (Delete::parse(&noise).map(|delete| delete.iter().count()), NatOa::parse(&noise));
        let body: Vec<u8> = [&[0, 0, 0, 1, 0, 0, 0, 1], &noise[..]].concat();
        let sa = SaBody::parse(&body).unwrap();
        let transforms = sa.proposals().flatten().map(|found| found.transforms().count());
        assert!(transforms.sum::<usize>() <= noise.len());
    }
}
