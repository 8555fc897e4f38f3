//! A frame on its way to more than one port.
//!
//! The cursor is a plain value: dropping it ends the flood. It keeps the port it named last and
//! the one that comes next, so it goes on when either of them leaves. If both leave between two
//! steps, their list ends there, which equals loss.

use super::Hubs;
use crate::canary::{Fault, is_planted};
use crate::ids::{HubId, PortId};

/// The ports that still get a copy.
#[derive(Debug, PartialEq, Eq)]
pub struct FloodCursor {
    hub: HubId,
    from: PortId,
    /// The port that was named last; `None` before the first of the list.
    at: Option<PortId>,
    /// The port after it, when it was named.
    next: Option<PortId>,
    stage: Stage,
    with_hosts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Bridges,
    Hosts,
    Done,
}

impl FloodCursor {
    /// The hub whose ports it names.
    pub const fn hub(&self) -> HubId {
        self.hub
    }
}

impl Hubs<'_> {
    /// The next port that gets a copy; `None` when there are no more.
    pub fn next_flood_target(&self, cursor: &mut FloodCursor) -> Option<PortId> {
        // Steps: the two lists, and the port it came from.
        for _ in 0..4 {
            match self.step(cursor) {
                Some(port) if port != cursor.from => return Some(port),
                Some(_) => {}
                None => self.enter_next_list(cursor)?,
            }
        }
        None
    }

    pub(super) fn flood_to_all(&self, hub: HubId, from: PortId) -> FloodCursor {
        FloodCursor { with_hosts: true, ..self.flood_to_bridges(hub, from) }
    }

    /// Behind a host's port stands no unknown address.
    pub(super) fn flood_to_bridges(&self, hub: HubId, from: PortId) -> FloodCursor {
        let next = self.hubs.find(hub).and_then(|hub| hub.bridges.first);
        FloodCursor { hub, from, at: None, next, stage: Stage::Bridges, with_hosts: false }
    }

    fn step(&self, cursor: &mut FloodCursor) -> Option<PortId> {
        let planned = cursor.next?;
        let id = if self.ports.find(planned).is_some() { planned } else { self.replan(cursor)? };
        cursor.at = Some(id);
        cursor.next = self.ports.find(id)?.next;
        Some(id)
    }

    /// The port that comes next now that the planned one is gone.
    fn replan(&self, cursor: &FloodCursor) -> Option<PortId> {
        match (cursor.at, cursor.stage) {
            (Some(at), _) => self.ports.find(at)?.next,
            (None, Stage::Bridges) => self.hubs.find(cursor.hub)?.bridges.first,
            (None, Stage::Hosts) => self.hubs.find(cursor.hub)?.hosts.first,
            (None, Stage::Done) => None,
        }
    }

    fn enter_next_list(&self, cursor: &mut FloodCursor) -> Option<()> {
        if cursor.stage != Stage::Bridges || !cursor.with_hosts {
            cursor.stage = Stage::Done;
            cursor.next = None;
            return None;
        }
        cursor.stage = Stage::Hosts;
        cursor.at = None;
        cursor.next = self.hubs.find(cursor.hub)?.hosts.first;
        if is_planted(Fault::HubIsolationBroken) {
            let neighbour = self.hubs.iter().find(|(id, _)| *id != cursor.hub);
            cursor.next = neighbour.and_then(|(_, hub)| hub.bridges.first).or(cursor.next);
        }
        Some(())
    }
}
