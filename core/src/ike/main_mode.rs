//! Main mode as responder (RFC 2409 §5.4).
//!
//! ```text
//!  1  HDR, SA, VID...               ->
//!  2                                <-  HDR, SA, VID...
//!  3  HDR, KE, Ni, NAT-D, NAT-D     ->      Diffie-Hellman, outside
//!  4                                <-  HDR, KE, Nr, NAT-D, NAT-D
//!  5  HDR*, IDii, HASH_I            ->
//!  6                                <-  HDR*, IDir, HASH_R
//! ```
//!
//! Until message 5 verifies, nothing the peer sends can end the negotiation but its deadline:
//! what does not verify is counted and leaves no trace.

use crate::addr::Path;
use crate::buf::Writer;
use crate::canary::{Fault, is_planted};
use crate::crypto::dh::{DhJob, DhResult};
use crate::discard::DropReason;
use crate::event::{DialFailure, Event, FailureCause, Name, Offered, Stage};
use crate::time::{Duration, Instant};
use crate::wire::isakmp::{
    Cookie, HEADER_LEN, Header, Id, Notify, SaBody, emit_chosen, exchange, flag, notify_type,
    payload_type, protocol,
};

use super::action::{Action, Out, Waiting, ask};
use super::attach::Proven;
use super::keymat::{Block, phase1_hash, phase1_iv, phase1_keys};
use super::message::{Body, emit_encrypted, emit_plain, open};
use super::natt::Discovery;
use super::proposal::{IkeChoice, choose_ike, offered};
use super::table::{
    Answered, AwaitDh, AwaitId, Bytes, FirstContact, Identity, IkeSa, NONCE_LEN, NONCE_MAX,
    NONCE_MIN, Negotiation, NegotiationKey, OFFER_LEN, Resend, Role, SaKey, SaState, Step,
};
use super::vendor::Capabilities;
use super::{Arrival, Cx, Ike, cookie_of};

impl Ike<'_> {
    /// A message without our cookie: only message 1 of main mode has none.
    pub(super) fn on_first(
        &mut self,
        cx: &mut Cx<'_>,
        arrival: &Arrival,
        message: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let Arrival { path, header, request, len } = *arrival;
        if header.exchange != exchange::MAIN_MODE || self.settings.psk.is_empty() {
            return Err(DropReason::UnexpectedExchange);
        }
        if header.flags & flag::ENCRYPTED != 0 || header.message_id != 0 {
            return Err(DropReason::BadPayload);
        }
        if let Some(key) = self.find_negotiation(&(path.remote, header.initiator)) {
            return self.repeat_first(cx.now, key, arrival, out);
        }
        self.admit(cx, path, out)?;
        let body = Body::parse(header.next_payload, message.get(HEADER_LEN..).unwrap_or_default())?;
        let offer_body = body.required(payload_type::SA)?;
        let offer = Bytes::<OFFER_LEN>::from_slice(offer_body).map_err(|_| DropReason::TooLong)?;
        let sa_body = SaBody::parse(offer_body)?;
        let Some(choice) = choose_ike(self.settings.policy, &sa_body)? else {
            self.refuse_offer(cx, arrival, &sa_body, out);
            return Err(DropReason::NoProposalChosen);
        };
        let capabilities = Capabilities::announced(body.all(payload_type::VENDOR));
        let key = self.begin(cx, arrival, &choice, capabilities, offer)?;
        let reply = self.header_of(key, exchange::MAIN_MODE);
        let span = emit_plain(out, &reply, |chain| {
            chain.add(payload_type::SA, |writer| {
                emit_chosen(&choice.proposal, &choice.transform, &[], writer);
            });
            capabilities.emit(chain);
        });
        let span = span.inspect_err(|_| self.forget_negotiation(key))?;
        let excess = span.len().saturating_sub(len);
        if excess > 0 && !self.quotas.spend(cx.now, path.remote.ip(), excess) {
            self.forget_negotiation(key);
            return Err(DropReason::UnprovenBudget);
        }
        if let Some(negotiation) = self.negotiations.find_mut(key) {
            negotiation.answered.keep(request, out.bytes(span));
        }
        out.push(Action::Send { path, message: span });
        Ok(())
    }

    /// A message of main mode that names an IKE SA of ours.
    pub(super) fn on_main_mode(
        &mut self,
        cx: &mut Cx<'_>,
        sa: SaKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let state = &self.sas.find(sa).ok_or(DropReason::UnknownCookie)?.state;
        let key = match state {
            SaState::Negotiating(key) => Some(*key),
            SaState::Established(established) => established.negotiation,
        };
        let key = key.ok_or(DropReason::UnexpectedExchange)?;
        let negotiation = self.negotiations.find(key).ok_or(DropReason::UnexpectedExchange)?;
        if arrival.header.message_id != 0 {
            return Err(DropReason::BadPayload);
        }
        // Our cookie went to this address only, so whoever has it is there, or can listen there.
        let Answered { request, reply } = &negotiation.answered;
        if arrival.path.remote.ip() != negotiation.path.remote.ip() {
            return Err(DropReason::UnknownCookie);
        }
        if *request == Some(arrival.request) {
            let span = out.emit(|writer| writer.put(reply)).ok_or(DropReason::OutboxFull)?;
            out.push(Action::Send { path: arrival.path, message: span });
            return Err(DropReason::Duplicate);
        }
        let encrypted = arrival.header.flags & flag::ENCRYPTED != 0;
        match (&negotiation.step, encrypted) {
            (Step::AwaitKe, false) => self.on_key_exchange(cx, key, arrival, message, out),
            (Step::AwaitId(_), true) => self.on_identity(cx, key, arrival, message, out),
            (Step::AwaitDh(_), false) => Err(DropReason::Busy),
            (Step::AwaitSa, false) => self.on_accepted(cx, key, arrival, message, out),
            (Step::AwaitTheirKe(_), false) => {
                self.on_their_key_exchange(key, arrival, message, out)
            }
            (Step::AwaitTheirId(_), true) => self.on_their_identity(cx, key, arrival, message, out),
            _ => Err(DropReason::UnexpectedExchange),
        }
    }

    /// The result of a job of phase 1.
    pub(super) fn on_phase1_dh(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        result: &DhResult,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        match core::mem::replace(&mut negotiation.step, Step::AwaitKe) {
            Step::AwaitDh(waiting) => self.answer_key_exchange(cx, key, waiting, result, out),
            Step::AwaitPublic { private } => match result {
                DhResult::Done { public, .. } => self.send_public(cx, key, private, public, out),
                DhResult::BadPublic => Err(DropReason::BadKeyExchange),
            },
            Step::AwaitShared(waiting) => self.send_identity(cx, key, waiting, result, out),
            step => {
                negotiation.step = step;
                Err(DropReason::StaleAnswer)
            }
        }
    }

    /// Message 1 once more: the same answer, as long as it is the last one.
    fn repeat_first(
        &mut self,
        now: Instant,
        key: NegotiationKey,
        arrival: &Arrival,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let negotiation = self.negotiations.find(key).ok_or(DropReason::UnknownCookie)?;
        let Answered { request, reply } = &negotiation.answered;
        if *request == Some(arrival.request) {
            if !self.quotas.spend(now, arrival.path.remote.ip(), reply.len()) {
                return Err(DropReason::UnprovenBudget);
            }
            let span = out.emit(|writer| writer.put(reply)).ok_or(DropReason::OutboxFull)?;
            out.push(Action::Send { path: arrival.path, message: span });
        }
        Err(DropReason::Duplicate)
    }

    /// Whether there is room for a newcomer from this address, if need be after one who gives way.
    fn admit(&mut self, cx: &mut Cx<'_>, path: Path, out: &mut Out) -> Result<(), DropReason> {
        let address = path.remote.ip();
        let is_full = |ike: &Self| ike.negotiations.len() >= ike.negotiations.capacity();
        let half_open_max = (self.limits.half_open / HALF_OPEN_SHARE).max(HALF_OPEN_MIN);
        if self.quotas.held(address).1 >= half_open_max {
            self.make_room(cx, Some(address), out);
        } else if is_full(self) {
            self.make_room(cx, None, out);
        }
        let (held, half_open) = self.quotas.held(address);
        let reason = if is_full(self) || half_open >= half_open_max {
            DropReason::HalfOpenQuota
        } else if held >= self.limits.peers_per_address || self.sas.len() >= self.sas.capacity() {
            DropReason::PeerTableFull
        } else {
            return Ok(());
        };
        if self.alarms.may_ring(cx.now) {
            let remote = Some(path.remote);
            out.push(Action::Event(Event::Refused { remote, reason }));
        }
        Err(reason)
    }

    /// Makes the IKE SA and its negotiation.
    fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        arrival: &Arrival,
        choice: &IkeChoice<'_>,
        capabilities: Capabilities,
        offer: Bytes<OFFER_LEN>,
    ) -> Result<NegotiationKey, DropReason> {
        let Arrival { path, header, .. } = *arrival;
        let life = self.settings.ike_lifetime;
        let negotiation = Negotiation {
            sa: NOWHERE,
            path,
            first_path: path,
            began: cx.now,
            expires: cx.now + HALF_OPEN_TIME,
            capabilities,
            suite: choice.suite,
            life: choice.lifetime.map_or(life, |theirs| theirs.min(life)).max(LIFE_MIN),
            offer,
            answered: Answered::default(),
            reported: false,
            we_are_behind_nat: false,
            renews: None,
            resend: Resend::default(),
            step: Step::AwaitKe,
        };
        let key = self.open_negotiation(cx, negotiation, Role::Responder, header.initiator)?;
        let hash = self.by_initiator.hash(&(path.remote, header.initiator));
        let _ = self.by_initiator.insert(hash, key.0.index);
        Ok(key)
    }

    /// Moves a negotiation and its IKE SA into their tables.
    pub(super) fn open_negotiation(
        &mut self,
        cx: &mut Cx<'_>,
        negotiation: Negotiation,
        role: Role,
        theirs: Cookie,
    ) -> Result<NegotiationKey, DropReason> {
        let (address, expires) = (negotiation.path.remote.ip(), negotiation.expires);
        let key = self.negotiations.insert(negotiation).map_err(|_| DropReason::HalfOpenQuota)?;
        let rng = &mut *cx.rng;
        let sa = self.sas.insert_with(|slot| IkeSa {
            ours: cookie_of(slot.index, rng),
            theirs,
            role,
            address,
            state: SaState::Negotiating(key),
        });
        let Ok(sa) = sa else {
            self.negotiations.remove(key);
            return Err(DropReason::PeerTableFull);
        };
        if let Some(negotiation) = self.negotiations.find_mut(key) {
            negotiation.sa = sa;
        }
        self.quotas.open(address);
        self.wheel.set(self.node_of(key), Some(expires));
        Ok(key)
    }

    /// Says that nothing offered is acceptable, and why that is.
    fn refuse_offer(
        &mut self,
        cx: &mut Cx<'_>,
        arrival: &Arrival,
        offer: &SaBody<'_>,
        out: &mut Out,
    ) {
        let Arrival { path, header, .. } = *arrival;
        let reply = Header {
            exchange: exchange::INFORMATIONAL,
            responder: Cookie(cx.rng.array()),
            flags: 0,
            message_id: cx.rng.u32() | 1,
            ..header
        };
        let kind = notify_type::NO_PROPOSAL_CHOSEN;
        let notify = Notify { protocol: protocol::ISAKMP, kind, spi: &[], data: &[] };
        let span = emit_plain(out, &reply, |chain| {
            chain.add(payload_type::NOTIFY, |writer| notify.emit(writer));
        });
        // An answer that nobody has to have: it is paid for in full.
        if let Ok(message) = span
            && self.quotas.spend(cx.now, path.remote.ip(), message.len())
        {
            out.push(Action::Send { path, message });
        }
        if self.alarms.may_ring(cx.now) {
            let offered = offered(offer, true);
            let cause = FailureCause::NoProposal;
            out.push(failure(path, Stage::Phase1, cause, offered));
        }
    }

    /// Message 3: hands Diffie-Hellman out.
    fn on_key_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        arrival: &Arrival,
        message: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let first = arrival.header.next_payload;
        let body = Body::parse(first, message.get(HEADER_LEN..).unwrap_or_default())?;
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::UnknownCookie)?;
        let public = body.required(payload_type::KEY_EXCHANGE)?;
        let nonce = nonce_of(body.required(payload_type::NONCE)?)?;
        let suite = negotiation.suite;
        let job = DhJob::new(suite.group, cx.rng, Some(public));
        let job = job.ok_or(DropReason::BadKeyExchange)?;
        let cookies = (arrival.header.initiator, arrival.header.responder);
        let discovery = negotiation.capabilities.natt.map(|natt| {
            Discovery::judge(
                (suite.hash, cookies),
                &arrival.path,
                self.settings.encapsulation,
                negotiation.capabilities,
                body.all(natt.discovery_payload()),
                cx.rng,
            )
        });
        negotiation.we_are_behind_nat =
            discovery.as_ref().is_some_and(|discovery| discovery.we_are_behind_nat);
        negotiation.path = arrival.path;
        // It has our cookie, so it is where it says: it may take the time its back-off needs.
        negotiation.expires = cx.now + PROVEN_TIME;
        let public = job.peer_public.clone().unwrap_or_default();
        let request = arrival.request;
        negotiation.step = Step::AwaitDh(AwaitDh { request, nonce, public, discovery });
        ask(out, Waiting::Phase1(key), job)
    }

    /// Message 4.
    fn answer_key_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        waiting: AwaitDh,
        result: &DhResult,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let header = self.header_of(key, exchange::MAIN_MODE);
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        let DhResult::Done { public, shared } = result else {
            if !core::mem::replace(&mut negotiation.reported, true) {
                let cause = FailureCause::Protocol(DropReason::BadKeyExchange);
                out.push(failure(negotiation.path, Stage::Phase1, cause, Offered::new()));
            }
            return Err(DropReason::BadKeyExchange);
        };
        let AwaitDh { request, nonce, public: their_public, discovery } = waiting;
        let our_nonce: [u8; NONCE_LEN] = cx.rng.array();
        let natt = negotiation.capabilities.natt;
        let span = emit_plain(out, &header, |chain| {
            chain.copy(payload_type::KEY_EXCHANGE, public);
            chain.copy(payload_type::NONCE, &our_nonce);
            if let (Some(natt), Some(discovery)) = (natt, &discovery) {
                for hash in &discovery.hashes {
                    chain.copy(natt.discovery_payload(), hash.expose());
                }
            }
        })?;
        let keys = phase1_keys(
            negotiation.suite,
            self.settings.psk.expose(),
            (&nonce, &our_nonce),
            (header.initiator, header.responder),
            shared.expose(),
        );
        let iv = phase1_iv(negotiation.suite, (&their_public, public));
        negotiation.step =
            Step::AwaitId(AwaitId { keys, iv, publics: (their_public, public.clone()) });
        negotiation.answered.keep(request, out.bytes(span));
        out.push(Action::Send { path: negotiation.path, message: span });
        Ok(())
    }

    /// Message 5: whoever knows the key is a peer.
    fn on_identity(
        &mut self,
        cx: &mut Cx<'_>,
        key: NegotiationKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let negotiation = self.negotiations.find_mut(key).ok_or(DropReason::UnknownCookie)?;
        let verified = verify_identity(negotiation, arrival, message);
        let (identity, next_iv, contact) = match verified {
            Ok(verified) => verified,
            Err(reason) => {
                if is_planted(Fault::IvAdvancedEarly)
                    && let Step::AwaitId(waiting) = &mut negotiation.step
                {
                    waiting.iv.iter_mut().for_each(|octet| *octet ^= 0xff);
                }
                let first = !core::mem::replace(&mut negotiation.reported, true);
                if first && self.alarms.may_ring(cx.now) {
                    let cause = FailureCause::WrongKey;
                    out.push(failure(arrival.path, Stage::Phase1, cause, Offered::new()));
                }
                return Err(reason);
            }
        };
        let step = core::mem::replace(&mut negotiation.step, Step::Done);
        let Step::AwaitId(waiting) = step else { return Err(DropReason::UnexpectedExchange) };
        let AwaitId { keys, publics, .. } = waiting;
        let id = local_id(&arrival.path);
        let (initiator, responder) = (arrival.header.initiator, arrival.header.responder);
        let hash = phase1_hash(
            negotiation.suite.hash,
            keys.skeyid.expose(),
            (&publics.1, responder),
            (&publics.0, initiator),
            &negotiation.offer,
            &id,
        );
        let header = Header { flags: flag::ENCRYPTED, ..arrival.header };
        let cipher = (negotiation.suite.cipher, &keys.cipher, &next_iv);
        let (span, last_block) = emit_encrypted(out, &header, cipher, |chain| {
            chain.copy(payload_type::ID, &id);
            chain.copy(payload_type::HASH, hash.expose());
        })?;
        negotiation.answered.keep(arrival.request, out.bytes(span));
        negotiation.path = arrival.path;
        let (initial_contact, reply) = (contact, Some(span));
        let proven = Proven { keys, last_block, identity, initial_contact, reply };
        self.establish(cx, key, proven, out)
    }

    /// The header of a message in plain text that belongs to a negotiation.
    pub(super) fn header_of(&self, key: NegotiationKey, exchange: u8) -> Header {
        let sa = self.negotiations.find(key).and_then(|found| self.sas.find(found.sa));
        let (initiator, responder) = sa.map(IkeSa::cookies).unwrap_or_default();
        let next_payload = payload_type::NONE;
        Header { initiator, responder, next_payload, exchange, flags: 0, message_id: 0 }
    }

    /// Forgets a negotiation, and its IKE SA if that has not been established.
    pub(super) fn forget_negotiation(&mut self, key: NegotiationKey) {
        let Some(sa_key) = self.negotiations.find(key).map(|found| found.sa) else { return };
        self.unlist_negotiation(key);
        let Some(sa) = self.sas.find_mut(sa_key) else { return };
        match &mut sa.state {
            SaState::Established(established) => established.negotiation = None,
            SaState::Negotiating(_) => {
                let address = sa.address;
                self.sas.remove(sa_key);
                if !is_planted(Fault::FailedDialStaysCounted) {
                    self.quotas.close(address);
                }
            }
        }
    }

    /// Takes a negotiation out of its table, index and wheel.
    fn unlist_negotiation(&mut self, key: NegotiationKey) {
        let node = self.node_of(key);
        let Some(negotiation) = self.negotiations.find(key) else { return };
        self.wheel.set(node, None);
        if let Some(sa) = self.sas.find(negotiation.sa) {
            self.quotas.settle(sa.address);
            let contact: FirstContact = (negotiation.first_path.remote, sa.theirs);
            let hash = self.by_initiator.hash(&contact);
            self.by_initiator.remove(hash, key.0.index);
        }
        self.negotiations.remove(key);
    }

    fn find_negotiation(&self, contact: &FirstContact) -> Option<NegotiationKey> {
        let is_it = |slot| {
            let negotiation =
                self.negotiations.key_at(slot).and_then(|key| self.negotiations.find(key))?;
            let sa = self.sas.find(negotiation.sa)?;
            let same = (negotiation.first_path.remote, sa.theirs) == *contact;
            Some(same && sa.role == Role::Responder)
        };
        let hash = self.by_initiator.hash(contact);
        let slot = self.by_initiator.find(hash, |slot| is_it(slot) == Some(true))?;
        self.negotiations.key_at(slot)
    }

    /// The node of a negotiation in the wheel.
    pub(super) fn node_of(&self, key: NegotiationKey) -> u32 {
        key.0.index.saturating_add(self.peers.capacity() as u32)
    }
}

/// Checks message 5: who the peer is, the IV of what follows, whether it asks for
/// INITIAL-CONTACT. Changes nothing but the message.
fn verify_identity(
    negotiation: &Negotiation,
    arrival: &Arrival,
    message: &mut [u8],
) -> Result<(Identity, Block, bool), DropReason> {
    let Step::AwaitId(waiting) = &negotiation.step else {
        return Err(DropReason::UnexpectedExchange);
    };
    let AwaitId { keys, iv, publics } = waiting;
    let next_iv = open(message, negotiation.suite.cipher, &keys.cipher, iv)?;
    let body = message.get(HEADER_LEN..).unwrap_or_default();
    let body =
        Body::parse(arrival.header.next_payload, body).map_err(|_| DropReason::NotDecryptable)?;
    let id = body.required(payload_type::ID).map_err(|_| DropReason::NotDecryptable)?;
    let hash = body.required(payload_type::HASH).map_err(|_| DropReason::NotDecryptable)?;
    let expected = phase1_hash(
        negotiation.suite.hash,
        keys.skeyid.expose(),
        (&publics.0, arrival.header.initiator),
        (&publics.1, arrival.header.responder),
        &negotiation.offer,
        id,
    );
    if !expected.equals(hash) {
        return Err(DropReason::HashMismatch);
    }
    let identity = Identity::of(&Id::parse(id)?);
    let contact = body.all(payload_type::NOTIFY).any(|notify| {
        Notify::parse(notify).is_ok_and(|notify| notify.kind == notify_type::INITIAL_CONTACT)
    });
    Ok((identity, next_iv, contact))
}

/// The body of the identification payload that names us: the address that was asked.
pub(super) fn local_id(path: &Path) -> Bytes<ID_LEN> {
    let mut room = [0; ID_LEN];
    let mut writer = Writer::new(&mut room);
    Id::emit_address(path.local.ip().to_canonical(), 0, 0, &mut writer);
    Bytes::from_slice(writer.written()).unwrap_or_default()
}

/// A nonce of a legal length.
pub(super) fn nonce_of(body: &[u8]) -> Result<Bytes<NONCE_MAX>, DropReason> {
    let nonce = Bytes::from_slice(body).ok().filter(|nonce| nonce.len() >= NONCE_MIN);
    nonce.ok_or(DropReason::BadPayload)
}

/// The line that says why a dial failed.
pub(super) fn failure(path: Path, stage: Stage, cause: FailureCause, offered: Offered) -> Action {
    let remote = path.remote;
    let failure = DialFailure { remote, stage, cause, user: Name::new(), offered };
    Action::Event(Event::DialFailed(failure))
}

/// Time for message 3, with retransmissions of the client.
const HALF_OPEN_TIME: Duration = Duration::from_secs(30);
/// Time for message 5, likewise.
const PROVEN_TIME: Duration = Duration::from_secs(60);
/// Shortest lifetime we go along with.
const LIFE_MIN: Duration = Duration::from_secs(20);
/// One address may hold this part of the half-open negotiations, or [`HALF_OPEN_MIN`].
const HALF_OPEN_SHARE: usize = 4;
const HALF_OPEN_MIN: usize = 4;
/// Octets of an identification payload with an IPv6 address.
const ID_LEN: usize = 20;
/// Stands for a key until the value has one.
pub(super) const NOWHERE: SaKey = SaKey(crate::store::Key { index: u32::MAX, generation: 0 });
