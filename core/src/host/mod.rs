//! The host that a PPP client is on its hub: a MAC address, an address from DHCP, ARP.
//!
//! To the hub the client looks like any machine on an Ethernet; to the client there is only a
//! PPP link. This host stands between: it leases the client's address (RFC 2131) and keeps it
//! leased, answers ARP for it (RFC 826), announces and defends it (RFC 5227 §2.3, §2.4), and
//! finds the next hop of what the client sends.
//!
//! The client sends from its leased address and no other, is never a DHCP server, and cannot
//! lease on its own: of DHCP only INFORM passes. IPv6 and VLAN tags are not understood here;
//! their frames are dropped.
//!
//! Packets stay where they are: [`Host::route`] and [`Host::handle_frame`] say what to push in
//! front or to strip. Frames of the host's own go through the outbox.

mod arp;
mod dhcp_client;
mod mac;
mod receive;

use core::net::Ipv4Addr;

use crate::addr::{Ipv4Assignment, MacAddr};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::outbox::{Outbox, Span};
use crate::time::{Instant, earliest};
use crate::wire::dhcpv4::{self, MessageType};
use crate::wire::ethernet::{self, EtherType};
use crate::wire::ipv4::{self, Packet, Protocol};
use crate::wire::udp;
use crate::wire::{arp as arp_wire, icmpv4};

pub use mac::mac_of;

use arp::{ArpCache, Due, Lookup};
use dhcp_client::{DhcpClient, Outcome};

/// What a host wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put this Ethernet frame on the hub.
    Frame(Span),
    /// The client has its address.
    Leased(Ipv4Assignment),
    /// The client may no longer use its address.
    LeaseLost,
    /// No DHCP server offered an address.
    NoOffer,
    /// A DHCP server offered an address and then did not grant it.
    Refused,
    /// Packets for this next hop go to this MAC address.
    Resolved {
        /// Next hop.
        next_hop: Ipv4Addr,
        /// Its MAC address.
        mac: MacAddr,
    },
    /// The next hop does not answer; packets that wait for it are to be dropped.
    ResolveFailed {
        /// Next hop.
        next_hop: Ipv4Addr,
    },
}

/// Room for the actions of one call: no call pushes more than 6.
pub type Actions = Outbox<Action, 8, OCTETS_MAX>;

/// What becomes of a frame from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// The client gets the IPv4 packet in it.
    ToClient {
        /// Where in the frame the packet begins.
        offset: usize,
        /// Its length in octets; the rest is padding.
        len: usize,
    },
    /// It was for the host itself.
    Consumed,
    /// Nothing.
    Drop(DropReason),
}

/// What becomes of a packet from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Route {
    /// Push an Ethernet header with this destination, the host's own MAC address as source and
    /// [`EtherType::IPV4`].
    Frame {
        /// Next hop's MAC address.
        destination: MacAddr,
    },
    /// Keep it until [`Action::Resolved`] or [`Action::ResolveFailed`] for this next hop.
    Resolving {
        /// Next hop.
        next_hop: Ipv4Addr,
    },
    /// Drop it.
    Drop(DropReason),
}

/// The host of one session.
#[derive(Debug)]
pub struct Host {
    identity: Identity,
    dhcp: DhcpClient,
    assignment: Option<Ipv4Assignment>,
    arp: ArpCache,
    defended_at: Option<Instant>,
    mtu: u16,
    takes_groups: bool,
}

/// Who the host is, on Ethernet and to DHCP servers.
#[derive(Debug)]
struct Identity {
    mac: MacAddr,
    name: heapless::String<HOST_NAME_LEN>,
}

impl Host {
    /// A host without an address. It tells DHCP servers the first [`HOST_NAME_LEN`] octets of
    /// `name`.
    pub fn new(mac: MacAddr, name: &str) -> Self {
        let mut kept = heapless::String::new();
        for character in name.chars() {
            if kept.push(character).is_err() {
                break;
            }
        }
        Self {
            identity: Identity { mac, name: kept },
            dhcp: DhcpClient::default(),
            assignment: None,
            arp: ArpCache::default(),
            defended_at: None,
            mtu: ETHERNET_MTU,
            takes_groups: true,
        }
    }

    /// Its MAC address.
    pub const fn mac(&self) -> MacAddr {
        self.identity.mac
    }

    /// What it has leased.
    pub const fn assignment(&self) -> Option<&Ipv4Assignment> {
        self.assignment.as_ref()
    }

    /// Sets the octets of the longest packet that the client takes. Senders of longer ones that
    /// must not be fragmented are told (RFC 1191 §4); others pass, and what carries them
    /// fragments.
    pub const fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu;
    }

    /// Sets whether the client gets broadcasts and multicasts of the hub. It does unless told
    /// otherwise.
    pub const fn set_takes_groups(&mut self, takes_groups: bool) {
        self.takes_groups = takes_groups;
    }

    /// Looks for an address.
    pub fn start_dhcp(&mut self, now: Instant, rng: &mut Rng, out: &mut Actions) {
        self.dhcp.start(now, rng, &self.identity, out);
    }

    /// Gives the address back: the session ends.
    pub fn release(&mut self, now: Instant, rng: &mut Rng, out: &mut Actions) {
        self.dhcp.release(now, rng, &self.identity, out);
        self.assignment = None;
    }

    /// When [`Host::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        earliest(self.dhcp.deadline(), self.arp.deadline())
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut Rng, out: &mut Actions) {
        while let Some(due) = self.arp.take_due(now) {
            match due {
                Due::Ask(next_hop) => self.ask(next_hop, MacAddr::BROADCAST, out),
                Due::Failed(next_hop) => out.push(Action::ResolveFailed { next_hop }),
            }
        }
        let outcome = self.dhcp.handle_timeout(now, rng, &self.identity, out);
        self.on_outcome(outcome, out);
    }

    /// Finds the next hop of `packet`, an IPv4 packet from the client.
    pub fn route(&mut self, now: Instant, packet: &[u8], out: &mut Actions) -> Route {
        match self.next_hop(packet) {
            Ok(NextHop::Group(destination)) => Route::Frame { destination },
            Ok(NextHop::Neighbour(next_hop)) => self.resolve(now, next_hop, out),
            Err(reason) => Route::Drop(reason),
        }
    }

    fn next_hop(&self, packet: &[u8]) -> Result<NextHop, DropReason> {
        let own = self.assignment.as_ref().ok_or(DropReason::LinkDown)?;
        let packet = Packet::parse(packet)?;
        if packet.len() > usize::from(ETHERNET_MTU) {
            return Err(DropReason::TooLong);
        }
        if packet.header.source != own.address {
            return Err(DropReason::SpoofedSource);
        }
        check_dhcp_of_client(&packet)?;
        let destination = packet.header.destination;
        if is_broadcast(own, destination) {
            return Ok(NextHop::Group(MacAddr::BROADCAST));
        }
        if destination.is_multicast() {
            return Ok(NextHop::Group(multicast_mac(destination)));
        }
        let is_routable = !destination.is_unspecified() && !destination.is_loopback();
        if destination == own.address || !is_routable {
            return Err(DropReason::NoNextHop);
        }
        if ipv4::same_subnet(destination, own.address, own.prefix_len) {
            return Ok(NextHop::Neighbour(destination));
        }
        own.gateway.map(NextHop::Neighbour).ok_or(DropReason::NoNextHop)
    }

    fn resolve(&mut self, now: Instant, next_hop: Ipv4Addr, out: &mut Actions) -> Route {
        match self.arp.lookup(now, next_hop) {
            Lookup::Known { mac, refresh } => {
                if refresh {
                    self.ask(next_hop, mac, out);
                }
                Route::Frame { destination: mac }
            }
            Lookup::Resolving => Route::Resolving { next_hop },
            Lookup::Begun => {
                self.ask(next_hop, MacAddr::BROADCAST, out);
                Route::Resolving { next_hop }
            }
            Lookup::Full => Route::Drop(DropReason::ArpQueueFull),
        }
    }

    /// Asks who has `target_ip`.
    fn ask(&self, target_ip: Ipv4Addr, destination: MacAddr, out: &mut Actions) {
        let Some(own) = &self.assignment else { return };
        let packet = arp_wire::Packet {
            operation: arp_wire::Operation::Request,
            sender_mac: self.identity.mac,
            sender_ip: own.address,
            target_mac: MacAddr::default(),
            target_ip,
        };
        self.send_arp(&packet, destination, out);
    }

    fn send_arp(&self, packet: &arp_wire::Packet, destination: MacAddr, out: &mut Actions) {
        let header = self.identity.header(destination, EtherType::ARP);
        let span = out.emit(|writer| {
            header.emit(writer);
            packet.emit(writer);
        });
        if let Some(span) = span {
            out.push(Action::Frame(span));
        }
    }

    fn on_outcome(&mut self, outcome: Outcome, out: &mut Actions) {
        match outcome {
            Outcome::Pending => {}
            Outcome::Leased(assignment) => {
                self.assignment = Some(assignment);
                out.push(Action::Leased(assignment));
                self.ask(assignment.address, MacAddr::BROADCAST, out);
            }
            Outcome::Renewed(assignment) => self.assignment = Some(assignment),
            Outcome::Lost => {
                self.assignment = None;
                out.push(Action::LeaseLost);
            }
            Outcome::NoOffer => out.push(Action::NoOffer),
            Outcome::Refused => out.push(Action::Refused),
        }
    }
}

impl Identity {
    fn header(&self, destination: MacAddr, ether_type: EtherType) -> ethernet::Header {
        ethernet::Header { destination, source: self.mac, ether_type }
    }
}

enum NextHop {
    Group(MacAddr),
    Neighbour(Ipv4Addr),
}

/// A client may ask for more options with INFORM. It is no server, and its host leases for it:
/// anything else could free or take the addresses of others.
fn check_dhcp_of_client(packet: &Packet<'_>) -> Result<(), DropReason> {
    if packet.header.protocol != Protocol::UDP || packet.header.fragment_offset != 0 {
        return Ok(());
    }
    let (source, destination) = udp::ports(packet.payload)?;
    if source == dhcpv4::SERVER_PORT {
        return Err(DropReason::BadDhcp);
    }
    if destination != dhcpv4::SERVER_PORT {
        return Ok(());
    }
    let (from, to) = (packet.header.source, packet.header.destination);
    let datagram = udp::Datagram::parse(packet.payload, from, to)?;
    let message = dhcpv4::Message::parse(datagram.payload)?;
    let is_inform = message.options.kind == Some(MessageType::Inform) && message.ciaddr == from;
    if is_inform { Ok(()) } else { Err(DropReason::BadDhcp) }
}

fn is_broadcast(own: &Ipv4Assignment, address: Ipv4Addr) -> bool {
    address.is_broadcast() || Some(address) == ipv4::subnet_broadcast(own.address, own.prefix_len)
}

/// The MAC address of an IPv4 group (RFC 1112 §6.4).
const fn multicast_mac(group: Ipv4Addr) -> MacAddr {
    let [_, b, c, d] = group.octets();
    MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// Octets of the longest host name that DHCP servers are told.
pub const HOST_NAME_LEN: usize = 32;

/// Octets of the longest packet on a hub.
const ETHERNET_MTU: u16 = 1500;
/// Octets of two DHCP messages and some of ARP.
const OCTETS_MAX: usize = 1024;
const _: () = assert!(size_of::<Host>() <= 600, "there is one host for each session");

#[cfg(test)]
mod tests;
