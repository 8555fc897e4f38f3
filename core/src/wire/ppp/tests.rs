//! Formats of PPP, with packets that stand in the RFCs and in captures of pppd.

use super::chap::{Failure, MsChapV2Response, Valued, emit_success};
use super::cp::{Packet, choices, emit, emit_choice};
use super::pap::Request;
use super::{Frame, Protocol, emit_header};
use crate::buf::Writer;
use crate::store::model::Random;
use crate::wire::Error;

fn written(write: impl FnOnce(&mut Writer<'_>)) -> std::vec::Vec<u8> {
    let mut room = [0; 600];
    let mut writer = Writer::new(&mut room);
    write(&mut writer);
    let len = writer.finish().unwrap();
    room[..len].to_vec()
}

#[test]
fn a_header_is_read_in_every_compression() {
    let ipv4 = [0x45, 0, 0];
    for header in [&[0xff, 3, 0, 0x21][..], &[0xff, 3, 0x21], &[0, 0x21], &[0x21]] {
        let frame = [header, &ipv4].concat();
        let parsed = Frame::parse(&frame).unwrap();
        assert_eq!(parsed, Frame { protocol: Protocol::IPV4, information: &ipv4 });
    }
    assert_eq!(Frame::parse(&[0xc0, 0x21]).unwrap().protocol, Protocol::LCP);
    for short in [&[][..], &[0xff, 3], &[0xff, 3, 0xc0], &[0x80]] {
        assert_eq!(Frame::parse(short), Err(Error::Truncated));
    }
    assert_eq!(written(|writer| emit_header(writer, Protocol::LCP)), [0xff, 3, 0xc0, 0x21]);
}

#[test]
fn a_packet_ends_where_its_length_says() {
    let bytes = [1, 7, 0, 8, 1, 4, 5, 0x78, 0xee, 0xee];
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.code, packet.id, packet.data), (1, 7, &bytes[4..8]));
    assert_eq!(packet.whole, &bytes[..8]);
    assert_eq!(written(|w| emit(w, 1, 7, |w| emit_choice(w, 1, &[5, 0x78]))), bytes[..8]);
    assert_eq!(Packet::parse(&[1, 7, 0, 3, 9]), Err(Error::Length));
    assert_eq!(Packet::parse(&[1, 7, 0, 5]), Err(Error::Truncated));
    assert_eq!(Packet::parse(&[1, 7, 0]), Err(Error::Truncated));
}

#[test]
fn options_end_and_an_impossible_length_is_an_error() {
    let mut list = choices(&[7, 2, 1, 4, 5, 0xdc, 13, 9, 0]);
    assert_eq!(list.next().unwrap().unwrap().whole, [7, 2]);
    assert_eq!(list.next().unwrap().unwrap().data, [5, 0xdc]);
    assert_eq!(list.next(), Some(Err(Error::Truncated)));
    assert_eq!(list.next(), None);
    for len in [0, 1] {
        assert!(choices(&[5, len, 0]).eq([Err(Error::Length)]));
    }
    assert!(choices(&[5]).eq([Err(Error::Truncated)]));
}

#[test]
fn value_sizes_and_lengths_in_every_combination_stay_within_the_packet() {
    let mut random = Random(9);
    for _ in 0..20_000 {
        let mut bytes = [0_u8; 70];
        bytes.fill_with(|| random.next() as u8);
        bytes[random.below(8)] = random.below(80) as u8;
        let bytes = &bytes[..random.below(71)];
        if let Ok(valued) = Valued::parse(bytes) {
            assert_eq!(valued.value.len() + valued.name.len() + 1, bytes.len());
            assert_eq!(valued.value.len(), usize::from(bytes[0]));
            assert_eq!(MsChapV2Response::parse(valued.value).is_ok(), valued.value.len() == 49);
        }
        if let Ok(request) = Request::parse(bytes) {
            assert!(request.name.len() + request.password.len() + 2 <= bytes.len());
        }
        if let Ok(packet) = Packet::parse(bytes) {
            assert!(packet.whole.len() <= bytes.len());
            assert!(choices(packet.data).flatten().all(|choice| choice.whole.len() >= 2));
        }
    }
}

#[test]
fn what_is_written_reads_the_same() {
    let response = MsChapV2Response { peer_challenge: [3; 16], nt_response: [4; 24] };
    let value = written(|writer| response.emit(writer));
    assert_eq!(value.len(), MsChapV2Response::LEN);
    assert!(MsChapV2Response::parse(&value) == Ok(response));
    let valued = Valued { value: &value, name: b"hub\\jiro" };
    assert_eq!(Valued::parse(&written(|writer| valued.emit(writer))), Ok(valued));
    let request = written(|writer| Request { name: b"jiro", password: b"pass" }.emit(writer));
    assert_eq!(request, b"\x04jiro\x04pass");
    let request = Request::parse(&request).unwrap();
    assert_eq!((request.name, request.password), (&b"jiro"[..], &b"pass"[..]));
}

/// The authenticator response of RFC 2759 §9.2, and the text of §6.
#[test]
fn success_and_failure_read_as_in_rfc_2759() {
    let proof = [
        0x40, 0x7a, 0x55, 0x89, 0x11, 0x5f, 0xd0, 0xd6, 0x20, 0x9f, 0x51, 0x0f, 0xe9, 0xc0, 0x45,
        0x66, 0x93, 0x2c, 0xda, 0x56,
    ];
    assert_eq!(
        written(|writer| emit_success(writer, &proof, b"Welcome")),
        b"S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Welcome"
    );
    let failure = Failure { error: 691, retry: true, challenge: &[0x0f; 16], message: b"no" };
    assert_eq!(
        written(|writer| failure.emit(writer)),
        b"E=691 R=1 C=0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F V=3 M=no"
    );
}
