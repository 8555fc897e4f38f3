//! Sums of all that the hubs count, for tests and reports: they walk the tables.

use super::{Hubs, PortKind, PortOwner};

/// What the hubs count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Hubs.
    pub hubs: usize,
    /// Ports.
    pub ports: usize,
    /// Ports, as the lists of their hubs count them.
    pub of_hubs: usize,
    /// Of the ports, those of sessions.
    pub of_sessions: usize,
    /// Of the ports, those behind which one host stands.
    pub of_hosts: usize,
    /// MAC addresses in the table: those of hosts, those that were learned, and those that wait
    /// to be forgotten.
    pub macs: usize,
    /// Of those, the learned ones; as the table counts them.
    pub learned: usize,
    /// Of the addresses, those whose port is gone, and which are forgotten when places are needed.
    pub orphans: usize,
    /// The others, as their ports count them.
    pub of_ports: usize,
    /// Names by which addresses are found.
    pub names: usize,
}

impl Hubs<'_> {
    /// Counts everything. It walks the tables of hubs and ports: for tests and for reports, not
    /// for each frame.
    pub fn counted(&self) -> Counted {
        let ports = || self.ports.iter().map(|(_, port)| port);
        let is_session = |owner: &PortOwner| matches!(owner, PortOwner::Session(_));
        let is_host = |kind: &PortKind| matches!(kind, PortKind::Host(_));
        let of_hubs = self.hubs.iter().map(|(_, hub)| (hub.bridges.len + hub.hosts.len) as usize);
        Counted {
            hubs: self.hubs.len(),
            ports: self.ports.len(),
            of_hubs: of_hubs.sum(),
            of_sessions: ports().filter(|port| is_session(&port.owner)).count(),
            of_hosts: ports().filter(|port| is_host(&port.kind)).count(),
            ..self.fdb.counted()
        }
    }
}
