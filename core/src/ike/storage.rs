//! The memory of the component.

use crate::store::{Backing, Bucket, Node, Slot};

use super::quota::Quota;
use super::table::{Child, Exchange, IkeSa, Negotiation, Peer};

#[cfg(feature = "alloc")]
use crate::limits::Limits;

/// Memory for all tables of [`super::Ike`].
///
/// On a board, slices of these lengths with the limits `l`: `sas` 2 × `l.peers` + `l.half_open`;
/// `negotiations` `l.half_open`; `peers` `l.peers`; `children` `l.sas`; `exchanges`
/// `l.half_open`; `nodes` `l.peers` + `l.half_open`; each index twice its table; `quotas` any
/// number, best several times `l.peers`.
#[derive(Debug)]
pub struct Storage<'a> {
    /// IKE SAs.
    pub sas: Backing<'a, Slot<IkeSa>>,
    /// Phase 1 on its way.
    pub negotiations: Backing<'a, Slot<Negotiation>>,
    /// Peers.
    pub peers: Backing<'a, Slot<Peer>>,
    /// Pairs of IPsec SAs.
    pub children: Backing<'a, Slot<Child>>,
    /// Quick modes on their way.
    pub exchanges: Backing<'a, Slot<Exchange>>,
    /// Index of negotiations.
    pub by_initiator: Backing<'a, Bucket>,
    /// Index of peers.
    pub by_identity: Backing<'a, Bucket>,
    /// Index of IPsec SAs.
    pub by_spi: Backing<'a, Bucket>,
    /// Deadlines of peers, then of negotiations.
    pub nodes: Backing<'a, Node>,
    /// Quotas of addresses.
    pub quotas: Backing<'a, Quota>,
}

#[cfg(feature = "alloc")]
impl Storage<'_> {
    /// Allocates everything for `limits`.
    pub fn allocate(limits: &Limits) -> Self {
        let Limits { peers, half_open, sas, .. } = *limits;
        Self {
            sas: Backing::allocate(peers * 2 + half_open),
            negotiations: Backing::allocate(half_open),
            peers: Backing::allocate(peers),
            children: Backing::allocate(sas),
            exchanges: Backing::allocate(half_open),
            by_initiator: Backing::allocate(half_open * 2 + 1),
            by_identity: Backing::allocate(peers * 2 + 1),
            by_spi: Backing::allocate(sas * 2 + 1),
            nodes: Backing::allocate(peers + half_open),
            quotas: Backing::allocate(peers * 4 + 64),
        }
    }
}
