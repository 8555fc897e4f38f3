//! Captures: a file of the pcapng format (draft-ietf-opsawg-pcapng) for each link and each LAN.
//!
//! A packet is written as it was put into the link, with the headers of IP and UDP that the world
//! itself does without. One that was lost there has a comment that says so.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use kumihimo_core::addr::Outer;

use super::{View, reason};
use crate::net::{Captured, Content, Datagram, Direction, Wire};

/// Writes the captures into `folder`.
pub(super) fn write(folder: &Path, view: &View<'_>) -> io::Result<()> {
    let mut files: BTreeMap<Wire, Vec<u8>> = BTreeMap::new();
    for captured in &view.record.captured {
        let file = files.entry(captured.wire).or_insert_with(|| begin(view, captured.wire));
        packet(file, captured);
    }
    for (wire, octets) in files {
        fs::write(folder.join(format!("{}.pcapng", name(view, wire))), octets)?;
    }
    Ok(())
}

fn name(view: &View<'_>, wire: Wire) -> String {
    let (kind, list, index) = match wire {
        Wire::Link(id) => ("link", &view.cast.links, id.index()),
        Wire::Lan(id) => ("lan", &view.cast.lans, id.index()),
    };
    let name = list.get(index).map_or("?", String::as_str);
    format!("{kind}-{}", name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_"))
}

/// Section header and the description of the one interface.
fn begin(view: &View<'_>, wire: Wire) -> Vec<u8> {
    let mut file = Vec::new();
    let mut section = Vec::new();
    section.extend(BYTE_ORDER.to_le_bytes());
    section.extend(1_u16.to_le_bytes());
    section.extend(0_u16.to_le_bytes());
    section.extend(u64::MAX.to_le_bytes());
    option(&mut section, SHB_USERAPPL, b"kumihimo-sim");
    end_options(&mut section);
    block(&mut file, SECTION_HEADER, &section);
    let mut interface = Vec::new();
    let link_type = if matches!(wire, Wire::Lan(_)) { LINKTYPE_ETHERNET } else { LINKTYPE_RAW };
    interface.extend(link_type.to_le_bytes());
    interface.extend([0; 2]);
    interface.extend(0_u32.to_le_bytes());
    option(&mut interface, IF_NAME, name(view, wire).as_bytes());
    end_options(&mut interface);
    block(&mut file, INTERFACE, &interface);
    file
}

fn packet(file: &mut Vec<u8>, captured: &Captured) {
    let octets = match &captured.content {
        Content::Datagram(datagram) => ip_packet(datagram),
        Content::Frame(frame) => frame.clone(),
    };
    // The interface is number 0.
    let mut body = vec![0; 4];
    let at = captured.at.as_micros() + EPOCH;
    body.extend(((at >> 32) as u32).to_le_bytes());
    body.extend((at as u32).to_le_bytes());
    let len = (octets.len() as u32).to_le_bytes();
    body.extend([len, len].concat());
    body.extend(&octets);
    pad(&mut body);
    let flags: u32 = match captured.direction {
        Direction::Down => 1,
        Direction::Up => 2,
    };
    if let Some(why) = captured.lost {
        option(&mut body, COMMENT, format!("lost: {}", reason(why)).as_bytes());
    } else if let Content::Datagram(Datagram { label, .. }) = &captured.content
        && !label.is_empty()
    {
        option(&mut body, COMMENT, label.as_bytes());
    }
    option(&mut body, EPB_FLAGS, &flags.to_le_bytes());
    end_options(&mut body);
    block(file, ENHANCED_PACKET, &body);
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = (body.len() as u32 + 12).to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(len);
    file.extend(body);
    file.extend(len);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn end_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The datagram with headers of IP and UDP.
pub(super) fn ip_packet(datagram: &Datagram) -> Vec<u8> {
    let Datagram { outer, from, to, payload, .. } = datagram;
    let mut body = Vec::new();
    let protocol = match outer {
        Outer::Esp => PROTOCOL_ESP,
        Outer::Udp => {
            body.extend(from.port().to_be_bytes());
            body.extend(to.port().to_be_bytes());
            body.extend((payload.len() as u16 + 8).to_be_bytes());
            body.extend([0; 2]);
            PROTOCOL_UDP
        }
    };
    body.extend(payload);
    let (header, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let len = (body.len() as u16 + 20).to_be_bytes();
            let mut header = vec![0x45, 0, len[0], len[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
            let addresses = [from.octets(), to.octets()].concat();
            header.extend(&addresses);
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            (header, addresses)
        }
        (from, to) => {
            let len = (body.len() as u16).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, len[0], len[1], protocol, 64];
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let addresses = [octets(from), octets(to)].concat();
            header.extend(&addresses);
            (header, addresses)
        }
    };
    if *outer == Outer::Udp {
        let len = (body.len() as u16).to_be_bytes();
        let covered = [&addresses[..], &[0, protocol], &len, &body].concat();
        let sum = match checksum(&covered) {
            0 => 0xffff,
            sum => sum,
        };
        body[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    [header, body].concat()
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u64 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const EPB_FLAGS: u16 = 2;
const SHB_USERAPPL: u16 = 4;
const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_ESP: u8 = 50;
/// The first of January 2026 in microseconds: worlds begin shortly after it.
const EPOCH: u64 = 1_767_225_600_000_000;
