//! Control messages (RFC 2661 §4): attribute-value pairs.

/// An attribute-value pair that came: vendor, type, value.
#[derive(Clone, Debug)]
pub(super) struct Avp {
    vendor: u16,
    kind: u16,
    value: Vec<u8>,
}

/// A control message before its header.
#[derive(Clone, Debug)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new(kind: u16) -> Self {
        let mut message = Self(Vec::new());
        message.push(0, &kind.to_be_bytes());
        message
    }

    /// Adds a mandatory AVP of the IETF's. Names of the firmware and vendor are not mandatory.
    pub(super) fn push(&mut self, kind: u16, value: &[u8]) {
        let is_mandatory = !matches!(kind, 6 | 8);
        self.add(if is_mandatory { 0x8000 } else { 0 }, 0, kind, value);
    }

    pub(super) fn push_vendor(&mut self, vendor: u16, kind: u16, value: &[u8]) {
        self.add(0, vendor, kind, value);
    }

    fn add(&mut self, flags: u16, vendor: u16, kind: u16, value: &[u8]) {
        self.0.extend((flags | (6 + value.len() as u16)).to_be_bytes());
        self.0.extend(vendor.to_be_bytes());
        self.0.extend(kind.to_be_bytes());
        self.0.extend_from_slice(value);
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// The pairs of a control message's body.
pub(super) fn parse(mut body: &[u8]) -> Option<Vec<Avp>> {
    let mut list = Vec::new();
    while !body.is_empty() {
        let (head, _) = body.split_first_chunk::<6>()?;
        let len = usize::from(u16::from_be_bytes([head[0], head[1]]) & 0x03ff);
        // Reserved bits must be zero; a hidden value cannot be read without a secret.
        if head[0] & 0x7c != 0 {
            return None;
        }
        let value = body.get(6..len)?.to_vec();
        list.push(Avp {
            vendor: u16::from_be_bytes([head[2], head[3]]),
            kind: u16::from_be_bytes([head[4], head[5]]),
            value,
        });
        body = &body[len..];
    }
    Some(list)
}

fn value(avps: &[Avp], kind: u16) -> Option<&[u8]> {
    avps.iter().find(|avp| avp.vendor == 0 && avp.kind == kind).map(|avp| avp.value.as_slice())
}

pub(super) fn u16_avp(avps: &[Avp], kind: u16) -> Option<u16> {
    value(avps, kind)?.try_into().ok().map(u16::from_be_bytes)
}

/// An identifier that the peer assigned; never zero.
pub(super) fn assigned(avps: &[Avp], kind: u16) -> Option<u16> {
    u16_avp(avps, kind).filter(|&id| id != 0)
}

/// The code of a result.
pub(super) fn result(avps: &[Avp]) -> u16 {
    value(avps, 1)
        .and_then(|octets| octets.first_chunk())
        .map_or(0, |code| u16::from_be_bytes(*code))
}

/// The text beside a result.
pub(super) fn text(avps: &[Avp]) -> String {
    let octets = value(avps, 1).and_then(|octets| octets.get(4..)).unwrap_or_default();
    String::from_utf8_lossy(octets).into_owned()
}
