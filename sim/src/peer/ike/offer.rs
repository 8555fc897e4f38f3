//! SA payloads (RFC 2408 §3.4 to §3.6): what is offered and what was chosen.

use super::message::Payload;
use crate::peer::algorithm::{EspCipher, Hash};
use crate::peer::exchange_key::Group;
use crate::profile::{EspHabits, EspOffer, IkeHabits, IkeOffer};

/// Attributes of a transform, by number.
pub(super) type Attributes = Vec<(u16, u64)>;

/// A transform that came: number, transform ID, attributes.
#[derive(Clone, Debug)]
pub(super) struct Transform {
    pub(super) number: u8,
    pub(super) id: u8,
    pub(super) attributes: Attributes,
}

/// A proposal that came.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) number: u8,
    pub(super) protocol: u8,
    pub(super) spi: Vec<u8>,
    pub(super) transforms: Vec<Transform>,
}

/// The body of an SA payload that offers phase 1.
pub(super) fn ike_offer(habits: &IkeHabits) -> Vec<u8> {
    let transforms = habits.offers.iter().map(|offer| ike_attributes(offer, habits.lifetime_secs));
    let transforms: Vec<_> = transforms.map(|attributes| (KEY_IKE, attributes)).collect();
    sa_body(&[(ISAKMP, Vec::new(), transforms)])
}

fn ike_attributes(offer: &IkeOffer, lifetime_secs: u32) -> Attributes {
    let (cipher, bits) = offer.cipher.ike_number();
    let mut list = vec![(1, u64::from(cipher))];
    list.extend(bits.map(|bits| (14, u64::from(bits))));
    list.extend([(2, offer.hash.ike_number().into()), (4, offer.group.number().into())]);
    list.extend([(3, PSK), (11, SECONDS), (12, u64::from(lifetime_secs) | LONG)]);
    list
}

/// The body of an SA payload that offers phase 2, with our `spi`.
pub(super) fn esp_offer(habits: &EspHabits, spi: u32, mode: u16) -> Vec<u8> {
    let transforms = habits.offers.iter().map(|offer| {
        let (id, bits) = offer.cipher.number();
        let mut list = vec![(4, u64::from(mode))];
        list.extend(bits.map(|bits| (6, u64::from(bits))));
        list.extend(offer.mac.map(|mac| (5, u64::from(mac.esp_number()))));
        list.extend(habits.pfs.map(|group| (3, u64::from(group.number()))));
        list.extend([(1, SECONDS), (2, u64::from(habits.lifetime_secs) | LONG)]);
        if let Some(kb) = habits.lifetime_kb {
            list.extend([(1, KILOBYTES), (2, u64::from(kb) | LONG)]);
        }
        (id, list)
    });
    let spi = spi.to_be_bytes().to_vec();
    if habits.one_each {
        let each: Vec<_> = transforms.map(|one| (ESP, spi.clone(), vec![one])).collect();
        sa_body(&each)
    } else {
        sa_body(&[(ESP, spi, transforms.collect())])
    }
}

/// The body of an SA payload with one proposal out of a peer's offer, as it came but for the SPI.
pub(super) fn chosen(proposal: &Proposal, transform: &Transform, spi: &[u8]) -> Vec<u8> {
    let mut body = emit_transform(transform.number, transform.id, &transform.attributes, false);
    let len = 8 + spi.len() + body.len();
    let mut all = vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
    all.extend((len as u16).to_be_bytes());
    all.extend([proposal.number, proposal.protocol, spi.len() as u8, 1]);
    all.extend_from_slice(spi);
    all.append(&mut body);
    all
}

/// Protocol, SPI, transforms.
type Offered = (u8, Vec<u8>, Vec<(u8, Attributes)>);

fn sa_body(proposals: &[Offered]) -> Vec<u8> {
    // DOI IPsec, situation identity only (RFC 2407 §4.6.1).
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 1];
    for (index, (protocol, spi, transforms)) in proposals.iter().enumerate() {
        let mut list = Vec::new();
        for (at, (id, attributes)) in transforms.iter().enumerate() {
            let more = at + 1 < transforms.len();
            list.append(&mut emit_transform(at as u8 + 1, *id, attributes, more));
        }
        body.extend([if index + 1 < proposals.len() { 2 } else { 0 }, 0]);
        body.extend(((8 + spi.len() + list.len()) as u16).to_be_bytes());
        body.extend([index as u8 + 1, *protocol, spi.len() as u8, transforms.len() as u8]);
        body.extend_from_slice(spi);
        body.append(&mut list);
    }
    body
}

fn emit_transform(number: u8, id: u8, attributes: &Attributes, more: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    for &(kind, value) in attributes {
        if value & LONG != 0 || value > 0xffff {
            octets.extend(kind.to_be_bytes());
            octets.extend([0, 4]);
            octets.extend((value as u32).to_be_bytes());
        } else {
            octets.extend((kind | BASIC).to_be_bytes());
            octets.extend((value as u16).to_be_bytes());
        }
    }
    let mut transform = vec![if more { 3 } else { 0 }, 0];
    transform.extend((8 + octets.len() as u16).to_be_bytes());
    transform.extend([number, id, 0, 0]);
    transform.append(&mut octets);
    transform
}

/// The proposals of an SA payload's body.
pub(super) fn parse(body: &[u8]) -> Option<Vec<Proposal>> {
    let (mut rest, mut list) = (body.get(8..)?, Vec::new());
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        let one = rest.get(..len)?;
        rest = &rest[len..];
        let spi_len = usize::from(*one.get(6)?);
        let spi = one.get(8..8 + spi_len)?.to_vec();
        let transforms = parse_transforms(one.get(8 + spi_len..)?)?;
        if transforms.len() != usize::from(*one.get(7)?) {
            return None;
        }
        list.push(Proposal { number: one[4], protocol: one[5], spi, transforms });
    }
    Some(list)
}

fn parse_transforms(mut rest: &[u8]) -> Option<Vec<Transform>> {
    let mut list = Vec::new();
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        let one = rest.get(..len)?;
        rest = &rest[len..];
        let attributes = parse_attributes(one.get(8..)?)?;
        list.push(Transform { number: one[4], id: one[5], attributes });
    }
    Some(list)
}

fn parse_attributes(mut rest: &[u8]) -> Option<Attributes> {
    let mut list = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let value = u16::from_be_bytes([head[2], head[3]]);
        if kind & BASIC != 0 {
            list.push((kind & !BASIC, u64::from(value)));
            rest = tail;
        } else {
            let octets = tail.get(..usize::from(value))?;
            let number = octets.iter().fold(0_u64, |sum, &octet| sum << 8 | u64::from(octet));
            list.push((kind, number | if octets.len() > 2 { LONG } else { 0 }));
            rest = &tail[usize::from(value)..];
        }
    }
    Some(list)
}

/// Which of `offers` has these attributes of phase 1, and the lifetime in seconds.
pub(super) fn find_ike(
    offers: &[IkeOffer],
    attributes: &Attributes,
) -> Option<(IkeOffer, Option<u64>)> {
    let value = |kind| attributes.iter().find(|found| found.0 == kind).map(|found| found.1);
    let offer = offers.iter().find(|offer| {
        let (cipher, bits) = offer.cipher.ike_number();
        value(1) == Some(cipher.into())
            && value(14) == bits.map(u64::from)
            && value(2) == Some(offer.hash.ike_number().into())
            && value(4) == Some(offer.group.number().into())
            && value(3) == Some(PSK)
    })?;
    Some((*offer, lifetime(attributes, 11)))
}

/// What was agreed on in phase 2.
#[derive(Clone, Copy, Debug)]
pub(super) struct EspTerms {
    pub(super) cipher: EspCipher,
    pub(super) mac: Option<Hash>,
    pub(super) group: Option<Group>,
    pub(super) mode: u16,
    pub(super) lifetime_secs: Option<u64>,
}

/// Which of `offers` a transform of phase 2 is.
pub(super) fn find_esp(offers: &[EspOffer], transform: &Transform) -> Option<EspTerms> {
    let attributes = &transform.attributes;
    let value = |kind| attributes.iter().find(|found| found.0 == kind).map(|found| found.1);
    let offer = offers.iter().find(|offer| {
        let (id, bits) = offer.cipher.number();
        transform.id == id
            && value(6) == bits.map(u64::from)
            && value(5) == offer.mac.map(|mac| mac.esp_number().into())
    })?;
    let group = match value(3) {
        Some(number) => Some(Group::of_number(number as u16)?),
        None => None,
    };
    Some(EspTerms {
        cipher: offer.cipher,
        mac: offer.mac,
        group,
        mode: value(4)? as u16,
        lifetime_secs: lifetime(attributes, 1),
    })
}

/// Seconds, where `kind` is the attribute of the life type and the next one is the duration.
fn lifetime(attributes: &Attributes, kind: u16) -> Option<u64> {
    let at = attributes.iter().position(|found| found.0 == kind && found.1 & !LONG == SECONDS)?;
    let (duration, value) = *attributes.get(at + 1)?;
    (duration == kind + 1).then_some(value & !LONG)
}

/// An identification payload: an address, with protocol and port.
pub(super) fn id_body(address: std::net::IpAddr, protocol: u8, port: u16) -> Vec<u8> {
    let kind = if address.is_ipv4() { 1 } else { 5 };
    let mut body = vec![kind, protocol];
    body.extend(port.to_be_bytes());
    body.append(&mut octets_of(address));
    body
}

/// A NAT original address payload (RFC 3947 §5.2).
pub(super) fn original(kind: u8, address: std::net::IpAddr) -> Payload {
    let mut body = vec![if address.is_ipv4() { 1 } else { 5 }, 0, 0, 0];
    body.append(&mut octets_of(address));
    (kind, body)
}

/// The octets of an address.
pub(super) fn octets_of(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Transform ID of phase 1.
const KEY_IKE: u8 = 1;
/// Protocol IDs (RFC 2407 §4.4.1).
pub(super) const ISAKMP: u8 = 1;
pub(super) const ESP: u8 = 3;
const PSK: u64 = 1;
const SECONDS: u64 = 1;
const KILOBYTES: u64 = 2;
const BASIC: u16 = 0x8000;
/// Marks a value that travels in four octets.
const LONG: u64 = 1 << 32;
