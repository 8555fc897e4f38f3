//! A machine on a LAN behind a bridge: ARP, ping, and a DHCP server if it is told to run one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use kumihimo_core::addr::MacAddr;
use kumihimo_core::time::Instant;

use super::dhcp::{DhcpServer, Done};
use super::frame::{ARP, Arp, Ethernet, IPV4, Ip, Mark};
use crate::net::PortId;
use crate::world::{Node, NodeCx, Stimulus};

/// A machine on a LAN.
#[derive(Debug)]
pub struct Host {
    hub: u8,
    mac: MacAddr,
    ip: Ipv4Addr,
    port: Option<PortId>,
    neighbours: BTreeMap<Ipv4Addr, MacAddr>,
    /// The packet that waits for ARP.
    waiting: Option<Ip>,
    dhcp: Option<DhcpServer>,
    count: u32,
    pongs: BTreeMap<Ipv4Addr, u32>,
    heard: Option<Vec<u8>>,
}

/// What a machine on a LAN saw or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFact {
    /// A ping came, or the answer to one.
    Heard {
        /// From which address.
        from: Ipv4Addr,
        /// Who really sent the ping.
        mark: Mark,
        /// Number of the hub on which this machine is.
        hub: u8,
        /// Whether it is an answer.
        is_answer: bool,
    },
    /// Its DHCP server did something.
    Dhcp {
        /// For whom.
        client: MacAddr,
        /// What.
        done: Done,
    },
}

impl fmt::Display for HostFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard { from, mark, is_answer: true, .. } => {
                write!(f, "pong {} from {from}", mark.count)
            }
            Self::Heard { from, mark, .. } => write!(f, "ping {} from {from}", mark.count),
            Self::Dhcp { client, done } => write!(f, "DHCP for {client:?}: {done:?}"),
        }
    }
}

impl Host {
    /// Machine `number`, 1 to 50, on hub `hub`, whose network is `192.168.NET.0/24`.
    pub const fn new(hub: u8, net: u8, number: u8) -> Self {
        Self {
            hub,
            mac: MacAddr([2, 0, 0, 0, hub, number]),
            ip: Ipv4Addr::new(192, 168, net, FIRST - 1 + number),
            port: None,
            neighbours: BTreeMap::new(),
            waiting: None,
            dhcp: None,
            count: 0,
            pongs: BTreeMap::new(),
            heard: None,
        }
    }

    /// Plugs it in.
    pub const fn plug(&mut self, port: PortId) {
        self.port = Some(port);
    }

    /// The number of its hub.
    pub const fn hub(&self) -> u8 {
        self.hub
    }

    /// Its address.
    pub const fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Its MAC address.
    pub const fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The DHCP server that it runs, to set or change it.
    pub const fn dhcp_mut(&mut self) -> &mut Option<DhcpServer> {
        &mut self.dhcp
    }

    /// The DHCP server that it runs.
    pub const fn dhcp(&self) -> Option<&DhcpServer> {
        self.dhcp.as_ref()
    }

    /// The number of the last ping to `to` that was answered; 0 before the first.
    pub fn ponged(&self, to: Ipv4Addr) -> u32 {
        self.pongs.get(&to).copied().unwrap_or(0)
    }

    /// Sends a ping, after ARP if need be; tells its number.
    pub fn ping(&mut self, cx: &mut NodeCx<'_>, to: Ipv4Addr) -> u32 {
        self.count += 1;
        let sender = cx.me().index() as u16;
        let mark = Mark { hub: self.hub, sender, is_host: true, count: self.count };
        self.send_ip(cx, Ip::ping(self.ip, to, &mark));
        self.count
    }

    /// Sends any IPv4 packet to a neighbour that it knows.
    pub fn put_ip(&self, cx: &mut NodeCx<'_>, to: Ipv4Addr, packet: Vec<u8>) {
        if let Some(&mac) = self.neighbours.get(&to) {
            self.send(cx, mac, IPV4, packet);
        }
    }

    /// The last IPv4 packet that came for it and was neither a ping nor DHCP.
    pub fn heard(&self) -> Option<&[u8]> {
        self.heard.as_deref()
    }

    /// Asks everyone who has `to`.
    pub fn ask(&self, cx: &mut NodeCx<'_>, to: Ipv4Addr) {
        let arp =
            Arp { is_request: true, sender: (self.mac, self.ip), target: (MacAddr([0; 6]), to) };
        self.send(cx, MacAddr::BROADCAST, ARP, arp.emit());
    }

    /// Puts any frame on its LAN.
    pub fn put(&self, cx: &mut NodeCx<'_>, frame: &Ethernet) {
        if let Some(port) = self.port {
            cx.send_frame(port, &frame.emit());
        }
    }

    fn send_ip(&mut self, cx: &mut NodeCx<'_>, packet: Ip) {
        match self.neighbours.get(&packet.to) {
            Some(&mac) => self.send(cx, mac, IPV4, packet.emit()),
            None => {
                self.ask(cx, packet.to);
                self.waiting = Some(packet);
            }
        }
    }

    fn send(&self, cx: &mut NodeCx<'_>, to: MacAddr, kind: u16, payload: Vec<u8>) {
        if let Some(port) = self.port {
            let frame = Ethernet { to, from: self.mac, kind, payload };
            cx.send_frame(port, &frame.emit());
        }
    }

    fn on_frame(&mut self, cx: &mut NodeCx<'_>, frame: &Ethernet) {
        if frame.to != self.mac && !frame.to.is_group() {
            return;
        }
        match frame.kind {
            ARP => self.on_arp(cx, &frame.payload),
            IPV4 => self.on_ip(cx, frame),
            _ => {}
        }
    }

    fn on_arp(&mut self, cx: &mut NodeCx<'_>, payload: &[u8]) {
        let Some(arp) = Arp::parse(payload) else { return };
        let (mac, ip) = arp.sender;
        if !ip.is_unspecified() {
            self.neighbours.insert(ip, mac);
        }
        if let Some(packet) = self.waiting.take_if(|packet| packet.to == ip) {
            self.send_ip(cx, packet);
        }
        if arp.is_request && arp.target.1 == self.ip {
            let sender = (self.mac, self.ip);
            let reply = Arp { is_request: false, sender, target: arp.sender };
            self.send(cx, mac, ARP, reply.emit());
        }
    }

    fn on_ip(&mut self, cx: &mut NodeCx<'_>, frame: &Ethernet) {
        let Some(packet) = Ip::parse(&frame.payload) else { return };
        if let Some((_, 67, message)) = packet.as_udp() {
            return self.on_dhcp(cx, message);
        }
        let Some((is_answer, mark)) = packet.mark() else {
            if packet.to == self.ip {
                self.heard = Some(frame.payload.clone());
            }
            return;
        };
        cx.fact(&HostFact::Heard { from: packet.from, mark, hub: self.hub, is_answer });
        if packet.to != self.ip {
            return;
        }
        if is_answer {
            self.pongs.insert(packet.from, mark.count);
        } else if let Some(pong) = packet.pong() {
            self.send(cx, frame.from, IPV4, pong.emit());
        }
    }

    fn on_dhcp(&mut self, cx: &mut NodeCx<'_>, message: &[u8]) {
        let now = cx.now();
        let Some((reply, done)) = self.dhcp.as_mut().and_then(|dhcp| dhcp.handle(now, message))
        else {
            return;
        };
        let client = MacAddr(std::array::from_fn(|at| message[28 + at]));
        cx.fact(&HostFact::Dhcp { client, done });
        if let Some(reply) = reply {
            let packet = Ip::udp((self.ip, 67), (reply.to, 68), &reply.payload);
            match done {
                // It goes to an address like any other packet (RFC 2131 §4.3.5).
                Done::Informed(_) => self.send_ip(cx, packet),
                _ => self.send(cx, reply.client, IPV4, packet.emit()),
            }
        }
    }
}

impl Node for Host {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        if let Stimulus::Frame { frame, .. } = stimulus
            && let Some(frame) = Ethernet::parse(&frame)
        {
            self.on_frame(cx, &frame);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// The last octet of the first host's address.
const FIRST: u8 = 200;
