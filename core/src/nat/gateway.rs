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
pub type Actions = Outbox<Action, 1, OCTETS_MAX>;

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

/// Octets of the longest frame, sent back.
const OCTETS_MAX: usize = 1600;
