//! A client with an address, as small as a measurement needs: L2TP, LCP, PAP, IPCP, and a machine
//! behind the bridge that it talks to.

use std::collections::VecDeque;

use kumihimo_core::addr::{Outer, Path};

use crate::ike::{self, Ipsec};
use crate::world::{Left, PASSWORD, USER, World};

pub(crate) struct Dialled {
    path: Path,
    ipsec: Option<Ipsec>,
    ids: [u16; 2],
    sent: u16,
    received: u16,
    /// PPP frames that came, from the protocol on.
    arrived: VecDeque<Vec<u8>>,
    /// Frames that came out of the bridge.
    bridged: Vec<Vec<u8>>,
    address: [u8; 4],
    /// MAC address of the client's host on the hub.
    mac: [u8; 6],
}

impl Dialled {
    /// Dials with or without IPsec and exchanges one packet with the station.
    pub(crate) fn new(world: &mut World, ipsec: bool) -> Self {
        let ipsec = ipsec.then(|| Ipsec::dial(world));
        let path = if ipsec.is_some() { ike::path(4500) } else { ike::path(1701) };
        let mut client = Self::called(world, path, ipsec);
        client.lcp(world);
        client.pap(world);
        client.ipcp(world);
        client.meet_station(world);
        client
    }

    /// Opens a tunnel and a call; PPP begins.
    pub(crate) fn called(world: &mut World, path: Path, ipsec: Option<Ipsec>) -> Self {
        let mut client = Self {
            path,
            ipsec,
            ids: [0; 2],
            sent: 0,
            received: 0,
            arrived: VecDeque::new(),
            bridged: Vec::new(),
            address: [0; 4],
            mac: [0; 6],
        };
        // The answer is no longer than the question.
        let name = avp(7, b"a host with a name as long as what the server has to say");
        let sccrq =
            [avp(0, &[0, 1]), avp(2, &[1, 0]), avp(3, &[0, 0, 0, 3]), name, avp(9, &[0, 7])];
        let sccrp = client.control(world, 0, &sccrq.concat());
        client.ids[0] = find(&sccrp, 9);
        client.control(world, 0, &avp(0, &[0, 3]));
        let icrq = [avp(0, &[0, 10]), avp(14, &[0, 9]), avp(15, &[0, 0, 0, 1])];
        let icrp = client.control(world, 0, &icrq.concat());
        client.ids[1] = find(&icrp, 14);
        let iccn = [avp(0, &[0, 12]), avp(24, &[0, 15, 66, 64]), avp(19, &[0, 0, 0, 1])];
        client.control(world, client.ids[1], &iccn.concat());
        client
    }

    /// A datagram with an IP packet of `len` octets for the station.
    pub(crate) fn datagram(&mut self, len: usize) -> (Path, Vec<u8>) {
        let packet = packet(self.address, STATION, len);
        let message = self.message(0x0021, &packet);
        (self.path, self.wrap(&message))
    }

    /// A frame of the station with an IP packet of `len` octets for the client.
    pub(crate) fn frame(&self, len: usize) -> Vec<u8> {
        [&self.mac[..], &STATION_MAC, &[8, 0], &packet(STATION, self.address, len)].concat()
    }

    fn lcp(&mut self, world: &mut World) {
        self.ppp(world, LCP, &[1, 1, 0, 4]);
        let (mut ours, mut theirs) = (false, false);
        while !(ours && theirs) {
            let mut packet = self.expect(world, LCP);
            match packet[0] {
                1 if packet.windows(3).any(|part| part == [0xc2, 0x23, 0x81]) => {
                    self.ppp(world, LCP, &[3, packet[1], 0, 8, 3, 4, 0xc0, 0x23]);
                }
                1 => {
                    packet[0] = 2;
                    self.ppp(world, LCP, &packet);
                    theirs = true;
                }
                2 => ours = true,
                _ => {}
            }
        }
    }

    fn pap(&mut self, world: &mut World) {
        let len = (6 + USER.len() + PASSWORD.len()) as u8;
        let mut request = vec![1, 1, 0, len, USER.len() as u8];
        request.extend(USER.bytes());
        request.push(PASSWORD.len() as u8);
        request.extend(PASSWORD.bytes());
        self.ppp(world, 0xc023, &request);
        assert_eq!(self.expect(world, 0xc023)[0], 2, "logged in");
    }

    fn ipcp(&mut self, world: &mut World) {
        self.ppp(world, IPCP, &[1, 1, 0, 10, 3, 6, 0, 0, 0, 0]);
        let (mut ours, mut theirs) = (false, false);
        while !(ours && theirs) {
            let mut packet = self.expect(world, IPCP);
            match packet[0] {
                1 => {
                    packet[0] = 2;
                    self.ppp(world, IPCP, &packet);
                    theirs = true;
                }
                2 => ours = true,
                _ => {
                    self.address = packet[6..10].try_into().unwrap();
                    let head: &[u8] = &[1, 2, 0, 10, 3, 6];
                    self.ppp(world, IPCP, &[head, &self.address].concat());
                }
            }
        }
    }

    /// Sends a packet to the station, which answers ARP, so that both know each other.
    fn meet_station(&mut self, world: &mut World) {
        let (path, octets) = self.datagram(100);
        self.hand_in(world, path, &octets);
        let is_ours = |frame: &&Vec<u8>| frame[12..14] == [8, 6] && frame[38..42] == STATION;
        let asked = self.bridged.iter().find(is_ours).expect("an ARP request").clone();
        self.mac = asked[6..12].try_into().unwrap();
        let mut reply = [&self.mac[..], &STATION_MAC, &asked[12..20], &[0, 2]].concat();
        reply.extend([&STATION_MAC[..], &STATION, &self.mac, &self.address].concat());
        let left = world.frame(&reply);
        assert!(
            left.iter().any(|left| matches!(left, Left::Frame(frame) if frame[12] == 8
                && frame[13] == 0
                && frame[..6] == STATION_MAC)),
            "the packet reaches the station"
        );
    }

    /// Sends a control message; returns the AVPs of the answer, if there is one.
    fn control(&mut self, world: &mut World, session: u16, avps: &[u8]) -> Vec<u8> {
        let message = self.control_message(session, avps);
        self.sent += 1;
        self.send(world, &message).pop().unwrap_or_default()
    }

    fn control_message(&self, session: u16, avps: &[u8]) -> Vec<u8> {
        let fields = [12 + avps.len() as u16, self.ids[0], session, self.sent, self.received];
        [&[0xc8, 2][..], &fields.map(u16::to_be_bytes).concat(), avps].concat()
    }

    fn message(&self, protocol: u16, packet: &[u8]) -> Vec<u8> {
        let ids = self.ids.map(u16::to_be_bytes).concat();
        [&[0, 2][..], &ids, &[0xff, 3], &protocol.to_be_bytes(), packet].concat()
    }

    fn ppp(&mut self, world: &mut World, protocol: u16, packet: &[u8]) {
        let message = self.message(protocol, packet);
        self.send(world, &message);
    }

    fn wrap(&mut self, message: &[u8]) -> Vec<u8> {
        self.ipsec.as_mut().map_or_else(|| message.to_vec(), |ipsec| ipsec.seal(message))
    }

    /// Sends an L2TP message; returns the AVPs of the control messages that come back.
    fn send(&mut self, world: &mut World, message: &[u8]) -> Vec<Vec<u8>> {
        let octets = self.wrap(message);
        self.hand_in(world, self.path, &octets)
    }

    fn hand_in(&mut self, world: &mut World, path: Path, octets: &[u8]) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for left in world.datagram(path, octets) {
            match left {
                Left::Frame(frame) => self.bridged.push(frame),
                Left::Datagram(path, _) if path.local.port() != self.path.local.port() => {}
                Left::Datagram(_, octets) if octets.starts_with(&[0; 4]) => {}
                Left::Datagram(_, mut octets) => {
                    let message = match &self.ipsec {
                        Some(ipsec) => ipsec.open(&mut octets),
                        None => octets,
                    };
                    answers.extend(self.take(&message));
                }
            }
        }
        if !answers.is_empty() {
            let ack = self.control_message(0, &[]);
            let rest = self.send(world, &ack);
            answers.extend(rest);
        }
        answers
    }

    fn take(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(message[0] & 0x40, 0x40, "the server names lengths");
        if message[0] & 0x80 == 0 {
            let ppp = &message[8..];
            self.arrived.push_back(ppp.strip_prefix(&[0xff, 3]).unwrap_or(ppp).to_vec());
            return None;
        }
        let ns = u16::from_be_bytes([message[8], message[9]]);
        if message.len() == 12 || ns != self.received {
            return None;
        }
        self.received += 1;
        Some(message[12..].to_vec())
    }

    /// The next packet of `protocol`.
    fn expect(&mut self, world: &mut World, protocol: u16) -> Vec<u8> {
        for _ in 0..20 {
            let at = self.arrived.iter().position(|ppp| ppp.starts_with(&protocol.to_be_bytes()));
            if let Some(ppp) = at.and_then(|at| self.arrived.remove(at)) {
                return ppp[2..].to_vec();
            }
            world.now = world.deadline.expect("the server waits for something");
            let ack = self.control_message(0, &[]);
            self.send(world, &ack);
        }
        panic!("no packet of protocol {protocol:04x}");
    }
}

/// From one of many clients that each have an address of their own.
pub(crate) fn path_of(number: u32) -> Path {
    let [_, a, b, c] = number.to_be_bytes();
    let remote = ([10, a, b, c], 1701).into();
    Path { local: ([192, 0, 2, 1], 1701).into(), remote, outer: Outer::Udp }
}

/// A UDP datagram in an IP packet of `len` octets.
fn packet(from: [u8; 4], to: [u8; 4], len: usize) -> Vec<u8> {
    let total = (len as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend([from, to].concat());
    let sum: u32 = packet.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend([[4, 210], [4, 210], ((len - 20) as u16).to_be_bytes(), [0, 0]].concat());
    packet.extend((28..len).map(|octet| octet as u8));
    packet
}

fn avp(kind: u16, value: &[u8]) -> Vec<u8> {
    let head = [0x8000 | (6 + value.len() as u16), 0, kind].map(u16::to_be_bytes).concat();
    [&head[..], value].concat()
}

/// The number in an AVP.
fn find(mut avps: &[u8], kind: u16) -> u16 {
    while avps.len() >= 8 {
        let len = usize::from(u16::from_be_bytes([avps[0], avps[1]]) & 0x03ff);
        if avps[4..6] == kind.to_be_bytes() {
            return u16::from_be_bytes([avps[6], avps[7]]);
        }
        avps = &avps[len..];
    }
    panic!("no AVP {kind}");
}

const STATION: [u8; 4] = [192, 168, 30, 250];
const STATION_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const LCP: u16 = 0xc021;
const IPCP: u16 = 0x8021;
