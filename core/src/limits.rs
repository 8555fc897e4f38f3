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
    /// Outputs that wait to be polled.
    pub outputs: usize,
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
            outputs: 512,
            frames: 256,
            requests: 256,
        }
    }
}
