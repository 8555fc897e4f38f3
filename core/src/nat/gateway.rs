//! The router's own address: ARP (RFC 826), echo (RFC 1122 §3.2.2.6), DHCP handed over.

use core::net::Ipv4Addr;

use crate::addr::MacAddr;
use crate::config::SecureNatConfig;
use crate::discard::DropReason;
use crate::outbox::{Outbox, Span};
use crate::wire::dhcpv4;
use crate::wire::ethernet::{EtherType, Header};
use crate::wire::ipv4::{self, Packet, Protocol};
use crate::wire::{arp, icmpv4, udp};

/// What a router wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put this Ethernet frame on the hub, from the router's port.
    Frame(Span),
}

/// Room for the actions of one call.
pub type Actions = Outbox<Action, 1>;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Delivery<'a> {
    /// A message to DHCP servers.
    Dhcp {
        /// The MAC address that the frame came from.
        from: MacAddr,
        /// The payload of its datagram.
        message: &'a [u8],
    },
    /// It was for the router itself.
    Consumed,
    /// Nothing.
    Drop(DropReason),
}

/// The router of one hub.
#[derive(Clone, Copy, Debug)]
pub struct Gateway {
    mac: MacAddr,
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Gateway {
    /// The router that `config` describes.
    pub const fn new(config: &SecureNatConfig<'_>) -> Self {
        Self { mac: config.mac, address: config.address, prefix_len: config.prefix_len }
    }

    /// Its MAC address.
    pub const fn mac(&self) -> MacAddr {
        self.mac
    }

    /// Takes a frame from the hub.
    pub fn handle_frame<'a>(&self, frame: &'a [u8], out: &mut Actions) -> Delivery<'a> {
        match self.receive(frame, out) {
            Ok(delivery) => delivery,
            Err(reason) => Delivery::Drop(reason),
        }
    }

    fn receive<'a>(&self, frame: &'a [u8], out: &mut Actions) -> Result<Delivery<'a>, DropReason> {
        let (header, payload) = Header::parse(frame)?;
        if header.destination != self.mac && !header.destination.is_group() {
            return Err(DropReason::NotForHost);
        }
        match header.ether_type {
            EtherType::ARP => self.on_arp(&arp::Packet::parse(payload)?, out),
            EtherType::IPV4 => self.on_ipv4(&header, &Packet::parse(payload)?, out),
            _ => Err(DropReason::NotForHost),
        }
    }

    fn on_arp<'a>(
        &self,
        packet: &arp::Packet,
        out: &mut Actions,
    ) -> Result<Delivery<'a>, DropReason> {
        if packet.sender_mac.is_group() {
            return Err(DropReason::SpoofedSource);
        }
        if packet.operation != arp::Operation::Request || packet.target_ip != self.address {
            return Err(DropReason::NotForHost);
        }
        let reply = arp::Packet {
            operation: arp::Operation::Reply,
            sender_mac: self.mac,
            sender_ip: self.address,
            target_mac: packet.sender_mac,
            target_ip: packet.sender_ip,
        };
        let header = self.header(packet.sender_mac, EtherType::ARP);
        let span = out.emit(|writer| {
            header.emit(writer);
            reply.emit(writer);
        });
        self.put(span, out)
    }

    fn on_ipv4<'a>(
        &self,
        header: &Header,
        packet: &Packet<'a>,
        out: &mut Actions,
    ) -> Result<Delivery<'a>, DropReason> {
        let ipv4::Header { source, destination, protocol, .. } = packet.header;
        let is_own = destination == self.address;
        let is_broadcast = destination.is_broadcast()
            || Some(destination) == ipv4::subnet_broadcast(self.address, self.prefix_len);
        if !is_own && !is_broadcast {
            let is_unicast = header.destination == self.mac;
            return Err(if is_unicast { DropReason::NoNextHop } else { DropReason::NotForHost });
        }
        if packet.header.is_fragment() {
            return Err(DropReason::Unsupported);
        }
        match protocol {
            Protocol::UDP => {
                let datagram = udp::Datagram::parse(packet.payload, source, destination)?;
                if datagram.destination != dhcpv4::SERVER_PORT {
                    return Err(DropReason::NotServed);
                }
                Ok(Delivery::Dhcp { from: header.source, message: datagram.payload })
            }
            Protocol::ICMP if is_own => {
                let icmpv4::Message::EchoRequest(echo) = icmpv4::Message::parse(packet.payload)?
                else {
                    return Err(DropReason::NotServed);
                };
                if !self.may_answer(source) {
                    return Err(DropReason::SpoofedSource);
                }
                let reply = icmpv4::Message::EchoReply(echo);
                let header = self.header(header.source, EtherType::IPV4);
                let span = out.emit(|writer| {
                    header.emit(writer);
                    reply.emit(writer, self.address, source);
                });
                self.put(span, out)
            }
            _ => Err(DropReason::NotServed),
        }
    }

    /// Whether `source` is another host's address.
    fn may_answer(&self, source: Ipv4Addr) -> bool {
        let is_group = source.is_multicast()
            || source.is_broadcast()
            || Some(source) == ipv4::subnet_broadcast(self.address, self.prefix_len);
        !is_group && !source.is_unspecified() && !source.is_loopback() && source != self.address
    }

    fn put<'a>(&self, span: Option<Span>, out: &mut Actions) -> Result<Delivery<'a>, DropReason> {
        out.push(Action::Frame(span.ok_or(DropReason::NoRoom)?));
        Ok(Delivery::Consumed)
    }

    const fn header(&self, destination: MacAddr, ether_type: EtherType) -> Header {
        Header { destination, source: self.mac, ether_type }
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddrV4;

    use super::*;
    use crate::buf::Writer;
    use crate::store::model::Random;
    use crate::time::Duration;

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
}
