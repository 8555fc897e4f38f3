//! Ethernet frames on their way into a hub, and out of it through a port.

use crate::buf::{Frame, Pool};
use crate::canary::{Fault, is_planted};
use crate::discard::DropReason;
use crate::hub::{Decision, FloodCursor, PortOwner};
use crate::ids::PortId;

use super::outputs::Entry;
use super::{BridgeId, Cx, Server};

/// A frame that a port put on its hub.
#[derive(Debug)]
pub struct Entering<B> {
    port: PortId,
    frame: Frame<B>,
}

/// A frame on its way to several ports, one for each step.
#[derive(Debug)]
pub struct Flood<B> {
    cursor: FloodCursor,
    /// The port that comes next; the last one gets the frame itself.
    next: PortId,
    frame: Frame<B>,
}

impl<P: Pool> Server<'_, P> {
    /// Takes a frame from a bridge.
    pub(super) fn handle_bridge_frame(
        &mut self,
        bridge: BridgeId,
        frame: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let port = self.bridge_port(bridge).ok_or(DropReason::UnknownPort)?;
        self.enter(port, frame);
        Ok(())
    }

    /// Puts a frame on the hub of `port`; a full queue drops it, counted.
    pub(super) fn enter(&mut self, port: PortId, frame: Frame<P::Buf>) {
        if self.entering.push(Entering { port, frame }).is_err() {
            self.drops.count(DropReason::OutputFull);
        }
    }

    /// Switches a frame with these octets now.
    pub(super) fn switch_bytes(&mut self, cx: &mut Cx<'_, P>, port: PortId, bytes: &[u8]) {
        match Frame::copy_of(cx.pool, bytes) {
            Ok(frame) => self.switch(cx, port, frame),
            Err(_) => self.drops.count(DropReason::NoBuffer),
        }
    }

    /// Switches one frame, or carries one flood on by one port; tells whether there was one.
    pub(super) fn step_switch(&mut self, cx: &mut Cx<'_, P>) -> bool {
        if let Some(Entering { port, frame }) = self.entering.pop() {
            self.switch(cx, port, frame);
            return true;
        }
        let Some(flood) = self.floods.pop() else { return false };
        self.step_flood(cx, flood);
        true
    }

    /// Switches a frame now.
    pub(super) fn switch(&mut self, cx: &mut Cx<'_, P>, port: PortId, frame: Frame<P::Buf>) {
        match self.hubs.forward(cx.now, port, frame.bytes()) {
            Decision::Port(to) => self.leave(cx, to, frame),
            Decision::Flood(mut cursor) => {
                let Some(next) = self.hubs.next_flood_target(&mut cursor) else { return };
                if self.floods.push(Flood { cursor, next, frame }).is_err() {
                    self.drops.count(DropReason::FloodTableFull);
                }
            }
            Decision::Drop(reason) => {
                self.drops.count(reason);
                if is_planted(Fault::BufferLeaked) {
                    core::mem::forget(frame);
                }
            }
        }
    }

    fn step_flood(&mut self, cx: &mut Cx<'_, P>, mut flood: Flood<P::Buf>) {
        let to = flood.next;
        let Some(next) = self.hubs.next_flood_target(&mut flood.cursor) else {
            self.leave(cx, to, flood.frame);
            return;
        };
        let copy = Frame::copy_of(cx.pool, flood.frame.bytes());
        flood.next = next;
        if self.floods.push(flood).is_err() {
            self.drops.count(DropReason::FloodTableFull);
        }
        match copy {
            Ok(copy) => self.leave(cx, to, copy),
            Err(_) => self.drops.count(DropReason::NoBuffer),
        }
    }

    /// Hands a frame to whoever is behind a port.
    fn leave(&mut self, cx: &mut Cx<'_, P>, port: PortId, frame: Frame<P::Buf>) {
        let left = match self.hubs.owner(port) {
            Some(PortOwner::Session(id)) => self.handle_hub_frame(cx, id, frame),
            Some(PortOwner::Bridge { hub, bridge }) => {
                self.queue(Entry::Frame { bridge: BridgeId { hub, bridge }, frame });
                Ok(())
            }
            Some(PortOwner::Gateway(hub)) => self.handle_gateway_frame(cx, hub, port, &frame),
            None => Err(DropReason::UnknownPort),
        };
        self.count(left);
    }
}
