//! What happens with time: deadlines of negotiations and peers.

use crate::discard::DropReason;
use crate::event::{DownCause, FailureCause, Offered, Stage};
use crate::ids::PeerId;
use crate::time::{Duration, Instant};
use crate::wire::isakmp::{Delete, payload_type, protocol};

use super::action::{Action, Out};
use super::attach::{IDLE_TIME, KEEPALIVE_TIME};
use super::main_mode::failure;
use super::table::{ChildKey, NegotiationKey, SaKey, SaState, Step, Timer};
use super::{Cx, Ike};

impl Ike<'_> {
    /// Works on one peer or negotiation that is due; `false` if none is.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>, out: &mut Out) -> bool {
        let Some(node) = self.wheel.take_due(cx.now) else { return false };
        match (node as usize).checked_sub(self.peers.capacity()) {
            None => {
                if let Some(peer) = self.peers.key_at(node) {
                    self.on_peer_due(cx, peer, out);
                    self.refile(peer);
                }
            }
            Some(slot) => {
                if let Some(key) = self.negotiations.key_at(slot as u32) {
                    self.on_negotiation_due(cx, key, out);
                }
            }
        }
        true
    }

    fn on_negotiation_due(&mut self, cx: &mut Cx<'_>, key: NegotiationKey, out: &mut Out) {
        let Some(negotiation) = self.negotiations.find(key) else { return };
        if negotiation.expires > cx.now {
            return self.ask_again(cx, key, out);
        }
        let finished = matches!(negotiation.step, Step::Done) || negotiation.renews.is_some();
        let path = negotiation.path;
        if !finished && !negotiation.reported && self.alarms.may_ring(cx.now) {
            out.push(failure(path, Stage::Phase1, FailureCause::Silence, Offered::new()));
        }
        self.give_up(cx, key);
    }

    fn on_peer_due(&mut self, cx: &mut Cx<'_>, id: PeerId, out: &mut Out) {
        let Some(peer) = self.peers.find_mut(id) else { return };
        let Some(timer) = peer.timers.take_due(cx.now) else { return };
        let remote_path = peer.path;
        if timer == Timer::Liveness as usize {
            self.on_liveness_due(cx, id, out);
        } else if timer == Timer::NoChild as usize {
            if !peer.had_child {
                let cause = FailureCause::Silence;
                out.push(failure(remote_path, Stage::Phase2, cause, Offered::new()));
            }
            self.close_peer(cx, id, DownCause::Expired, out);
        } else if timer == Timer::Contested as usize {
            self.drop_peer(cx, id, DownCause::Replaced, out);
        } else if timer == Timer::Keepalive as usize {
            peer.timers.arm(Timer::Keepalive as usize, cx.now + KEEPALIVE_TIME);
            out.push(Action::Keepalive { path: remote_path });
        } else {
            self.on_parts_due(cx, id, out);
        }
    }

    /// Nothing may have been heard for a while: asks, and gives up in the end.
    fn on_liveness_due(&mut self, cx: &mut Cx<'_>, id: PeerId, out: &mut Out) {
        let dead_after = self.settings.dead_after;
        let Some(peer) = self.peers.find_mut(id) else { return };
        let idle = cx.now.since(peer.last_heard);
        if idle >= dead_after {
            self.close_peer(cx, id, DownCause::Silence, out);
            return;
        }
        let dead_at = peer.last_heard + dead_after;
        let asks = idle >= IDLE_TIME && peer.capabilities.dpd && !peer.sas.is_empty();
        let next = match (idle < IDLE_TIME, asks) {
            (true, _) => peer.last_heard + IDLE_TIME,
            (false, true) => cx.now + PROBE_TIME,
            (false, false) => dead_at,
        };
        peer.timers.arm(Timer::Liveness as usize, next.min(dead_at));
        if asks {
            let _ = self.probe(cx, id, out);
        }
    }

    /// One of the parts of a peer is due: the first that is found.
    fn on_parts_due(&mut self, cx: &mut Cx<'_>, id: PeerId, out: &mut Out) {
        let Some(peer) = self.peers.find(id) else { return };
        let due = |at: Instant| at <= cx.now;
        let exchange = peer.exchanges.iter().copied().find(|&key| {
            self.exchanges
                .find(key)
                .is_some_and(|found| due(found.expires) || found.resend.at.is_some_and(due))
        });
        if let Some(exchange) = exchange {
            return self.on_exchange_due(cx, exchange, out);
        }
        let sa =
            peer.sas.iter().copied().find(|&key| match self.sas.find(key).map(|sa| &sa.state) {
                Some(SaState::Established(sa)) => due(sa.hard) || sa.soft.is_some_and(due),
                _ => false,
            });
        if let Some(sa) = sa {
            return self.on_sa_due(cx, id, sa, out);
        }
        let mut next = peer.children;
        while let Some(key) = next {
            let Some(child) = self.children.find(key) else { return };
            if due(child.hard) || child.soft.is_some_and(due) {
                return self.on_child_due(cx, id, key, out);
            }
            next = child.next;
        }
    }

    fn on_sa_due(&mut self, cx: &mut Cx<'_>, peer: PeerId, key: SaKey, out: &mut Out) {
        let Some(sa) = self.sas.find_mut(key) else { return };
        let SaState::Established(established) = &mut sa.state else { return };
        if established.hard > cx.now {
            established.soft = None;
            if self.renew(cx, peer, out).is_err() {
                self.on_renewal_failed(cx, peer);
            }
            return;
        }
        self.drop_sa(cx, key, true, out);
        let alone = self
            .peers
            .find(peer)
            .is_some_and(|peer| peer.sas.is_empty() && peer.children.is_none());
        if alone {
            self.drop_peer(cx, peer, DownCause::Expired, out);
        }
    }

    fn on_child_due(&mut self, cx: &mut Cx<'_>, peer: PeerId, key: ChildKey, out: &mut Out) {
        let Some(child) = self.children.find_mut(key) else { return };
        if child.hard > cx.now {
            child.soft = None;
            return self.rekey_peer(cx, peer, out);
        }
        let spi = child.terms.spi_in.0.to_be_bytes();
        let delete = Delete { protocol: protocol::ESP, spi_len: 4, spis: &spi };
        let _: Result<(), DropReason> = self.tell(cx, peer, out, |chain| {
            chain.add(payload_type::DELETE, |writer| delete.emit(writer));
        });
        self.drop_child(cx.now, key, out);
    }
}

/// Time between two probes of a silent peer.
const PROBE_TIME: Duration = Duration::from_secs(10);
