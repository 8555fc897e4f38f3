//! A client of L2TP without IPsec (RFC 2661), as small as a test needs: PAP, IPCP, ping.
//!
//! It shares no code with the server.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A client with an address.
pub(crate) struct RawClient {
    socket: UdpSocket,
    ids: (u16, u16),
    sent: u16,
    received: u16,
    arrived: VecDeque<Arrived>,
    /// The address that the server gave.
    pub(crate) address: Ipv4Addr,
}

#[derive(Debug)]
enum Arrived {
    Control(Vec<u8>),
    Ppp(u16, Vec<u8>),
}

impl RawClient {
    /// Dials `server` and logs in; `None` if user or password are refused.
    pub(crate) fn dial(server: SocketAddr, user: &str, password: &str) -> Option<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let address = Ipv4Addr::UNSPECIFIED;
        let (ids, arrived) = ((0, 0), VecDeque::new());
        let mut client = Self { socket, ids, sent: 0, received: 0, arrived, address };
        client.tunnel();
        client.call();
        client.lcp();
        if !client.pap(user, password) {
            client.send_ppp(LCP, &[5, 2, 0, 4]);
            return None;
        }
        client.ipcp();
        Some(client)
    }

    /// Sends an ICMP echo request with `len` octets of data to `to`.
    pub(crate) fn ping(&mut self, to: Ipv4Addr, number: u16, len: usize) {
        let mut icmp = vec![8, 0, 0, 0, 0, 7];
        icmp.extend(number.to_be_bytes());
        icmp.resize(8 + len, 0xa5);
        let sum = checksum(&icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut ip = vec![0x45, 0];
        ip.extend(((20 + icmp.len()) as u16).to_be_bytes());
        ip.extend([0, 0, 0, 0, 64, 1, 0, 0]);
        ip.extend(self.address.octets());
        ip.extend(to.octets());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip.extend(icmp);
        self.send_ppp(0x0021, &ip);
    }

    /// Waits for an ICMP echo reply and returns its number.
    pub(crate) fn pong(&mut self) -> u16 {
        loop {
            let packet = self.expect_ppp(0x0021);
            if packet[9] == 1 && packet[20] == 0 {
                return u16::from_be_bytes([packet[26], packet[27]]);
            }
        }
    }

    fn tunnel(&mut self) {
        let mut sccrq = avp(0, &1_u16.to_be_bytes());
        sccrq.extend(avp(2, &[1, 0]));
        sccrq.extend(avp(3, &3_u32.to_be_bytes()));
        sccrq.extend(avp(7, b"a host with a name of some length"));
        sccrq.extend(avp(8, b"a vendor, as real clients say theirs"));
        sccrq.extend(avp(9, &7_u16.to_be_bytes()));
        self.send_control(0, &sccrq);
        let sccrp = self.expect_control(2);
        self.ids.0 = u16::from_be_bytes(find(&sccrp, 9).try_into().unwrap());
        self.send_control(0, &avp(0, &3_u16.to_be_bytes()));
    }

    fn call(&mut self) {
        let mut icrq = avp(0, &10_u16.to_be_bytes());
        icrq.extend(avp(14, &9_u16.to_be_bytes()));
        icrq.extend(avp(15, &1_u32.to_be_bytes()));
        self.send_control(0, &icrq);
        let icrp = self.expect_control(11);
        self.ids.1 = u16::from_be_bytes(find(&icrp, 14).try_into().unwrap());
        let mut iccn = avp(0, &12_u16.to_be_bytes());
        iccn.extend(avp(24, &1_000_000_u32.to_be_bytes()));
        iccn.extend(avp(19, &1_u32.to_be_bytes()));
        self.send_control(self.ids.1, &iccn);
    }

    /// Asks for nothing, and takes whatever the server asks for but authentication by PAP only.
    fn lcp(&mut self) {
        self.send_ppp(LCP, &[1, 1, 0, 4]);
        let (mut ours, mut theirs) = (false, false);
        while !(ours && theirs) {
            let mut packet = self.expect_ppp(LCP);
            match packet[0] {
                2 => ours = true,
                1 if option(&packet, 3).is_some_and(|auth| auth != [0xc0, 0x23]) => {
                    self.send_ppp(LCP, &[3, packet[1], 0, 8, 3, 4, 0xc0, 0x23]);
                }
                1 => {
                    packet[0] = 2;
                    self.send_ppp(LCP, &packet);
                    theirs = true;
                }
                _ => {}
            }
        }
    }

    fn pap(&mut self, user: &str, password: &str) -> bool {
        let mut request = vec![1, 1, 0, (6 + user.len() + password.len()) as u8];
        request.push(user.len() as u8);
        request.extend(user.bytes());
        request.push(password.len() as u8);
        request.extend(password.bytes());
        self.send_ppp(0xc023, &request);
        self.expect_ppp(0xc023)[0] == 2
    }

    fn ipcp(&mut self) {
        let (mut ours, mut theirs) = (false, false);
        self.send_ppp(IPCP, &[1, 1, 0, 10, 3, 6, 0, 0, 0, 0]);
        while !(ours && theirs) {
            let mut packet = self.expect_ppp(IPCP);
            match packet[0] {
                1 => {
                    packet[0] = 2;
                    self.send_ppp(IPCP, &packet);
                    theirs = true;
                }
                2 => ours = true,
                3 => {
                    let address: [u8; 4] = option(&packet, 3).unwrap().try_into().unwrap();
                    self.address = address.into();
                    let mut request = vec![1, 2, 0, 10, 3, 6];
                    request.extend(address);
                    self.send_ppp(IPCP, &request);
                }
                other => panic!("IPCP code {other}"),
            }
        }
    }

    fn send_control(&mut self, session: u16, avps: &[u8]) {
        self.send_header(session, avps);
        self.sent += 1;
    }

    fn send_header(&self, session: u16, avps: &[u8]) {
        let mut message = vec![0xc8, 0x02];
        for field in [12 + avps.len() as u16, self.ids.0, session, self.sent, self.received] {
            message.extend(field.to_be_bytes());
        }
        message.extend(avps);
        self.socket.send(&message).unwrap();
    }

    fn send_ppp(&self, protocol: u16, packet: &[u8]) {
        let mut message = vec![0x00, 0x02];
        for field in [self.ids.0, self.ids.1] {
            message.extend(field.to_be_bytes());
        }
        message.extend([0xff, 0x03]);
        message.extend(protocol.to_be_bytes());
        message.extend(packet);
        self.socket.send(&message).unwrap();
    }

    fn expect_control(&mut self, kind: u16) -> Vec<u8> {
        loop {
            match self.next() {
                Arrived::Control(avps) if avps[6..8] == kind.to_be_bytes() => return avps,
                Arrived::Control(avps) => panic!("control message {:?}", &avps[6..8]),
                ppp @ Arrived::Ppp(..) => self.arrived.push_back(ppp),
            }
        }
    }

    /// The next packet of `protocol`; answers echo requests and rejects other protocols.
    fn expect_ppp(&mut self, protocol: u16) -> Vec<u8> {
        loop {
            let next = self.arrived.pop_front().unwrap_or_else(|| self.next());
            let Arrived::Ppp(found, mut packet) = next else { continue };
            if found == LCP && packet[0] == 9 {
                packet[0] = 10;
                packet[4..8].fill(0);
                self.send_ppp(LCP, &packet);
            } else if found == protocol {
                return packet;
            } else if !matches!(found, LCP | IPCP | 0xc023 | 0x0021) {
                let mut reject = vec![8, 1];
                reject.extend((6 + packet.len() as u16).to_be_bytes());
                reject.extend(found.to_be_bytes());
                reject.extend(packet);
                self.send_ppp(LCP, &reject);
            } else if found == IPCP {
                // The server may be ahead of us.
                self.arrived.push_back(Arrived::Ppp(found, packet));
                let later = self.next();
                self.arrived.push_front(later);
            }
        }
    }

    fn next(&mut self) -> Arrived {
        let mut buffer = [0; 2_048];
        loop {
            let len = self.socket.recv(&mut buffer).expect("the server answers");
            let message = &buffer[..len];
            if message[0] & 0x80 == 0 {
                let at = data_at(message);
                let protocol = u16::from_be_bytes([message[at], message[at + 1]]);
                return Arrived::Ppp(protocol, message[at + 2..].to_vec());
            }
            let number = u16::from_be_bytes([message[8], message[9]]);
            if len == 12 || number != self.received {
                continue;
            }
            self.received += 1;
            self.send_header(0, &[]);
            return Arrived::Control(message[12..].to_vec());
        }
    }
}

/// Where the PPP protocol stands in a data message.
fn data_at(message: &[u8]) -> usize {
    let mut at = 6;
    if message[0] & 0x40 != 0 {
        at += 2;
    }
    if message[0] & 0x08 != 0 {
        at += 4;
    }
    if message[0] & 0x02 != 0 {
        at += 2;
    }
    if message[at..at + 2] == [0xff, 0x03] { at + 2 } else { at }
}

fn avp(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut avp = (0x8000 | (6 + value.len() as u16)).to_be_bytes().to_vec();
    avp.extend([0, 0]);
    avp.extend(kind.to_be_bytes());
    avp.extend(value);
    avp
}

fn find(mut avps: &[u8], kind: u16) -> Vec<u8> {
    while avps.len() >= 6 {
        let len = usize::from(u16::from_be_bytes([avps[0], avps[1]]) & 0x03ff);
        if avps[4..6] == kind.to_be_bytes() {
            return avps[6..len].to_vec();
        }
        avps = &avps[len..];
    }
    panic!("no AVP {kind}");
}

fn option(packet: &[u8], kind: u8) -> Option<&[u8]> {
    let mut options = &packet[4..];
    while let [found, len, ..] = options {
        let len = usize::from(*len).max(2);
        if *found == kind {
            // Of an authentication option only the protocol counts here.
            return options.get(2..if kind == 3 && len > 4 && packet[0] == 1 { 4 } else { len });
        }
        options = &options[len.min(options.len())..];
    }
    None
}

fn checksum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const LCP: u16 = 0xc021;
const IPCP: u16 = 0x8021;
