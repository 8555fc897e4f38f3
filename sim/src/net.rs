//! The networks of a world: links, zones, NAT boxes, LANs.
//!
//! A *zone* is a network in which every address can reach every other: the Internet, or what is
//! behind a NAT box. A node or a NAT box is attached to a zone by a *link*, and each direction of
//! a link is a [`Way`] with faults of its own. A *LAN* is an Ethernet segment: what goes in at one
//! port comes out of all others.

mod lan;
mod link;
mod nat;
mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use kumihimo_core::addr::{IKE_PORT, L2TP_PORT, NATT_PORT, Outer};
use kumihimo_core::time::{Duration, Instant};

use crate::choice::Choices;
use crate::observe::{Loss, Packet, Place};
use crate::world::NodeId;

pub(crate) use lan::Port;
pub use link::{Burst, Direction, LinkConfig, Oversize, Way};
pub(crate) use link::{Fate, Link};
pub(crate) use nat::Nat;
pub use nat::{EspPass, Forward, Mapping, NatConfig, Ports};
pub use rule::{Crossing, Rule, RuleId, Verdict};

/// A datagram of UDP, or what follows the IP header of protocol 50.
#[derive(Clone, PartialEq, Eq)]
pub struct Datagram {
    /// UDP or ESP.
    pub outer: Outer,
    /// Whence; the port is 0 for ESP.
    pub from: SocketAddr,
    /// Whither; the port is 0 for ESP.
    pub to: SocketAddr,
    /// What follows the UDP header or, for ESP, the IP header.
    pub payload: Vec<u8>,
    /// What its sender says it is, for logs and rules: `LCP Configure-Request`. May be empty.
    pub label: &'static str,
}

impl Datagram {
    /// A datagram of UDP.
    pub const fn udp(from: SocketAddr, to: SocketAddr, payload: Vec<u8>) -> Self {
        Self { outer: Outer::Udp, from, to, payload, label: "" }
    }

    /// Whether UDP's checksum covers it. ESP in UDP does without (RFC 3948 §2.1), so that flipped
    /// bits come through.
    pub fn has_checksum(&self) -> bool {
        let is_natt = [self.from.port(), self.to.port()].contains(&NATT_PORT);
        let is_marked = self.payload.starts_with(&[0; 4]);
        self.outer == Outer::Udp && (!is_natt || is_marked)
    }

    /// What it probably is, by its ports, for those who do not say.
    fn guess(&self) -> &'static str {
        let has = |port: u16| [self.from.port(), self.to.port()].contains(&port);
        match self.outer {
            Outer::Esp => "ESP",
            Outer::Udp if has(IKE_PORT) => "IKE",
            Outer::Udp if has(NATT_PORT) && self.payload.starts_with(&[0; 4]) => "IKE",
            Outer::Udp if has(NATT_PORT) && self.payload.len() == 1 => "NAT keepalive",
            Outer::Udp if has(NATT_PORT) => "ESP",
            Outer::Udp if has(L2TP_PORT) => "L2TP",
            Outer::Udp => "",
        }
    }

    /// Octets of the whole IP packet.
    pub const fn ip_len(&self) -> usize {
        let header = if self.from.is_ipv4() { 20 } else { 40 };
        let udp = if matches!(self.outer, Outer::Udp) { 8 } else { 0 };
        header + udp + self.payload.len()
    }
}

impl fmt::Display for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outer, from, to, payload, label } = self;
        match outer {
            Outer::Udp => write!(f, "{from} > {to} UDP {} octets", payload.len())?,
            Outer::Esp => {
                write!(f, "{} > {} ESP {} octets", from.ip(), to.ip(), payload.len())?;
            }
        }
        let label = if label.is_empty() { self.guess() } else { label };
        if label.is_empty() { Ok(()) } else { write!(f, "  {label}") }
    }
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) usize);

        impl $name {
            /// Its number, counted from 0.
            pub const fn index(self) -> usize {
                self.0
            }
        }
    )*};
}

ids! {
    /// A network in which addresses reach each other.
    ZoneId;
    /// What attaches a node or a NAT box to a zone.
    LinkId;
    /// A NAT box.
    NatId;
    /// An Ethernet segment.
    LanId;
    /// Where a node is plugged into an Ethernet segment.
    PortId;
}

/// The zone that is there from the beginning.
pub const INTERNET: ZoneId = ZoneId(0);

/// A NAT box as it was made.
#[derive(Clone, Copy, Debug)]
pub struct NatBox {
    /// The box.
    pub id: NatId,
    /// Its link to the outer zone.
    pub link: LinkId,
    /// The zone behind it.
    pub inside: ZoneId,
}

/// What a link carried, as its near end (where it was put in) saw it.
#[derive(Clone, Debug)]
pub struct Captured {
    /// When it was put in.
    pub at: Instant,
    /// Which link, or port of a LAN.
    pub wire: Wire,
    /// Whether it goes away from the node.
    pub direction: Direction,
    /// What became of it.
    pub lost: Option<Loss>,
    /// The datagram or frame.
    pub content: Content,
}

/// A link or a LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// A link.
    Link(LinkId),
    /// An Ethernet segment.
    Lan(LanId),
}

/// What a capture holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// A datagram.
    Datagram(Datagram),
    /// An Ethernet frame.
    Frame(Vec<u8>),
}

/// Who is at the end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Node(NodeId),
    Nat(NatId),
}

#[derive(Debug, Default)]
struct Zone {
    links: BTreeMap<IpAddr, LinkId>,
    /// The NAT box that leads out of here.
    nat: Option<NatId>,
}

/// All networks of a world.
pub(crate) struct Net {
    zones: Vec<Zone>,
    pub(crate) links: Vec<Link>,
    /// The links of each node.
    by_node: Vec<Vec<LinkId>>,
    pub(crate) nats: Vec<Nat>,
    pub(crate) lans: Vec<String>,
    pub(crate) ports: Vec<Port>,
    pub(crate) rules: Vec<(RuleId, Rule)>,
    rules_made: usize,
    /// What was carried, for the captures; only filled if someone records.
    pub(crate) captures: Option<Vec<Captured>>,
}

/// What comes of one step of a packet through the networks.
pub(crate) enum Step {
    /// It comes out of `link` at `at`.
    Arrives {
        at: Instant,
        link: LinkId,
        direction: Direction,
        packet: Packet,
    },
    Lost {
        place: Place,
        why: Loss,
        packet: Packet,
    },
    /// The sender learns that only shorter packets pass.
    TooBig {
        place: Place,
        packet: Packet,
        mtu: u16,
    },
    /// It is at its end.
    Deliver {
        node: NodeId,
        packet: Packet,
    },
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            zones: vec![Zone::default()],
            links: Vec::new(),
            by_node: Vec::new(),
            nats: Vec::new(),
            lans: Vec::new(),
            ports: Vec::new(),
            rules: Vec::new(),
            rules_made: 0,
            captures: None,
        }
    }

    pub(crate) fn add_link(&mut self, link: Link, addresses: &[IpAddr]) -> LinkId {
        let id = LinkId(self.links.len());
        if let End::Node(node) = link.end {
            let count = self.by_node.len().max(node.index() + 1);
            self.by_node.resize_with(count, Vec::new);
            self.by_node[node.index()].push(id);
        }
        self.links.push(link);
        self.set_addresses(id, addresses);
        id
    }

    /// Gives a link other addresses.
    pub(crate) fn set_addresses(&mut self, id: LinkId, addresses: &[IpAddr]) {
        let link = &mut self.links[id.0];
        let zone = &mut self.zones[link.zone.0];
        for old in &link.addresses {
            zone.links.remove(old);
        }
        link.addresses = addresses.to_vec();
        for &address in addresses {
            let before = zone.links.insert(address, id);
            assert!(before.is_none(), "{address} is given twice");
        }
    }

    pub(crate) fn add_nat(&mut self, nat: Nat, link: Link, public: &[IpAddr]) -> NatBox {
        let (id, inside) = (NatId(self.nats.len()), ZoneId(self.zones.len()));
        self.zones.push(Zone { links: BTreeMap::new(), nat: Some(id) });
        self.nats.push(nat);
        let link = self.add_link(link.leading_to(End::Nat(id)), public);
        self.nats[id.0].place(link, inside);
        NatBox { id, link, inside }
    }

    pub(crate) fn add_rule(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.rules_made);
        self.rules_made += 1;
        self.rules.push((id, rule));
        id
    }

    /// The link by which `node` sends from `address`.
    pub(crate) fn link_of(&self, node: NodeId, address: IpAddr) -> Option<LinkId> {
        let own = self.by_node.get(node.index())?;
        let mut named = own.iter().filter(|id| self.links[id.0].addresses.contains(&address));
        named.next().or_else(|| own.first()).copied()
    }

    /// Puts a packet into a link.
    pub(crate) fn cross(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        id: LinkId,
        direction: Direction,
        packet: Packet,
        out: &mut Vec<Step>,
    ) {
        let ruled = self.judge(now, id, direction, &packet);
        let fate = match ruled {
            Verdict::Pass => {
                let fate = self.links[id.0].carry(now, choices, direction, &packet.datagram);
                fate.checked(&packet.datagram)
            }
            Verdict::Deliver(delay) => Fate::arrives(now + delay),
            Verdict::Drop => Fate::Lost(Loss::Rule),
        };
        if let Some(captures) = &mut self.captures {
            captures.push(Captured {
                at: now,
                wire: Wire::Link(id),
                direction,
                lost: fate.loss(),
                content: Content::Datagram(packet.datagram.clone()),
            });
        }
        match fate {
            Fate::Lost(why) => out.push(Step::Lost { place: Place::Link(id), why, packet }),
            Fate::TooBig(mtu) => {
                out.push(Step::TooBig { place: Place::Link(id), packet, mtu });
            }
            Fate::Arrives { at, copy_at, flip } => {
                if let Some(at) = copy_at {
                    let packet = packet.clone();
                    out.push(Step::Arrives { at, link: id, direction, packet });
                }
                let mut packet = packet;
                if let Some((octet, bit)) = flip {
                    packet.datagram.payload[octet] ^= 1 << bit;
                }
                out.push(Step::Arrives { at, link: id, direction, packet });
            }
        }
    }

    /// A packet has come out of a link: what is next.
    pub(crate) fn come_out(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        id: LinkId,
        direction: Direction,
        packet: Packet,
        out: &mut Vec<Step>,
    ) {
        let link = &self.links[id.0];
        match (direction, link.end) {
            (Direction::Up, _) => {
                let zone = link.zone;
                self.route(now, choices, zone, packet, out);
            }
            (Direction::Down, End::Node(node)) => out.push(Step::Deliver { node, packet }),
            (Direction::Down, End::Nat(nat)) => {
                let place = Place::Nat(nat);
                let mut packet = packet;
                let nat = &mut self.nats[nat.0];
                match nat.inbound(now, &mut packet.datagram) {
                    Ok(()) => {
                        let inside = nat.inside();
                        self.route(now, choices, inside, packet, out);
                    }
                    Err(why) => out.push(Step::Lost { place, why, packet }),
                }
            }
        }
    }

    fn route(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        zone: ZoneId,
        mut packet: Packet,
        out: &mut Vec<Step>,
    ) {
        let zone = &self.zones[zone.0];
        if let Some(&link) = zone.links.get(&packet.datagram.to.ip()) {
            return self.cross(now, choices, link, Direction::Down, packet, out);
        }
        let Some(nat) = zone.nat else {
            return out.push(Step::Lost { place: Place::Zone, why: Loss::NoRoute, packet });
        };
        let link = self.nats[nat.0].link();
        let public = self.links[link.0].addresses.first().copied();
        let nat_box = &mut self.nats[nat.0];
        match nat_box.outbound(now, choices, public, &mut packet.datagram) {
            Ok(()) => self.cross(now, choices, link, Direction::Up, packet, out),
            Err(why) => out.push(Step::Lost { place: Place::Nat(nat), why, packet }),
        }
    }

    fn judge(
        &mut self,
        now: Instant,
        link: LinkId,
        direction: Direction,
        packet: &Packet,
    ) -> Verdict {
        for (_, rule) in &mut self.rules {
            let crossing = Crossing { at: now, link, direction, packet };
            match rule(&crossing) {
                Verdict::Pass => {}
                verdict => return verdict,
            }
        }
        Verdict::Pass
    }
}

/// A line about an Ethernet frame.
pub fn describe_frame(frame: &[u8]) -> String {
    let kind = match frame.get(12..14) {
        Some([8, 0]) => "IPv4",
        Some([8, 6]) => "ARP",
        Some([0x86, 0xdd]) => "IPv6",
        _ => "frame",
    };
    let mac = |from: usize| {
        let octets = frame.get(from..from + 6).unwrap_or_default();
        let words: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        words.join(":")
    };
    format!("{} > {} {kind} {} octets", mac(6), mac(0), frame.len())
}

/// One way over the Internet, if a scenario says nothing else.
pub const USUAL_DELAY: Duration = Duration::from_millis(10);
