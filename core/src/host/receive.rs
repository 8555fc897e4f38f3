//! Frames that the hub brings to a host.

use super::{
    Action, Actions, Delivery, Host, Packet, Protocol, arp_wire, dhcpv4, ethernet, icmpv4,
    is_broadcast, udp,
};
use crate::addr::MacAddr;
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::time::{Duration, Instant};
use crate::wire::ethernet::EtherType;
use crate::wire::ipv4;

impl Host {
    /// Takes a frame from the hub.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        frame: &[u8],
        out: &mut Actions,
    ) -> Delivery {
        match self.receive(now, rng, frame, out) {
            Ok(delivery) => delivery,
            Err(reason) => Delivery::Drop(reason),
        }
    }

    fn receive(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        frame: &[u8],
        out: &mut Actions,
    ) -> Result<Delivery, DropReason> {
        let (header, payload) = ethernet::Header::parse(frame)?;
        if header.destination != self.mac() && !header.destination.is_group() {
            return Err(DropReason::NotForHost);
        }
        match header.ether_type {
            EtherType::ARP => self.on_arp(now, &arp_wire::Packet::parse(payload)?, out),
            EtherType::IPV4 => self.on_ipv4(now, rng, &header, payload, out),
            _ => Err(DropReason::NotForHost),
        }
    }

    fn on_arp(
        &mut self,
        now: Instant,
        packet: &arp_wire::Packet,
        out: &mut Actions,
    ) -> Result<Delivery, DropReason> {
        let own = self.assignment.as_ref().ok_or(DropReason::NotForHost)?.address;
        if packet.sender_mac.is_group() || packet.sender_mac == self.mac() {
            return Err(DropReason::SpoofedSource);
        }
        if packet.sender_ip == own {
            self.defend(now, out);
            return Ok(Delivery::Consumed);
        }
        let asks_us = packet.operation == arp_wire::Operation::Request && packet.target_ip == own;
        if !packet.sender_ip.is_unspecified() {
            let (next_hop, mac) = (packet.sender_ip, packet.sender_mac);
            if self.arp.learn(now, next_hop, mac, asks_us) {
                out.push(Action::Resolved { next_hop, mac });
            }
        }
        if asks_us {
            let reply = arp_wire::Packet {
                operation: arp_wire::Operation::Reply,
                sender_mac: self.mac(),
                sender_ip: own,
                target_mac: packet.sender_mac,
                target_ip: packet.sender_ip,
            };
            self.send_arp(&reply, packet.sender_mac, out);
        }
        Ok(Delivery::Consumed)
    }

    /// Announces our address, which someone else used, but not more than once in 10 s (RFC 5227
    /// §2.4 b). The session keeps the address: the DHCP server gave it to us.
    fn defend(&mut self, now: Instant, out: &mut Actions) {
        if self.defended_at.is_none_or(|last| now.since(last) >= DEFEND_INTERVAL)
            && let Some(own) = self.assignment
        {
            self.defended_at = Some(now);
            self.ask(own.address, MacAddr::BROADCAST, out);
        }
    }

    fn on_ipv4(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        header: &ethernet::Header,
        payload: &[u8],
        out: &mut Actions,
    ) -> Result<Delivery, DropReason> {
        let packet = Packet::parse(payload)?;
        // What answers an INFORM of the client names the client's hardware, not ours.
        if let Some(message) = dhcp_reply(&packet)?
            && message.hardware.mac() == Some(self.mac())
        {
            let (dhcp, who) = (&mut self.dhcp, &self.identity);
            let outcome = dhcp.handle_message(now, rng, who, header.source, &message, out)?;
            self.on_outcome(outcome, out);
            return Ok(Delivery::Consumed);
        }
        let own = self.assignment.as_ref().ok_or(DropReason::NotForHost)?;
        if packet.header.source == own.address {
            return Err(DropReason::SpoofedSource);
        }
        let destination = packet.header.destination;
        let is_group = destination.is_multicast() || is_broadcast(own, destination);
        let is_for_client = if is_group {
            self.takes_groups && header.destination.is_group() && !is_dhcp(&packet)
        } else {
            destination == own.address
        };
        if !is_for_client {
            return Err(DropReason::NotForHost);
        }
        if packet.len() > usize::from(self.mtu) && packet.header.dont_fragment {
            if !is_group {
                self.send_too_long(header.source, &packet, payload, out);
            }
            return Err(DropReason::TooLong);
        }
        Ok(Delivery::ToClient { offset: ethernet::HEADER_LEN, len: packet.len() })
    }

    /// Tells the sender of `packet` what fits (RFC 1191 §4). No error answers an ICMP error or a
    /// packet that is not the first fragment (RFC 1122 §3.2.2).
    fn send_too_long(&self, sender: MacAddr, packet: &Packet<'_>, bytes: &[u8], out: &mut Actions) {
        let is_echo = matches!(packet.payload.first(), Some(0 | 8));
        let may_be_error = packet.header.protocol == Protocol::ICMP && !is_echo;
        let from = packet.header.source;
        let is_host = !from.is_unspecified() && !from.is_multicast() && !from.is_broadcast();
        if may_be_error || packet.header.fragment_offset != 0 || !is_host {
            return;
        }
        let quoted = packet.header_len + QUOTED_PAYLOAD;
        let quote = bytes.get(..quoted).unwrap_or(bytes);
        let error = icmpv4::Message::FragmentationNeeded { mtu: self.mtu, packet: quote };
        let header = self.identity.header(sender, EtherType::IPV4);
        let span = out.emit(|writer| {
            header.emit(writer);
            error.emit(writer, packet.header.destination, from);
        });
        if let Some(span) = span {
            out.push(Action::Frame(span));
        }
    }
}

/// The message in a packet from a DHCP server to a client.
fn dhcp_reply<'a>(packet: &Packet<'a>) -> Result<Option<dhcpv4::Message<'a>>, DropReason> {
    let ipv4::Header { source, destination, .. } = packet.header;
    if udp_ports(packet) != Some((dhcpv4::SERVER_PORT, dhcpv4::CLIENT_PORT)) {
        return Ok(None);
    }
    let datagram = udp::Datagram::parse(packet.payload, source, destination)?;
    Ok(Some(dhcpv4::Message::parse(datagram.payload)?))
}

fn is_dhcp(packet: &Packet<'_>) -> bool {
    let ports = [dhcpv4::SERVER_PORT, dhcpv4::CLIENT_PORT];
    udp_ports(packet).is_some_and(|(_, destination)| ports.contains(&destination))
}

fn udp_ports(packet: &Packet<'_>) -> Option<(u16, u16)> {
    let is_udp = packet.header.protocol == Protocol::UDP && !packet.header.is_fragment();
    udp::ports(packet.payload).ok().filter(|_| is_udp)
}

const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// Octets of a packet that an ICMP error quotes behind its header (RFC 792).
const QUOTED_PAYLOAD: usize = 8;
