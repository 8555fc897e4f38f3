//! Main mode as initiator (RFC 2409 §5.4): renewing the IKE SA of a peer that has one.
//!
//! Clients are left to renew first. Where one does not, we offer exactly what protects its
//! current IKE SA, on the path in use (RFC 3947 §4). A client that does not answer loses nothing:
//! the old IKE SA lives until its hard end.

use crate::crypto::Secret;
use crate::crypto::dh::{DhJob, DhResult, Public};
use crate::discard::DropReason;
use crate::ids::PeerId;
use crate::time::Duration;
use crate::wire::isakmp::{
    Attribute, Cookie, HEADER_LEN, Header, Id, SaBody, emit_proposal, emit_u32, exchange, flag,
    payload_type, protocol,
};

use super::action::{Action, Out, Waiting, ask};
use super::attach::Proven;
use super::keymat::{phase1_hash, phase1_iv, phase1_keys};
use super::main_mode::{NOWHERE, local_id, nonce_of};
use super::message::{Body, emit_encrypted, emit_plain, open};
use super::natt::Discovery;
use super::proposal::{KEY_IKE, LIFE_SECONDS, choose_ike, ike, ike_attributes};
use super::table::{
    Answered, AwaitId, AwaitShared, AwaitTheirKe, Bytes, Identity, NONCE_LEN, Negotiation,
    NegotiationKey, OFFER_LEN, Resend, Role, SaState, Step,
};
use super::{Arrival, Cx, Ike};

impl Ike<'_> {
    /// Begins a new phase 1 with `peer`, unless one is on its way.
    pub(super) fn renew(
        &mut self,
        cx: &mut Cx<'_>,
        id: PeerId,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let peer = self.peers.find(id).ok_or(DropReason::NoSa)?;
        let running = peer.renewal.and_then(|key| self.negotiations.find(key));
        if running.is_some_and(|found| found.renews == Some(id)) {
            return Err(DropReason::Busy);
        }
        let (path, capabilities, suite) = (peer.path, peer.capabilities, peer.suite);
        let life = self.settings.ike_lifetime;
        let mut room = [0; OFFER_LEN];
        let mut writer = crate::buf::Writer::new(&mut room);
        emit_proposal(protocol::ISAKMP, &[], KEY_IKE, (1, 1), &mut writer, |writer| {
            for (kind, value) in ike_attributes(suite).into_iter().filter(|found| found.1 != 0) {
                Attribute::emit_basic(kind, value, writer);
            }
            emit_u32(ike::LIFE_TYPE, LIFE_SECONDS as u32, writer);
            emit_u32(ike::LIFE_DURATION, life.as_secs() as u32, writer);
        });
        let offer = Bytes::from_slice(writer.written()).unwrap_or_default();
        let negotiation = Negotiation {
            sa: NOWHERE,
            path,
            first_path: path,
            began: cx.now,
            expires: cx.now + RENEWAL_TIME,
            capabilities,
            suite,
            life,
            offer,
            answered: Answered::default(),
            reported: true,
            we_are_behind_nat: peer.we_are_behind_nat,
            renews: Some(id),
            resend: Resend::default(),
            step: Step::AwaitSa,
        };
        let key = self.open_negotiation(cx, negotiation, Role::Initiator, Cookie::NONE)?;
        if let Some(peer) = self.peers.find_mut(id) {
            peer.renewal = Some(key);
        }
        let header = self.header_of(key, exchange::MAIN_MODE);
        let offer = self.negotiations.find(key).map(|found| found.offer.as_slice());
        let span = emit_plain(out, &header, |chain| {
            chain.copy(payload_type::SA, offer.unwrap_or_default());
            capabilities.emit(chain);
        })?;
        self.ask(cx, key, span, out);
        Ok(())
    }

    /// Sends a request of ours and keeps it, to be sent again until it is answered.
    fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        span: crate::outbox::Span,
        out: &mut Out,
    ) {
        let Some(negotiation) = self.negotiations.find_mut(key) else { return };
        negotiation.answered.reply = Bytes::from_slice(out.bytes(span)).unwrap_or_default();
        negotiation.resend = Resend::first(cx.now);
        out.push(Action::Send { path: negotiation.path, message: span });
        self.file_negotiation(key);
    }

    /// Files a negotiation in the wheel.
    fn file_negotiation(&mut self, key: NegotiationKey) {
        let Some(negotiation) = self.negotiations.find(key) else { return };
        let Negotiation { expires, resend, .. } = *negotiation;
        let deadline = resend.at.map_or(expires, |at| at.min(expires));
        self.wheel.set(self.node_of(key), Some(deadline));
    }

    /// A request of ours has not been answered in time.
    pub(super) fn ask_again(&mut self, cx: &mut Cx<'_>, key: NegotiationKey, out: &mut Out) {
        let Some(negotiation) = self.negotiations.find_mut(key) else { return };
        let due = negotiation.resend.at.is_some_and(|at| at <= cx.now);
        if due && negotiation.resend.again(cx.now) {
            let reply = &negotiation.answered.reply;
            if let Some(message) = out.emit(|writer| writer.put(reply)) {
                out.push(Action::Send { path: negotiation.path, message });
            }
        }
        self.file_negotiation(key);
    }

    /// Forgets a negotiation that came to nothing. If it was a renewal of ours, it is tried once
    /// more later.
    pub(super) fn give_up(&mut self, cx: &mut Cx<'_>, key: NegotiationKey) {
        let renews = self.negotiations.find(key).and_then(|found| found.renews);
        self.forget_negotiation(key);
        if let Some(peer) = renews {
            self.on_renewal_failed(cx, peer);
        }
    }

    /// A renewal did not come about: tries once more later, if there is time.
    pub(super) fn on_renewal_failed(&mut self, cx: &mut Cx<'_>, id: PeerId) {
        let newest = self.peers.find(id).and_then(|peer| peer.sas.last().copied());
        let Some(sa) = newest.and_then(|key| self.sas.find_mut(key)) else { return };
        let SaState::Established(established) = &mut sa.state else { return };
        let left = established.hard.since(cx.now);
        if left > RENEWAL_TIME {
            established.soft = Some(cx.now + left.over(2));
        }
        self.refile(id);
    }

    /// Message 2: our offer is accepted.
    pub(super) fn on_accepted(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        arrival: &Arrival,
        message: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let body = message.get(HEADER_LEN..).unwrap_or_default();
        let body = Body::parse(arrival.header.next_payload, body)?;
        let offer = SaBody::parse(body.required(payload_type::SA)?)?;
        let choice = choose_ike(self.settings.policy, &offer)?;
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::UnknownCookie)?;
        if choice.map(|choice| choice.suite) != Some(negotiation.suite) {
            return Err(DropReason::NoProposalChosen);
        }
        let job = DhJob::new(negotiation.suite.group, cx.rng, None);
        let job = job.ok_or(DropReason::BadKeyExchange)?;
        negotiation.step = Step::AwaitPublic { private: job.private.clone() };
        negotiation.resend = Resend::default();
        if let Some(sa) = self.sas.find_mut(negotiation.sa) {
            sa.theirs = arrival.header.responder;
        }
        self.file_negotiation(key);
        ask(out, Waiting::Phase1(key), job)
    }

    /// Message 3.
    pub(super) fn send_public(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        private: Secret<66>,
        public: &Public,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let header = self.header_of(key, exchange::MAIN_MODE);
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        let nonce: [u8; NONCE_LEN] = cx.rng.array();
        let natt = negotiation.capabilities.natt;
        let hashes = Discovery::judge(
            (negotiation.suite.hash, (header.initiator, header.responder)),
            &negotiation.path,
            self.settings.encapsulation,
            negotiation.capabilities,
            core::iter::empty(),
            cx.rng,
        )
        .hashes;
        let span = emit_plain(out, &header, |chain| {
            chain.copy(payload_type::KEY_EXCHANGE, public);
            chain.copy(payload_type::NONCE, &nonce);
            if let Some(natt) = natt {
                for hash in &hashes {
                    chain.copy(natt.discovery_payload(), hash.expose());
                }
            }
        })?;
        let nonce = Bytes::from_slice(&nonce).unwrap_or_default();
        let public = public.clone();
        negotiation.step = Step::AwaitTheirKe(AwaitTheirKe { private, public, nonce });
        self.ask(cx, key, span, out);
        Ok(())
    }

    /// Message 4.
    pub(super) fn on_their_key_exchange(
        &mut self,
        key: NegotiationKey,
        arrival: &Arrival,
        message: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let body = message.get(HEADER_LEN..).unwrap_or_default();
        let body = Body::parse(arrival.header.next_payload, body)?;
        let their_public = body.required(payload_type::KEY_EXCHANGE)?;
        let their_nonce = nonce_of(body.required(payload_type::NONCE)?)?;
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::UnknownCookie)?;
        let Step::AwaitTheirKe(AwaitTheirKe { private, public, nonce }) = &negotiation.step else {
            return Err(DropReason::UnexpectedExchange);
        };
        let job = DhJob::agree(negotiation.suite.group, private.clone(), their_public);
        let job = job.ok_or(DropReason::BadKeyExchange)?;
        let their_public = job.peer_public.clone().unwrap_or_default();
        let (public, nonce) = (public.clone(), nonce.clone());
        negotiation.step =
            Step::AwaitShared(AwaitShared { public, nonce, their_public, their_nonce });
        negotiation.resend = Resend::default();
        negotiation.path = arrival.path;
        self.file_negotiation(key);
        ask(out, Waiting::Phase1(key), job)
    }

    /// Message 5.
    pub(super) fn send_identity(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        waiting: AwaitShared,
        result: &DhResult,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let DhResult::Done { shared, .. } = result else {
            self.give_up(cx, key);
            return Err(DropReason::BadKeyExchange);
        };
        let AwaitShared { public, nonce, their_public, their_nonce } = waiting;
        let header = self.header_of(key, exchange::MAIN_MODE);
        let header = Header { flags: flag::ENCRYPTED, ..header };
        let (initiator, responder) = (header.initiator, header.responder);
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        let suite = negotiation.suite;
        let keys = phase1_keys(
            suite,
            self.settings.psk.expose(),
            (&nonce, &their_nonce),
            (initiator, responder),
            shared.expose(),
        );
        let iv = phase1_iv(suite, (&public, &their_public));
        let id = local_id(&negotiation.path);
        let hash = phase1_hash(
            suite.hash,
            keys.skeyid.expose(),
            (&public, initiator),
            (&their_public, responder),
            &negotiation.offer,
            &id,
        );
        let (span, iv) =
            emit_encrypted(out, &header, (suite.cipher, &keys.cipher, &iv), |chain| {
                chain.copy(payload_type::ID, &id);
                chain.copy(payload_type::HASH, hash.expose());
            })?;
        let publics = (public, their_public);
        negotiation.step = Step::AwaitTheirId(AwaitId { keys, iv, publics });
        self.ask(cx, key, span, out);
        Ok(())
    }

    /// Message 6: the peer is who it was.
    pub(super) fn on_their_identity(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::UnknownCookie)?;
        let Step::AwaitTheirId(AwaitId { keys, iv, publics }) = &negotiation.step else {
            return Err(DropReason::UnexpectedExchange);
        };
        let suite = negotiation.suite;
        let last_block = open(message, suite.cipher, &keys.cipher, iv)?;
        let body = message.get(HEADER_LEN..).unwrap_or_default();
        let body = Body::parse(arrival.header.next_payload, body)
            .map_err(|_| DropReason::NotDecryptable)?;
        let id = body.required(payload_type::ID).map_err(|_| DropReason::NotDecryptable)?;
        let expected = phase1_hash(
            suite.hash,
            keys.skeyid.expose(),
            (&publics.1, arrival.header.responder),
            (&publics.0, arrival.header.initiator),
            &negotiation.offer,
            id,
        );
        let hash = body.required(payload_type::HASH).map_err(|_| DropReason::NotDecryptable)?;
        if !expected.equals(hash) {
            return Err(DropReason::HashMismatch);
        }
        let identity = Identity::of(&Id::parse(id)?);
        let renewed = negotiation.renews.and_then(|peer| self.peers.find(peer));
        if renewed.is_none_or(|peer| peer.identity != identity) {
            self.give_up(cx, key);
            return Err(DropReason::BadIdentity);
        }
        let keys = keys.clone();
        let (initial_contact, reply) = (false, None);
        let proven = Proven { keys, last_block, identity, initial_contact, reply };
        self.establish(cx, key, proven, out)?;
        self.forget_negotiation(key);
        Ok(())
    }
}

/// Time for the whole of a phase 1 that we begin.
pub(super) const RENEWAL_TIME: Duration = Duration::from_secs(40);
