//! Addresses and where packets come from.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::ids::PeerId;

/// An Ethernet MAC address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The broadcast address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the group bit is set: broadcast or multicast.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

/// Which outer protocol carries a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outer {
    /// UDP; the ports are those of the path.
    Udp,
    /// IP protocol 50 without UDP; the ports of the path are 0.
    Esp,
}

/// The two ends of the outer network between which a datagram travels.
///
/// The local address is an input to IKE (NAT-D hashes it), and replies leave from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Our address and port, as the datagram named it.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// UDP or bare ESP.
    pub outer: Outer,
}

impl Path {
    /// The path of bare ESP between the same addresses.
    #[must_use]
    pub const fn without_udp(mut self) -> Self {
        self.local.set_port(0);
        self.remote.set_port(0);
        self.outer = Outer::Esp;
        self
    }

    /// Whether this path uses the port on which IKE and ESP share one UDP flow (RFC 3948).
    pub const fn is_natt(&self) -> bool {
        matches!(self.outer, Outer::Udp) && self.local.port() == NATT_PORT
    }
}

/// What carries an L2TP control connection, and so what its packets must come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// ESP of this peer; `port` is the peer's UDP port inside ESP.
    Esp {
        /// The party whose SA the packets pass.
        peer: PeerId,
        /// Its inner UDP port.
        port: u16,
    },
    /// Plain UDP.
    Udp(Path),
}

/// What a client gets for its IPv4 side: the content of a DHCP lease that PPP can pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Assignment {
    /// The client's address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix, 0 to 32.
    pub prefix_len: u8,
    /// The subnet's router.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers, first choice first.
    pub dns: [Option<Ipv4Addr>; 2],
    /// WINS servers, first choice first.
    pub wins: [Option<Ipv4Addr>; 2],
    /// The DHCP server that granted it; also our end of the PPP link.
    pub server: Ipv4Addr,
}

/// The prefix that limits are counted by: an IPv4 /24 or an IPv6 /64.
pub fn limit_prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
    }
}

/// UDP port of IKE.
pub const IKE_PORT: u16 = 500;
/// UDP port of IKE and ESP behind NAT (RFC 3947, RFC 3948).
pub const NATT_PORT: u16 = 4500;
/// UDP port of L2TP.
pub const L2TP_PORT: u16 = 1701;
