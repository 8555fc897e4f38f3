//! The memory of a server.

use crate::ids::{PeerId, SessionId};
#[cfg(feature = "alloc")]
use crate::limits::Limits;
use crate::session::Session;
use crate::store::{Backing, Node, Slot};
use crate::{auth, dhcp, esp, hub, ike, l2tp};

use super::configure::HubState;
use super::outputs::Queued;
use super::requests::Open;
use super::switch::{Entering, Flood};

/// The memory of a [`super::Server`], whose packets are in buffers `B`.
///
/// Lent from statics on a board, allocated once on a server.
#[derive(Debug)]
pub struct Storage<'a, B> {
    /// IKE peers and their exchanges.
    pub ike: ike::Storage<'a>,
    /// IPsec SAs.
    pub esp: esp::Storage<'a>,
    /// L2TP tunnels and calls.
    pub lns: l2tp::Storage<'a>,
    /// Local users.
    pub users: auth::Storage<'a>,
    /// Hubs, ports and MAC addresses.
    pub hubs: hub::HubStorage<'a>,
    /// DHCP leases.
    pub leases: dhcp::DhcpStorage<'a>,
    /// One place for each hub.
    pub hub_states: Backing<'a, Option<HubState>>,
    /// One slot for each call.
    pub sessions: Backing<'a, Slot<Session<B>>>,
    /// One node for each call.
    pub session_nodes: Backing<'a, Node>,
    /// One place for each call.
    pub by_call: Backing<'a, Option<SessionId>>,
    /// One slot for each question that can be open.
    pub requests: Backing<'a, Slot<Open>>,
    /// Ethernet frames on their way into a hub.
    pub entering: Backing<'a, Option<Entering<B>>>,
    /// Frames on their way to several ports.
    pub floods: Backing<'a, Option<Flood<B>>>,
    /// Outputs.
    pub outputs: Backing<'a, Option<Queued<B>>>,
    /// One place for each IKE peer.
    pub leaving: Backing<'a, Option<PeerId>>,
}

#[cfg(feature = "alloc")]
impl<B> Storage<'_, B> {
    /// Allocates what `limits` asks for.
    pub fn allocate(limits: &Limits) -> Self {
        Self {
            ike: ike::Storage::allocate(limits),
            esp: esp::Storage::allocate(limits),
            lns: l2tp::Storage::allocate(limits),
            users: auth::Storage::allocate(limits),
            hubs: hub::HubStorage::allocate(limits),
            leases: dhcp::DhcpStorage::allocate(limits),
            hub_states: Backing::allocate(limits.hubs),
            sessions: Backing::allocate(limits.calls),
            session_nodes: Backing::allocate(limits.calls),
            by_call: Backing::allocate(limits.calls),
            requests: Backing::allocate(limits.requests),
            entering: Backing::allocate(limits.frames),
            floods: Backing::allocate(limits.floods),
            outputs: Backing::allocate(limits.outputs),
            leaving: Backing::allocate(limits.peers),
        }
    }
}
