//! A DHCP server on a LAN (RFC 2131), small and honest: it knows what it granted until when.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use kumihimo_core::addr::MacAddr;
use kumihimo_core::time::{Duration, Instant};

/// A DHCP server.
#[derive(Clone, Debug)]
pub struct DhcpServer {
    own: Ipv4Addr,
    pool: (Ipv4Addr, Ipv4Addr),
    lease: Duration,
    leases: BTreeMap<Ipv4Addr, Lease>,
    /// Whether it refuses what it does not remember, or grants it if it is free.
    pub is_strict: bool,
}

/// What a client has or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub client: MacAddr,
    /// Until when.
    pub until: Instant,
}

/// What a server did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Offered an address.
    Offered(Ipv4Addr),
    /// Granted or extended a lease.
    Granted {
        /// Which.
        address: Ipv4Addr,
        /// Until when, by the server's clock.
        until: Instant,
    },
    /// Refused a request.
    Refused,
    /// Took an address back.
    Released(Ipv4Addr),
    /// Told more to one who has an address.
    Informed(Ipv4Addr),
}

impl DhcpServer {
    /// A server at `own` that leases the addresses from the first to the last of `pool`.
    pub const fn new(own: Ipv4Addr, pool: (Ipv4Addr, Ipv4Addr), lease: Duration) -> Self {
        Self { own, pool, lease, leases: BTreeMap::new(), is_strict: false }
    }

    /// What is leased at `now`.
    pub fn leases(&self, now: Instant) -> impl Iterator<Item = (Ipv4Addr, Lease)> + '_ {
        let leases = self.leases.iter().filter(move |(_, lease)| lease.until > now);
        leases.map(|(address, lease)| (*address, *lease))
    }

    /// Loses its memory.
    pub fn forget(&mut self) {
        self.leases.clear();
    }

    /// Takes the payload of a UDP datagram to port 67; gives the payload of the answer, who it is
    /// for, and what was done.
    pub fn handle(&mut self, now: Instant, message: &[u8]) -> Option<(Option<Reply>, Done)> {
        let request = Request::parse(message)?;
        match request.kind {
            1 => {
                let address = self.choose(now, &request)?;
                let until = now + OFFER_FOR;
                self.leases.entry(address).or_insert(Lease { client: request.client, until });
                Some((self.reply(&request, 2, Some(address)), Done::Offered(address)))
            }
            3 => self.on_request(now, &request),
            7 => {
                let lease = self.leases.get_mut(&request.ciaddr)?;
                if lease.client == request.client {
                    lease.until = now;
                }
                Some((None, Done::Released(request.ciaddr)))
            }
            8 => {
                let address = request.ciaddr;
                Some((self.reply(&request, INFORMED, Some(address)), Done::Informed(address)))
            }
            _ => None,
        }
    }

    fn on_request(&mut self, now: Instant, request: &Request<'_>) -> Option<(Option<Reply>, Done)> {
        if request.server.is_some_and(|server| server != self.own) {
            return None;
        }
        let address = request.requested.unwrap_or(request.ciaddr);
        let held = self.leases.get(&address);
        let is_its = match held {
            Some(lease) => lease.client == request.client || lease.until <= now,
            None => !self.is_strict && (self.pool.0..=self.pool.1).contains(&address),
        };
        if !is_its {
            return Some((self.reply(request, 6, None), Done::Refused));
        }
        let until = now + self.lease;
        let lease = Lease { client: request.client, until };
        self.leases.retain(|known, lease| lease.client != request.client || *known == address);
        self.leases.insert(address, lease);
        Some((self.reply(request, 5, Some(address)), Done::Granted { address, until }))
    }

    /// The address that the client has or had, or one that nobody has.
    fn choose(&self, now: Instant, request: &Request<'_>) -> Option<Ipv4Addr> {
        let own = self.leases.iter().find(|(_, lease)| lease.client == request.client);
        if let Some((address, _)) = own {
            return Some(*address);
        }
        let (first, last) = (u32::from(self.pool.0), u32::from(self.pool.1));
        let mut all = (first..=last).map(Ipv4Addr::from);
        all.find(|address| self.leases.get(address).is_none_or(|lease| lease.until <= now))
    }

    fn reply(&self, request: &Request<'_>, kind: u8, address: Option<Ipv4Addr>) -> Option<Reply> {
        let mut bytes = request.head.to_vec();
        bytes[0] = 2;
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        // The answer to an INFORM gives no address, and no lease (RFC 2131 §4.3.5).
        let given = if kind == INFORMED { Ipv4Addr::UNSPECIFIED } else { address };
        bytes[16..20].copy_from_slice(&given.octets());
        bytes.extend(COOKIE);
        bytes.extend([53, 1, if kind == INFORMED { 5 } else { kind }, 54, 4]);
        bytes.extend(self.own.octets());
        if kind != 6 {
            bytes.extend([1, 4, 255, 255, 255, 0, 3, 4]);
            bytes.extend(self.own.octets());
        }
        if kind == INFORMED {
            bytes.extend([121, ROUTE.len() as u8 + 4]);
            bytes.extend(ROUTE);
            bytes.extend(self.own.octets());
        } else if kind != 6 {
            bytes.extend([51, 4]);
            bytes.extend((self.lease.as_secs() as u32).to_be_bytes());
        }
        bytes.push(255);
        let to = if kind == 6 { Ipv4Addr::BROADCAST } else { address };
        Some(Reply { client: request.client, to, payload: bytes })
    }
}

/// An answer to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whose hardware address it goes to.
    pub client: MacAddr,
    /// Whither.
    pub to: Ipv4Addr,
    /// Payload of UDP.
    pub payload: Vec<u8>,
}

struct Request<'m> {
    head: &'m [u8],
    kind: u8,
    client: MacAddr,
    ciaddr: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

impl<'m> Request<'m> {
    fn parse(message: &'m [u8]) -> Option<Self> {
        let (head, options) = message.split_at_checked(HEAD_LEN)?;
        let mut rest = options.strip_prefix(COOKIE)?;
        let (mut kind, mut requested, mut server) = (None, None, None);
        while let [code, tail @ ..] = rest {
            if *code == 255 {
                break;
            }
            let (len, tail) = tail.split_first()?;
            let (value, tail) = tail.split_at_checked(usize::from(*len))?;
            let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
            match code {
                53 => kind = value.first().copied(),
                50 => requested = address(),
                54 => server = address(),
                _ => {}
            }
            rest = tail;
        }
        let ciaddr: [u8; 4] = head[12..16].try_into().ok()?;
        let client = MacAddr(head[28..34].try_into().ok()?);
        let is_request = head[0] == 1;
        let (kind, ciaddr) = (kind.filter(|_| is_request)?, ciaddr.into());
        Some(Self { head, kind, client, ciaddr, requested, server })
    }
}

/// Octets in front of the options.
const HEAD_LEN: usize = 236;
const COOKIE: &[u8] = &[99, 130, 83, 99];
/// In the place of a message type: an ACK to an INFORM.
const INFORMED: u8 = 0;
/// The route that it tells to those who ask, without its gateway: to 10.20.0.0/16.
pub const ROUTE: [u8; 3] = [16, 10, 20];
/// How long an offer is kept.
const OFFER_FOR: Duration = Duration::from_secs(30);
