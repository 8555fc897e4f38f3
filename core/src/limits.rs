//! Every capacity and quota of the core.

/// Sizes of all tables, and what one party may take of them.
///
/// Tables are made once with these sizes; a full table refuses newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls to `handle` before `poll` must run dry (1 on a board, 64 on a server).
    pub batch: usize,
    /// IKE peers.
    pub peers: usize,
    /// Of those, peers that have not proven their address.
    pub half_open: usize,
    /// IKE peers of one remote address.
    pub peers_per_address: usize,
    /// IKE SAs, those that are being negotiated included.
    pub ike_sas: usize,
    /// Quick modes on their way.
    pub exchanges: usize,
    /// Places to count what addresses take; best several times the peers.
    pub quotas: usize,
    /// Pairs of IPsec SAs.
    pub sas: usize,
    /// Pairs of IPsec SAs of one peer.
    pub sas_per_peer: usize,
    /// L2TP control connections.
    pub tunnels: usize,
    /// L2TP control connections of one carrier.
    pub tunnels_per_carrier: usize,
    /// L2TP calls; also sessions.
    pub calls: usize,
    /// L2TP calls of one tunnel.
    pub calls_per_tunnel: usize,
    /// Virtual hubs.
    pub hubs: usize,
    /// Hub ports: sessions, bridges and virtual hosts.
    pub ports: usize,
    /// Learned MAC addresses, over all hubs.
    pub macs: usize,
    /// Broadcasts on their way to more than one port, over all hubs.
    pub floods: usize,
    /// Leases of the virtual DHCP servers, over all hubs.
    pub leases: usize,
    /// Local users, over all hubs.
    pub users: usize,
    /// Packets of one session that wait for ARP, at most [`crate::session::HELD_MAX`].
    pub held_per_session: usize,
    /// Outputs that wait to be polled.
    pub outputs: usize,
    /// Facts among them.
    pub events: usize,
    /// Ethernet frames on their way into a hub.
    pub frames: usize,
    /// Questions that wait for their answer.
    pub requests: usize,
}

impl Limits {
    /// Tables for `sessions` sessions on a server, with SoftEther's quotas.
    pub const fn server(sessions: usize) -> Self {
        let calls = sessions;
        Self {
            batch: 64,
            peers: sessions * 2 + 64,
            half_open: sessions / 2 + 64,
            peers_per_address: 1_000,
            ike_sas: (sessions * 2 + 64) * 2 + sessions / 2 + 64,
            exchanges: sessions / 2 + 64,
            quotas: (sessions * 2 + 64) * 4 + 64,
            sas: sessions * 4 + 64,
            sas_per_peer: 100,
            tunnels: sessions + 64,
            tunnels_per_carrier: 16,
            calls,
            calls_per_tunnel: 1_024,
            hubs: 64,
            ports: calls + 128,
            macs: calls * 2 + 4_096,
            floods: 32,
            leases: calls + 1_024,
            users: 10_000,
            held_per_session: 4,
            outputs: 512,
            events: 256,
            frames: 256,
            requests: 256,
        }
    }

    /// Tables for `clients` clients with one session each, on a board with little memory.
    ///
    /// Each has room for a rekey, and there is room for one more, for a dial that nobody has
    /// given up yet. There is one hub, bridged to the wire behind it, or routed.
    pub const fn board(clients: usize) -> Self {
        let peers = clients + 1;
        let half_open = 4;
        Self {
            batch: 1,
            peers,
            half_open,
            peers_per_address: peers + half_open,
            ike_sas: peers * 2 + half_open,
            exchanges: 3,
            quotas: 32,
            sas: peers * 2,
            sas_per_peer: 4,
            tunnels: peers,
            tunnels_per_carrier: 2,
            calls: peers,
            calls_per_tunnel: 2,
            hubs: 1,
            ports: peers + 2,
            macs: clients * 2 + 48,
            floods: 4,
            leases: peers * 2,
            users: 8,
            held_per_session: 1,
            outputs: 34,
            events: 8,
            frames: 8,
            requests: 3,
        }
    }
}
