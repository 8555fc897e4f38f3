//! What happens to peers, their IKE SAs and their IPsec SAs once they exist.

use crate::addr::Path;
use crate::canary::{Fault, is_planted};
use crate::discard::DropReason;
use crate::event::{DownCause, Event};
use crate::ids::PeerId;
use crate::ipsec::Spi;
use crate::time::{Duration, Instant, earliest};
use crate::wire::isakmp::{Chain, Delete, Notify, notify_type, payload_type, protocol};

use super::action::{Action, Out};
use super::attach::{NO_CHILD_TIME, soft_of};
use super::keymat::phase2_iv;
use super::message::Protection;
use super::table::{
    Bytes, Child, ChildKey, Established, ExchangeKey, IkeSa, Peer, QuickStep, SaKey, SaState,
    Terms, Timer,
};
use super::{Cx, Ike};

impl Ike<'_> {
    /// Fresh ESP of `peer` came from `path`.
    pub fn handle_moved(&mut self, now: Instant, peer: PeerId, path: Path, out: &mut Out) {
        self.handle_heard(now, peer);
        self.move_peer(peer, path, out);
    }

    /// Something authentic came from `peer`. Costs a table look-up: call it for every packet.
    pub fn handle_heard(&mut self, now: Instant, peer: PeerId) {
        if let Some(peer) = self.peers.find_mut(peer) {
            peer.last_heard = now;
        }
    }

    /// The first valid ESP came in on `spi`: the peer has got quick mode's second message, and so
    /// receives on its side.
    pub fn handle_sa_proven(&mut self, cx: &mut Cx<'_>, spi: Spi, out: &mut Out) {
        let Some(key) = self.find_child(spi) else { return };
        let Some(peer) = self.children.find(key).map(|child| child.peer) else { return };
        self.handle_heard(cx.now, peer);
        let exchanges = self.peers.find(peer).map(|peer| peer.exchanges.clone());
        for exchange in exchanges.unwrap_or_default() {
            let is_it = self.exchanges.find(exchange).is_some_and(|found| {
                found.terms.spi_in == spi && matches!(found.step, QuickStep::AwaitThird)
            });
            if is_it {
                self.forget_exchange(cx, exchange);
            }
        }
        self.activate(cx, key, out);
    }

    /// Ends a peer: says goodbye and forgets it.
    pub fn close_peer(&mut self, cx: &mut Cx<'_>, peer: PeerId, cause: DownCause, out: &mut Out) {
        let Some(found) = self.peers.find(peer) else { return };
        let mut spis = Bytes::<{ SPIS_MAX * 4 }>::new();
        let mut next = found.children;
        while let Some(child) = next.and_then(|key| self.children.find(key)) {
            let _ = spis.extend_from_slice(&child.terms.spi_in.0.to_be_bytes());
            next = child.next;
        }
        if !spis.is_empty() {
            let delete = Delete { protocol: protocol::ESP, spi_len: 4, spis: &spis };
            let _ = self.tell(cx, peer, out, |chain| {
                chain.add(payload_type::DELETE, |writer| delete.emit(writer));
            });
        }
        let sas = self.peers.find(peer).map(|peer| peer.sas.clone()).unwrap_or_default();
        for sa in sas {
            self.drop_sa(cx, sa, true, out);
        }
        self.drop_peer(cx, peer, cause, out);
    }

    /// Sends an informational message on the newest IKE SA of `peer`.
    ///
    /// # Errors
    /// [`DropReason::NoSa`] if there is none.
    pub(super) fn tell(
        &self,
        cx: &mut Cx<'_>,
        peer: PeerId,
        out: &mut Out,
        write: impl FnOnce(&mut Chain<'_, '_>),
    ) -> Result<(), DropReason> {
        let found = self.peers.find(peer).ok_or(DropReason::NoSa)?;
        let sa = found.sas.last().and_then(|&sa| self.sas.find(sa)).ok_or(DropReason::NoSa)?;
        tell_on(sa, found.path, cx, out, write)
    }

    /// Asks `peer` whether it is there (RFC 3706 §5.3).
    pub(super) fn probe(
        &mut self,
        cx: &mut Cx<'_>,
        id: PeerId,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let peer = self.peers.find_mut(id).ok_or(DropReason::NoSa)?;
        peer.dpd.sequence = peer.dpd.sequence.wrapping_add(1);
        peer.dpd.sent = Some(cx.now);
        let sequence = peer.dpd.sequence;
        self.tell_liveness(cx, id, notify_type::R_U_THERE, sequence, out)
    }

    /// Sends a message of dead peer detection.
    pub(super) fn tell_liveness(
        &self,
        cx: &mut Cx<'_>,
        id: PeerId,
        kind: u16,
        sequence: u32,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let sa = self.peers.find(id).and_then(|peer| self.sas.find(*peer.sas.last()?));
        let (initiator, responder) = sa.ok_or(DropReason::NoSa)?.cookies();
        let mut spi = [0; 16];
        let cookies = initiator.0.into_iter().chain(responder.0);
        spi.iter_mut().zip(cookies).for_each(|(to, from)| *to = from);
        let data = sequence.to_be_bytes();
        let notify = Notify { protocol: protocol::ISAKMP, kind, spi: &spi, data: &data };
        self.tell(cx, id, out, |chain| {
            chain.add(payload_type::NOTIFY, |writer| notify.emit(writer));
        })
    }

    /// Notes a new pair of IPsec SAs of `peer`, which the peer may not have heard of yet.
    pub(super) fn add_child(
        &mut self,
        cx: &mut Cx<'_>,
        peer_id: PeerId,
        terms: Terms,
    ) -> Result<ChildKey, DropReason> {
        let peer = self.peers.find_mut(peer_id).ok_or(DropReason::NoSa)?;
        let spi = terms.spi_in;
        let child = Child {
            peer: peer_id,
            next: peer.children,
            terms,
            active: false,
            soft: None,
            hard: cx.now + UNPROVEN_TIME,
        };
        let key = self.children.insert(child).map_err(|_| DropReason::SaTableFull)?;
        peer.children = Some(key);
        let hash = self.by_spi.hash(&spi);
        let _ = self.by_spi.insert(hash, key.0.index);
        Ok(key)
    }

    /// The peer receives on this pair: it is used from now on, and lives its full time.
    pub(super) fn activate(&mut self, cx: &mut Cx<'_>, key: ChildKey, out: &mut Out) {
        let Some(child) = self.children.find(key).filter(|child| !child.active) else { return };
        let (peer, spi) = (child.peer, child.terms.spi_in);
        let life = child.terms.lifetime.time;
        let soft = soft_of(cx, life);
        if let Some(child) = self.children.find_mut(key) {
            child.active = true;
            child.soft = Some(soft);
            child.hard = cx.now + life;
        }
        if let Some(peer) = self.peers.find_mut(peer) {
            peer.had_child = true;
            peer.timers.disarm(Timer::NoChild as usize);
        }
        self.supersede(peer, key);
        out.push(Action::ActivateSa(spi));
        self.refile(peer);
    }

    /// There is a newer pair than the others of this peer: nobody has to replace those.
    fn supersede(&mut self, peer: PeerId, newest: ChildKey) {
        let mut next = self.peers.find(peer).and_then(|peer| peer.children);
        while let Some(key) = next {
            let Some(child) = self.children.find_mut(key) else { return };
            if key != newest {
                child.soft = None;
            }
            next = child.next;
        }
    }

    /// Takes a pair of IPsec SAs out of all tables.
    pub(super) fn drop_child(&mut self, now: Instant, key: ChildKey, out: &mut Out) {
        let Some(child) = self.children.take(key) else { return };
        let hash = self.by_spi.hash(&child.terms.spi_in);
        self.by_spi.remove(hash, key.0.index);
        self.unlink_child(child.peer, key, child.next);
        if let Some(peer) = self.peers.find_mut(child.peer)
            && peer.children.is_none()
        {
            peer.timers.arm(Timer::NoChild as usize, now + NO_CHILD_TIME);
        }
        out.push(Action::DeleteSa(child.terms.spi_in));
    }

    fn unlink_child(&mut self, peer: PeerId, key: ChildKey, after: Option<ChildKey>) {
        let Some(peer) = self.peers.find_mut(peer) else { return };
        if peer.children == Some(key) {
            peer.children = after;
            return;
        }
        let mut next = peer.children;
        while let Some(child) = next.and_then(|key| self.children.find_mut(key)) {
            if child.next == Some(key) {
                child.next = after;
                return;
            }
            next = child.next;
        }
    }

    /// Takes an IKE SA out of all tables; with `goodbye`, tells the peer.
    pub(super) fn drop_sa(&mut self, cx: &mut Cx<'_>, key: SaKey, goodbye: bool, out: &mut Out) {
        let Some(sa) = self.sas.find(key) else { return };
        let SaState::Established(established) = &sa.state else { return };
        let (peer, negotiation) = (established.peer, established.negotiation);
        if goodbye && let Some(path) = self.peers.find(peer).map(|peer| peer.path) {
            let (initiator, responder) = sa.cookies();
            let spis: Bytes<16> = initiator.0.into_iter().chain(responder.0).collect();
            let delete = Delete { protocol: protocol::ISAKMP, spi_len: 16, spis: &spis };
            let _ = tell_on(sa, path, cx, out, |chain| {
                chain.add(payload_type::DELETE, |writer| delete.emit(writer));
            });
        }
        if let Some(negotiation) = negotiation {
            self.forget_negotiation(negotiation);
        }
        if let Some(peer) = self.peers.find_mut(peer) {
            peer.sas.retain(|&kept| kept != key);
        }
        if let Some(address) = self.sas.find(key).map(|sa| sa.address) {
            if !is_planted(Fault::IkeSaStaysCounted) {
                self.quotas.close(address);
            }
            self.sas.remove(key);
        }
    }

    /// Forgets a peer and all that hangs on it, without a word.
    pub(super) fn drop_peer(
        &mut self,
        cx: &mut Cx<'_>,
        id: PeerId,
        cause: DownCause,
        out: &mut Out,
    ) {
        let Some(peer) = self.peers.find(id) else { return };
        let (sas, exchanges) = (peer.sas.clone(), peer.exchanges.clone());
        if let Some(renewal) = peer.renewal {
            self.forget_negotiation(renewal);
        }
        for exchange in exchanges {
            self.forget_exchange(cx, exchange);
        }
        for sa in sas {
            self.drop_sa(cx, sa, false, out);
        }
        let Some(peer) = self.peers.take(id) else { return };
        let remote = peer.path.remote;
        let hash = self.by_identity.hash(&(remote.ip(), &peer.identity));
        self.by_identity.remove(hash, id.index());
        self.wheel.set(id.index(), None);
        let mut next = peer.children;
        while let Some(key) = next {
            let Some(child) = self.children.take(key) else { break };
            let hash = self.by_spi.hash(&child.terms.spi_in);
            self.by_spi.remove(hash, key.0.index);
            next = child.next;
        }
        out.push(Action::PeerDown { peer: id, cause });
        out.push(Action::Event(Event::PeerDown { peer: id, remote, cause }));
    }

    /// Forgets a quick mode; gives its SPI back if no SA was made of it.
    pub(super) fn forget_exchange(&mut self, cx: &mut Cx<'_>, key: ExchangeKey) {
        let Some(exchange) = self.exchanges.find(key) else { return };
        if !exchange.installed {
            cx.spis.release(exchange.terms.spi_in);
        }
        if let Some(peer) = self.peers.find_mut(exchange.peer) {
            peer.exchanges.retain(|&kept| kept != key);
        }
        self.exchanges.remove(key);
    }

    /// Files a peer in the wheel by the first deadline of all it has.
    pub(super) fn refile(&mut self, id: PeerId) {
        let Some(peer) = self.peers.find(id) else { return };
        let parts = self.first_part(peer);
        let Some(peer) = self.peers.find_mut(id) else { return };
        match parts {
            Some(at) => peer.timers.arm(Timer::Parts as usize, at),
            None => peer.timers.disarm(Timer::Parts as usize),
        }
        let deadline = peer.timers.deadline();
        self.wheel.set(id.index(), deadline);
    }

    /// The first deadline among IKE SAs, quick modes and IPsec SAs of a peer.
    fn first_part(&self, peer: &Peer) -> Option<Instant> {
        let sas = peer.sas.iter().filter_map(|&key| self.sas.find(key)).filter_map(sa_deadline);
        let exchanges = peer.exchanges.iter().filter_map(|&key| self.exchanges.find(key));
        let exchanges = exchanges
            .map(|found| found.resend.at.map_or(found.expires, |at| at.min(found.expires)));
        let mut first = sas.chain(exchanges).min();
        let mut next = peer.children;
        while let Some(child) = next.and_then(|key| self.children.find(key)) {
            first = earliest(first, earliest(child.soft, Some(child.hard)));
            next = child.next;
        }
        first
    }
}

/// When something has to be done about an IKE SA.
fn sa_deadline(sa: &IkeSa) -> Option<Instant> {
    match &sa.state {
        SaState::Established(established) => earliest(established.soft, Some(established.hard)),
        SaState::Negotiating(_) => None,
    }
}

/// Sends an informational message on one IKE SA.
pub(super) fn tell_on(
    sa: &IkeSa,
    path: Path,
    cx: &mut Cx<'_>,
    out: &mut Out,
    write: impl FnOnce(&mut Chain<'_, '_>),
) -> Result<(), DropReason> {
    let SaState::Established(established) = &sa.state else { return Err(DropReason::NoSa) };
    let message_id = cx.rng.u32() | 1;
    let iv = phase2_iv(established.suite, &established.last_block, message_id);
    let message = protection(sa, established).emit_informational(out, message_id, &iv, write)?;
    out.push(Action::Send { path, message });
    Ok(())
}

/// What protects messages of phase 2 of this IKE SA.
pub(super) const fn protection<'k>(sa: &IkeSa, established: &'k Established) -> Protection<'k> {
    let (initiator, responder) = sa.cookies();
    let Established { suite, auth, key, .. } = established;
    Protection { initiator, responder, suite: *suite, auth, key }
}

/// An IPsec SA that the peer never used is removed after this time.
const UNPROVEN_TIME: Duration = Duration::from_secs(60);
/// SPIs that one Delete names at most.
const SPIS_MAX: usize = 32;
