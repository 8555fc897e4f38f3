//! What the client offers: SA payloads, attributes, notifications.

use std::vec;
use std::vec::Vec;

/// Attributes in the basic format.
pub(crate) fn attributes(list: &[(u16, u16)]) -> Vec<u8> {
    let both = |&(kind, value): &(u16, u16)| [(kind | 0x8000).to_be_bytes(), value.to_be_bytes()];
    list.iter().flat_map(both).flatten().collect()
}

/// Attributes of a transform of phase 1 with a pre-shared key.
pub(crate) fn phase1(cipher: u16, bits: u16, hash: u16, group: u16) -> Vec<u8> {
    let bits = Some((14, bits)).filter(|found| found.1 > 0);
    let list = [(1, cipher), (2, hash), (3, 1), (4, group), (11, 1), (12, 28_800)];
    attributes(&list.into_iter().chain(bits).collect::<Vec<_>>())
}

/// One proposal: number, protocol, SPI and transforms.
pub(crate) struct Proposal<'a>(
    pub(crate) u8,
    pub(crate) u8,
    pub(crate) &'a [u8],
    pub(crate) &'a [(u8, Vec<u8>)],
);

/// The body of an SA payload with these proposals.
pub(crate) fn proposals(list: &[Proposal<'_>]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 1];
    for (at, Proposal(number, protocol, spi, transforms)) in list.iter().enumerate() {
        let listed = transform_list(transforms);
        body.extend([if at + 1 < list.len() { 2 } else { 0 }, 0]);
        body.extend((8 + spi.len() as u16 + listed.len() as u16).to_be_bytes());
        body.extend([*number, *protocol, spi.len() as u8, transforms.len() as u8]);
        body.extend(*spi);
        body.extend(listed);
    }
    body
}

/// The body of an SA payload with one proposal.
pub(crate) fn sa(protocol: u8, spi: &[u8], transforms: &[(u8, Vec<u8>)]) -> Vec<u8> {
    proposals(&[Proposal(1, protocol, spi, transforms)])
}

fn transform_list(transforms: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (number, (id, attributes)) in transforms.iter().enumerate() {
        let more = if number + 1 < transforms.len() { 3 } else { 0 };
        list.extend([more, 0]);
        list.extend((8 + attributes.len() as u16).to_be_bytes());
        list.extend([number as u8 + 1, *id, 0, 0]);
        list.extend(attributes);
    }
    list
}

/// Gives the attribute `kind` of a transform another value, of as many octets.
pub(crate) fn change(attributes: &mut [u8], kind: u16, value: u32) {
    let mut at = 0;
    while at < attributes.len() {
        let found = u16::from_be_bytes([attributes[at], attributes[at + 1]]);
        let long = usize::from(u16::from_be_bytes([attributes[at + 2], attributes[at + 3]]));
        let (start, len) = if found & 0x8000 == 0 { (at + 4, long) } else { (at + 2, 2) };
        if found & 0x7fff == kind {
            let octets = value.to_be_bytes();
            attributes[start..start + len].copy_from_slice(&octets[4 - len..]);
            return;
        }
        at = start + len;
    }
    panic!("no attribute {kind}");
}

/// The body of a notification payload.
pub(crate) fn notify(kind: u16, protocol: u8, spi: &[u8], data: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, protocol, spi.len() as u8];
    body.extend(kind.to_be_bytes());
    body.extend(spi);
    body.extend(data);
    body
}

/// The body of a delete payload.
pub(crate) fn delete(protocol: u8, spis: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, protocol, spis[0].len() as u8];
    body.extend((spis.len() as u16).to_be_bytes());
    body.extend(spis.concat());
    body
}
