//! Carrying out what IKE asks for.

use crate::addr::Path;
use crate::buf::{Frame, Pool};
use crate::discard::DropReason;
use crate::event::Event;
use crate::ids::{PeerId, RequestId};
use crate::ike::{self, Action, Ike};
use crate::ipsec::SaParams;
use crate::store::Full;
use crate::time::Instant;

use super::demux::{self, NON_ESP_MARKER};
use super::outputs::Entry;
use super::{Answer, Cx, Request, Server};

impl<P: Pool> Server<'_, P> {
    /// Hands out an open question, once.
    pub fn take_request(&mut self, id: RequestId) -> Option<Request> {
        self.requests.take(id).map(Request::Dh)
    }

    /// Takes the answer to a question.
    pub fn handle_answer(&mut self, cx: &mut Cx<'_, P>, id: RequestId, answer: &Answer) {
        let Answer::Dh(result) = answer;
        match self.requests.close(id) {
            Some(token) if !self.is_closing() => {
                let handled =
                    self.with_ike(cx, |ike, cx, out| ike.handle_dh(cx, token, result, out));
                self.count(handled);
            }
            _ => self.drops.count(DropReason::StaleAnswer),
        }
    }

    /// Calls IKE and carries out what it asks for.
    pub(super) fn with_ike<R>(
        &mut self,
        cx: &mut Cx<'_, P>,
        call: impl FnOnce(&mut Ike<'_>, &mut ike::Cx<'_>, &mut ike::Out) -> R,
    ) -> R {
        if self.outboxes.ike.is_empty() {
            self.outboxes.ike.clear();
        }
        let mut ike_cx = ike::Cx { now: cx.now, rng: &mut self.rng, spis: &mut self.esp };
        let result = call(&mut self.ike, &mut ike_cx, &mut self.outboxes.ike);
        while let Some(action) = self.outboxes.ike.pop() {
            self.carry_out_ike(cx, action);
        }
        result
    }

    fn carry_out_ike(&mut self, cx: &mut Cx<'_, P>, action: Action) {
        match action {
            Action::Send { path, message } => {
                let message = Frame::copy_of(cx.pool, self.outboxes.ike.bytes(message));
                let sent = message.map_err(|_| DropReason::NoBuffer);
                let sent = sent.and_then(|message| self.send_ike(path, message));
                self.count(sent);
            }
            Action::Keepalive { path } => match Frame::copy_of(cx.pool, demux::KEEPALIVE) {
                Ok(payload) => self.queue(Entry::Datagram { path, payload }),
                Err(_) => self.drops.count(DropReason::NoBuffer),
            },
            Action::Dh { token, job } => {
                let job = job.assemble(&self.outboxes.ike);
                match self.requests.open(cx.now, token, job) {
                    Ok(id) => self.queue(Entry::Request(id)),
                    Err(Full) => self.drops.count(DropReason::Busy),
                }
            }
            Action::InstallSa(params) => self.install_sa(cx.now, &params),
            Action::ActivateSa(spi) => self.esp.activate(spi),
            Action::DeleteSa(spi) => {
                self.seal();
                self.esp.remove(spi);
            }
            Action::PeerMoved { peer, path } => self.esp.set_path(peer, path),
            Action::PeerDown { peer, cause: _ } => self.on_peer_down(peer),
            Action::Event(event) => self.tell(event),
        }
    }

    fn send_ike(&mut self, path: Path, mut message: Frame<P::Buf>) -> Result<(), DropReason> {
        if path.is_natt() {
            message.push(NON_ESP_MARKER.len())?.copy_from_slice(&NON_ESP_MARKER);
        }
        self.queue(Entry::Datagram { path, payload: message });
        Ok(())
    }

    fn install_sa(&mut self, now: Instant, params: &SaParams) {
        match self.esp.install(now, params) {
            Ok(sa) => self.tell(Event::SaUp { sa, peer: params.peer, suite: params.suite }),
            Err(reason) => self.drops.count(reason),
        }
    }

    /// Lets one pair of SAs go that is at its end; tells whether there was one.
    pub(super) fn step_expired(&mut self, now: Instant) -> bool {
        if self.esp.deadline().is_none_or(|at| at > now) {
            return false;
        }
        self.seal();
        self.esp.handle_timeout(now).is_some()
    }

    /// Forgets the SAs of a peer that is gone; its tunnels follow step by step.
    fn on_peer_down(&mut self, peer: PeerId) {
        self.seal();
        self.esp.remove_peer(peer);
        if self.leaving.push(peer).is_err() {
            debug_assert!(false, "there is a place for every peer");
        }
    }
}
