use std::vec;
use std::vec::Vec;

use super::*;
use crate::store::model::Random;

/// SCCRQ of xl2tpd 1.3.18, recorded by us; it names itself "vm".
const XL2TPD_SCCRQ: &[u8] = &[
    0xc8, 0x02, 0x00, 0x63, 0, 0, 0, 0, 0, 0, 0, 0, //
    0x80, 8, 0, 0, 0, 0, 0, 1, //
    0x80, 8, 0, 0, 0, 2, 1, 0, //
    0x80, 10, 0, 0, 0, 3, 0, 0, 0, 3, //
    0x80, 10, 0, 0, 0, 4, 0, 0, 0, 0, //
    0x00, 8, 0, 0, 0, 6, 6, 0x90, //
    0x80, 8, 0, 0, 0, 7, b'v', b'm', //
    0x00, 19, 0, 0, 0, 8, b'x', b'e', b'l', b'e', b'r', b'a', b'n', b'c', b'e', b'.', b'c', b'o',
    b'm', //
    0x80, 8, 0, 0, 0, 9, 0x13, 0xea, //
    0x80, 8, 0, 0, 0, 10, 0, 4,
];

/// Its ICCN, likewise.
const XL2TPD_ICCN: &[u8] = &[
    0xc8, 0x02, 0x00, 0x32, 0x90, 0x4a, 0x4c, 0xe3, 0, 3, 0, 2, //
    0x80, 8, 0, 0, 0, 0, 0, 12, //
    0x80, 10, 0, 0, 0, 24, 0, 0, 0, 0, //
    0x80, 10, 0, 0, 0, 19, 0, 0, 0, 1, //
    0x00, 10, 0, 0, 0, 38, 0, 0, 0, 0,
];

fn control(bytes: &[u8]) -> Control<'_> {
    match Packet::parse(bytes).expect("a packet") {
        Packet::Control(control) => control,
        Packet::Data(data) => panic!("{data:?}"),
    }
}

fn data(bytes: &[u8]) -> Result<Data, Error> {
    match Packet::parse(bytes)? {
        Packet::Data(data) => Ok(data),
        Packet::Control(control) => panic!("{control:?}"),
    }
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = [0; 256];
    let mut writer = Writer::new(&mut room);
    write(&mut writer);
    let len = writer.finish().expect("room");
    room[..len].to_vec()
}

#[test]
fn the_recorded_messages_of_xl2tpd_are_read() {
    let header = control(XL2TPD_SCCRQ);
    assert_eq!((header.tunnel, header.session, header.ns, header.nr), (0, 0, 0, 0));
    let message = Message::parse(header.avps).unwrap();
    assert_eq!((message.kind, message.fault), (MessageKind::Sccrq, None));
    assert_eq!(message.protocol_version, Some(0x0100));
    assert_eq!(message.host_name, b"vm");
    assert_eq!(message.assigned_tunnel, Some(0x13ea));
    assert_eq!(message.receive_window, Some(4));
    assert!(!message.challenged);
    let header = control(XL2TPD_ICCN);
    assert_eq!((header.tunnel, header.session, header.ns, header.nr), (0x904a, 0x4ce3, 3, 2));
    let message = Message::parse(header.avps).unwrap();
    assert_eq!((message.kind, message.fault), (MessageKind::Iccn, None));
}

#[test]
fn every_optional_field_of_a_data_header_is_skipped() {
    let at = |bytes: &[u8]| data(bytes).map(|data| data.ppp);
    assert_eq!(at(&[0x00, 2, 0, 1, 0, 2, 9, 9]), Ok(6..8));
    assert_eq!(at(&[0x40, 2, 0, 10, 0, 1, 0, 2, 9, 9]), Ok(8..10));
    // Octets behind the length do not belong to the frame.
    assert_eq!(at(&[0x40, 2, 0, 9, 0, 1, 0, 2, 9, 9]), Ok(8..9));
    assert_eq!(at(&[0x08, 2, 0, 1, 0, 2, 0, 5, 0, 0, 9]), Ok(10..11));
    assert_eq!(at(&[0x02, 2, 0, 1, 0, 2, 0, 2, 7, 7, 9]), Ok(10..11));
    assert_eq!(at(&[0x4b, 2, 0, 17, 0, 1, 0, 2, 0, 5, 0, 0, 0, 2, 7, 7, 9]), Ok(16..17));
    // Priority and reserved bits mean nothing.
    assert_eq!(at(&[0x35, 0xf2, 0, 1, 0, 2, 9]), Ok(6..7));
}

#[test]
fn data_headers_that_contradict_themselves_are_refused() {
    assert_eq!(data(&[0x40, 2, 0, 11, 0, 1, 0, 2, 9, 9]), Err(Error::Truncated));
    assert_eq!(data(&[0x40, 2, 0, 3, 0, 1, 0, 2, 9, 9]), Err(Error::Length));
    assert_eq!(data(&[0x40, 2, 0, 8, 0, 1, 0, 2, 9, 9]), Err(Error::Truncated));
    assert_eq!(data(&[0x02, 2, 0, 1, 0, 2, 0, 9, 7, 7, 9]), Err(Error::Truncated));
    assert_eq!(data(&[0x00, 2, 0, 1, 0]), Err(Error::Truncated));
    assert_eq!(data(&[]), Err(Error::Truncated));
}

#[test]
fn other_versions_are_told_apart() {
    let v3 = [0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(version(&v3), Some(3));
    assert_eq!(Packet::parse(&v3).err(), Some(Error::Version));
    assert_eq!(Packet::parse(&[0, 1, 0, 0, 0, 0, 0]).err(), Some(Error::Version));
    assert_eq!(version(&[0]), None);
}

#[test]
fn a_control_message_without_length_or_numbers_is_refused() {
    for flags in [0x80, 0x88, 0xc0, 0xca] {
        let bytes = [flags, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Packet::parse(&bytes).err(), Some(Error::Unsupported), "{flags:x}");
    }
}

#[test]
fn our_messages_are_read_back_as_they_were_meant() {
    let header = ControlHeader { tunnel: 7, session: 0, ns: 65_535, nr: 3 };
    let bytes = written(|writer| emit_sccrp(writer, &header, 9, b"name", 8));
    assert_eq!(bytes.len(), SCCRP_LEN_MIN + 4);
    let seen = control(&bytes);
    assert_eq!((seen.tunnel, seen.session, seen.ns, seen.nr), (7, 0, 65_535, 3));
    let message = Message::parse(seen.avps).unwrap();
    assert_eq!((message.kind, message.fault), (MessageKind::Sccrp, None));
    assert_eq!(message.assigned_tunnel, Some(9));
    assert_eq!((message.host_name, message.receive_window), (&b"name"[..], Some(8)));

    let result = ResultCode::general(8);
    let bytes = written(|writer| emit_stop_ccn(writer, &header, 9, result));
    assert_eq!(bytes.len(), STOP_CCN_LEN);
    let message = Message::parse(control(&bytes).avps).unwrap();
    assert_eq!((message.kind, message.result), (MessageKind::StopCcn, Some(result)));
    assert_eq!(message.assigned_tunnel, Some(9));

    let call = ControlHeader { session: 5, ..header };
    let bytes = written(|writer| emit_icrp(writer, &call, 6));
    assert_eq!(control(&bytes).session, 5);
    let message = Message::parse(control(&bytes).avps).unwrap();
    assert_eq!((message.kind, message.assigned_session), (MessageKind::Icrp, Some(6)));

    let bytes = written(|writer| emit_cdn(writer, &call, 6, ResultCode::ADMINISTRATIVE));
    let message = Message::parse(control(&bytes).avps).unwrap();
    assert_eq!((message.kind, message.assigned_session), (MessageKind::Cdn, Some(6)));
    assert_eq!(message.result, Some(ResultCode::ADMINISTRATIVE));

    let bytes = written(|writer| emit_hello(writer, &header));
    assert_eq!(Message::parse(control(&bytes).avps).unwrap().kind, MessageKind::Hello);
    let bytes = written(|writer| emit_ack(writer, &header));
    assert_eq!(bytes.len(), CONTROL_LEN);
    assert!(control(&bytes).avps.is_empty());
}

#[test]
fn a_data_header_is_read_back_as_it_was_meant() {
    let (tunnel, session) = (NonZeroU16::new(3).unwrap(), NonZeroU16::new(4).unwrap());
    for sequence in [None, Some(65_535)] {
        let header = DataHeader { tunnel, session, sequence };
        let mut bytes = written(|writer| header.emit(writer, 2));
        assert_eq!(bytes.len(), header.len());
        bytes.extend_from_slice(&[0xff, 3]);
        let ppp = header.len()..bytes.len();
        assert_eq!(data(&bytes), Ok(Data { tunnel: 3, session: 4, ppp }));
    }
}

#[test]
fn a_hidden_or_reserved_or_foreign_avp_is_unknown() {
    let avp = |flags: u8, vendor: u8, attribute: u8, value: &[u8]| {
        let mut bytes = vec![flags, value.len() as u8 + 6, 0, vendor, 0, attribute];
        bytes.extend_from_slice(value);
        bytes
    };
    let fault = |extra: Vec<u8>| {
        let mut bytes = avp(0x80, 0, 0, &[0, 6]);
        bytes.extend(extra);
        Message::parse(Avps::new(&bytes)).unwrap().fault
    };
    assert_eq!(fault(avp(0x80, 0, 7, b"x")), None);
    for (flags, vendor, attribute) in
        [(0x80, 9, 7), (0x80, 0, 20), (0x80, 0, 99), (0xc0, 0, 7), (0x84, 0, 7), (0xa0, 0, 7)]
    {
        assert_eq!(fault(avp(flags, vendor, attribute, b"x")), Some(Fault::UnknownAvp));
        assert_eq!(fault(avp(flags & 0x7f, vendor, attribute, b"x")), None);
    }
    assert_eq!(fault(avp(0x80, 0, 10, b"x")), Some(Fault::WrongLength));
    assert_eq!(fault(avp(0x00, 0, 10, b"x")), None);
    assert_eq!(fault(avp(0x80, 0, 14, &[0, 0])), Some(Fault::BadValue));
}

/// A message of this type with an AVP of two octets for each of the attributes.
fn message_with(spec: &MessageSpec, attributes: &[Attribute]) -> Vec<u8> {
    let mut bytes = vec![0xc8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0x80, 8, 0, 0, 0, 0, 0, spec.number as u8]);
    for &attribute in attributes {
        bytes.extend([0x80, 8, 0, 0, 0, attribute as u8, 0, 7]);
    }
    bytes[3] = bytes.len() as u8;
    bytes
}

#[test]
fn a_message_without_one_of_its_essential_avps_is_at_fault() {
    let mut essentials = 0;
    for spec in MESSAGES {
        let fault = |attributes: &[Attribute]| {
            Message::parse(control(&message_with(spec, attributes)).avps).unwrap().fault
        };
        assert_eq!(fault(spec.essential), None, "{spec:?}");
        for left_out in spec.essential {
            let rest: Vec<_> = spec.essential.iter().copied().filter(|it| it != left_out).collect();
            assert_eq!(fault(&rest), Some(Fault::Missing), "{spec:?}");
            essentials += 1;
        }
    }
    assert!(essentials >= 6);
    assert_eq!(Fault::Missing.result(), ResultCode::general(3));
}

#[test]
fn the_first_fault_of_a_message_is_the_one_that_is_told() {
    let mut bytes = message_with(&MESSAGES[0], &[]);
    // An unknown AVP that the sender insists on, and no tunnel id.
    bytes.extend([0x80, 8, 0, 0, 0, 99, 0, 0]);
    bytes[3] = bytes.len() as u8;
    let message = Message::parse(control(&bytes).avps).unwrap();
    assert_eq!((message.kind, message.fault), (MessageKind::Sccrq, Some(Fault::UnknownAvp)));
}

#[test]
fn the_message_type_comes_first_and_in_the_open() {
    let parse = |bytes: &[u8]| Message::parse(Avps::new(bytes)).map(|message| message.kind);
    let host = [0x80, 7, 0, 0, 0, 7, b'x'];
    assert_eq!(parse(&host), Err(Error::Unsupported));
    assert_eq!(parse(&[0xc0, 8, 0, 0, 0, 0, 0, 6]), Err(Error::Unsupported));
    assert_eq!(parse(&[0x80, 8, 0, 1, 0, 0, 0, 6]), Err(Error::Unsupported));
    assert_eq!(parse(&[0x80, 7, 0, 0, 0, 0, 6]), Err(Error::Truncated));
    let unknown = |mandatory| Ok(MessageKind::Unknown { mandatory });
    assert_eq!(parse(&[0x80, 8, 0, 0, 0, 0, 0, 13]), unknown(true));
    assert_eq!(parse(&[0x00, 8, 0, 0, 0, 0, 0, 99]), unknown(false));
}

#[test]
fn avps_end_whatever_their_lengths_say() {
    let mut random = Random(5);
    for _ in 0..200_000 {
        let mut bytes: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
        for octet in bytes.iter_mut().step_by(1 + random.below(6)) {
            *octet = random.below(12) as u8;
        }
        let mut used = 0;
        for avp in Avps::new(&bytes) {
            match avp {
                Ok(avp) => used += 6 + avp.value.len(),
                Err(_) => used = bytes.len(),
            }
        }
        assert_eq!(used, bytes.len());
        let _ = Packet::parse(&bytes);
        let _ = Message::parse(Avps::new(&bytes));
    }
}

#[test]
fn an_avp_whose_length_lies_ends_the_message() {
    for length in 0..64_u8 {
        let mut bytes = vec![0x80, 8, 0, 0, 0, 0, 0, 6, 0x80, length, 0, 0, 0, 7];
        bytes.extend_from_slice(&[b'n'; 10]);
        let message = Message::parse(Avps::new(&bytes));
        match length {
            0..6 => assert_eq!(message, Err(Error::Length)),
            // What follows is taken for a header of "nnnnnn".
            6..16 => assert_eq!(message.map(|_| ()), Err(Error::Truncated)),
            16 => assert_eq!(message.unwrap().host_name, &[b'n'; 10]),
            _ => assert_eq!(message, Err(Error::Truncated)),
        }
    }
}

#[test]
fn the_tables_are_consistent() {
    assert!(ATTRIBUTES.is_sorted_by(|a, b| (a.attribute as u16) < b.attribute as u16));
    assert!(ATTRIBUTES.iter().all(|spec| (spec.attribute as u16) < 64));
    assert!(ATTRIBUTES.iter().all(|spec| spec.len.0 <= spec.len.1));
    assert!(MESSAGES.is_sorted_by(|a, b| a.number < b.number));
}
