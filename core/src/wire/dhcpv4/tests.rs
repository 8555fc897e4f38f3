use super::*;
use crate::store::model::Random;

extern crate std;
use std::vec::Vec;

/// DISCOVER of the capture `dhcp.pcap` in Wireshark's sample captures
/// (wiki.wireshark.org/SampleCaptures): a client of 00:0b:82:01:fc:42 asks for any address.
/// UDP payload; written here as fields, because most of its 272 octets are zero.
fn wireshark_discover() -> Vec<u8> {
    let mut bytes = std::vec![1, 1, 6, 0, 0, 0, 0x3d, 0x1d];
    bytes.resize(28, 0);
    bytes.extend([0x00, 0x0b, 0x82, 0x01, 0xfc, 0x42]);
    bytes.resize(236, 0);
    bytes.extend([0x63, 0x82, 0x53, 0x63]);
    bytes.extend([53, 1, 1]);
    bytes.extend([61, 7, 1, 0x00, 0x0b, 0x82, 0x01, 0xfc, 0x42]);
    bytes.extend([50, 4, 0, 0, 0, 0]);
    bytes.extend([55, 4, 1, 3, 6, 42]);
    bytes.push(255);
    bytes.resize(272, 0);
    bytes
}

/// The OFFER that follows in the same capture.
fn wireshark_offer() -> Vec<u8> {
    let mut bytes = std::vec![2, 1, 6, 0, 0, 0, 0x3d, 0x1d, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([192, 168, 0, 10, 192, 168, 0, 1, 0, 0, 0, 0]);
    bytes.extend([0x00, 0x0b, 0x82, 0x01, 0xfc, 0x42]);
    bytes.resize(236, 0);
    bytes.extend([0x63, 0x82, 0x53, 0x63]);
    bytes.extend([53, 1, 2]);
    bytes.extend([1, 4, 255, 255, 255, 0]);
    bytes.extend([58, 4, 0, 0, 0x07, 0x08]);
    bytes.extend([59, 4, 0, 0, 0x0c, 0x4e]);
    bytes.extend([51, 4, 0, 0, 0x0e, 0x10]);
    bytes.extend([54, 4, 192, 168, 0, 1]);
    bytes.push(255);
    bytes.resize(300, 0);
    bytes
}

#[test]
fn the_discover_of_wiresharks_sample_is_understood() {
    let bytes = wireshark_discover();
    let message = Message::parse(&bytes).unwrap();
    let mac = MacAddr([0x00, 0x0b, 0x82, 0x01, 0xfc, 0x42]);
    let mut expected = Message::request(MessageType::Discover, 0x3d1d, mac);
    expected.options.client_id = &[1, 0x00, 0x0b, 0x82, 0x01, 0xfc, 0x42];
    expected.options.requested_address = Some(Ipv4Addr::UNSPECIFIED);
    expected.options.parameters = &[1, 3, 6, 42];
    assert_eq!(message, expected);
    assert_eq!(message.hardware.mac(), Some(mac));
}

#[test]
fn the_offer_of_wiresharks_sample_is_understood() {
    let bytes = wireshark_offer();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.op, message.xid), (Op::Reply, 0x3d1d));
    assert_eq!(message.yiaddr, Ipv4Addr::new(192, 168, 0, 10));
    assert_eq!(message.siaddr, Ipv4Addr::new(192, 168, 0, 1));
    let options = Options {
        kind: Some(MessageType::Offer),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        renewal_secs: Some(1800),
        rebinding_secs: Some(3150),
        lease_secs: Some(3600),
        server: Some(Ipv4Addr::new(192, 168, 0, 1)),
        ..Options::default()
    };
    assert_eq!(message.options, options);
}

fn full(random: &mut Random) -> Message<'static> {
    let mut address = || Ipv4Addr::from(random.next() as u32);
    let mut message = Message::request(MessageType::Ack, 0x0102_0304, MacAddr([2; 6]));
    message.op = Op::Reply;
    message.secs = 9;
    message.broadcast = true;
    message.ciaddr = address();
    message.yiaddr = address();
    message.siaddr = address();
    message.giaddr = address();
    message.options = Options {
        kind: Some(MessageType::Unknown(99)),
        client_id: b"\x01abcdef",
        requested_address: Some(address()),
        server: Some(address()),
        lease_secs: Some(7200),
        renewal_secs: Some(3600),
        rebinding_secs: Some(6300),
        subnet_mask: Some(address()),
        routers: AddressList::from_slice(&[address()]).unwrap(),
        dns: AddressList::from_slice(&[address(), address()]).unwrap(),
        wins: AddressList::from_slice(&[address(), address(), address(), address()]).unwrap(),
        domain_name: b"example.org",
        host_name: b"jiro",
        vendor_class: b"MSFT 5.0",
        max_size: Some(576),
        parameters: &[1, 3, 6],
    };
    message
}

fn bytes_of(message: &Message<'_>) -> Vec<u8> {
    let mut room = [0xee; 1024];
    let mut writer = Writer::new(&mut room);
    message.emit(&mut writer);
    writer.written().to_vec()
}

#[test]
fn what_is_written_is_read_again() {
    let mut random = Random(5);
    let message = full(&mut random);
    assert_eq!(Message::parse(&bytes_of(&message)), Ok(message));
    let least = Message::request(MessageType::Discover, 1, MacAddr([2; 6]));
    let bytes = bytes_of(&least);
    assert_eq!(bytes.len(), 300);
    assert_eq!(Message::parse(&bytes), Ok(least));
}

#[test]
fn options_continue_in_boot_file_and_server_name() {
    let mut bytes = wireshark_discover();
    bytes.truncate(240);
    bytes.extend([53, 1, 3, 52, 1, 3, 255]);
    bytes[108..114].copy_from_slice(&[50, 4, 10, 0, 0, 9]);
    bytes[114] = 255;
    bytes[44..50].copy_from_slice(&[54, 4, 10, 0, 0, 1]);
    bytes[50] = 255;
    let options = Message::parse(&bytes).unwrap().options;
    assert_eq!(options.requested_address, Some(Ipv4Addr::new(10, 0, 0, 9)));
    assert_eq!(options.server, Some(Ipv4Addr::new(10, 0, 0, 1)));
    bytes[245] = 1;
    let options = Message::parse(&bytes).unwrap().options;
    assert_eq!((options.requested_address.is_some(), options.server), (true, None));
}

#[test]
fn lists_are_joined_and_cut_to_what_fits() {
    let mut bytes = wireshark_discover();
    bytes.truncate(240);
    bytes.extend([6, 4, 1, 1, 1, 1, 6, 8, 2, 2, 2, 2, 3, 3, 3, 3]);
    bytes.extend([6, 8, 4, 4, 4, 4, 5, 5, 5, 5, 255]);
    let dns = Message::parse(&bytes).unwrap().options.dns;
    assert_eq!(dns.len(), 4);
    assert_eq!(dns[3], Ipv4Addr::new(4, 4, 4, 4));
}

#[test]
fn lengths_that_lie_are_refused() {
    for (options, error) in [
        (&[53, 2, 1, 1][..], Error::Length),
        (&[51, 3, 0, 0, 1], Error::Length),
        (&[6, 5, 1, 1, 1, 1, 1], Error::Length),
        (&[6, 0], Error::Length),
        (&[61, 9, 1, 2], Error::Truncated),
        (&[61], Error::Truncated),
    ] {
        let mut bytes = wireshark_discover();
        bytes.truncate(240);
        bytes.extend(options);
        assert_eq!(Message::parse(&bytes), Err(error), "{options:?}");
    }
    let mut long_hardware = wireshark_discover();
    long_hardware[2] = 17;
    assert_eq!(Message::parse(&long_hardware), Err(Error::Length));
    for len in 0..240 {
        assert_eq!(Message::parse(&wireshark_discover()[..len]), Err(Error::Truncated));
    }
}

#[test]
fn garbage_never_panics_and_what_parses_round_trips() {
    let mut random = Random(6);
    let mut parsed = 0;
    for _ in 0..50_000 {
        let mut bytes = bytes_of(&full(&mut random));
        for _ in 0..random.below(8) {
            let at = [random.below(bytes.len()), 236 + random.below(bytes.len() - 236)];
            bytes[at[random.below(2)]] = random.next() as u8;
        }
        bytes.truncate(bytes.len() - random.below(40));
        if let Ok(message) = Message::parse(&bytes) {
            parsed += 1;
            assert_eq!(Message::parse(&bytes_of(&message)), Ok(message));
        }
    }
    assert!(parsed > 1_000);
}
