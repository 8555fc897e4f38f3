//! Ports, and the lists of a hub that hold them in the order of their attachment.

use super::storm::{PortLimits, Storm};
use super::{Hub, Hubs, fdb};
use crate::addr::MacAddr;
use crate::ids::{HubId, PortId, SessionId};

/// What stands behind a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// One host with this address. It cannot send from another, and no one else from its.
    Host(MacAddr),
    /// A network: it may send from any address that is no host's.
    Bridge,
}

/// Whose port it is: for the server, which moves the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortOwner {
    /// A user's session.
    Session(SessionId),
    /// An Ethernet device of the runtime.
    Bridge {
        /// Place of the hub in the configuration.
        hub: u16,
        /// Number of the bridge in that hub.
        bridge: u16,
    },
    /// The virtual router and DHCP server of this hub.
    Gateway(HubId),
}

/// A port of a hub.
#[derive(Debug)]
pub struct Port {
    pub(super) hub: HubId,
    pub(super) kind: PortKind,
    pub(super) owner: PortOwner,
    pub(super) storm: Storm,
    pub(super) limits: &'static PortLimits,
    pub(super) next: Option<PortId>,
    previous: Option<PortId>,
}

/// Ports of a hub, chained through [`Port`].
#[derive(Debug, Default)]
pub(super) struct PortList {
    pub(super) first: Option<PortId>,
    last: Option<PortId>,
    pub(super) len: u32,
}

impl Port {
    pub(super) fn new(hub: HubId, kind: PortKind, owner: PortOwner) -> Self {
        let limits = match (kind, owner) {
            (PortKind::Host(_), PortOwner::Session(_)) => &PortLimits::HOST,
            _ => &PortLimits::NETWORK,
        };
        let storm = Storm::default();
        Self { hub, kind, owner, storm, limits, next: None, previous: None }
    }
}

impl Hub {
    fn list_mut(&mut self, kind: PortKind) -> &mut PortList {
        match kind {
            PortKind::Host(_) => &mut self.hosts,
            PortKind::Bridge => &mut self.bridges,
        }
    }
}

impl Hubs<'_> {
    /// Appends a new port to its hub's list.
    pub(super) fn link(&mut self, id: PortId) {
        let Some(port) = self.ports.find_mut(id) else { return };
        let Some(hub) = self.hubs.find_mut(port.hub) else { return };
        let list = hub.list_mut(port.kind);
        port.previous = list.last.replace(id);
        list.len += 1;
        match port.previous {
            None => list.first = Some(id),
            Some(previous) => {
                if let Some(previous) = self.ports.find_mut(previous) {
                    previous.next = Some(id);
                }
            }
        }
    }

    /// Takes a port out of its hub's list.
    pub(super) fn unlink(&mut self, id: PortId) {
        let Some(port) = self.ports.find(id) else { return };
        let (next, previous, kind) = (port.next, port.previous, port.kind);
        let Some(hub) = self.hubs.find_mut(port.hub) else { return };
        let list = hub.list_mut(kind);
        list.len -= 1;
        match previous.and_then(|previous| self.ports.find_mut(previous)) {
            Some(previous) => previous.next = next,
            None => list.first = next,
        }
        match next.and_then(|next| self.ports.find_mut(next)) {
            Some(next) => next.previous = previous,
            None => list.last = previous,
        }
    }

    /// Whether unknown addresses could stand behind any port of `hub` but `from`.
    pub(super) fn has_bridge_beside(&self, hub: HubId, from: PortId) -> bool {
        let Some(hub) = self.hubs.find(hub) else { return false };
        hub.bridges.len > 1 || hub.bridges.first.is_some_and(|first| first != from)
    }
}

const _: () = assert!(size_of::<Port>() <= 128, "a port is small");
const _: () = assert!(size_of::<fdb::Entry>() <= 56, "and so is a learned address");
