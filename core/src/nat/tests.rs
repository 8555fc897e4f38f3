use core::net::{Ipv4Addr, SocketAddrV4};

use super::gateway::*;
use crate::addr::MacAddr;
use crate::buf::Writer;
use crate::config::SecureNatConfig;
use crate::discard::DropReason;
use crate::store::model::Random;
use crate::time::Duration;
use crate::wire::ethernet::{EtherType, Header};
use crate::wire::ipv4::{self, Packet, Protocol};
use crate::wire::{arp, icmpv4, udp};

extern crate std;
use std::vec::Vec;

const MAC: MacAddr = MacAddr([0x5e, 0, 0, 0, 0, 1]);
const CLIENT_MAC: MacAddr = MacAddr([0x4a, 0, 0, 0, 0, 1]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 10);

fn gateway() -> Gateway {
    Gateway::new(&SecureNatConfig {
        mac: MAC,
        address: ADDRESS,
        prefix_len: 24,
        dhcp: true,
        pool: (CLIENT, CLIENT),
        lease: Duration::from_secs(100),
        dns: &[],
        gateway: true,
    })
}

fn frame(
    destination: MacAddr,
    ether_type: EtherType,
    write: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    let mut room = [0; 1_600];
    let mut writer = Writer::new(&mut room);
    Header { destination, source: CLIENT_MAC, ether_type }.emit(&mut writer);
    write(&mut writer);
    let len = writer.finish().unwrap();
    room[..len].to_vec()
}

fn arp_for(target_ip: Ipv4Addr) -> Vec<u8> {
    let packet = arp::Packet {
        operation: arp::Operation::Request,
        sender_mac: CLIENT_MAC,
        sender_ip: CLIENT,
        target_mac: MacAddr::default(),
        target_ip,
    };
    frame(MacAddr::BROADCAST, EtherType::ARP, |writer| packet.emit(writer))
}

fn echo(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let echo = icmpv4::Echo { ident: 3, sequence: 4, data: &[5; 1_400] };
    let request = icmpv4::Message::EchoRequest(echo);
    frame(MAC, EtherType::IPV4, |writer| request.emit(writer, source, destination))
}

fn datagram(to: SocketAddrV4) -> Vec<u8> {
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    let mac = if to.ip().is_broadcast() { MacAddr::BROADCAST } else { MAC };
    frame(mac, EtherType::IPV4, |writer| udp::emit(writer, from, to, |w| w.put(b"dhcp")))
}

/// The delivery and the frame that is sent.
fn handle(bytes: &[u8]) -> (Delivery<'_>, Option<Vec<u8>>) {
    let mut out = Actions::new();
    let delivery = gateway().handle_frame(bytes, &mut out);
    let sent = out.pop().map(|Action::Frame(span)| out.bytes(span).to_vec());
    assert_eq!(delivery == Delivery::Consumed, sent.is_some());
    (delivery, sent)
}

fn drop_of(bytes: &[u8]) -> DropReason {
    match handle(bytes).0 {
        Delivery::Drop(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_address_is_resolved_and_others_are_not() {
    let sent = handle(&arp_for(ADDRESS)).1.unwrap();
    let (header, payload) = Header::parse(&sent).unwrap();
    assert_eq!((header.source, header.destination), (MAC, CLIENT_MAC));
    let reply = arp::Packet::parse(payload).unwrap();
    assert_eq!(reply.operation, arp::Operation::Reply);
    assert_eq!((reply.sender_mac, reply.sender_ip), (MAC, ADDRESS));
    assert_eq!(drop_of(&arp_for(CLIENT)), DropReason::NotForHost);
}

#[test]
fn an_echo_comes_back_whole() {
    let sent = handle(&echo(CLIENT, ADDRESS)).1.unwrap();
    let packet = Packet::parse(&sent[14..]).unwrap();
    assert_eq!((packet.header.source, packet.header.destination), (ADDRESS, CLIENT));
    let echo = icmpv4::Echo { ident: 3, sequence: 4, data: &[5; 1_400] };
    assert_eq!(icmpv4::Message::parse(packet.payload), Ok(icmpv4::Message::EchoReply(echo)));
}

#[test]
fn an_echo_from_no_host_is_not_answered() {
    let broadcast = Ipv4Addr::new(192, 168, 30, 255);
    let group = Ipv4Addr::new(224, 0, 0, 1);
    for source in [ADDRESS, broadcast, group, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST] {
        assert_eq!(drop_of(&echo(source, ADDRESS)), DropReason::SpoofedSource);
    }
    assert_eq!(drop_of(&echo(CLIENT, broadcast)), DropReason::NotServed);
}

#[test]
fn dhcp_is_handed_over_and_nothing_else_is_served() {
    for to in [Ipv4Addr::BROADCAST, ADDRESS] {
        let bytes = datagram(SocketAddrV4::new(to, 67));
        let expected = Delivery::Dhcp { from: CLIENT_MAC, message: b"dhcp" };
        assert_eq!(handle(&bytes).0, expected);
    }
    assert_eq!(drop_of(&datagram(SocketAddrV4::new(ADDRESS, 53))), DropReason::NotServed);
    let elsewhere = SocketAddrV4::new(Ipv4Addr::new(9, 9, 9, 9), 53);
    assert_eq!(drop_of(&datagram(elsewhere)), DropReason::NoNextHop);
    let header = ipv4::Header::new(Protocol::ICMP, CLIENT, ADDRESS);
    let header = ipv4::Header { more_fragments: true, ..header };
    let fragment = frame(MAC, EtherType::IPV4, |writer| {
        header.emit(writer, |writer| writer.zeros(64));
    });
    assert_eq!(drop_of(&fragment), DropReason::Unsupported);
}

#[test]
fn garbage_never_panics() {
    let mut random = Random(10);
    let dhcp = datagram(SocketAddrV4::new(ADDRESS, 67));
    let seeds = [arp_for(ADDRESS), echo(CLIENT, ADDRESS), dhcp];
    for _ in 0..30_000 {
        let mut bytes = seeds[random.below(3)].clone();
        for _ in 0..random.below(5) {
            let at = random.below(bytes.len().min(60));
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(random.below(bytes.len() * 2).max(1));
        let _ = handle(&bytes);
    }
}
