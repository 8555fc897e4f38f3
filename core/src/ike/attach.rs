//! From a verified phase 1 to a peer: a newcomer, a known client that renews its IKE SA, or one
//! that lost its state and dials again.
//!
//! A client is recognised by its address, its port and its identity together. INITIAL-CONTACT
//! (RFC 2407 §4.6.3.3) says that it holds nothing of before. Clients that never send it are told
//! apart by how they come back: a renewal begins where the old IKE SA is in use, on port 4500 if
//! that moved there (RFC 3947 §4), while a new dial begins on port 500. Where all is on port 500,
//! a new dial is what follows phase 1 with quick mode at once.

use crate::addr::Path;
use crate::discard::DropReason;
use crate::event::{DownCause, Event};
use crate::ids::PeerId;
use crate::outbox::Span;
use crate::time::{Duration, Instant, TimerSet};
use crate::wire::isakmp::Id;

use super::action::{Action, Out};
use super::keymat::{Block, Keys};
use super::table::{
    Bytes, Dpd, Established, IDENTITY_LEN, Identity, Joined, Negotiation, NegotiationKey, Peer,
    SaKey, SaState, Timer,
};
use super::{Cx, Ike};

/// What a verified phase 1 yields.
pub(super) struct Proven {
    pub(super) keys: Keys,
    pub(super) last_block: Block,
    pub(super) identity: Identity,
    pub(super) initial_contact: bool,
    /// The last message, sent once there is a place for the peer.
    pub(super) reply: Option<Span>,
}

/// What becomes of the peer that looks like the one that just proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The same client renews its IKE SA.
    Join,
    /// It may be a renewal; quick mode would show that it is not.
    JoinForNow,
    /// The same client dials again.
    Replace,
}

impl Identity {
    /// The identity that `id` states. One too long to keep is cut: it still has to come from the
    /// same address and port to be taken for another.
    pub(super) fn of(id: &Id<'_>) -> Self {
        let data: Bytes<IDENTITY_LEN> = id.data.iter().copied().take(IDENTITY_LEN).collect();
        Self { kind: id.kind, data }
    }
}

impl Ike<'_> {
    /// Phase 1 is verified: makes the IKE SA and gives it to its peer.
    pub(super) fn establish(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        proven: Proven,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let negotiation = self.negotiations.find(key).ok_or(DropReason::UnknownCookie)?;
        let (sa_key, path, suite) = (negotiation.sa, negotiation.path, negotiation.suite);
        let (life, renews) = (negotiation.life, negotiation.renews);
        let attached = match renews.filter(|&peer| self.peers.find(peer).is_some()) {
            Some(peer) => Ok((peer, Verdict::Join)),
            None => self.attach(cx, key, &proven, out),
        };
        let (peer, verdict) = attached.inspect_err(|&reason| {
            self.forget_negotiation(key);
            if self.alarms.may_ring(cx.now) {
                let remote = Some(path.remote);
                out.push(Action::Event(Event::Refused { remote, reason }));
            }
        })?;
        let Proven { keys, last_block, reply, .. } = proven;
        let established = Established {
            peer,
            suite,
            derive: keys.derive,
            auth: keys.auth,
            key: keys.cipher,
            last_block,
            soft: Some(soft_of(cx, life)),
            hard: cx.now + life,
            negotiation: Some(key),
            joined: match verdict {
                Verdict::Replace => None,
                Verdict::Join => Some((cx.now, Joined::ForGood)),
                Verdict::JoinForNow => Some((cx.now, Joined::ForNow)),
            },
            seen: heapless::Deque::new(),
        };
        if let Some(sa) = self.sas.find_mut(sa_key) {
            sa.state = SaState::Established(established);
        }
        self.adopt(cx, peer, sa_key, out);
        if let Some(message) = reply {
            out.push(Action::Send { path, message });
        }
        if verdict == Verdict::Replace {
            out.push(Action::Event(Event::PeerUp { peer, remote: path.remote, suite }));
        }
        self.refile(peer);
        Ok(())
    }

    /// The peer for a verified phase 1: one that is known, or a new one.
    fn attach(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        proven: &Proven,
        out: &mut Out,
    ) -> Result<(PeerId, Verdict), DropReason> {
        let Proven { identity, initial_contact, .. } = proven;
        let negotiation = self.negotiations.find(key).ok_or(DropReason::UnknownCookie)?;
        let path = negotiation.path;
        let same = self.find_peer(path, identity, |known| known.path.remote == path.remote);
        if let Some(known) = same {
            let verdict = match self.peers.find(known) {
                Some(peer) if !*initial_contact => verdict_on(peer, negotiation),
                _ => Verdict::Replace,
            };
            if verdict != Verdict::Replace {
                return Ok((known, verdict));
            }
            self.drop_peer(cx, known, DownCause::Replaced, out);
        }
        let peer = self.make_peer(cx, key, identity.clone())?;
        if *initial_contact {
            self.contest(cx, peer, out);
        }
        Ok((peer, Verdict::Replace))
    }

    /// Gives the IKE SA `sa_key` to `peer` as its newest one.
    fn adopt(&mut self, cx: &mut Cx<'_>, peer_id: PeerId, sa_key: SaKey, out: &mut Out) {
        let suite = match self.sas.find(sa_key).map(|sa| &sa.state) {
            Some(SaState::Established(established)) => Some(established.suite),
            _ => None,
        };
        let Some(peer) = self.peers.find_mut(peer_id) else { return };
        peer.last_heard = cx.now;
        peer.suite = suite.unwrap_or(peer.suite);
        let oldest = if peer.sas.is_full() { Some(peer.sas.remove(0)) } else { None };
        let _ = peer.sas.push(sa_key);
        let older = peer.sas.len().saturating_sub(1);
        for &older in peer.sas.iter().take(older) {
            if let Some(sa) = self.sas.find_mut(older)
                && let SaState::Established(established) = &mut sa.state
            {
                established.soft = None;
                established.hard = established.hard.min(cx.now + FADE_TIME);
            }
        }
        if let Some(oldest) = oldest {
            self.drop_sa(cx, oldest, true, out);
        }
    }

    /// The peer begins quick mode on an IKE SA of its own making: if that had joined its peer
    /// only for now, it is a new dial.
    pub(super) fn on_quick_begun(&mut self, cx: &mut Cx<'_>, sa_key: SaKey, out: &mut Out) {
        if let Some((at, Joined::ForNow)) = self.take_joined(sa_key)
            && at + PROVISIONAL_TIME > cx.now
        {
            self.split(cx, sa_key, out);
        }
    }

    /// The peer says on an established IKE SA that it holds nothing of before.
    pub(super) fn on_initial_contact(&mut self, cx: &mut Cx<'_>, sa_key: SaKey, out: &mut Out) {
        if let Some((at, _)) = self.take_joined(sa_key)
            && at + CONTACT_TIME > cx.now
        {
            self.split(cx, sa_key, out);
        }
        if let Some(peer) = self.peer_of(sa_key) {
            self.contest(cx, peer, out);
        }
    }

    fn take_joined(&mut self, sa_key: SaKey) -> Option<(Instant, Joined)> {
        match &mut self.sas.find_mut(sa_key)?.state {
            SaState::Established(established) => established.joined.take(),
            SaState::Negotiating(_) => None,
        }
    }

    /// The peer that an established IKE SA belongs to.
    pub(super) fn peer_of(&self, sa_key: SaKey) -> Option<PeerId> {
        match &self.sas.find(sa_key)?.state {
            SaState::Established(established) => Some(established.peer),
            SaState::Negotiating(_) => None,
        }
    }

    /// Takes an IKE SA away from the peer that it joined, which goes, and makes a new one of it.
    fn split(&mut self, cx: &mut Cx<'_>, sa_key: SaKey, out: &mut Out) {
        let Some(sa) = self.sas.find(sa_key) else { return };
        let SaState::Established(established) = &sa.state else { return };
        let (old_id, suite) = (established.peer, established.suite);
        let Some(key) = established.negotiation else { return };
        let Some(old) = self.peers.find_mut(old_id) else { return };
        if old.children.is_none() {
            return;
        }
        old.sas.retain(|&kept| kept != sa_key);
        let identity = old.identity.clone();
        self.drop_peer(cx, old_id, DownCause::Replaced, out);
        let Ok(peer) = self.make_peer(cx, key, identity) else { return };
        if let Some(sa) = self.sas.find_mut(sa_key)
            && let SaState::Established(established) = &mut sa.state
        {
            established.peer = peer;
        }
        self.adopt(cx, peer, sa_key, out);
        let Some(remote) = self.peers.find(peer).map(|peer| peer.path.remote) else { return };
        out.push(Action::Event(Event::PeerUp { peer, remote, suite }));
        self.refile(peer);
    }

    /// The peer says that it holds nothing of before: looks for others with its address and
    /// identity. One on its own port goes at once; one elsewhere has to answer a probe, since it
    /// may be another client behind the same NAT.
    pub(super) fn contest(&mut self, cx: &mut Cx<'_>, newcomer: PeerId, out: &mut Out) {
        let Some(peer) = self.peers.find(newcomer) else { return };
        let (path, identity) = (peer.path, peer.identity.clone());
        for _ in 0..CONTESTED_MAX {
            let other = self.find_peer(path, &identity, |known| {
                known.timers.at(Timer::Contested as usize).is_none()
                    && known.capabilities.dpd
                    && !known.sas.is_empty()
                    && known.path.remote != path.remote
            });
            let Some(other) = other else { return };
            if let Some(known) = self.peers.find_mut(other) {
                known.timers.arm(Timer::Contested as usize, cx.now + CONTESTED_TIME);
                known.dpd.sent = None;
            }
            let _ = self.probe(cx, other, out);
            self.refile(other);
        }
    }

    fn make_peer(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        identity: Identity,
    ) -> Result<PeerId, DropReason> {
        let negotiation = self.negotiations.find(key).ok_or(DropReason::UnknownCookie)?;
        let mut timers = TimerSet::default();
        timers.arm(Timer::NoChild as usize, cx.now + NO_CHILD_TIME);
        timers.arm(Timer::Liveness as usize, cx.now + IDLE_TIME);
        if negotiation.we_are_behind_nat {
            timers.arm(Timer::Keepalive as usize, cx.now + KEEPALIVE_TIME);
        }
        let peer = Peer {
            path: negotiation.path,
            identity,
            capabilities: negotiation.capabilities,
            we_are_behind_nat: negotiation.we_are_behind_nat,
            suite: negotiation.suite,
            renewal: None,
            sas: heapless::Vec::new(),
            exchanges: heapless::Vec::new(),
            had_child: false,
            children: None,
            last_heard: cx.now,
            dpd: Dpd { sequence: cx.rng.u32() >> 1, ..Dpd::default() },
            timers,
        };
        let hash = self.by_identity.hash(&(peer.path.remote.ip(), &peer.identity));
        let id = self.peers.insert(peer).map_err(|_| DropReason::PeerTableFull)?;
        let _ = self.by_identity.insert(hash, id.index());
        Ok(id)
    }

    /// A peer with the address of `path` and `identity` that `accept` accepts.
    fn find_peer(
        &self,
        path: Path,
        identity: &Identity,
        accept: impl Fn(&Peer) -> bool,
    ) -> Option<PeerId> {
        let is_it = |peer: &Peer| {
            peer.path.remote.ip() == path.remote.ip() && peer.identity == *identity && accept(peer)
        };
        let at = |slot| {
            let id = self.peers.key_at(slot)?;
            self.peers.find(id).filter(|peer| is_it(peer)).map(|_| id)
        };
        let hash = self.by_identity.hash(&(path.remote.ip(), identity));
        let slot = self.by_identity.find(hash, |slot| at(slot).is_some())?;
        self.peers.key_at(slot)
    }

    /// The peer is at `path` now.
    pub(super) fn move_peer(&mut self, id: PeerId, path: Path, out: &mut Out) {
        let Some(peer) = self.peers.find_mut(id).filter(|peer| peer.path != path) else { return };
        let before = core::mem::replace(&mut peer.path, path);
        let (old_ip, new_ip) = (before.remote.ip(), path.remote.ip());
        if old_ip != new_ip {
            let old_hash = self.by_identity.hash(&(old_ip, &peer.identity));
            let new_hash = self.by_identity.hash(&(new_ip, &peer.identity));
            if self.by_identity.remove(old_hash, id.index()) {
                let _ = self.by_identity.insert(new_hash, id.index());
            }
        }
        out.push(Action::PeerMoved { peer: id, path });
        out.push(Action::Event(Event::PeerMoved { peer: id, remote: path.remote }));
    }
}

/// What a client without INITIAL-CONTACT is after, given the one that it looks like.
fn verdict_on(known: &Peer, negotiation: &Negotiation) -> Verdict {
    if known.last_heard > negotiation.began || negotiation.first_path.is_natt() {
        Verdict::Join
    } else if negotiation.path.is_natt() {
        Verdict::Replace
    } else {
        Verdict::JoinForNow
    }
}

/// When to replace something that lives for `life` from now on.
///
/// The client is left to do it first; then between 90 and 95 % of the time, so that a crowd does
/// not do it all at once.
pub(super) fn soft_of(cx: &mut Cx<'_>, life: Duration) -> Instant {
    let share = 900 + u64::from(cx.rng.u16() % 50);
    cx.now + life.times(share).over(1000)
}

/// Time in which quick mode shows that a renewal was a new dial.
const PROVISIONAL_TIME: Duration = Duration::from_secs(5);
/// Time that an IKE SA stays usable after it was replaced.
const FADE_TIME: Duration = Duration::from_secs(60);
/// Time after phase 1 in which INITIAL-CONTACT is about that phase 1.
const CONTACT_TIME: Duration = Duration::from_secs(30);
/// Time for the answer to an INITIAL-CONTACT probe.
const CONTESTED_TIME: Duration = Duration::from_secs(2);
/// Peers that one INITIAL-CONTACT can put to the test.
const CONTESTED_MAX: usize = 2;
/// A peer without an IPsec SA is given up after this time.
pub(super) const NO_CHILD_TIME: Duration = Duration::from_secs(60);
/// A peer that was silent for this long is probed.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(30);
/// Time between NAT keepalives (RFC 3948 §4).
pub(super) const KEEPALIVE_TIME: Duration = Duration::from_secs(20);
