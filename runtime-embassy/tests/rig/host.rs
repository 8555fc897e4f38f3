//! Machines on the board's LAN.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use kumihimo_core::addr::MacAddr;
use kumihimo_core::buf::Writer;
use kumihimo_core::wire::arp::{self, Operation};
use kumihimo_core::wire::dhcpv4::{self, Message, MessageType};
use kumihimo_core::wire::ethernet::{EtherType, Header};
use kumihimo_core::wire::icmpv4;
use kumihimo_core::wire::ipv4::{self, Packet, Protocol};
use kumihimo_core::wire::udp;

/// A machine.
pub trait Host: Any {
    /// Takes a frame that is on the wire, for whomever.
    fn handle(&mut self, now: u64, frame: &[u8]);
    /// Gives the frames that it puts on the wire.
    fn poll(&mut self, now: u64) -> Vec<Vec<u8>>;
}

/// An IPv4 host: ARP, answers to pings, and whatever else comes is kept.
pub struct Station {
    pub mac: [u8; 6],
    pub ip: Ipv4Addr,
    /// Whether it is the LAN's DHCP server.
    pub dhcp: Option<DhcpServer>,
    /// Packets to these addresses are its own too: it is their router.
    pub behind: Vec<Ipv4Addr>,
    /// IPv4 packets for it, or for who is behind it.
    pub heard: Vec<Vec<u8>>,
    /// Who has which address, by ARP.
    pub neighbours: Vec<(Ipv4Addr, [u8; 6])>,
    /// Does not answer to ARP.
    pub is_silent: bool,
    out: Vec<Vec<u8>>,
    waiting: Vec<(Ipv4Addr, Vec<u8>)>,
}

/// What a DHCP server has given away.
#[derive(Default)]
pub struct DhcpServer {
    pub leases: Vec<[u8; 6]>,
    pub is_dead: bool,
    pub lease_secs: u32,
}

impl Station {
    pub fn new(number: u8) -> Self {
        Self {
            mac: [0x52, 0x54, 0, 0, 0, number],
            ip: [192, 0, 2, number].into(),
            dhcp: None,
            behind: Vec::new(),
            heard: Vec::new(),
            neighbours: Vec::new(),
            is_silent: false,
            out: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// The LAN's router and DHCP server, which gives 192.0.2.100 and following.
    pub fn router() -> Self {
        let dhcp = Some(DhcpServer { lease_secs: 3_600, ..DhcpServer::default() });
        Self { dhcp, ..Self::new(254) }
    }

    pub fn send(&mut self, frame: Vec<u8>) {
        self.out.push(frame);
    }

    /// Sends an IPv4 packet to whoever has its destination, by ARP first.
    pub fn send_ip(&mut self, packet: Vec<u8>) {
        let to = Packet::parse(&packet).expect("a packet").header.destination;
        match self.neighbours.iter().find(|&&(ip, _)| ip == to) {
            Some(&(_, mac)) => self.out.push(frame(mac, self.mac, EtherType::IPV4, &packet)),
            None => {
                self.waiting.push((to, packet));
                let request = self.arp(Operation::Request, [0; 6], to);
                self.out.push(frame([0xff; 6], self.mac, EtherType::ARP, &request));
            }
        }
    }

    pub fn ping(&mut self, to: Ipv4Addr, sequence: u16) {
        let packet = echo(self.ip, to, true, sequence, b"hello");
        self.send_ip(packet);
    }

    /// Whether `from` answered the ping `sequence`.
    pub fn has_pong(&self, from: Ipv4Addr, sequence: u16) -> bool {
        self.heard.iter().any(|packet| {
            let packet = Packet::parse(packet).expect("a packet");
            packet.header.source == from
                && matches!(icmpv4::Message::parse(packet.payload),
                    Ok(icmpv4::Message::EchoReply(echo)) if echo.sequence == sequence)
        })
    }

    fn arp(&self, operation: Operation, target_mac: [u8; 6], target_ip: Ipv4Addr) -> Vec<u8> {
        let packet = arp::Packet {
            operation,
            sender_mac: MacAddr(self.mac),
            sender_ip: self.ip,
            target_mac: MacAddr(target_mac),
            target_ip,
        };
        written(|writer| packet.emit(writer))
    }

    fn on_arp(&mut self, payload: &[u8]) {
        let Ok(packet) = arp::Packet::parse(payload) else { return };
        let known = (packet.sender_ip, packet.sender_mac.0);
        if packet.target_ip != self.ip || self.is_silent {
            return;
        }
        self.neighbours.retain(|&(ip, _)| ip != packet.sender_ip);
        self.neighbours.push(known);
        if packet.operation == Operation::Request {
            let reply = self.arp(Operation::Reply, known.1, known.0);
            self.out.push(frame(known.1, self.mac, EtherType::ARP, &reply));
        }
        for (_, packet) in self.waiting.extract_if(.., |(to, _)| *to == known.0) {
            self.out.push(frame(known.1, self.mac, EtherType::IPV4, &packet));
        }
    }

    fn on_ip(&mut self, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        let header = packet.header;
        if header.protocol == Protocol::UDP && udp::ports(packet.payload) == Ok((68, 67)) {
            self.on_dhcp(packet.payload);
            return;
        }
        if header.destination != self.ip && !self.behind.contains(&header.destination) {
            return;
        }
        if header.destination == self.ip
            && let Ok(icmpv4::Message::EchoRequest(request)) =
                icmpv4::Message::parse(packet.payload)
        {
            let (sequence, data) = (request.sequence, request.data);
            let pong = echo(self.ip, header.source, false, sequence, data);
            self.send_ip(pong);
            return;
        }
        self.heard.push(bytes[..packet.len()].to_vec());
    }

    fn on_dhcp(&mut self, datagram: &[u8]) {
        let (ip, mac) = (self.ip, self.mac);
        let Some(dhcp) = self.dhcp.as_mut().filter(|dhcp| !dhcp.is_dead) else { return };
        let Ok(request) = Message::parse(&datagram[8..]) else { return };
        let Some(client) = request.hardware.mac() else { return };
        let kind = match request.options.kind {
            Some(MessageType::Discover) => MessageType::Offer,
            Some(MessageType::Request) => MessageType::Ack,
            _ => return,
        };
        let known = dhcp.leases.iter().position(|&mac| mac == client.0);
        let place = known.unwrap_or_else(|| {
            dhcp.leases.push(client.0);
            dhcp.leases.len() - 1
        });
        let mut reply = request.reply(kind);
        reply.yiaddr = [192, 0, 2, 100 + place as u8].into();
        reply.options.server = Some(ip);
        reply.options.lease_secs = Some(dhcp.lease_secs);
        reply.options.subnet_mask = Some([255, 255, 255, 0].into());
        let _ = reply.options.routers.push(ip);
        let packet = written(|writer| {
            let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, dhcpv4::CLIENT_PORT);
            let from = SocketAddrV4::new(ip, dhcpv4::SERVER_PORT);
            udp::emit(writer, from, to, |writer| reply.emit(writer));
        });
        self.out.push(frame([0xff; 6], mac, EtherType::IPV4, &packet));
    }
}

impl Host for Station {
    fn handle(&mut self, _: u64, bytes: &[u8]) {
        let Ok((header, payload)) = Header::parse(bytes) else { return };
        if header.destination != MacAddr(self.mac) && !header.destination.is_group() {
            return;
        }
        match header.ether_type {
            EtherType::ARP => self.on_arp(payload),
            EtherType::IPV4 => self.on_ip(payload),
            _ => {}
        }
    }

    fn poll(&mut self, _: u64) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.out)
    }
}

pub fn frame(to: [u8; 6], from: [u8; 6], ether_type: EtherType, payload: &[u8]) -> Vec<u8> {
    let header = Header { destination: MacAddr(to), source: MacAddr(from), ether_type };
    [&header.to_bytes()[..], payload].concat()
}

/// An echo request or reply.
pub fn echo(from: Ipv4Addr, to: Ipv4Addr, is_request: bool, sequence: u16, data: &[u8]) -> Vec<u8> {
    let echo = icmpv4::Echo { ident: 7, sequence, data };
    let message = if is_request {
        icmpv4::Message::EchoRequest(echo)
    } else {
        icmpv4::Message::EchoReply(echo)
    };
    written(|writer| message.emit(writer, from, to))
}

/// A UDP datagram as an IPv4 packet.
pub fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { panic!("IPv4") };
    written(|writer| udp::emit(writer, from, to, |writer| writer.put(payload)))
}

/// A packet of protocol 50.
pub fn esp(from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else { panic!("IPv4") };
    let header = ipv4::Header::new(Protocol(50), from, to);
    written(|writer| header.emit(writer, |writer| writer.put(payload)))
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = [0; 2_000];
    let mut writer = Writer::new(&mut room);
    write(&mut writer);
    writer.written().to_vec()
}
