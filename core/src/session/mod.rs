//! One user's session: an L2TP call, its PPP link, its host on a hub.
//!
//! A session begins with the call. It becomes a member of a hub when the user is accepted, and
//! carries traffic when the link is up. It only binds its legs together; the server moves
//! packets between them.

mod mtu;

use core::net::{Ipv4Addr, SocketAddr};

use crate::addr::Carrier;
use crate::buf::Frame;
use crate::event::Name;
use crate::host::Host;
use crate::ids::{CallId, HubId, PortId, UserId};
use crate::ppp::Link;
use crate::time::{Instant, earliest};

pub use mtu::{link_mtu, mss_of};

/// A session.
#[derive(Debug)]
pub struct Session<B> {
    /// Its L2TP call.
    pub call: CallId,
    /// What carries the call.
    pub carrier: Carrier,
    /// The client's outer address when the call came up, for logs.
    pub remote: SocketAddr,
    /// When the call came up.
    pub began: Instant,
    /// The name that the client gave; empty before that.
    pub user: Name,
    /// The PPP link.
    pub link: Link,
    /// The client's place on a hub, once it is accepted.
    pub member: Option<Member<B>>,
    /// Octets of the longest IP packet on the link.
    pub mtu: u16,
    /// Whether it ever carried traffic: its end is no failed dial then.
    pub was_up: bool,
    /// Whether its hub or user is gone from the configuration: it is about to end.
    pub is_orphan: bool,
}

/// An accepted client's place on a hub.
#[derive(Debug)]
pub struct Member<B> {
    /// The hub.
    pub hub: HubId,
    /// Its port there.
    pub port: PortId,
    /// Who.
    pub user: UserId,
    /// Which of the user's sessions at once, from 0: each has a MAC address of its own.
    pub number: u32,
    /// Its host there.
    pub host: Host,
    /// Packets that wait for their next hop's MAC address, oldest first.
    pub held: heapless::Vec<Held<B>, HELD_MAX>,
}

/// A packet of the client that waits for ARP.
#[derive(Debug)]
pub struct Held<B> {
    /// Whose MAC address it waits for.
    pub next_hop: Ipv4Addr,
    /// The IPv4 packet.
    pub packet: Frame<B>,
}

/// Most packets of one session that wait for ARP: what a client sends at once to a neighbour that
/// it has not talked to yet, as a resolver does that asks for two kinds of address.
pub const HELD_MAX: usize = 4;

impl<B> Session<B> {
    /// When the session wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let host = self.member.as_ref().and_then(|member| member.host.deadline());
        earliest(self.link.deadline(), host)
    }
}
