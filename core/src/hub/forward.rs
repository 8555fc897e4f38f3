//! What happens to one frame (IEEE 802.1D §7.7).

use super::flood::FloodCursor;
use super::port::PortKind;
use super::storm::Budget;
use super::{Hubs, port::Port};
use crate::addr::MacAddr;
use crate::discard::DropReason;
use crate::ids::PortId;
use crate::time::Instant;
use crate::wire::ethernet::Header;

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// To this port.
    Port(PortId),
    /// To every port that the cursor names.
    Flood(FloodCursor),
    /// Nowhere.
    Drop(DropReason),
}

impl Hubs<'_> {
    /// Decides where `frame`, which came in at port `from`, goes, and learns its source.
    pub fn forward(&mut self, now: Instant, from: PortId, frame: &[u8]) -> Decision {
        match self.decide(now, from, frame) {
            Ok(decision) => decision,
            Err(reason) => Decision::Drop(reason),
        }
    }

    fn decide(&mut self, now: Instant, from: PortId, frame: &[u8]) -> Result<Decision, DropReason> {
        let port = self.ports.find_mut(from).ok_or(DropReason::UnknownPort)?;
        let (header, _) = Header::parse(frame)?;
        if frame.len() > MAX_FRAME_LEN {
            return Err(DropReason::TooLong);
        }
        let hub = port.hub;
        match port.kind {
            PortKind::Host(mac) if header.source != mac => return Err(DropReason::SpoofedSource),
            PortKind::Host(_) => {}
            PortKind::Bridge => {
                if header.source.is_group() || header.source == MacAddr::default() {
                    return Err(DropReason::SpoofedSource);
                }
                self.fdb.learn(now, hub, header.source, from, port.limits.macs)?;
            }
        }
        if header.destination.is_group() {
            let broadcast = header.destination == MacAddr::BROADCAST;
            let budget = if broadcast { Budget::Broadcast } else { Budget::Multicast };
            draw(now, port, budget)?;
            return Ok(Decision::Flood(self.flood_to_all(hub, from)));
        }
        match self.fdb.lookup(now, hub, header.destination) {
            Some(to) if to == from => Err(DropReason::SamePort),
            Some(to) => Ok(Decision::Port(to)),
            None => {
                draw(now, port, Budget::Unknown)?;
                if !self.has_bridge_beside(hub, from) {
                    return Err(DropReason::UnknownDestination);
                }
                Ok(Decision::Flood(self.flood_to_bridges(hub, from)))
            }
        }
    }
}

fn draw(now: Instant, port: &mut Port, budget: Budget) -> Result<(), DropReason> {
    let is_left = port.storm.take(now, port.limits, budget);
    if is_left { Ok(()) } else { Err(DropReason::BroadcastLimit) }
}

/// Octets of the longest frame that a hub carries, without FCS.
pub const MAX_FRAME_LEN: usize = 1600;
