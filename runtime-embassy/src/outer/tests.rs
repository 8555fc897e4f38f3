use super::*;
use core::net::SocketAddr;
use std::vec::Vec;

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const HOP: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 9]);

/// A datagram of ours, wrapped for a client.
fn wrapped(outer: Outer, port: u16, payload: &[u8]) -> Result<Vec<u8>, NoRoom> {
    let mut buf = std::vec![0; 2048];
    buf[128..128 + payload.len()].copy_from_slice(payload);
    let mut frame = Frame::received(buf, payload.len())?;
    let address = |last| SocketAddr::from(([192, 0, 2, last], port));
    let path = Path { local: address(1), remote: address(50), outer };
    wrap(&mut frame, &path, 7, OWN, HOP)?;
    Ok(frame.bytes().to_vec())
}

/// What a receiver sees of it.
fn opened(frame: &[u8]) -> (ipv4::Header, Vec<u8>) {
    let (ethernet, packet) = ethernet::Header::parse(frame).expect("a frame");
    assert_eq!((ethernet.destination, ethernet.source), (HOP, OWN));
    let packet = ipv4::Packet::parse(packet).expect("a packet with a sound checksum");
    assert_eq!(packet.header_len + packet.payload.len(), frame.len() - 14);
    (packet.header, packet.payload.to_vec())
}

#[test]
fn ike_has_a_checksum_and_esp_in_udp_has_none() {
    for (port, payload) in [(500, &b"cookie"[..]), (4500, b"\0\0\0\0cookie"), (1701, b"l2tp")] {
        let (header, bytes) = opened(&wrapped(Outer::Udp, port, payload).unwrap());
        assert_ne!(bytes[6..8], [0, 0], "port {port}");
        let datagram = udp::Datagram::parse(&bytes, header.source, header.destination);
        assert_eq!(datagram.expect("a sound datagram").payload, payload);
        assert_eq!((header.ident, header.dont_fragment), (7, false));
    }
    let (_, bytes) = opened(&wrapped(Outer::Udp, 4500, b"\0\0\x01\0esp").unwrap());
    assert_eq!(bytes[6..8], [0, 0]);
}

#[test]
fn bare_esp_follows_the_ip_header() {
    let (header, bytes) = opened(&wrapped(Outer::Esp, 0, b"\0\0\x01\0esp").unwrap());
    assert_eq!((header.protocol, &bytes[..]), (Protocol(50), &b"\0\0\x01\0esp"[..]));
}

#[test]
fn what_is_too_long_for_a_frame_is_left_to_the_stack() {
    assert_eq!(wrapped(Outer::Udp, 500, &[1; 1472]).unwrap().len(), 1514);
    assert_eq!(wrapped(Outer::Udp, 500, &[1; 1473]), Err(NoRoom));
    assert_eq!(wrapped(Outer::Esp, 0, &[1; 1480]).unwrap().len(), 1514);
    assert_eq!(wrapped(Outer::Esp, 0, &[1; 1481]), Err(NoRoom));
}

/// A datagram from a client, as the bridge sees it.
fn heard(from: [u8; 4], through: [u8; 6], port: u16) -> Vec<u8> {
    let mut room = [0; 128];
    let mut writer = Writer::new(&mut room);
    let header = ethernet::Header {
        destination: OWN,
        source: MacAddr(through),
        ether_type: EtherType::IPV4,
    };
    header.emit(&mut writer);
    let (from, to) = (SocketAddrV4::new(from.into(), 9), SocketAddrV4::new([9; 4].into(), port));
    udp::emit(&mut writer, from, to, |writer| writer.put(b"hello"));
    writer.written().to_vec()
}

#[test]
fn the_way_to_a_client_is_the_one_it_last_came() {
    let mut hops = Hops::new();
    let client = Ipv4Addr::new(198, 51, 100, 7);
    assert_eq!(hops.to(client), None);
    hops.note(&heard(client.octets(), [1; 6], 53));
    assert_eq!(hops.to(client), None, "only those who speak to the server");
    hops.note(&heard(client.octets(), [2; 6], 500));
    hops.note(&heard(client.octets(), [4; 6], 4500));
    assert_eq!(hops.to(client), Some(MacAddr([4; 6])));
    assert_eq!(hops.to(Ipv4Addr::UNSPECIFIED), None);
    hops.note(&heard([224, 0, 0, 1], [6; 6], 500));
    assert_eq!(hops.to([224, 0, 0, 1].into()), None);
}

#[test]
fn the_oldest_way_makes_room() {
    let mut hops = Hops::new();
    for number in 0..=HOPS as u8 {
        hops.note(&heard([198, 51, 100, number], [2; 6], 500));
    }
    assert_eq!(hops.to([198, 51, 100, 0].into()), None);
    assert!((1..=HOPS as u8).all(|number| hops.to([198, 51, 100, number].into()).is_some()));
}

#[test]
fn frames_of_any_length_are_looked_at() {
    let frame = heard([198, 51, 100, 7], [2; 6], 500);
    for len in 0..frame.len() {
        Hops::new().note(&frame[..len]);
        assert!(!is_esp(&frame[..len]));
    }
}
