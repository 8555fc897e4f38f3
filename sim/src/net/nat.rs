//! NAT boxes (RFC 4787 for the words; RFC 3948 §2 and RFC 3947 §1 for what they do to IPsec).
//!
//! Not here: ICMP, TCP, and the fragments of what the box forwards.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use kumihimo_core::addr::{IKE_PORT, Outer};
use kumihimo_core::time::{Duration, Instant};

use super::{Datagram, LinkId, ZoneId};
use crate::choice::{Choices, Lane};
use crate::observe::Loss;

/// What a mapping or a filter depends on (RFC 4787 §4.1, §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// The inner address and port alone.
    EndpointIndependent,
    /// And the remote address.
    AddressDependent,
    /// And the remote address and port: a *symmetric* NAT.
    Symmetric,
}

/// Which outer port a mapping gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The inner one while it is free, or else the next one that is.
    Preserve,
    /// One after the other.
    Sequential,
    /// Any.
    Random,
}

/// What happens to protocol 50.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspPass {
    /// It does not pass.
    Block,
    /// One inner address for each remote one; others are refused while it is in use.
    First,
    /// The inner address that sent last gets what comes back.
    Last,
}

/// A port that leads to a machine inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port of UDP; for [`Outer::Esp`] of no meaning.
    pub port: u16,
    /// Which protocol.
    pub outer: Outer,
    /// Whither; the port is 0 for ESP.
    pub to: SocketAddr,
}

/// What a NAT box is like. The default is a usual home router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// What a mapping depends on.
    pub mapping: Mapping,
    /// Whose packets come in through a mapping.
    pub filtering: Mapping,
    /// Which port a mapping gets.
    pub ports: Ports,
    /// Ports that may be given out, the first and the last.
    pub port_range: (u16, u16),
    /// How long a mapping of UDP lives without traffic.
    pub timeout: Duration,
    /// Whether traffic from outside keeps a mapping alive too.
    pub inbound_refreshes: bool,
    /// Protocol 50.
    pub esp: EspPass,
    /// *IPsec pass-through*: port 500 stays 500 for everyone inside, and answers find their way
    /// by the initiator's cookie.
    pub ike_by_cookie: bool,
    /// Ports that lead inside.
    pub forwards: Vec<Forward>,
}

impl Default for NatConfig {
    fn default() -> Self {
        Self {
            mapping: Mapping::EndpointIndependent,
            filtering: Mapping::Symmetric,
            ports: Ports::Preserve,
            port_range: (1_024, 65_535),
            timeout: Duration::from_secs(120),
            inbound_refreshes: true,
            esp: EspPass::First,
            ike_by_cookie: false,
            forwards: Vec::new(),
        }
    }
}

/// What the mapping of a packet is found by: inner end, and as much of the remote one as counts.
type Key = (SocketAddr, Option<IpAddr>, Option<u16>);

#[derive(Clone, Debug)]
struct Mapped {
    inner: SocketAddr,
    key: Key,
    /// Whom the inner end has sent to.
    remotes: Vec<SocketAddr>,
    used_at: Instant,
}

/// A NAT box.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) name: String,
    pub(crate) config: NatConfig,
    link: LinkId,
    inside: ZoneId,
    lane: Lane,
    by_key: BTreeMap<Key, u16>,
    by_port: BTreeMap<u16, Mapped>,
    /// The inner address that has ESP with each remote one, and since when it was silent.
    esp: BTreeMap<IpAddr, (IpAddr, Instant)>,
    /// Inner end of each IKE exchange from port 500, by the initiator's cookie.
    cookies: BTreeMap<[u8; 8], SocketAddr>,
    next_port: u16,
}

impl Nat {
    pub(crate) fn new(name: &str, config: NatConfig, choices: &mut Choices) -> Self {
        Self {
            name: name.into(),
            next_port: config.port_range.0,
            config,
            link: LinkId(0),
            inside: ZoneId(0),
            lane: choices.lane(&format!("nat/{name}")),
            by_key: BTreeMap::new(),
            by_port: BTreeMap::new(),
            esp: BTreeMap::new(),
            cookies: BTreeMap::new(),
        }
    }

    pub(super) const fn place(&mut self, link: LinkId, inside: ZoneId) {
        self.link = link;
        self.inside = inside;
    }

    pub(super) const fn link(&self) -> LinkId {
        self.link
    }

    pub(super) const fn inside(&self) -> ZoneId {
        self.inside
    }

    /// Forgets every mapping, as a router does that was restarted. New ones get other ports.
    pub(crate) fn forget(&mut self) {
        let last = self.by_port.keys().next_back().copied();
        self.by_key.clear();
        self.by_port.clear();
        self.esp.clear();
        self.cookies.clear();
        if self.config.ports == Ports::Preserve {
            // Another connection has the port now: this is what rebinding looks like outside.
            self.config.ports = Ports::Sequential;
            self.next_port = last.map_or(self.next_port, |port| port.wrapping_add(1));
        }
    }

    /// A packet from inside: writes its outer source.
    pub(super) fn outbound(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        public: Option<IpAddr>,
        datagram: &mut Datagram,
    ) -> Result<(), Loss> {
        let public = public.ok_or(Loss::NoRoute)?;
        if public.is_ipv4() != datagram.to.is_ipv4() {
            return Err(Loss::NoRoute);
        }
        let port = match datagram.outer {
            Outer::Esp => {
                self.outbound_esp(now, datagram)?;
                0
            }
            Outer::Udp => match (self.forwarded(datagram), self.cookie(datagram)) {
                (Some(port), _) => port,
                (None, Some(cookie)) => {
                    self.cookies.insert(cookie, datagram.from);
                    IKE_PORT
                }
                (None, None) => self.map(now, choices, datagram)?,
            },
        };
        datagram.from = SocketAddr::new(public, port);
        Ok(())
    }

    /// A packet from outside: writes its inner destination.
    pub(super) fn inbound(&mut self, now: Instant, datagram: &mut Datagram) -> Result<(), Loss> {
        let leads = |forward: &&Forward| {
            forward.outer == datagram.outer
                && (forward.outer == Outer::Esp || forward.port == datagram.to.port())
        };
        if let Some(forward) = self.config.forwards.iter().find(leads) {
            datagram.to = forward.to;
            return Ok(());
        }
        if datagram.outer == Outer::Esp {
            let (inner, used_at) = self.esp.get_mut(&datagram.from.ip()).ok_or(Loss::NoMapping)?;
            *used_at = now;
            datagram.to.set_ip(*inner);
            return Ok(());
        }
        if self.config.ike_by_cookie && datagram.to.port() == IKE_PORT {
            let cookie = datagram.payload.first_chunk().ok_or(Loss::NoMapping)?;
            datagram.to = *self.cookies.get(cookie).ok_or(Loss::NoMapping)?;
            return Ok(());
        }
        let port = datagram.to.port();
        let timeout = self.config.timeout;
        let mapped = self.by_port.get_mut(&port).ok_or(Loss::NoMapping)?;
        if now.since(mapped.used_at) > timeout {
            return Err(Loss::NoMapping);
        }
        let from = datagram.from;
        let is_known = match self.config.filtering {
            Mapping::EndpointIndependent => true,
            Mapping::AddressDependent => mapped.remotes.iter().any(|to| to.ip() == from.ip()),
            Mapping::Symmetric => mapped.remotes.contains(&from),
        };
        if !is_known {
            return Err(Loss::NoMapping);
        }
        if self.config.inbound_refreshes {
            mapped.used_at = now;
        }
        datagram.to = mapped.inner;
        Ok(())
    }

    fn outbound_esp(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Loss> {
        let (inner, remote) = (datagram.from.ip(), datagram.to.ip());
        let holder = self.esp.get(&remote);
        let is_held = holder.is_some_and(|&(holder, used_at)| {
            holder != inner && now.since(used_at) <= self.config.timeout
        });
        match self.config.esp {
            EspPass::Block => return Err(Loss::Protocol),
            EspPass::First if is_held => return Err(Loss::Protocol),
            EspPass::First | EspPass::Last => self.esp.insert(remote, (inner, now)),
        };
        Ok(())
    }

    /// The port that leads to where this packet comes from.
    fn forwarded(&self, datagram: &Datagram) -> Option<u16> {
        let leads =
            |forward: &&Forward| forward.outer == datagram.outer && forward.to == datagram.from;
        self.config.forwards.iter().find(leads).map(|forward| forward.port)
    }

    /// The initiator's cookie, if this packet goes by it.
    fn cookie(&self, datagram: &Datagram) -> Option<[u8; 8]> {
        let is_ike = self.config.ike_by_cookie && datagram.from.port() == IKE_PORT;
        datagram.payload.first_chunk().copied().filter(|_| is_ike)
    }

    fn map(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        datagram: &Datagram,
    ) -> Result<u16, Loss> {
        let (inner, remote) = (datagram.from, datagram.to);
        let key = match self.config.mapping {
            Mapping::EndpointIndependent => (inner, None, None),
            Mapping::AddressDependent => (inner, Some(remote.ip()), None),
            Mapping::Symmetric => (inner, Some(remote.ip()), Some(remote.port())),
        };
        if let Some(&port) = self.by_key.get(&key)
            && let Some(mapped) = self.by_port.get_mut(&port)
        {
            if now.since(mapped.used_at) <= self.config.timeout {
                mapped.used_at = now;
                if !mapped.remotes.contains(&remote) {
                    mapped.remotes.push(remote);
                }
                return Ok(port);
            }
            self.by_key.remove(&key);
            self.by_port.remove(&port);
        }
        let port = self.free_port(now, choices, inner.port()).ok_or(Loss::NoPort)?;
        // A port that is used again has lost its old owner.
        if let Some(old) = self.by_port.remove(&port) {
            self.by_key.remove(&old.key);
        }
        let mapped = Mapped { inner, key, remotes: vec![remote], used_at: now };
        self.by_key.insert(key, port);
        self.by_port.insert(port, mapped);
        Ok(port)
    }

    fn free_port(&mut self, now: Instant, choices: &mut Choices, wanted: u16) -> Option<u16> {
        let (first, last) = self.config.port_range;
        let count = u64::from(last.saturating_sub(first)) + 1;
        let start = match self.config.ports {
            Ports::Preserve if self.is_free(now, wanted) => return Some(wanted),
            Ports::Preserve | Ports::Sequential => self.next_port.clamp(first, last),
            Ports::Random => first + choices.below(self.lane, count) as u16,
        };
        let turn =
            (0..count).map(|step| first + ((u64::from(start - first) + step) % count) as u16);
        let mut turn = turn.filter(|&port| self.is_free(now, port));
        let port = turn.next()?;
        self.next_port = port.checked_add(1).unwrap_or(first);
        Some(port)
    }

    fn is_free(&self, now: Instant, port: u16) -> bool {
        let is_forwarded = self.config.forwards.iter().any(|forward| forward.port == port);
        let held = self.by_port.get(&port);
        !is_forwarded && held.is_none_or(|held| now.since(held.used_at) > self.config.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nat(config: NatConfig) -> (Nat, Choices) {
        let mut choices = Choices::seeded(1);
        (Nat::new("n", config, &mut choices), choices)
    }

    fn out(nat: &mut Nat, choices: &mut Choices, secs: u64, inner: &str, to: &str) -> String {
        let mut datagram = Datagram::udp(inner.parse().unwrap(), to.parse().unwrap(), vec![0; 8]);
        let now = Instant::ZERO + Duration::from_secs(secs);
        let public = Some("203.0.113.1".parse().unwrap());
        match nat.outbound(now, choices, public, &mut datagram) {
            Ok(()) => datagram.from.to_string(),
            Err(why) => format!("{why:?}"),
        }
    }

    fn back(nat: &mut Nat, secs: u64, from: &str, to: &str) -> String {
        let mut datagram = Datagram::udp(from.parse().unwrap(), to.parse().unwrap(), vec![0; 8]);
        let now = Instant::ZERO + Duration::from_secs(secs);
        match nat.inbound(now, &mut datagram) {
            Ok(()) => datagram.to.to_string(),
            Err(why) => format!("{why:?}"),
        }
    }

    const A: &str = "10.0.0.2:4500";
    const B: &str = "10.0.0.3:4500";
    const SERVER: &str = "192.0.2.1:4500";
    const OTHER: &str = "192.0.2.9:4500";

    #[test]
    fn two_inner_ends_never_share_a_port() {
        let (mut nat, mut choices) = nat(NatConfig::default());
        assert_eq!(out(&mut nat, &mut choices, 0, A, SERVER), "203.0.113.1:4500");
        let second = out(&mut nat, &mut choices, 0, B, SERVER);
        assert_ne!(second, "203.0.113.1:4500");
        assert_eq!(back(&mut nat, 1, SERVER, "203.0.113.1:4500"), A);
        assert_eq!(back(&mut nat, 1, SERVER, &second), B);
        assert_eq!(back(&mut nat, 1, OTHER, &second), "NoMapping", "it was not sent to");
    }

    #[test]
    fn a_symmetric_nat_gives_a_port_for_each_remote_end() {
        let config = NatConfig { mapping: Mapping::Symmetric, ..NatConfig::default() };
        let (mut nat, mut choices) = nat(config);
        let one = out(&mut nat, &mut choices, 0, A, SERVER);
        assert_ne!(out(&mut nat, &mut choices, 0, A, OTHER), one);
        assert_eq!(out(&mut nat, &mut choices, 0, A, SERVER), one);
    }

    #[test]
    fn a_silent_mapping_ends_and_its_port_is_used_again() {
        let config = NatConfig { port_range: (5_000, 5_000), ..NatConfig::default() };
        let (mut nat, mut choices) = nat(NatConfig { ports: Ports::Sequential, ..config });
        assert_eq!(out(&mut nat, &mut choices, 0, A, SERVER), "203.0.113.1:5000");
        assert_eq!(out(&mut nat, &mut choices, 60, B, SERVER), "NoPort");
        assert_eq!(back(&mut nat, 121, SERVER, "203.0.113.1:5000"), "NoMapping");
        assert_eq!(out(&mut nat, &mut choices, 121, B, SERVER), "203.0.113.1:5000");
        assert_eq!(back(&mut nat, 122, SERVER, "203.0.113.1:5000"), B);
    }

    #[test]
    fn a_box_that_forgot_gives_another_port() {
        let (mut nat, mut choices) = nat(NatConfig::default());
        let before = out(&mut nat, &mut choices, 0, A, SERVER);
        nat.forget();
        assert_eq!(back(&mut nat, 0, SERVER, &before), "NoMapping");
        assert_ne!(out(&mut nat, &mut choices, 0, A, SERVER), before);
    }

    #[test]
    fn esp_passes_for_one_inner_address_at_a_time() {
        let (mut nat, mut choices) = nat(NatConfig::default());
        let mut send = |secs, from: &str| {
            let mut datagram =
                Datagram::udp(from.parse().unwrap(), SERVER.parse().unwrap(), vec![]);
            datagram.outer = Outer::Esp;
            let now = Instant::ZERO + Duration::from_secs(secs);
            let public = Some("203.0.113.1".parse().unwrap());
            nat.outbound(now, &mut choices, public, &mut datagram)
        };
        assert_eq!(send(0, A), Ok(()));
        assert_eq!(send(1, B), Err(Loss::Protocol));
        assert_eq!(send(122, B), Ok(()));
    }

    #[test]
    fn a_forward_leads_inside_and_answers_leave_from_its_port() {
        let to: SocketAddr = "10.0.0.9:500".parse().unwrap();
        let forwards = vec![Forward { port: 500, outer: Outer::Udp, to }];
        let (mut nat, mut choices) = nat(NatConfig { forwards, ..NatConfig::default() });
        assert_eq!(back(&mut nat, 0, OTHER, "203.0.113.1:500"), "10.0.0.9:500");
        assert_eq!(out(&mut nat, &mut choices, 0, "10.0.0.9:500", OTHER), "203.0.113.1:500");
    }
}
