//! The memory of the component.

use crate::store::{Bucket, Node, Slot, tables};

use super::quota::Quota;
use super::table::{Child, Exchange, IkeSa, Negotiation, Peer};

tables! {
    /// The memory of [`super::Ike`].
    pub struct Storage, Arrays for limits {
        /// IKE SAs.
        sas: [Slot<IkeSa>; limits.ike_sas],
        /// Phase 1 on its way.
        negotiations: [Slot<Negotiation>; limits.half_open],
        /// Peers.
        peers: [Slot<Peer>; limits.peers],
        /// Pairs of IPsec SAs.
        children: [Slot<Child>; limits.sas],
        /// Quick modes on their way.
        exchanges: [Slot<Exchange>; limits.exchanges],
        /// Index of negotiations.
        by_initiator: [Bucket; limits.half_open * 2 + 1],
        /// Index of peers.
        by_identity: [Bucket; limits.peers * 2 + 1],
        /// Index of IPsec SAs.
        by_spi: [Bucket; limits.sas * 2 + 1],
        /// Deadlines of peers, then of negotiations.
        nodes: [Node; limits.peers + limits.half_open],
        /// Quotas of addresses.
        quotas: [Quota; limits.quotas],
    }
}
