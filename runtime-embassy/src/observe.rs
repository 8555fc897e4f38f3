//! Who may look at the server while it runs.

use core::fmt;

use kumihimo_core::buf::Pool;
use kumihimo_core::event::Event;
use kumihimo_core::server::Server;
use kumihimo_core::time::Instant;

use crate::shared::Traffic;

/// Sees what the packet task does, inside of it: it must not take long.
pub trait Observer {
    /// A fact of the server.
    fn on_event(&mut self, now: Instant, event: &Event);

    /// The task has had a turn, and gives way to others.
    fn on_turn<P: Pool>(&mut self, now: Instant, turn: &Turn<'_, '_, P>) {
        let _ = (now, turn);
    }
}

/// Where the server stands after a turn.
pub struct Turn<'t, 's, P: Pool> {
    /// The server: its tables and what it dropped.
    pub server: &'t Server<'s, P>,
    /// What went through the runtime, and was lost in it.
    pub traffic: &'t Traffic,
    /// What the server waits for.
    pub deadline: Option<Instant>,
    /// When the runtime itself has something to do, at the latest.
    pub report_at: Instant,
}

impl<P: Pool> fmt::Debug for Turn<'_, '_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn(waits for {:?})", self.deadline)
    }
}

/// Sees facts alone.
pub(crate) struct Facts<F>(pub(crate) F);

impl<F: FnMut(Instant, &Event)> Observer for Facts<F> {
    fn on_event(&mut self, now: Instant, event: &Event) {
        (self.0)(now, event);
    }
}
