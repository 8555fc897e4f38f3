//! A client like pppd, written from the RFCs and without a line of the code under test, apart
//! from the primitives of MS-CHAPv2.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::crypto::mschap;

/// How the client behaves.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) user: Vec<u8>,
    pub(crate) password: String,
    /// Refuses MS-CHAPv2 and asks for PAP.
    pub(crate) pap: bool,
    /// Options of its LCP request.
    pub(crate) lcp: Vec<Vec<u8>>,
    /// Options of its IPCP request.
    pub(crate) ipcp: Vec<Vec<u8>>,
    /// Leaves out address and control, and the protocol's first octet.
    pub(crate) compresses: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            user: b"jiro".to_vec(),
            password: "pass".into(),
            pap: false,
            lcp: vec![
                vec![1, 4, 0x05, 0x78],
                vec![2, 6, 0, 0, 0, 0],
                vec![5, 6, 0xde, 0xad, 0xbe, 0xef],
                vec![7, 2],
                vec![8, 2],
            ],
            ipcp: vec![vec![3, 6, 0, 0, 0, 0], vec![129, 6, 0, 0, 0, 0], vec![131, 6, 0, 0, 0, 0]],
            compresses: false,
        }
    }
}

/// One side of a negotiation: our request, and whether each side has agreed.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) wishes: Vec<Vec<u8>>,
    id: u8,
    agreed_ours: bool,
    pub(crate) agreed_theirs: bool,
    /// The server's options when it was last Acked.
    pub(crate) theirs: Vec<u8>,
    next: u64,
    tries: u32,
}

impl Side {
    pub(crate) fn is_open(&self) -> bool {
        self.agreed_ours && self.agreed_theirs
    }

    fn request(&self) -> Vec<u8> {
        packet(1, self.id, &self.wishes.concat())
    }
}

/// The client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) habits: Habits,
    pub(crate) lcp: Side,
    pub(crate) ipcp: Side,
    pub(crate) authenticated: bool,
    /// What the server calls itself in its challenge.
    pub(crate) challenger: Vec<u8>,
    /// Why it gave up.
    pub(crate) failed: Option<String>,
    /// The proof that the server has to give, of the newest response.
    expected: Option<String>,
    pap_next: Option<u64>,
    pap_id: u8,
    pub(crate) protocol_rejects: Vec<u16>,
    /// How often a layer that was open negotiated anew: what its user sees as a hang-up.
    pub(crate) reopened: u32,
    sent: Vec<Vec<u8>>,
}

/// Milliseconds until a request is repeated.
const RESTART_MS: u64 = 3_000;

impl Client {
    pub(crate) fn new(habits: Habits) -> Self {
        let lcp = Side { wishes: habits.lcp.clone(), ..Side::default() };
        let ipcp = Side { wishes: habits.ipcp.clone(), ..Side::default() };
        Self {
            habits,
            lcp,
            ipcp,
            authenticated: false,
            challenger: Vec::new(),
            failed: None,
            expected: None,
            pap_next: None,
            pap_id: 0,
            protocol_rejects: Vec::new(),
            reopened: 0,
            sent: Vec::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.failed.is_none() && self.lcp.is_open() && self.authenticated && self.ipcp.is_open()
    }

    /// The address it was given.
    pub(crate) fn address(&self) -> Option<[u8; 4]> {
        let address = self.ipcp.wishes.iter().find(|wish| wish[0] == 3)?;
        address[2..].try_into().ok()
    }

    /// Frames to send, and when to be called again.
    pub(crate) fn poll(&mut self, now: u64) -> Vec<Vec<u8>> {
        if self.failed.is_none() {
            self.repeat(now, 0xc021);
            if self.lcp.is_open() && self.pap_next.is_some_and(|at| at <= now) {
                self.pap_request(now);
            }
            if self.authenticated {
                self.repeat(now, 0x8021);
            }
        }
        std::mem::take(&mut self.sent)
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        if self.failed.is_some() {
            return None;
        }
        let lcp = (!self.lcp.is_open()).then_some(self.lcp.next);
        let ipcp = (self.authenticated && !self.ipcp.is_open()).then_some(self.ipcp.next);
        let pap = self.pap_next.filter(|_| self.lcp.is_open());
        lcp.into_iter().chain(ipcp).chain(pap).min()
    }

    fn side(&mut self, protocol: u16) -> &mut Side {
        if protocol == 0xc021 { &mut self.lcp } else { &mut self.ipcp }
    }

    fn repeat(&mut self, now: u64, protocol: u16) {
        let side = self.side(protocol);
        if side.is_open() || side.next > now {
            return;
        }
        if side.tries == 0 {
            side.id = side.id.wrapping_add(1);
        }
        side.tries += 1;
        side.agreed_ours = false;
        side.next = now + RESTART_MS;
        if side.tries > 10 {
            self.failed = Some(format!("no answer to {protocol:04x}"));
            return;
        }
        let request = side.request();
        self.send(protocol, request);
    }

    fn send(&mut self, protocol: u16, mut packet: Vec<u8>) {
        let mut frame = vec![0xff, 3];
        if self.habits.compresses && protocol != 0xc021 {
            frame.clear();
        }
        frame.extend(protocol.to_be_bytes());
        frame.append(&mut packet);
        self.sent.push(frame);
    }

    pub(crate) fn handle(&mut self, now: u64, frame: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let frame = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
        let protocol = u16::from_be_bytes([frame[0], frame[1]]);
        let len = usize::from(u16::from_be_bytes([frame[4], frame[5]]));
        let (code, id, data) = (frame[2], frame[3], &frame[6..2 + len]);
        assert_eq!(frame.len(), 2 + len, "no padding");
        match protocol {
            0xc021 => self.handle_control(now, protocol, code, id, data),
            _ if !self.lcp.is_open() => {}
            0xc023 => self.handle_pap(now, code, id),
            0xc223 => self.handle_chap(now, code, id, data),
            0x8021 if self.authenticated => self.handle_control(now, protocol, code, id, data),
            _ => {}
        }
    }

    fn handle_control(&mut self, now: u64, protocol: u16, code: u8, id: u8, data: &[u8]) {
        match code {
            1 => self.handle_request(now, protocol, id, data),
            2 => {
                let side = self.side(protocol);
                if id == side.id && !side.agreed_ours && data == side.wishes.concat() {
                    side.agreed_ours = true;
                    side.tries = 0;
                    self.opened(now, protocol);
                }
            }
            3 | 4 => {
                let side = self.side(protocol);
                if id != side.id || side.agreed_ours {
                    return;
                }
                for option in options(data) {
                    let same = side.wishes.iter().position(|wish| wish[0] == option[0]);
                    match (code, same) {
                        (3, Some(at)) => side.wishes[at] = option,
                        (3, None) => side.wishes.push(option),
                        (_, at) => {
                            let at = at.expect("only what was asked for is rejected");
                            assert_eq!(side.wishes.remove(at), option, "byte for byte");
                        }
                    }
                }
                side.tries = 0;
                side.next = 0;
                self.repeat(now, protocol);
            }
            5 => {
                self.send(protocol, packet(6, id, &[]));
                self.failed.get_or_insert("terminated".into());
            }
            8 => self.protocol_rejects.push(u16::from_be_bytes([data[0], data[1]])),
            9 => self
                .send(protocol, packet(10, id, &[&[0xde, 0xad, 0xbe, 0xef], &data[4..]].concat())),
            _ => {}
        }
    }

    fn handle_request(&mut self, now: u64, protocol: u16, id: u8, data: &[u8]) {
        let wants_chap = options(data).contains(&vec![3, 5, 0xc2, 0x23, 0x81]);
        if protocol == 0xc021 && self.habits.pap && wants_chap {
            self.side(protocol).agreed_theirs = false;
            return self.send(protocol, packet(3, id, &[3, 4, 0xc0, 0x23]));
        }
        let side = self.side(protocol);
        if side.is_open() {
            // RFC 1661: an open layer goes down and negotiates anew.
            side.agreed_ours = false;
            side.next = 0;
            side.tries = 0;
            self.reopened += 1;
            self.repeat(now, protocol);
        }
        let side = self.side(protocol);
        side.agreed_theirs = true;
        side.theirs = data.to_vec();
        self.send(protocol, packet(2, id, data));
        self.opened(now, protocol);
    }

    fn opened(&mut self, now: u64, protocol: u16) {
        if protocol == 0xc021 && self.lcp.is_open() {
            self.authenticated = false;
            if self.habits.pap {
                self.pap_next = Some(now);
            }
        }
    }

    fn pap_request(&mut self, now: u64) {
        self.pap_next = Some(now + RESTART_MS);
        self.pap_id = self.pap_id.wrapping_add(1);
        let (user, password) = (&self.habits.user, self.habits.password.as_bytes());
        let mut data = vec![user.len() as u8];
        data.extend(user);
        data.push(password.len() as u8);
        data.extend(password);
        let packet = packet(1, self.pap_id, &data);
        self.send(0xc023, packet);
    }

    fn handle_pap(&mut self, now: u64, code: u8, id: u8) {
        if self.pap_next.is_none() || id != self.pap_id {
            return;
        }
        self.pap_next = None;
        match code {
            2 => self.accepted(now),
            _ => self.failed = Some("PAP refused".into()),
        }
    }

    fn handle_chap(&mut self, now: u64, code: u8, id: u8, data: &[u8]) {
        match code {
            1 => {
                assert_eq!(data[0], 16);
                let challenge: [u8; 16] = data[1..17].try_into().unwrap();
                self.challenger = data[17..].to_vec();
                let peer_challenge = [now as u8; 16].map(|octet| octet ^ id);
                let user = &self.habits.user;
                let hash = mschap::nt_hash(&self.habits.password);
                let nt = mschap::nt_response(&challenge, &peer_challenge, user, &hash);
                let proof =
                    mschap::authenticator_response(&hash, &nt, &peer_challenge, &challenge, user);
                self.expected = Some(hex(&proof));
                let mut response = vec![49];
                response.extend(peer_challenge);
                response.extend([0; 8]);
                response.extend(nt);
                response.push(0);
                response.extend(user);
                self.send(0xc223, packet(2, id, &response));
            }
            3 if !self.authenticated => {
                let text = core::str::from_utf8(data).unwrap();
                let (proof, _) = text.strip_prefix("S=").unwrap().split_once(" M=").unwrap();
                if Some(proof) == self.expected.as_deref() {
                    self.accepted(now);
                } else {
                    self.failed = Some("the server does not know the password".into());
                }
            }
            4 => self.failed = Some(core::str::from_utf8(data).unwrap().into()),
            _ => {}
        }
    }

    fn accepted(&mut self, now: u64) {
        self.authenticated = true;
        self.ipcp.next = now;
        self.repeat(now, 0x8021);
    }
}

pub(crate) fn packet(code: u8, id: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = vec![code, id];
    packet.extend((data.len() as u16 + 4).to_be_bytes());
    packet.extend(data);
    packet
}

fn options(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut options = Vec::new();
    while let [_, len, ..] = *data {
        let (option, rest) = data.split_at(usize::from(len));
        options.push(option.to_vec());
        data = rest;
    }
    options
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
