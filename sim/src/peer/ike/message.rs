//! ISAKMP messages (RFC 2408 §3): a header and a chain of payloads.

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The initiator's cookie, then the responder's.
    pub(super) cookies: [[u8; 8]; 2],
    /// Type of the first payload.
    pub(super) first: u8,
    pub(super) exchange: u8,
    pub(super) flags: u8,
    pub(super) message_id: u32,
}

/// Type and body of a payload.
pub(super) type Payload = (u8, Vec<u8>);

impl Header {
    /// A header before the type of the first payload is known.
    pub(super) const fn new(cookies: [[u8; 8]; 2], exchange: u8, message_id: u32) -> Self {
        Self { cookies, first: 0, exchange, flags: 0, message_id }
    }

    /// Takes a message apart; `None` unless its length is as it says.
    pub(super) fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        let (head, body) = message.split_first_chunk::<LEN>()?;
        let len = u32::from_be_bytes([head[24], head[25], head[26], head[27]]);
        if len as usize != message.len() || head[17] >> 4 != 1 {
            return None;
        }
        let mut cookies = [[0; 8]; 2];
        cookies[0].copy_from_slice(&head[..8]);
        cookies[1].copy_from_slice(&head[8..16]);
        let header = Self {
            cookies,
            first: head[16],
            exchange: head[18],
            flags: head[19],
            message_id: u32::from_be_bytes([head[20], head[21], head[22], head[23]]),
        };
        Some((header, body))
    }

    /// A message with `payloads`, in plain text.
    pub(super) fn emit(mut self, payloads: &[Payload]) -> Vec<u8> {
        self.first = payloads.first().map_or(0, |payload| payload.0);
        let body = emit_chain(payloads);
        let mut message = self.cookies.concat();
        message.extend([self.first, 0x10, self.exchange, self.flags]);
        message.extend(self.message_id.to_be_bytes());
        message.extend(((LEN + body.len()) as u32).to_be_bytes());
        message.extend(body);
        message
    }
}

/// Payloads in a row.
pub(super) fn emit_chain(payloads: &[Payload]) -> Vec<u8> {
    let mut chain = Vec::new();
    for (index, (_, body)) in payloads.iter().enumerate() {
        let next = payloads.get(index + 1).map_or(0, |payload| payload.0);
        chain.extend([next, 0]);
        chain.extend((4 + body.len() as u16).to_be_bytes());
        chain.extend_from_slice(body);
    }
    chain
}

/// The payloads of `body`, and how many octets they fill; what follows is padding.
pub(super) fn parse_chain(first: u8, body: &[u8]) -> Option<(Vec<Payload>, usize)> {
    let (mut kind, mut at) = (first, 0);
    let mut payloads = Vec::new();
    while kind != 0 {
        let head = body.get(at..at + 4)?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let octets = body.get(at + 4..at + len)?;
        payloads.push((kind, octets.to_vec()));
        kind = head[0];
        at += len;
    }
    Some((payloads, at))
}

/// The first payload of type `kind`.
pub(super) fn find(payloads: &[Payload], kind: u8) -> Option<&[u8]> {
    payloads.iter().find(|payload| payload.0 == kind).map(|payload| payload.1.as_slice())
}

/// Octets of a header.
pub(super) const LEN: usize = 28;

/// Payload types (RFC 2408 §3.1, RFC 3947).
pub(super) mod kind {
    pub(in crate::peer::ike) const SA: u8 = 1;
    pub(in crate::peer::ike) const KE: u8 = 4;
    pub(in crate::peer::ike) const ID: u8 = 5;
    pub(in crate::peer::ike) const HASH: u8 = 8;
    pub(in crate::peer::ike) const NONCE: u8 = 10;
    pub(in crate::peer::ike) const NOTIFY: u8 = 11;
    pub(in crate::peer::ike) const DELETE: u8 = 12;
    pub(in crate::peer::ike) const VENDOR: u8 = 13;
    pub(in crate::peer::ike) const NAT_D: u8 = 20;
    pub(in crate::peer::ike) const NAT_OA: u8 = 21;
    pub(in crate::peer::ike) const NAT_D_DRAFT: u8 = 130;
    pub(in crate::peer::ike) const NAT_OA_DRAFT: u8 = 131;
}

/// Exchange types.
pub(super) const MAIN_MODE: u8 = 2;
pub(super) const INFORMATIONAL: u8 = 5;
pub(super) const QUICK_MODE: u8 = 32;
/// The flag of an encrypted message.
pub(super) const ENCRYPTED: u8 = 1;
