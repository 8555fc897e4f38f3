//! Ethernet, ARP, IPv4, UDP and ICMP echo, as machines on a LAN speak them.
//!
//! Written apart from the core, since it checks what the core says. What does not parse is `None`.

use std::net::Ipv4Addr;

use kumihimo_core::addr::MacAddr;

/// An IPv4 packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Whence.
    pub from: Ipv4Addr,
    /// Whither.
    pub to: Ipv4Addr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Ip {
    /// Reads a packet that is whole; checks its header's sum.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header_len = usize::from(bytes.first()? & 15) * 4;
        let header = bytes.get(..header_len).filter(|header| header.len() >= 20)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if bytes[0] >> 4 != 4 || checksum(header) != 0 {
            return None;
        }
        Some(Self {
            from: address(header, 12)?,
            to: address(header, 16)?,
            protocol: header[9],
            payload: bytes.get(header_len..len)?.to_vec(),
        })
    }

    /// The packet as octets.
    pub fn emit(&self) -> Vec<u8> {
        let len = (20 + self.payload.len()) as u16;
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, self.protocol, 0, 0];
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        bytes.extend(self.from.octets());
        bytes.extend(self.to.octets());
        let sum = checksum(&bytes);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// An ICMP echo request with this mark.
    pub fn ping(from: Ipv4Addr, to: Ipv4Addr, mark: &Mark) -> Self {
        Self::echo(8, from, to, &mark.emit())
    }

    /// An echo request as long as `len` octets with its header, or as long as it is.
    #[must_use]
    pub fn padded(mut self, len: usize) -> Self {
        let len = len.saturating_sub(20).max(self.payload.len());
        self.payload.resize(len, 0x5a);
        self.payload[2..4].fill(0);
        let sum = checksum(&self.payload);
        self.payload[2..4].copy_from_slice(&sum.to_be_bytes());
        self
    }

    /// The beginning of a TCP connection that says how long a segment may be.
    pub fn syn(from: Ipv4Addr, to: Ipv4Addr, mss: u16) -> Self {
        let mut payload =
            vec![0xc0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0x10, 0, 0, 0, 0, 0];
        payload.extend([2, 4]);
        payload.extend(mss.to_be_bytes());
        let mut packet = Self { from, to, protocol: TCP, payload };
        let sum = packet.tcp_sum();
        packet.payload[16..18].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// How long a segment may be, if this begins a connection and its checksum is right.
    pub fn mss(&self) -> Option<u16> {
        let is_syn = self.protocol == TCP && self.payload.get(13) == Some(&2);
        let mss = self.payload.get(20..24)?.strip_prefix(&[2, 4])?;
        (is_syn && self.tcp_sum() == 0).then(|| u16::from_be_bytes([mss[0], mss[1]]))
    }

    /// The MTU that an ICMP error names, and the packet that was too long for it.
    pub fn too_long(&self) -> Option<(u16, &[u8])> {
        let (head, packet) = self.payload.split_at_checked(8)?;
        let is_error = self.protocol == ICMP && head[..2] == [3, 4] && checksum(&self.payload) == 0;
        is_error.then(|| (u16::from_be_bytes([head[6], head[7]]), packet))
    }

    /// The packet as octets, and it must not be cut into fragments.
    pub fn emit_whole(&self) -> Vec<u8> {
        let mut bytes = self.emit();
        bytes[6] |= 0x40;
        bytes[10..12].fill(0);
        let sum = checksum(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn tcp_sum(&self) -> u16 {
        let mut bytes = Vec::from(self.from.octets());
        bytes.extend(self.to.octets());
        bytes.extend([0, TCP]);
        bytes.extend((self.payload.len() as u16).to_be_bytes());
        bytes.extend(&self.payload);
        checksum(&bytes)
    }

    /// The answer, if this is an echo request.
    pub fn pong(&self) -> Option<Self> {
        let (kind, mark) = self.as_echo()?;
        (kind == 8).then(|| Self::echo(0, self.to, self.from, mark))
    }

    /// A datagram with this mark that nobody answers.
    pub fn shout(from: Ipv4Addr, to: Ipv4Addr, mark: &Mark) -> Self {
        Self::udp((from, SHOUT_PORT), (to, SHOUT_PORT), &mark.emit())
    }

    /// The mark of a shout, an echo request or its answer, and whether it is the answer.
    pub fn mark(&self) -> Option<(bool, Mark)> {
        if let Some((_, SHOUT_PORT, body)) = self.as_udp() {
            return Some((false, Mark::parse(body)?));
        }
        let (kind, mark) = self.as_echo()?;
        Some((kind == 0, Mark::parse(mark)?))
    }

    fn echo(kind: u8, from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Self {
        let mut payload = vec![kind, 0, 0, 0];
        payload.extend(body);
        let sum = checksum(&payload);
        payload[2..4].copy_from_slice(&sum.to_be_bytes());
        Self { from, to, protocol: ICMP, payload }
    }

    fn as_echo(&self) -> Option<(u8, &[u8])> {
        let (head, body) = self.payload.split_at_checked(4)?;
        let is_echo = self.protocol == ICMP && matches!(head[0], 0 | 8) && head[1] == 0;
        (is_echo && checksum(&self.payload) == 0).then_some((head[0], body))
    }

    /// A UDP datagram without a checksum.
    pub fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), body: &[u8]) -> Self {
        let mut payload = Vec::from(from.1.to_be_bytes());
        payload.extend(to.1.to_be_bytes());
        payload.extend((8 + body.len() as u16).to_be_bytes());
        payload.extend([0, 0]);
        payload.extend(body);
        Self { from: from.0, to: to.0, protocol: UDP, payload }
    }

    /// Ports and payload of a UDP datagram.
    pub fn as_udp(&self) -> Option<(u16, u16, &[u8])> {
        let (header, body) = self.payload.split_at_checked(8)?;
        let ports = [0, 2].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
        (self.protocol == UDP).then_some((ports[0], ports[1], body))
    }
}

/// What a ping says about who sent it: identifier, sequence number and payload of an ICMP echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the hub on which its sender is.
    pub hub: u8,
    /// Number of its sender's node.
    pub sender: u16,
    /// Whether that is a machine on a LAN.
    pub is_host: bool,
    /// Counts the pings of a sender.
    pub count: u32,
}

impl Mark {
    fn emit(&self) -> Vec<u8> {
        let mut bytes = Vec::from(self.sender.to_be_bytes());
        bytes.extend((self.count as u16).to_be_bytes());
        bytes.extend(MAGIC);
        bytes.extend([self.hub, u8::from(self.is_host)]);
        bytes.extend(self.sender.to_be_bytes());
        bytes.extend(self.count.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.get(4..)?.strip_prefix(MAGIC)?;
        let (&[hub, is_host], rest) = rest.split_first_chunk()?;
        let (sender, count) = (rest.get(..2)?.try_into().ok()?, rest.get(2..6)?.try_into().ok()?);
        Some(Self {
            hub,
            is_host: is_host == 1,
            sender: u16::from_be_bytes(sender),
            count: u32::from_be_bytes(count),
        })
    }
}

/// An Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Whither.
    pub to: MacAddr,
    /// Whence.
    pub from: MacAddr,
    /// `EtherType`.
    pub kind: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Ethernet {
    /// Reads a frame without FCS.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        Some(Self {
            to: mac(frame, 0)?,
            from: mac(frame, 6)?,
            kind: u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?),
            payload: frame.get(14..)?.to_vec(),
        })
    }

    /// The frame as octets.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = Vec::from(self.to.0);
        bytes.extend(self.from.0);
        bytes.extend(self.kind.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// An ARP packet for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Whether it asks.
    pub is_request: bool,
    /// Who sent it.
    pub sender: (MacAddr, Ipv4Addr),
    /// Whom it asks for, or answers.
    pub target: (MacAddr, Ipv4Addr),
}

impl Arp {
    /// Reads the payload of a frame.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let operation = bytes.strip_prefix(&[0, 1, 8, 0, 6, 4, 0])?.first()?;
        Some(Self {
            is_request: *operation == 1,
            sender: (mac(bytes, 8)?, address(bytes, 14)?),
            target: (mac(bytes, 18)?, address(bytes, 24)?),
        })
    }

    /// The payload as octets.
    pub fn emit(&self) -> Vec<u8> {
        let operation = if self.is_request { 1 } else { 2 };
        let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, operation];
        for (mac, ip) in [self.sender, self.target] {
            bytes.extend(mac.0);
            bytes.extend(ip.octets());
        }
        bytes
    }
}

fn mac(bytes: &[u8], at: usize) -> Option<MacAddr> {
    Some(MacAddr(bytes.get(at..at + 6)?.try_into().ok()?))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

/// The Internet checksum (RFC 1071); 0 over what holds a right one.
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2);
    let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    let mut sum: u32 = words.map(word).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// `EtherType` of IPv4.
pub const IPV4: u16 = 0x0800;
/// `EtherType` of ARP.
pub const ARP: u16 = 0x0806;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const SHOUT_PORT: u16 = 7_777;
const MAGIC: &[u8] = b"kumihimo";
