//! `buffers`: every buffer is free, or holds a packet that waits for ARP.

use kumihimo_core::time::Instant;

use super::Turns;
use crate::observe::{Failure, Happening, Observer};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Buffers {
    turns: Turns,
}

impl Observer for Buffers {
    fn on(&mut self, _: Instant, _: &Happening<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        let Some(server) = self.turns.fresh(id, node) else { return Ok(()) };
        let ((free, total), held) = (server.turn().buffers, server.turn().census.held);
        if free + held == total {
            return Ok(());
        }
        let text = format!("of {total} buffers {free} are free and {held} hold packets");
        Err(Failure::new("buffers", at, text))
    }
}
