//! The DHCP client of a host (RFC 2131 §4.4).
//!
//! It begins with DISCOVER, takes the first offer, and asks any server again when time runs out.
//! A dial waits for it, so the first intervals are shorter than §4.1 suggests: 1, 2, 4, 4, 4 s,
//! each up to an eighth more or less; after 15 s it gives up. The lease is renewed by unicast
//! from T1 on and by broadcast from T2 on. Unicasts go to the MAC address that granted the lease,
//! which is the server's or that of the router before it, so renewing and releasing need no ARP.
//!
//! It does not probe the address before use (§2.2 asks servers to do so), declines nothing,
//! ignores options that a PPP client cannot be told, and has nothing to reboot with (§3.2): its
//! MAC address is stable, so servers give the same address again.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::{Action, Actions, Identity};
use crate::addr::{Ipv4Assignment, MacAddr};
use crate::canary::{Fault, is_planted};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::time::{Duration, Instant};
use crate::wire::dhcpv4::{CLIENT_PORT, Message, MessageType, Op, SERVER_PORT, code};
use crate::wire::ethernet::EtherType;
use crate::wire::{ipv4, udp};

/// The client.
#[derive(Debug, Default)]
pub(super) struct DhcpClient {
    state: State,
    xid: u32,
    /// When the address was first asked for, for `secs`.
    started: Instant,
    /// When the request was sent that the lease counts from.
    asked_at: Instant,
    /// When to send again or to go on.
    retry_at: Option<Instant>,
    /// How often the current message was sent.
    sent: u8,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Idle,
    /// Waits for an offer.
    Selecting(Search),
    /// Waits for the grant of an offer.
    Requesting(Search, Offer),
    Bound(Lease),
    Renewing(Lease),
    Rebinding(Lease),
}

#[derive(Clone, Copy, Debug)]
struct Search {
    give_up_at: Instant,
    /// An offer came and led to nothing.
    was_refused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    address: Ipv4Addr,
    server: Ipv4Addr,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    address: Ipv4Addr,
    server: Ipv4Addr,
    /// Who delivered the grant.
    server_mac: MacAddr,
    rebind_at: Instant,
    expires_at: Instant,
    /// The shortest interval between two renewals.
    retry_min: Duration,
}

/// What a step of the client led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Pending,
    Leased(Ipv4Assignment),
    Renewed(Ipv4Assignment),
    Lost,
    NoOffer,
    Refused,
}

impl DhcpClient {
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Looks for an address, whatever it did before.
    pub(super) fn start(&mut self, now: Instant, rng: &mut Rng, who: &Identity, out: &mut Actions) {
        let search = Search { give_up_at: now + GIVE_UP_AFTER, was_refused: false };
        self.started = now;
        self.discover(now, rng, who, search, out);
    }

    /// Takes a message to our hardware address, which came from `from`.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        who: &Identity,
        from: MacAddr,
        message: &Message<'_>,
        out: &mut Actions,
    ) -> Result<Outcome, DropReason> {
        let kind = message.options.kind.ok_or(DropReason::BadDhcp)?;
        if message.op != Op::Reply || message.xid != self.xid {
            return Err(DropReason::BadDhcp);
        }
        match (self.state, kind) {
            (State::Selecting(search), MessageType::Offer) => {
                let server = message.options.server.ok_or(DropReason::BadDhcp)?;
                let address = usable(message.yiaddr).ok_or(DropReason::BadDhcp)?;
                self.state = State::Requesting(search, Offer { address, server });
                self.sent = 0;
                self.asked_at = now;
                self.send_request(now, rng, who, out);
                Ok(Outcome::Pending)
            }
            (State::Requesting(_, offer), MessageType::Ack) => {
                let server = message.options.server.unwrap_or(offer.server);
                if (server, message.yiaddr) != (offer.server, offer.address) {
                    return Err(DropReason::BadDhcp);
                }
                Ok(Outcome::Leased(self.bind(rng, server, from, message)))
            }
            (State::Requesting(search, offer), MessageType::Nak) => {
                if message.options.server.is_some_and(|server| server != offer.server) {
                    return Err(DropReason::BadDhcp);
                }
                // A pause, so that a server that offers and refuses cannot keep us busy.
                self.state = State::Selecting(Search { was_refused: true, ..search });
                self.sent = 0;
                self.retry_at = Some(now + jitter(rng, RESTART_AFTER));
                Ok(Outcome::Pending)
            }
            (State::Renewing(lease) | State::Rebinding(lease), MessageType::Ack) => {
                if message.yiaddr != lease.address {
                    return Err(DropReason::BadDhcp);
                }
                let server = message.options.server.unwrap_or(lease.server);
                Ok(Outcome::Renewed(self.bind(rng, server, from, message)))
            }
            (State::Renewing(_) | State::Rebinding(_), MessageType::Nak) => Ok(self.lose()),
            _ => Err(DropReason::BadDhcp),
        }
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        who: &Identity,
        out: &mut Actions,
    ) -> Outcome {
        if self.retry_at.is_none_or(|at| at > now) {
            return Outcome::Pending;
        }
        self.retry_at = None;
        match self.state {
            State::Idle => {}
            State::Selecting(search) | State::Requesting(search, _) if search.give_up_at <= now => {
                let was_refused = search.was_refused || matches!(self.state, State::Requesting(..));
                self.state = State::Idle;
                return if was_refused { Outcome::Refused } else { Outcome::NoOffer };
            }
            State::Selecting(search) if self.sent == 0 => {
                self.discover(now, rng, who, search, out);
            }
            State::Selecting(_) => self.send_discover(now, rng, who, out),
            State::Requesting(search, _) if self.sent >= REQUEST_MAX => {
                self.discover(now, rng, who, Search { was_refused: true, ..search }, out);
            }
            State::Requesting(..) => self.send_request(now, rng, who, out),
            State::Bound(lease) | State::Renewing(lease) | State::Rebinding(lease) => {
                return self.extend(now, rng, who, lease, out);
            }
        }
        Outcome::Pending
    }

    /// Gives the lease back (RFC 2131 §4.4.6).
    pub(super) fn release(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        who: &Identity,
        out: &mut Actions,
    ) {
        if let State::Bound(lease) | State::Renewing(lease) | State::Rebinding(lease) = self.state {
            let mut message = Message::request(MessageType::Release, rng.u32(), who.mac);
            message.ciaddr = lease.address;
            message.options.server = Some(lease.server);
            if now < lease.expires_at {
                send(who, message, lease.server_mac, lease.server, out);
            }
        }
        self.state = State::Idle;
        self.retry_at = None;
    }

    fn discover(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        who: &Identity,
        search: Search,
        out: &mut Actions,
    ) {
        self.state = State::Selecting(search);
        self.xid = rng.u32();
        self.sent = 0;
        self.send_discover(now, rng, who, out);
    }

    /// Repetitions keep their transaction, so that a slow server's offer still counts.
    fn send_discover(&mut self, now: Instant, rng: &mut Rng, who: &Identity, out: &mut Actions) {
        let mut message = Message::request(MessageType::Discover, self.xid, who.mac);
        message.secs = self.secs(now);
        message.options.parameters = PARAMETERS;
        send(who, message, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, out);
        self.back_off(now, rng);
    }

    fn send_request(&mut self, now: Instant, rng: &mut Rng, who: &Identity, out: &mut Actions) {
        let State::Requesting(_, offer) = self.state else { return };
        let mut message = Message::request(MessageType::Request, self.xid, who.mac);
        message.secs = self.secs(now);
        message.options.requested_address = Some(offer.address);
        message.options.server = Some(offer.server);
        message.options.parameters = PARAMETERS;
        send(who, message, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, out);
        self.back_off(now, rng);
    }

    fn back_off(&mut self, now: Instant, rng: &mut Rng) {
        let interval = Duration::from_secs(1 << self.sent.min(BACK_OFF_MAX));
        self.retry_at = Some(now + jitter(rng, interval));
        self.sent = self.sent.saturating_add(1);
    }

    /// Renews, rebinds, or loses the lease (RFC 2131 §4.4.5).
    fn extend(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        who: &Identity,
        lease: Lease,
        out: &mut Actions,
    ) -> Outcome {
        if now >= lease.expires_at {
            return self.lose();
        }
        // Each repetition is a transaction of its own, so that the lease counts from the request
        // that was granted.
        if matches!(self.state, State::Bound(_)) {
            self.started = now;
        }
        self.xid = rng.u32();
        self.asked_at = now;
        let mut message = Message::request(MessageType::Request, self.xid, who.mac);
        message.secs = self.secs(now);
        message.ciaddr = lease.address;
        message.options.parameters = PARAMETERS;
        let end = if now < lease.rebind_at {
            self.state = State::Renewing(lease);
            send(who, message, lease.server_mac, lease.server, out);
            lease.rebind_at
        } else {
            self.state = State::Rebinding(lease);
            send(who, message, MacAddr::BROADCAST, Ipv4Addr::BROADCAST, out);
            lease.expires_at
        };
        let half = end.since(now).over(2);
        self.retry_at = Some(end.min(now + half.max(lease.retry_min)));
        Outcome::Pending
    }

    fn lose(&mut self) -> Outcome {
        self.state = State::Idle;
        self.retry_at = None;
        Outcome::Lost
    }

    fn bind(
        &mut self,
        rng: &mut Rng,
        server: Ipv4Addr,
        from: MacAddr,
        message: &Message<'_>,
    ) -> Ipv4Assignment {
        let options = &message.options;
        let lease_secs = options.lease_secs.unwrap_or(DEFAULT_LEASE_SECS).max(MIN_LEASE_SECS);
        let renewal = options.renewal_secs.unwrap_or(lease_secs / 2);
        let rebinding = options.rebinding_secs.unwrap_or(lease_secs - lease_secs / 8);
        let (renewal, rebinding) = if 0 < renewal && renewal < rebinding && rebinding < lease_secs {
            (renewal, rebinding)
        } else {
            (lease_secs / 2, lease_secs - lease_secs / 8)
        };
        let after = |secs: u32| self.asked_at + Duration::from_secs(u64::from(secs));
        let retry_min = Duration::from_secs(u64::from(lease_secs / 16).clamp(1, 60));
        self.state = State::Bound(Lease {
            address: message.yiaddr,
            server,
            server_mac: from,
            rebind_at: after(rebinding),
            expires_at: after(lease_secs),
            retry_min,
        });
        self.sent = 0;
        // A little early at random, so that clients that dialled together do not renew together.
        let early = Duration::from_secs(u64::from(renewal)).over(16).as_micros();
        let early = Duration::from_micros(rng.u64().checked_rem(early).unwrap_or(0));
        let runs_out = lease_secs != FOR_EVER && !is_planted(Fault::LeaseNotRenewed);
        self.retry_at = runs_out.then(|| after(renewal) - early);
        assignment_of(server, message)
    }

    fn secs(&self, now: Instant) -> u16 {
        now.since(self.started).as_secs().min(u64::from(u16::MAX)) as u16
    }
}

/// Sends a message from the address that it names as the client's.
fn send(
    who: &Identity,
    message: Message<'static>,
    next_hop: MacAddr,
    server: Ipv4Addr,
    out: &mut Actions,
) {
    let MacAddr([a, b, c, d, e, f]) = who.mac;
    let client_id = [1, a, b, c, d, e, f];
    let mut message: Message<'_> = message;
    message.options.client_id = &client_id;
    if message.options.kind != Some(MessageType::Release) {
        message.options.host_name = who.name.as_bytes();
        message.options.max_size = Some(MAX_MESSAGE_LEN);
    }
    let source = SocketAddrV4::new(message.ciaddr, CLIENT_PORT);
    let destination = SocketAddrV4::new(server, SERVER_PORT);
    let span = out.emit(|writer| {
        who.header(next_hop, EtherType::IPV4).emit(writer);
        udp::emit(writer, source, destination, |writer| message.emit(writer));
    });
    if let Some(span) = span {
        out.push(Action::Frame(span));
    }
}

fn assignment_of(server: Ipv4Addr, message: &Message<'_>) -> Ipv4Assignment {
    let options = &message.options;
    let first_two = |list: &[Ipv4Addr]| [list.first().copied(), list.get(1).copied()];
    Ipv4Assignment {
        address: message.yiaddr,
        prefix_len: options.subnet_mask.and_then(ipv4::prefix_of).unwrap_or(DEFAULT_PREFIX_LEN),
        gateway: options.routers.first().copied(),
        dns: first_two(&options.dns),
        wins: first_two(&options.wins),
        server,
    }
}

/// The address, if a host can have it.
fn usable(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let is_special = address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback();
    (!is_special).then_some(address)
}

/// `interval` and up to an eighth of it more or less.
fn jitter(rng: &mut Rng, interval: Duration) -> Duration {
    let eighth = interval.over(8);
    let random = rng.u64().checked_rem(eighth.times(2).as_micros()).unwrap_or(0);
    interval.over(8).times(7) + Duration::from_micros(random)
}

/// What we ask a server for: what a PPP client can be told, and what the lease is.
const PARAMETERS: &[u8] = &[
    code::SUBNET_MASK,
    code::ROUTERS,
    code::DNS,
    code::WINS,
    code::LEASE,
    code::RENEWAL,
    code::REBINDING,
];
/// Octets of the longest IP packet that we take from a server.
const MAX_MESSAGE_LEN: u16 = 1500;
const GIVE_UP_AFTER: Duration = Duration::from_secs(15);
const RESTART_AFTER: Duration = Duration::from_millis(500);
/// The interval doubles this often.
const BACK_OFF_MAX: u8 = 2;
/// How often an offer is asked for before another is looked for.
const REQUEST_MAX: u8 = 3;
const FOR_EVER: u32 = u32::MAX;
const DEFAULT_LEASE_SECS: u32 = 3_600;
const MIN_LEASE_SECS: u32 = 10;
const DEFAULT_PREFIX_LEN: u8 = 24;
