//! Informational exchanges (RFC 2409 §5.7): notifications, deletions, dead peer detection.
//!
//! Only messages whose hash verifies count (RFC 2408 §5.14 would let others pass); a message in
//! plain text changes nothing, whatever it says.

use crate::discard::DropReason;
use crate::event::DownCause;
use crate::ids::PeerId;
use crate::wire::isakmp::{Delete, HEADER_LEN, Notify, flag, notify_type, payload_type, protocol};

use super::action::{ACTIONS_MAX, Out};
use super::keymat::phase2_iv;
use super::message::{Body, open, phase2_hash};
use super::table::{SaKey, SaState, Timer};
use super::{Arrival, Cx, Ike};

impl Ike<'_> {
    /// An informational message on an IKE SA of ours.
    pub(super) fn on_informational(
        &mut self,
        cx: &mut Cx<'_>,
        sa_key: SaKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let message_id = arrival.header.message_id;
        let sa = self.sas.find_mut(sa_key).ok_or(DropReason::UnknownCookie)?;
        let SaState::Established(established) = &mut sa.state else {
            return Err(DropReason::UnexpectedExchange);
        };
        if arrival.header.flags & flag::ENCRYPTED == 0 || message_id == 0 {
            return Err(DropReason::UnexpectedExchange);
        }
        if !established.is_new(message_id) {
            return Err(DropReason::Duplicate);
        }
        let suite = established.suite;
        let iv = phase2_iv(suite, &established.last_block, message_id);
        open(message, suite.cipher, &established.key, &iv)?;
        let body = message.get(HEADER_LEN..).unwrap_or_default();
        let body = Body::parse(arrival.header.next_payload, body)
            .map_err(|_| DropReason::NotDecryptable)?;
        let (hash, covered) = body.hash()?;
        let prefix: [&[u8]; 1] = [&message_id.to_be_bytes()];
        if !phase2_hash(suite.hash, &established.auth, &prefix, covered).equals(hash) {
            return Err(DropReason::HashMismatch);
        }
        established.remember(message_id);
        let negotiation = established.negotiation;
        let peer = established.peer;
        self.handle_heard(cx.now, peer);
        let result = self.on_payloads(cx, sa_key, arrival, &body, out);
        // It has got message 6.
        if let Some(negotiation) = negotiation {
            self.forget_negotiation(negotiation);
        }
        self.refile(peer);
        if let Some(peer) = self.peer_of(sa_key) {
            self.refile(peer);
        }
        result
    }

    /// Looks at notifications, then at deletions, as long as there is room for what they cause.
    fn on_payloads(
        &mut self,
        cx: &mut Cx<'_>,
        sa_key: SaKey,
        arrival: &Arrival,
        body: &Body<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        for kind in [payload_type::NOTIFY, payload_type::DELETE] {
            for payload in body.all(kind) {
                // A Delete may have taken the IKE SA itself.
                let Some(peer) = self.peer_of(sa_key) else { return Ok(()) };
                if out.iter().count() > ACTIONS_MAX - ACTIONS_OF_PAYLOAD {
                    return Err(DropReason::OutboxFull);
                }
                if kind == payload_type::NOTIFY {
                    self.on_notify(cx, sa_key, arrival, &Notify::parse(payload)?, out)?;
                } else {
                    self.on_delete(cx, peer, &Delete::parse(payload)?, out);
                }
            }
        }
        Ok(())
    }

    fn on_notify(
        &mut self,
        cx: &mut Cx<'_>,
        sa_key: SaKey,
        arrival: &Arrival,
        notify: &Notify<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let id = self.peer_of(sa_key).ok_or(DropReason::UnknownCookie)?;
        let sequence = || {
            let sequence = notify.data.try_into().map(u32::from_be_bytes);
            sequence.map_err(|_| DropReason::BadPayload)
        };
        match notify.kind {
            notify_type::R_U_THERE => {
                let sequence = sequence()?;
                let peer = self.peers.find_mut(id).ok_or(DropReason::UnknownCookie)?;
                //= RFC 3706 §7.2: a sequence number that does not grow is a replay.
                if peer.dpd.theirs.is_some_and(|last| sequence <= last) {
                    return Err(DropReason::Replayed);
                }
                peer.dpd.theirs = Some(sequence);
                self.move_peer(id, arrival.path, out);
                self.tell_liveness(cx, id, notify_type::R_U_THERE_ACK, sequence, out)
            }
            notify_type::R_U_THERE_ACK => {
                let sequence = sequence()?;
                let peer = self.peers.find_mut(id).ok_or(DropReason::UnknownCookie)?;
                if peer.dpd.sent.is_none() || peer.dpd.sequence != sequence {
                    return Err(DropReason::Replayed);
                }
                peer.dpd.sent = None;
                peer.timers.disarm(Timer::Contested as usize);
                self.move_peer(id, arrival.path, out);
                Ok(())
            }
            notify_type::INITIAL_CONTACT => {
                self.on_initial_contact(cx, sa_key, out);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The peer deletes SAs of its own; those of others are none of its business.
    fn on_delete(&mut self, cx: &mut Cx<'_>, id: PeerId, delete: &Delete<'_>, out: &mut Out) {
        match (delete.protocol, delete.spi_len) {
            (protocol::ESP, 4) => self.on_delete_esp(cx, id, delete, out),
            (protocol::ISAKMP, 16) => self.on_delete_isakmp(cx, id, delete, out),
            _ => {}
        }
    }

    fn on_delete_esp(&mut self, cx: &mut Cx<'_>, id: PeerId, delete: &Delete<'_>, out: &mut Out) {
        let mut room = DELETED_AT_ONCE;
        for spi in delete.iter().take(SPIS_MAX) {
            let mut next = self.peers.find(id).and_then(|peer| peer.children);
            while let Some(key) = next {
                let Some(child) = self.children.find_mut(key) else { break };
                next = child.next;
                if child.terms.spi_out.0.to_be_bytes() != spi {
                    continue;
                }
                // The rest is deleted when its time is up, which is now.
                child.hard = cx.now;
                if room > 0 {
                    room -= 1;
                    self.drop_child(cx.now, key, out);
                }
                break;
            }
        }
    }

    fn on_delete_isakmp(
        &mut self,
        cx: &mut Cx<'_>,
        id: PeerId,
        delete: &Delete<'_>,
        out: &mut Out,
    ) {
        for spi in delete.iter().take(SPIS_MAX) {
            let sas = self.peers.find(id).map(|peer| peer.sas.clone()).unwrap_or_default();
            let named = sas.into_iter().find(|&sa| {
                self.sas.find(sa).is_some_and(|sa| {
                    let (initiator, responder) = sa.cookies();
                    initiator.0.iter().chain(&responder.0).eq(spi)
                })
            });
            if let Some(sa) = named {
                self.drop_sa(cx, sa, false, out);
            }
        }
        let alone =
            self.peers.find(id).is_some_and(|peer| peer.sas.is_empty() && peer.children.is_none());
        if alone {
            self.drop_peer(cx, id, DownCause::PeerClosed, out);
        }
    }
}

/// Actions that one payload can cause: an INITIAL-CONTACT that replaces its own peer.
const ACTIONS_OF_PAYLOAD: usize = 6;
/// SPIs of one Delete payload that are looked at.
const SPIS_MAX: usize = 128;
/// IPsec SAs that are removed in the call that brings the Delete.
const DELETED_AT_ONCE: usize = 4;
