//! An administrator's orders.

use crate::buf::Pool;
use crate::discard::DropReason;
use crate::event::DownCause;
use crate::l2tp::ResultCode;

use super::{Command, Cx, Server};

/// How far a server is with going down, or with an order that concerns everyone.
///
/// Each step works on one slot, so that no call depends on how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Nothing to do.
    #[default]
    Idle,
    /// Sessions from this slot on say goodbye.
    Sessions(u32),
    /// Tunnels from this slot on say goodbye.
    Tunnels(u32),
    /// Peers from this slot on say goodbye.
    Peers(u32),
    /// Everyone is gone, and no one may come.
    Closed,
    /// Peers from this slot on get new IPsec SAs.
    Rekey(u32),
}

impl<P: Pool> Server<'_, P> {
    pub(super) fn handle_command(
        &mut self,
        cx: &mut Cx<'_, P>,
        command: Command,
    ) -> Result<(), DropReason> {
        match command {
            Command::Shutdown => self.sweep = Sweep::Sessions(0),
            Command::Rekey if self.sweep == Sweep::Idle => self.sweep = Sweep::Rekey(0),
            Command::Rekey => return Err(DropReason::Busy),
            Command::Disconnect(session) => {
                self.end_session(cx, session, DownCause::Administrative, None);
            }
        }
        Ok(())
    }

    /// Whether newcomers are refused because the server goes down.
    pub(super) const fn is_closing(&self) -> bool {
        !matches!(self.sweep, Sweep::Idle | Sweep::Rekey(_))
    }

    /// Carries a sweep on by one slot; tells whether there was one.
    pub(super) fn step_sweep(&mut self, cx: &mut Cx<'_, P>) -> bool {
        self.sweep = match self.sweep {
            Sweep::Idle | Sweep::Closed => return false,
            Sweep::Sessions(at) if is_past(at, self.sessions.capacity()) => Sweep::Tunnels(0),
            Sweep::Sessions(at) => {
                if let Some(session) = self.sessions.key_at(at) {
                    self.end_session(cx, session, DownCause::Administrative, None);
                }
                Sweep::Sessions(at + 1)
            }
            Sweep::Tunnels(at) if is_past(at, self.lns.tunnel_capacity()) => Sweep::Peers(0),
            Sweep::Tunnels(at) => {
                if let Some(tunnel) = self.lns.tunnel_at(at) {
                    let result = ResultCode::SHUTDOWN;
                    self.with_lns(cx, |lns, now, _, out| {
                        lns.close_tunnel(now, tunnel, result, out);
                    });
                }
                Sweep::Tunnels(at + 1)
            }
            Sweep::Peers(at) if is_past(at, self.ike.peer_capacity()) => Sweep::Closed,
            Sweep::Peers(at) => {
                if let Some(peer) = self.ike.peer_at(at) {
                    self.seal();
                    let cause = DownCause::Administrative;
                    self.with_ike(cx, |ike, cx, out| ike.close_peer(cx, peer, cause, out));
                }
                Sweep::Peers(at + 1)
            }
            Sweep::Rekey(at) if is_past(at, self.ike.peer_capacity()) => Sweep::Idle,
            Sweep::Rekey(at) => {
                if let Some(peer) = self.ike.peer_at(at) {
                    self.with_ike(cx, |ike, cx, out| ike.rekey_peer(cx, peer, out));
                }
                Sweep::Rekey(at + 1)
            }
        };
        true
    }
}

const fn is_past(at: u32, capacity: usize) -> bool {
    at as usize >= capacity
}
