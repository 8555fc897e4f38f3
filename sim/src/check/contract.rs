//! `wait-later`: a server that waits, waits for a time that lies ahead.
//!
//! What else the drive contract asks, the machines check while they drive.

use kumihimo_core::time::Instant;

use super::Turns;
use crate::observe::{Failure, Happening, Observer};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Contract {
    turns: Turns,
}

impl Observer for Contract {
    fn on(&mut self, _: Instant, _: &Happening<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        let Some(server) = self.turns.fresh(id, node) else { return Ok(()) };
        let turn = server.turn();
        if turn.deadline.is_some_and(|deadline| deadline <= turn.now) {
            let text = format!("at {:?} a server waits for {:?}", turn.now, turn.deadline);
            return Err(Failure::new("wait-later", at, text));
        }
        Ok(())
    }
}
