//! `tables`: no table holds more than its limit, and what is counted twice agrees.

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
        let census = &server.turn().census;
        let text = match (census.beyond(server.limits()), census.contradiction()) {
            (Some(what), _) => format!("too many {what}: {census:?}"),
            (_, Some(what)) => format!("it does not hold that {what}: {census:?}"),
            (None, None) => return Ok(()),
        };
        Err(Failure::new("tables", at, text))
    }
}
