//! Virtual hubs: learning Ethernet switches without a thread or a packet of their own.
//!
//! A hub has *ports*. Behind a [`PortKind::Host`] stands exactly one MAC address, which no other
//! port can take: a user's session or the virtual router. Behind a [`PortKind::Bridge`] stands a
//! network, whose addresses are learned (IEEE 802.1D §7.8) and forgotten 300 s after they were
//! last seen.
//!
//! The hubs decide where a frame goes and touch nothing of it: the server moves it. A flood is a
//! cursor that names one port at a time, so that no call depends on how many ports there are.
//! Frames never leave their hub.
//!
//! Tags of 802.1Q are carried as they are, and addresses are learned across VLANs. There is no
//! spanning tree: two bridges into one network make a loop, which the limits of [`storm`] slow
//! down. BPDUs are flooded like any group frame, so that switches behind bridges find the loop.

mod counted;
mod fdb;
mod flood;
mod forward;
mod port;
mod storm;

use crate::addr::MacAddr;
use crate::discard::DropReason;
use crate::ids::{HubId, PortId};
use crate::store::{Bucket, Full, Slab, Slot, tables};

pub use counted::Counted;
pub use fdb::{Entry, PortEntries};
pub use flood::FloodCursor;
pub use forward::{Decision, MAX_FRAME_LEN};
pub use port::{Port, PortKind, PortOwner};
pub use storm::{PortLimits, Rate};

use fdb::Fdb;
use port::PortList;

/// All hubs.
#[derive(Debug)]
pub struct Hubs<'a> {
    hubs: Slab<'a, HubId, Hub>,
    ports: Slab<'a, PortId, Port>,
    fdb: Fdb<'a>,
}

tables! {
    /// The memory of [`Hubs`].
    pub struct HubStorage, Arrays for limits {
        /// Hubs.
        hubs: [Slot<Hub>; limits.hubs],
        /// Ports.
        ports: [Slot<Port>; limits.ports],
        /// What each port has learned.
        port_entries: [PortEntries; limits.ports],
        /// MAC addresses. As many as there are ports stay reserved for hosts.
        macs: [Slot<Entry>; limits.macs],
        /// Index of MAC addresses.
        buckets: [Bucket; limits.macs * 2],
    }
}

/// A hub: its ports, in two lists.
#[derive(Debug, Default)]
pub struct Hub {
    /// Ports that flood everything.
    bridges: PortList,
    /// Ports that take broadcasts, multicasts and their own address.
    hosts: PortList,
}

impl<'a> Hubs<'a> {
    /// No hubs. `key` keeps others from choosing addresses that collide in our tables.
    pub fn new(storage: HubStorage<'a>, key: [u8; 16]) -> Self {
        let reserved = storage.ports.len();
        Self {
            hubs: Slab::new(storage.hubs),
            ports: Slab::new(storage.ports),
            fdb: Fdb::new(storage.macs, storage.buckets, storage.port_entries, reserved, key),
        }
    }

    /// Makes a hub without ports.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add(&mut self) -> Result<HubId, Full> {
        self.hubs.insert(Hub::default())
    }

    /// Removes a hub that has no ports; tells whether it is gone.
    pub fn remove(&mut self, hub: HubId) -> bool {
        let is_empty = |hub: &Hub| hub.bridges.len == 0 && hub.hosts.len == 0;
        self.hubs.find(hub).is_some_and(is_empty) && self.hubs.remove(hub)
    }

    /// Adds a port to a hub.
    ///
    /// # Errors
    /// [`DropReason::UnknownPort`] if the hub is gone, [`DropReason::PortTableFull`], and
    /// [`DropReason::MacInUse`] if another host of the hub has the address.
    pub fn attach(
        &mut self,
        hub: HubId,
        kind: PortKind,
        owner: PortOwner,
    ) -> Result<PortId, DropReason> {
        self.hubs.find(hub).ok_or(DropReason::UnknownPort)?;
        let port = self.ports.insert(Port::new(hub, kind, owner));
        let port = port.map_err(|Full| DropReason::PortTableFull)?;
        if let PortKind::Host(mac) = kind
            && let Err(reason) = self.claim(hub, mac, port)
        {
            self.ports.remove(port);
            return Err(reason);
        }
        self.link(port);
        Ok(port)
    }

    /// Removes a port; what it learned is forgotten. Tells whether it was there.
    pub fn detach(&mut self, port: PortId) -> bool {
        if self.ports.find(port).is_none() {
            return false;
        }
        self.unlink(port);
        self.fdb.forget(port);
        self.ports.remove(port)
    }

    /// Whose port this is.
    pub fn owner(&self, port: PortId) -> Option<PortOwner> {
        self.ports.find(port).map(|port| port.owner)
    }

    /// The hub of a port.
    pub fn hub_of(&self, port: PortId) -> Option<HubId> {
        self.ports.find(port).map(|port| port.hub)
    }

    /// Number of ports of a hub.
    pub fn port_count(&self, hub: HubId) -> usize {
        self.hubs.find(hub).map_or(0, |hub| (hub.bridges.len + hub.hosts.len) as usize)
    }

    /// Number of ports that fit, over all hubs.
    pub fn port_capacity(&self) -> usize {
        self.ports.capacity()
    }

    /// The MAC addresses of a hub and their ports, for administration.
    pub fn macs(&self, hub: HubId) -> impl Iterator<Item = (MacAddr, PortId)> {
        self.fdb.iter().filter(move |entry| entry.hub() == hub).map(Entry::place)
    }

    fn claim(&mut self, hub: HubId, mac: MacAddr, port: PortId) -> Result<(), DropReason> {
        if mac.is_group() || mac == MacAddr::default() {
            return Err(DropReason::SpoofedSource);
        }
        self.fdb.claim(hub, mac, port)
    }
}

#[cfg(test)]
mod tests;
