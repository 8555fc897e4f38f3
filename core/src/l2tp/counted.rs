//! Sums of all that the LNS counts, for tests and reports: they walk the tables.

use super::Lns;
use super::tunnel::Tunnel;

/// What the LNS counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Control connections.
    pub tunnels: usize,
    /// Of those, the ones that are over or whose client's address may be forged.
    pub unsettled: usize,
    /// The same, as their lists count them.
    pub listed: usize,
    /// Names by which control connections are found.
    pub tunnel_names: usize,
    /// Calls.
    pub calls: usize,
    /// Calls, as their control connections count them.
    pub of_tunnels: usize,
    /// Of those, calls that packets can find.
    pub findable: usize,
    /// Names by which calls are found.
    pub call_names: usize,
    /// Deadlines of control connections.
    pub timers: usize,
}

impl Lns<'_> {
    /// Counts everything. It walks the tables: for tests and for reports, not for each packet.
    pub fn counted(&self) -> Counted {
        let tunnels = || self.tunnels.iter().map(|(_, tunnel)| tunnel);
        let is_unsettled = |tunnel: &&Tunnel| tunnel.is_closing() || !tunnel.proven;
        Counted {
            tunnels: self.tunnels.len(),
            unsettled: tunnels().filter(is_unsettled).count(),
            listed: self.unproven.len() + self.lingering.len(),
            tunnel_names: self.tunnel_index.len(),
            calls: self.calls.len(),
            of_tunnels: tunnels().map(Tunnel::call_count).sum(),
            findable: tunnels().map(|tunnel| tunnel.setup.len() + tunnel.up.len()).sum(),
            call_names: self.call_index.len(),
            timers: self.wheel.armed_count(),
        }
    }
}
