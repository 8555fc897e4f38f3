//! Ethernet segments.
//!
//! A frame that a node puts in at its port comes out of every other port of the segment; hosts
//! drop what is not for them. Each port has a [`Way`] on which frames come to it.

use crate::choice::Lane;
use crate::net::LanId;
use crate::net::link::{Way, WayState};
use crate::world::NodeId;

/// Where a node is plugged in.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) node: NodeId,
    pub(crate) lan: LanId,
    /// The way of frames from the segment to the node.
    pub(crate) way: WayState,
    pub(crate) lane: Lane,
}

impl Port {
    pub(crate) const fn new(node: NodeId, lan: LanId, way: Way, lane: Lane) -> Self {
        Self { node, lan, way: WayState::new(way), lane }
    }
}
