//! A LAC of our own for the tests: it shares no code with what it tests.

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

/// The parts of a control message as the LAC reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) tunnel: u16,
    pub(crate) session: u16,
    pub(crate) ns: u16,
    pub(crate) nr: u16,
    /// Message type; 0 for an acknowledgement.
    pub(crate) kind: u16,
    /// Attribute and value of what follows the type.
    pub(crate) avps: Vec<(u16, Vec<u8>)>,
}

impl Seen {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let at = |offset: usize| u16::from_be_bytes([bytes[offset], bytes[offset + 1]]);
        assert_eq!(at(0), 0xc802, "a control message of ours has T, L and S");
        assert_eq!(usize::from(at(2)), bytes.len());
        let mut avps = Vec::new();
        let mut rest = 12;
        while rest < bytes.len() {
            let len = usize::from(at(rest) & 0x03ff);
            assert!(len >= 6 && at(rest) & 0x7c00 == 0 && at(rest + 2) == 0);
            avps.push((at(rest + 4), bytes[rest + 6..rest + len].to_vec()));
            rest += len;
        }
        let mut kind = 0;
        if !avps.is_empty() {
            let (attribute, value) = avps.remove(0);
            assert_eq!(attribute, 0, "the message type comes first");
            kind = u16::from_be_bytes([value[0], value[1]]);
        }
        Self { tunnel: at(4), session: at(6), ns: at(8), nr: at(10), kind, avps }
    }

    pub(crate) fn avp(&self, attribute: u16) -> Option<&[u8]> {
        self.avps.iter().find(|avp| avp.0 == attribute).map(|avp| &avp.1[..])
    }

    pub(crate) fn avp_u16(&self, attribute: u16) -> u16 {
        let value = self.avp(attribute).expect("the AVP is there");
        u16::from_be_bytes([value[0], value[1]])
    }
}

/// One AVP with the M bit.
pub(crate) fn avp(attribute: u16, value: &[u8]) -> Vec<u8> {
    raw_avp(0x8000, 0, attribute, value)
}

/// One AVP with any flags and vendor.
pub(crate) fn raw_avp(flags: u16, vendor: u16, attribute: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&(flags | (value.len() as u16 + 6)).to_be_bytes());
    bytes.extend_from_slice(&vendor.to_be_bytes());
    bytes.extend_from_slice(&attribute.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// A control message with these ids and numbers.
pub(crate) fn control(ids: (u16, u16), ns: u16, nr: u16, avps: &[Vec<u8>]) -> Vec<u8> {
    let body = avps.concat();
    let mut bytes = vec![0xc8, 2];
    for field in [body.len() as u16 + 12, ids.0, ids.1, ns, nr] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes.extend_from_slice(&body);
    bytes
}

/// The AVPs of a message of type `kind`.
pub(crate) fn message(kind: u16, rest: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut avps = vec![avp(0, &kind.to_be_bytes())];
    avps.extend_from_slice(rest);
    avps
}

pub(crate) fn sccrq(tunnel: u16) -> Vec<Vec<u8>> {
    message(
        1,
        &[
            avp(2, &[1, 0]),
            avp(3, &[0, 0, 0, 3]),
            avp(4, &[0, 0, 0, 0]),
            raw_avp(0, 0, 6, &[6, 0x90]),
            avp(7, b"client"),
            raw_avp(0, 0, 8, b"vendor of it"),
            avp(9, &tunnel.to_be_bytes()),
            avp(10, &[0, 4]),
        ],
    )
}

pub(crate) fn icrq(session: u16) -> Vec<Vec<u8>> {
    message(10, &[avp(14, &session.to_be_bytes()), avp(15, &[0, 0, 0, 1]), avp(18, &[0, 0, 0, 0])])
}

pub(crate) fn iccn() -> Vec<Vec<u8>> {
    message(
        12,
        &[
            avp(24, &[0, 0x98, 0x96, 0x80]),
            avp(19, &[0, 0, 0, 1]),
            raw_avp(0, 0, 29, &[0, 4]),
            raw_avp(0, 0, 26, &[2, 6, 0, 0, 0, 0]),
        ],
    )
}

pub(crate) fn cdn(session: u16) -> Vec<Vec<u8>> {
    message(14, &[avp(1, &[0, 3, 0, 0]), avp(14, &session.to_be_bytes())])
}

pub(crate) fn stop_ccn(tunnel: u16) -> Vec<Vec<u8>> {
    message(4, &[avp(9, &tunnel.to_be_bytes()), avp(1, &[0, 1, 0, 0])])
}

/// A data message without any optional field but the length, if asked for.
pub(crate) fn data(ids: (u16, u16), with_length: bool, ppp: &[u8]) -> Vec<u8> {
    let mut bytes = if with_length { vec![0x40, 2] } else { vec![0, 2] };
    if with_length {
        bytes.extend_from_slice(&(ppp.len() as u16 + 8).to_be_bytes());
    }
    bytes.extend_from_slice(&ids.0.to_be_bytes());
    bytes.extend_from_slice(&ids.1.to_be_bytes());
    bytes.extend_from_slice(ppp);
    bytes
}

/// A LAC that opens one tunnel and some calls, and repeats what is not acknowledged.
#[derive(Debug)]
pub(crate) struct Lac {
    pub(crate) tunnel: u16,
    /// The LNS's tunnel id, once known.
    pub(crate) peer_tunnel: u16,
    pub(crate) ns: u16,
    pub(crate) nr: u16,
    /// Ours and the LNS's id of each call that has its ICRP.
    pub(crate) calls: Vec<(u16, u16)>,
    calls_wanted: u16,
    calls_asked: u16,
    unacked: VecDeque<(u16, u16, Vec<Vec<u8>>)>,
    next_repeat: u64,
    patience: u64,
    pub(crate) stopped: bool,
    /// The messages in order, their types only.
    pub(crate) heard: Vec<u16>,
    /// The result codes of the goodbyes among them.
    pub(crate) results: Vec<u16>,
}

impl Lac {
    pub(crate) fn new(tunnel: u16, calls_wanted: u16) -> Self {
        Self {
            tunnel,
            peer_tunnel: 0,
            ns: 0,
            nr: 0,
            calls: Vec::new(),
            calls_wanted,
            calls_asked: 0,
            unacked: VecDeque::new(),
            next_repeat: u64::MAX,
            patience: 1_000_000,
            stopped: false,
            heard: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Queues and returns a message.
    pub(crate) fn say(&mut self, now: u64, session: u16, avps: Vec<Vec<u8>>) -> Vec<u8> {
        let bytes = control((self.peer_tunnel, session), self.ns, self.nr, &avps);
        self.unacked.push_back((self.ns, session, avps));
        self.ns = self.ns.wrapping_add(1);
        if self.unacked.len() == 1 {
            self.next_repeat = now + self.patience;
        }
        bytes
    }

    pub(crate) fn dial(&mut self, now: u64) -> Vec<u8> {
        self.say(now, 0, sccrq(self.tunnel))
    }

    pub(crate) fn deadline(&self) -> u64 {
        if self.unacked.is_empty() { u64::MAX } else { self.next_repeat }
    }

    /// Everything that is not acknowledged, once more.
    pub(crate) fn repeat(&mut self, now: u64) -> Vec<Vec<u8>> {
        if now < self.deadline() {
            return Vec::new();
        }
        self.patience = (self.patience * 2).min(8_000_000);
        self.next_repeat = now + self.patience;
        let ids = |session| (self.peer_tunnel, session);
        let all = self.unacked.iter();
        all.map(|(ns, session, avps)| control(ids(*session), *ns, self.nr, avps)).collect()
    }

    /// Works on a message of the LNS and returns the answers.
    pub(crate) fn hear(&mut self, now: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
        let seen = Seen::parse(bytes);
        assert_eq!(seen.tunnel, self.tunnel);
        let before = self.unacked.len();
        self.unacked.retain(|(ns, _, _)| seen.nr.wrapping_sub(*ns) as i16 <= 0);
        if self.unacked.len() < before {
            self.patience = 1_000_000;
            self.next_repeat = now + self.patience;
        }
        if seen.kind == 0 {
            return Vec::new();
        }
        if seen.ns != self.nr {
            return vec![self.ack()];
        }
        self.nr = self.nr.wrapping_add(1);
        self.heard.push(seen.kind);
        self.results.extend(seen.avp(1).map(|result| u16::from_be_bytes([result[0], result[1]])));
        let mut answers = Vec::new();
        match seen.kind {
            2 => {
                self.peer_tunnel = seen.avp_u16(9);
                answers.push(self.say(now, 0, message(3, &[])));
            }
            4 => self.stopped = true,
            11 => {
                let ours = seen.session;
                let theirs = seen.avp_u16(14);
                self.calls.push((ours, theirs));
                answers.push(self.say(now, theirs, iccn()));
            }
            14 => self.calls.retain(|call| call.0 != seen.session),
            6 => {}
            kind => panic!("an LNS does not send type {kind}"),
        }
        if matches!(seen.kind, 2 | 11) && self.calls_asked < self.calls_wanted {
            self.calls_asked += 1;
            answers.push(self.say(now, 0, icrq(100 + self.calls_asked)));
        }
        if answers.is_empty() {
            answers.push(self.ack());
        }
        answers
    }

    pub(crate) fn ack(&self) -> Vec<u8> {
        control((self.peer_tunnel, 0), self.ns, self.nr, &[])
    }
}
