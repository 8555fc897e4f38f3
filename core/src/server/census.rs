//! How full the tables are, and whether what is counted twice agrees.
//!
//! # What is deliberately not in it
//! - What counts up for ever or fades with time, and so has no value to come back to: drop
//!   counters, octets of unproven addresses (`ike::quota`), broadcast budgets of ports, the pace
//!   of alarms, replay windows, generations of slots, and where searches go on.
//! - What belongs to one value and goes with it: a peer's list of IKE SAs, a channel's queue, a
//!   host's neighbours, the next number of a user with more than 128 sessions.
//! - What a reload leaves to the next steps: that sessions are about to end is in
//!   [`Census::orphans`], how far the walk over them is, is not. Likewise an order that concerns
//!   everyone.
//! - Packet buffers, which are the pool's: the runtime counts them, and [`Census::held`] says how
//!   many may be missing while the server waits.

use crate::buf::Pool;
use crate::limits::Limits;
use crate::{dhcp, esp, hub, ike, l2tp};

use super::Server;

/// How many there are of everything that a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// IKE peers.
    pub peers: usize,
    /// Main modes under way.
    pub negotiations: usize,
    /// Pairs of IPsec SAs, and SPIs that are reserved for one.
    pub sas: usize,
    /// L2TP control connections.
    pub tunnels: usize,
    /// L2TP calls.
    pub calls: usize,
    /// Sessions, those included that are being opened.
    pub sessions: usize,
    /// Of those, members of a hub.
    pub members: usize,
    /// Of those, members whose user a reload has taken away: they are about to end.
    pub orphans: usize,
    /// Packets that wait for ARP: the only ones that may keep a buffer while the server waits.
    pub held: usize,
    /// Ports of all hubs.
    pub ports: usize,
    /// Ports of bridges and virtual routers.
    pub own_ports: usize,
    /// What IKE counts.
    pub ike: ike::Counted,
    /// What ESP counts.
    pub esp: esp::Counted,
    /// What the LNS counts.
    pub l2tp: l2tp::Counted,
    /// What the hubs count.
    pub hubs: hub::Counted,
    /// What the virtual DHCP servers count.
    pub dhcp: dhcp::Counted,
    /// Of their leases, those that a session lives on. The others are a client's beside the
    /// server, or remembered for one that was here before.
    pub leases_held: usize,
    /// Hubs, as the server knows them.
    pub hub_states: usize,
    /// Users.
    pub users: usize,
    /// Sessions, as their users count them.
    pub user_sessions: usize,
    /// Numbers below 128 of sessions, as their users count them.
    pub user_numbers: usize,
    /// Members of a user who is there, with such a number.
    pub numbered_members: usize,
    /// Sessions that are found by their call.
    pub by_call: usize,
    /// Deadlines of sessions.
    pub session_timers: usize,
    /// Questions that are open: the outside has not answered them.
    pub requests: usize,
    /// Frames on their way into a hub.
    pub entering: usize,
    /// Frames on their way to several ports.
    pub floods: usize,
    /// Outputs that nobody has polled, facts among them.
    pub outputs: usize,
    /// Facts that nobody has polled.
    pub events: usize,
    /// Peers that are gone, whose tunnels are being taken down.
    pub leaving: usize,
}

impl Census {
    /// The first count that is above its limit, if there is one.
    pub fn beyond(&self, limits: &Limits) -> Option<&'static str> {
        let counts = [
            ("peers", self.peers, limits.peers),
            ("negotiations", self.negotiations, limits.half_open),
            ("SAs", self.sas, limits.sas),
            ("IKE SAs", self.ike.sas, limits.ike_sas),
            ("pairs of IPsec SAs in IKE", self.ike.children, limits.sas),
            ("quick modes", self.ike.exchanges, limits.exchanges),
            ("tunnels", self.tunnels, limits.tunnels),
            ("calls", self.calls, limits.calls),
            ("sessions", self.sessions, self.calls),
            ("members", self.members, self.sessions.min(self.ports)),
            ("held packets", self.held, self.members * limits.held_per_session),
            ("hubs", self.hubs.hubs, limits.hubs),
            ("ports", self.ports, limits.ports),
            ("MAC addresses", self.hubs.macs, limits.macs),
            ("leases", self.dhcp.leases, limits.leases),
            ("leases of sessions", self.leases_held, self.members),
            ("users", self.users, limits.users),
            ("requests", self.requests, limits.requests),
            ("frames", self.entering, limits.frames),
            ("floods", self.floods, limits.floods),
            ("outputs", self.outputs, limits.outputs),
            ("events", self.events, limits.events),
        ];
        counts.into_iter().find(|(_, count, limit)| count > limit).map(|(name, ..)| name)
    }

    /// The first relation between two counts that does not hold, if there is one.
    ///
    /// All hold whenever the server waits ([`super::Output::Wait`]), whatever has come before. A
    /// place that is counted and belongs to nobody shows here long before a table is full.
    pub fn contradiction(&self) -> Option<&'static str> {
        let equal = self.equal().into_iter().find(|(_, one, other)| one != other);
        let at_most = self.at_most().into_iter().find(|(_, few, many)| few > many);
        equal.or(at_most).map(|(name, ..)| name)
    }

    /// The same without what is kept for those who may come back, for as long as nobody needs the
    /// place: leases of former clients, and learned MAC addresses.
    ///
    /// After everyone has left, this is what it was before the first one came.
    #[must_use]
    pub fn without_memories(mut self) -> Self {
        let forgotten = self.dhcp.leases.saturating_sub(self.leases_held);
        self.dhcp.leases -= forgotten;
        self.dhcp.of_pools = self.dhcp.of_pools.saturating_sub(forgotten);
        self.dhcp.names = self.dhcp.names.saturating_sub(forgotten * 2);
        let forgotten = self.hubs.macs.saturating_sub(self.hubs.of_hosts);
        self.hubs.macs -= forgotten;
        self.hubs.names = self.hubs.names.saturating_sub(forgotten);
        (self.hubs.learned, self.hubs.orphans, self.hubs.of_ports) = (0, 0, self.hubs.of_hosts);
        self
    }

    const fn equal(&self) -> [(&'static str, usize, usize); 28] {
        let (ike, esp, l2tp) = (&self.ike, &self.esp, &self.l2tp);
        let (hubs, dhcp) = (&self.hubs, &self.dhcp);
        [
            ("IKE SAs are counted against their addresses", ike.held, ike.sas),
            ("main modes are counted against their addresses", ike.half_open, ike.negotiations),
            ("negotiations are main modes", self.negotiations, ike.negotiations),
            ("peers and negotiations have a deadline", ike.timers, self.peers + self.negotiations),
            ("SAs are pairs and reservations", self.sas, esp.pairs + esp.reserved),
            ("SAs are counted against their peers", esp.of_peers, self.sas),
            ("pairs have a deadline", esp.timers, esp.pairs),
            ("tunnels are control connections", self.tunnels, l2tp.tunnels),
            ("unsettled tunnels are listed", l2tp.listed, l2tp.unsettled),
            ("tunnels have a deadline", l2tp.timers, l2tp.tunnels),
            ("calls belong to tunnels", l2tp.of_tunnels, l2tp.calls),
            ("calls have two names each", l2tp.call_names, l2tp.findable * 2),
            ("sessions are found by their calls", self.by_call, self.sessions),
            ("members have a port each", hubs.of_sessions, self.members),
            ("users count their sessions", self.user_sessions, self.members - self.orphans),
            ("users number their sessions", self.user_numbers, self.numbered_members),
            ("ports belong to sessions and hubs", hubs.ports, self.members + self.own_ports),
            ("ports are listed", hubs.of_hubs, hubs.ports),
            ("ports are those of the hubs", self.ports, hubs.ports),
            ("hubs are known to the server", self.hub_states, hubs.hubs),
            ("MAC addresses have a port or wait", hubs.of_ports + hubs.orphans, hubs.macs),
            ("MAC addresses have a name each", hubs.names, hubs.macs),
            ("leases belong to pools", dhcp.of_pools, dhcp.leases),
            ("leases have two names each", dhcp.names, dhcp.leases * 2),
            ("no frame is under way", self.entering, 0),
            ("no flood is under way", self.floods, 0),
            ("no output waits", self.outputs + self.events, 0),
            ("no tunnel is left of a peer that is gone", self.leaving, 0),
        ]
    }

    const fn at_most(&self) -> [(&'static str, usize, usize); 9] {
        let (ike, esp, l2tp) = (&self.ike, &self.esp, &self.l2tp);
        let ike_named = self.peers + ike.children + ike.negotiations;
        [
            ("IKE SAs have a main mode or a peer", ike.negotiations, ike.sas),
            ("peers and pairs are named", self.peers + ike.children, ike.names),
            ("names of IKE name something", ike.names, ike_named),
            ("IKE knows every pair of IPsec SAs", esp.pairs, ike.children),
            ("SPIs are reserved for quick modes", esp.reserved, ike.exchanges),
            ("names of tunnels name something", l2tp.tunnel_names, l2tp.tunnels * 3),
            ("sessions have a call", self.sessions, l2tp.of_tunnels),
            ("deadlines are of sessions", self.session_timers, self.sessions),
            ("hosts have their address", self.hubs.of_hosts + self.hubs.learned, self.hubs.macs),
        ]
    }
}

impl<P: Pool> Server<'_, P> {
    /// Counts everything. It walks the tables: for tests and for reports, not for each packet.
    pub fn census(&self) -> Census {
        let (user_sessions, user_numbers) = self.users.sums();
        let l2tp = self.lns.counted();
        let hubs = self.hubs.counted();
        let states = || self.hub_states.iter().flatten();
        let census = Census {
            peers: self.ike.peer_count(),
            negotiations: self.ike.negotiation_count(),
            sas: self.esp.len(),
            tunnels: self.lns.tunnel_count(),
            calls: self.lns.call_count(),
            sessions: self.sessions.len(),
            ports: states().map(|state| self.hubs.port_count(state.id)).sum(),
            own_ports: states().map(|state| state.port_count()).sum(),
            ike: self.ike.counted(),
            esp: self.esp.counted(),
            l2tp,
            hubs,
            dhcp: self.dhcp.counted(),
            hub_states: states().count(),
            users: self.users.len(),
            user_sessions,
            user_numbers,
            by_call: self.by_call.iter().flatten().count(),
            session_timers: self.session_timers.armed_count(),
            requests: self.requests.len(),
            entering: self.entering.len(),
            floods: self.floods.len(),
            outputs: self.outputs.len(),
            events: self.outputs.event_count(),
            leaving: self.leaving.len(),
            ..Census::default()
        };
        self.count_members(census)
    }

    fn count_members(&self, mut census: Census) -> Census {
        for (_, session) in self.sessions.iter() {
            let Some(member) = &session.member else { continue };
            census.members += 1;
            census.held += member.held.len();
            if session.is_orphan {
                census.orphans += 1;
            } else if member.number < u128::BITS {
                census.numbered_members += 1;
            }
            let leased = member.host.assignment().is_some_and(|assignment| {
                self.dhcp.has_leased(member.hub, member.host.mac(), assignment.address)
            });
            census.leases_held += usize::from(leased);
        }
        census
    }
}
