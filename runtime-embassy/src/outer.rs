//! The outer headers of datagrams that go back the way their peer's came.
//!
//! A server only ever answers, so the router or host that handed in a peer's last datagram takes
//! the next one to it. The headers are pushed in front of the core's own buffer, which saves a
//! copy; and a peer that ARP does not find any more cannot hold up the others, as it would at
//! the head of a socket's queue (ADR 24).

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use kumihimo_core::addr::{MacAddr, NATT_PORT, Outer, Path};
use kumihimo_core::buf::{Frame, NoRoom, Writer};
use kumihimo_core::wire::checksum::{Sum, pseudo_header};
use kumihimo_core::wire::ethernet::{self, EtherType};
use kumihimo_core::wire::ipv4::{self, Protocol};
use kumihimo_core::wire::udp;

/// Through whom each peer was last heard; the oldest entry makes room.
pub(crate) struct Hops {
    entries: [(Ipv4Addr, MacAddr); HOPS],
    next: usize,
}

impl Hops {
    pub(crate) const fn new() -> Self {
        Self { entries: [(Ipv4Addr::UNSPECIFIED, MacAddr([0; 6])); HOPS], next: 0 }
    }

    /// Takes a look at a frame for the board.
    pub(crate) fn note(&mut self, frame: &[u8]) {
        let Some((header, packet)) = parts(frame) else { return };
        let peer = header.source;
        if !is_ours(&header, packet) || peer.is_unspecified() || peer.is_multicast() {
            return;
        }
        let Some(from) = frame.get(6..12).and_then(|from| from.try_into().ok()) else { return };
        let known = self.entries.iter().position(|&(address, _)| address == peer);
        let place = known.unwrap_or_else(|| {
            let oldest = self.next;
            self.next = (self.next + 1) % HOPS;
            oldest
        });
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = (peer, MacAddr(from));
        }
    }

    /// Through whom a peer was last heard.
    pub(crate) fn to(&self, peer: Ipv4Addr) -> Option<MacAddr> {
        let entry = self.entries.iter().find(|&&(address, _)| address == peer);
        entry.map(|&(_, hop)| hop).filter(|_| !peer.is_unspecified())
    }
}

/// Whether a frame for the board carries ESP.
pub(crate) fn is_esp(frame: &[u8]) -> bool {
    parts(frame).is_some_and(|(header, _)| header.protocol == ESP)
}

/// Makes a whole frame of a datagram.
///
/// # Errors
/// [`NoRoom`] if it is too long for one frame, has no room in front, or is not IPv4.
pub(crate) fn wrap<B: AsRef<[u8]> + AsMut<[u8]>>(
    datagram: &mut Frame<B>,
    path: &Path,
    ident: u16,
    own: MacAddr,
    hop: MacAddr,
) -> Result<(), NoRoom> {
    let (SocketAddr::V4(local), SocketAddr::V4(remote)) = (path.local, path.remote) else {
        return Err(NoRoom);
    };
    let more = ipv4::HEADER_LEN + if path.outer == Outer::Udp { udp::HEADER_LEN } else { 0 };
    if datagram.len() + more > MTU || datagram.headroom() < more + ethernet::HEADER_LEN {
        return Err(NoRoom);
    }
    let protocol = match path.outer {
        Outer::Udp => {
            push_udp(datagram, local, remote)?;
            Protocol::UDP
        }
        Outer::Esp => ESP,
    };
    let header = ipv4::Header {
        ident,
        dont_fragment: false,
        ..ipv4::Header::new(protocol, *local.ip(), *remote.ip())
    };
    push_ipv4(datagram, &header)?;
    let header = ethernet::Header { destination: hop, source: own, ether_type: EtherType::IPV4 };
    datagram.push(ethernet::HEADER_LEN)?.copy_from_slice(&header.to_bytes());
    Ok(())
}

fn push_udp<B: AsRef<[u8]> + AsMut<[u8]>>(
    datagram: &mut Frame<B>,
    local: SocketAddrV4,
    remote: SocketAddrV4,
) -> Result<(), NoRoom> {
    // RFC 3948 §2.1: ESP in UDP carries no checksum; what follows zeros is IKE.
    let is_esp = local.port() == NATT_PORT && !datagram.bytes().starts_with(&[0; 4]);
    let len = datagram.len() + udp::HEADER_LEN;
    let mut header = [0; udp::HEADER_LEN];
    let mut writer = Writer::new(&mut header);
    writer.u16(local.port());
    writer.u16(remote.port());
    writer.u16(len as u16);
    if !is_esp {
        let sum = pseudo_header(*local.ip(), *remote.ip(), Protocol::UDP.0, len);
        let sum = sum.with(writer.written()).with(datagram.bytes()).finish();
        writer.u16(if sum == 0 { 0xffff } else { sum });
    }
    datagram.push(udp::HEADER_LEN)?.copy_from_slice(&header);
    Ok(())
}

fn push_ipv4<B: AsRef<[u8]> + AsMut<[u8]>>(
    packet: &mut Frame<B>,
    header: &ipv4::Header,
) -> Result<(), NoRoom> {
    let len = (packet.len() + ipv4::HEADER_LEN) as u16;
    let room = packet.push(ipv4::HEADER_LEN)?;
    let mut writer = Writer::new(room);
    header.emit(&mut writer, |_| {});
    writer.set_u16(TOTAL_LEN_AT, len);
    writer.set_u16(CHECKSUM_AT, 0);
    let checksum = Sum::new().with(writer.written()).finish();
    writer.set_u16(CHECKSUM_AT, checksum);
    Ok(())
}

/// The IPv4 header of a frame, and what it carries.
fn parts(frame: &[u8]) -> Option<(ipv4::Header, &[u8])> {
    let (ethernet, packet) = ethernet::Header::parse(frame).ok()?;
    if ethernet.ether_type != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::Packet::parse(packet).ok()?;
    Some((packet.header, packet.payload))
}

/// Whether a packet is for one of the server's ports.
fn is_ours(header: &ipv4::Header, payload: &[u8]) -> bool {
    match header.protocol {
        ESP => true,
        Protocol::UDP if header.fragment_offset == 0 => {
            udp::ports(payload).is_ok_and(|(_, to)| matches!(to, 500 | 4500 | 1701))
        }
        _ => false,
    }
}

const ESP: Protocol = Protocol(50);
/// Octets of the longest IP packet in a frame.
const MTU: usize = 1500;
const TOTAL_LEN_AT: usize = 2;
const CHECKSUM_AT: usize = 10;
/// Peers whose way is known at once.
const HOPS: usize = 32;

#[cfg(test)]
mod tests;
