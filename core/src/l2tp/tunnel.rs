//! One control connection, and how it is filed.

use core::num::NonZeroU16;

use super::Lns;
use super::channel::Channel;
use super::list::{Linked, Links, List};
use super::reply::{Ends, Reply};
use crate::addr::{Carrier, Path};
use crate::crypto::Rng;
use crate::event::{DownCause, Name};
use crate::ids::{CallId, PeerId, TunnelId};
use crate::time::{Duration, Instant, earliest};

/// A control connection.
#[derive(Debug)]
pub struct Tunnel {
    pub(super) carrier: Carrier,
    /// Our tunnel id.
    pub(super) local: u16,
    /// The client's tunnel id.
    pub(super) remote: NonZeroU16,
    pub(super) host_name: Name,
    pub(super) state: State,
    pub(super) channel: Channel,
    /// When anything was heard from the client.
    pub(super) heard: Instant,
    /// Whether the client has shown that our messages reach it.
    pub(super) proven: bool,
    /// Since when it has no calls, if it has none.
    pub(super) vacant_since: Option<Instant>,
    /// Whether a call ever came up.
    pub(super) had_call: bool,
    /// Calls that wait for ICCN, the oldest first.
    pub(super) setup: List<CallId>,
    /// Calls that carry data.
    pub(super) up: List<CallId>,
    /// Calls whose CDN waits for room in the queue.
    pub(super) goodbyes: List<CallId>,
    pub(super) links: Links<TunnelId>,
}

/// What a tunnel waits for (RFC 2661 §7.2.1).
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// SCCCN, until then. An older tunnel of the same client is over when this one opens.
    Opening { until: Instant, replaces: Option<TunnelId> },
    /// Nothing: calls may come.
    Open,
    /// Its calls to be cleared, and that the client stops repeating itself.
    Closing { until: Instant, cause: DownCause },
}

/// What tunnels are found by.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum TunnelKey {
    /// What a client's packets name.
    Local(Carrier, u16),
    /// What the client itself calls it; not for tunnels that are over.
    Remote(Carrier, u16),
    /// Whose it is.
    Owner(Owner),
}

/// Whom tunnels are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Peer(PeerId),
    Path(Path),
}

impl From<Carrier> for Owner {
    fn from(carrier: Carrier) -> Self {
        match carrier {
            Carrier::Esp { peer, .. } => Self::Peer(peer),
            Carrier::Udp(path) => Self::Path(path),
        }
    }
}

impl Linked<TunnelId> for Tunnel {
    fn links(&mut self) -> &mut Links<TunnelId> {
        &mut self.links
    }
}

impl Tunnel {
    /// Whether calls may come and data may flow.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether it is over and only acknowledges.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Its calls, whatever their state.
    pub(super) const fn call_count(&self) -> usize {
        self.setup.len() + self.up.len() + self.goodbyes.len()
    }

    /// What its messages need.
    pub(super) const fn ends<'n>(&self, host_name: &'n str) -> Ends<'n> {
        Ends { local: self.local, remote: self.remote.get(), host_name }
    }

    /// When an idle tunnel is probed, and when a silent one is given up.
    ///
    /// Any message that waits for its acknowledgement is a probe.
    pub(super) fn liveness_deadline(&self) -> Instant {
        self.heard + if self.channel.is_idle() { IDLE_MAX } else { SILENCE_MAX }
    }

    /// When a tunnel without calls is closed.
    pub(super) fn vacant_deadline(&self) -> Option<Instant> {
        self.vacant_since.map(|since| since + VACANT_MAX)
    }

    /// Notes whether it is open and has no calls.
    pub(super) fn note_vacancy(&mut self, now: Instant) {
        if self.is_open() && self.call_count() == 0 {
            self.vacant_since.get_or_insert(now);
        } else {
            self.vacant_since = None;
        }
    }

    /// Notes that the client has acknowledged a message; our StopCCN is the last one.
    pub(super) fn on_acked(&mut self, now: Instant) {
        if let State::Closing { until, cause } = &mut self.state
            && self.channel.is_idle()
            && *cause != DownCause::PeerClosed
        {
            *until = now;
        }
    }

    /// When it is due, but for its calls.
    fn deadline(&self) -> Option<Instant> {
        let resend = self.channel.resend_at().filter(|_| self.proven);
        let channel = earliest(resend, self.channel.ack_at());
        let state = match self.state {
            State::Opening { until, .. } => until,
            State::Open => {
                let quiet = self.liveness_deadline();
                self.vacant_deadline().map_or(quiet, |vacant| vacant.min(quiet))
            }
            State::Closing { .. } if self.call_count() > 0 => Instant::ZERO,
            State::Closing { until, .. } => until,
        };
        earliest(channel, Some(state))
    }
}

impl Lns<'_> {
    /// Files a tunnel's deadline.
    pub(super) fn file(&mut self, id: TunnelId) {
        let Some(tunnel) = self.tunnels.find(id) else { return };
        let mut deadline = tunnel.deadline();
        if tunnel.is_open()
            && let Some(first) = tunnel.setup.first()
            && tunnel.channel.room() > tunnel.goodbyes.len() + 1
        {
            deadline = earliest(deadline, self.setup_deadline(first));
        }
        self.wheel.set(id.index(), deadline);
    }

    /// Puts a message of ours into the tunnel's queue.
    pub(super) fn say(&mut self, id: TunnelId, reply: Reply) {
        if let Some(tunnel) = self.tunnels.find_mut(id) {
            let room = tunnel.channel.push(reply);
            debug_assert!(room, "room is seen to before a message is worked on");
        }
    }

    /// A tunnel id that no tunnel on this carrier has.
    pub(super) fn free_tunnel_id(&self, rng: &mut Rng, carrier: Carrier) -> Option<u16> {
        (0..ID_ATTEMPTS)
            .map(|_| rng.u16())
            .find(|&local| local != 0 && self.find_tunnel(carrier, local).is_none())
    }

    /// Makes a tunnel possible to find.
    pub(super) fn index_tunnel(&mut self, id: TunnelId) {
        for key in self.keys_of_tunnel(id).into_iter().flatten() {
            let hash = self.tunnel_index.hash(&key);
            // Three places for each tunnel, and there are eight: it cannot be full.
            let _ = self.tunnel_index.insert(hash, id.index());
        }
    }

    /// Makes a tunnel impossible to find by the client's own id: another may take it.
    pub(super) fn forget_remote(&mut self, id: TunnelId) {
        if let Some([_, remote, _]) = self.keys_of_tunnel(id) {
            let hash = self.tunnel_index.hash(&remote);
            self.tunnel_index.remove(hash, id.index());
        }
    }

    /// Makes a tunnel impossible to find.
    pub(super) fn forget_tunnel(&mut self, id: TunnelId) {
        for key in self.keys_of_tunnel(id).into_iter().flatten() {
            let hash = self.tunnel_index.hash(&key);
            self.tunnel_index.remove(hash, id.index());
        }
    }

    /// Frees a tunnel that has no calls.
    pub(super) fn free_tunnel(&mut self, id: TunnelId) {
        self.forget_tunnel(id);
        self.unlink(id);
        self.wheel.set(id.index(), None);
        self.tunnels.remove(id);
    }

    /// Notes that a client's address is not forged.
    pub(super) fn prove(&mut self, id: TunnelId) {
        let Some(tunnel) = self.tunnels.find_mut(id) else { return };
        let was_proven = core::mem::replace(&mut tunnel.proven, true);
        if !was_proven && !tunnel.is_closing() {
            self.unproven.remove(&mut self.tunnels, id);
        }
    }

    /// Takes a tunnel out of the one list that it may be in.
    pub(super) fn unlink(&mut self, id: TunnelId) {
        let Some(tunnel) = self.tunnels.find(id) else { return };
        if tunnel.is_closing() {
            self.lingering.remove(&mut self.tunnels, id);
        } else if !tunnel.proven {
            self.unproven.remove(&mut self.tunnels, id);
        }
    }

    /// One tunnel of a peer.
    pub(super) fn tunnel_of_peer(&self, peer: PeerId) -> Option<TunnelId> {
        let hash = self.tunnel_index.hash(&TunnelKey::Owner(Owner::Peer(peer)));
        let slot = self.tunnel_index.find(hash, |slot| {
            let tunnel = self.tunnels.key_at(slot).and_then(|key| self.tunnels.find(key));
            tunnel.is_some_and(|tunnel| Owner::from(tunnel.carrier) == Owner::Peer(peer))
        })?;
        self.tunnels.key_at(slot)
    }

    fn keys_of_tunnel(&self, id: TunnelId) -> Option<[TunnelKey; 3]> {
        let tunnel = self.tunnels.find(id)?;
        Some([
            TunnelKey::Local(tunnel.carrier, tunnel.local),
            TunnelKey::Remote(tunnel.carrier, tunnel.remote.get()),
            TunnelKey::Owner(tunnel.carrier.into()),
        ])
    }
}

/// Silence after which an open tunnel's client is asked whether it is there.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(60);
/// Silence after which an open tunnel is given up.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How long an open tunnel may have no calls.
const VACANT_MAX: Duration = Duration::from_secs(120);
/// How often a random id is drawn until a free one is found.
pub(super) const ID_ATTEMPTS: usize = 16;
