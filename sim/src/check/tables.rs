//! `tables`: no table holds more than its limit.

use kumihimo_core::time::Instant;

use super::Turns;
use crate::observe::{Failure, Happening, Observer};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Tables {
    turns: Turns,
}

impl Observer for Tables {
    fn on(&mut self, _: Instant, _: &Happening<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        let Some(server) = self.turns.fresh(id, node) else { return Ok(()) };
        match server.turn().census.beyond(server.limits()) {
            None => Ok(()),
            Some(what) => {
                let text = format!("too many {what}: {:?}", server.turn().census);
                Err(Failure::new("tables", at, text))
            }
        }
    }
}
