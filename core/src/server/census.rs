//! How full the tables are.

use crate::buf::Pool;
use crate::limits::Limits;

use super::Server;

/// How many there are of everything that a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// IKE peers.
    pub peers: usize,
    /// Main modes under way.
    pub negotiations: usize,
    /// Pairs of IPsec SAs.
    pub sas: usize,
    /// L2TP control connections.
    pub tunnels: usize,
    /// L2TP calls.
    pub calls: usize,
    /// Sessions, those included that are being opened.
    pub sessions: usize,
    /// Of those, members of a hub.
    pub members: usize,
    /// Packets that wait for ARP: the only ones that may keep a buffer while the server waits.
    pub held: usize,
    /// Ports of all hubs.
    pub ports: usize,
}

impl Census {
    /// The first count that is above its limit, if there is one.
    pub fn beyond(&self, limits: &Limits) -> Option<&'static str> {
        let counts = [
            ("peers", self.peers, limits.peers),
            ("negotiations", self.negotiations, limits.half_open),
            ("SAs", self.sas, limits.sas),
            ("tunnels", self.tunnels, limits.tunnels),
            ("calls", self.calls, limits.calls),
            ("sessions", self.sessions, self.calls),
            ("members", self.members, self.ports),
            ("ports", self.ports, limits.ports),
        ];
        counts.into_iter().find(|(_, count, limit)| count > limit).map(|(name, ..)| name)
    }
}

impl<P: Pool> Server<'_, P> {
    /// Counts everything. It walks the tables: for tests and for reports, not for each packet.
    pub fn census(&self) -> Census {
        let members = self.sessions.iter().filter_map(|(_, session)| session.member.as_ref());
        let (members, held) =
            members.fold((0, 0), |(members, held), member| (members + 1, held + member.held.len()));
        let hubs = self.hub_states.iter().flatten();
        Census {
            peers: self.ike.peer_count(),
            negotiations: self.ike.negotiation_count(),
            sas: self.esp.len(),
            tunnels: self.lns.tunnel_count(),
            calls: self.lns.call_count(),
            sessions: self.sessions.len(),
            members,
            held,
            ports: hubs.map(|state| self.hubs.port_count(state.id)).sum(),
        }
    }
}
