//! Quick mode as responder (RFC 2409 §5.5).
//!
//! ```text
//!  1  HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr] [, NAT-OA...]   ->   [Diffie-Hellman, outside]
//!  2                        <-  HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr] [, NAT-OA...]
//!  3  HDR*, HASH(3)   ->
//! ```
//!
//! The inbound SA stands before message 2 leaves. We send on the pair once message 3 or the first
//! valid ESP has come in: until then the peer may not have it.

use core::net::IpAddr;

use crate::addr::{L2TP_PORT, Path};
use crate::crypto::dh::{DhJob, DhResult};
use crate::discard::DropReason;
use crate::event::{FailureCause, Offered, Stage};
use crate::ids::PeerId;
use crate::ipsec::{Encapsulation, Lifetime, SaParams, Spi};
use crate::time::Duration;
use crate::wire::isakmp::{
    HEADER_LEN, Id, NatOa, Notify, SaBody, emit_chosen, emit_u32, exchange, flag, notify_type,
    payload_type, protocol,
};

use super::action::{Action, Out, Waiting, ask};
use super::keymat::{Block, esp_key, phase2_iv};
use super::main_mode::{failure, nonce_of};
use super::message::{Body, open, phase2_hash};
use super::peer::protection;
use super::proposal::{EspChoice, EspRules, LIFE_SECONDS, choose_esp, esp, mode, offered};
use super::table::{
    AnswerParts, Answered, AwaitQuickDh, Bytes, CHOSEN_LEN, Established, Exchange, ExchangeKey,
    NONCE_LEN, QM_ID_LEN, QuickStep, Resend, SaKey, SaState, Terms,
};
use super::vendor::{Capabilities, Natt};
use super::{Arrival, Cx, Ike};

impl Ike<'_> {
    /// A message of quick mode on an IKE SA of ours.
    pub(super) fn on_quick_mode(
        &mut self,
        cx: &mut Cx<'_>,
        sa_key: SaKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let message_id = arrival.header.message_id;
        let sa = self.sas.find(sa_key).ok_or(DropReason::UnknownCookie)?;
        let SaState::Established(established) = &sa.state else {
            return Err(DropReason::UnexpectedExchange);
        };
        if arrival.header.flags & flag::ENCRYPTED == 0 || message_id == 0 {
            return Err(DropReason::UnexpectedExchange);
        }
        let peer = self.peers.find(established.peer).ok_or(DropReason::UnknownCookie)?;
        let known = peer.exchanges.iter().copied().find(|&key| {
            self.exchanges
                .find(key)
                .is_some_and(|found| found.sa == sa_key && found.message_id == message_id)
        });
        let Some(key) = known else {
            if !established.is_new(message_id) {
                return Err(DropReason::Duplicate);
            }
            return self.on_quick_first(cx, sa_key, arrival, message, out);
        };
        let found = self.exchanges.find(key).ok_or(DropReason::UnknownCookie)?;
        let Answered { request, reply } = &found.answered;
        if *request == Some(arrival.request) {
            let span = out.emit(|writer| writer.put(reply)).ok_or(DropReason::OutboxFull)?;
            out.push(Action::Send { path: arrival.path, message: span });
            return Err(DropReason::Duplicate);
        }
        match &found.step {
            QuickStep::AwaitThird => self.on_quick_third(cx, key, arrival, message, out),
            QuickStep::AwaitSecond { .. } => self.on_quick_second(cx, key, arrival, message, out),
            QuickStep::AwaitDh(waiting) if waiting.request == arrival.request => {
                Err(DropReason::Duplicate)
            }
            _ => Err(DropReason::UnexpectedExchange),
        }
    }

    /// The result of a job of quick mode.
    pub(super) fn on_phase2_dh(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        result: &DhResult,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let found = self.exchanges.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        match core::mem::replace(&mut found.step, QuickStep::AwaitThird) {
            QuickStep::AwaitDh(AwaitQuickDh { request, answer }) => {
                let DhResult::Done { public, shared } = result else {
                    self.forget_exchange(cx, key);
                    return Err(DropReason::BadKeyExchange);
                };
                self.answer_quick(cx, key, request, &answer, (public, shared.expose()), out)
            }
            QuickStep::AwaitPublic { private } => match result {
                DhResult::Done { public, .. } => {
                    self.on_quick_public(cx, key, private, public, out)
                }
                DhResult::BadPublic => Err(DropReason::BadKeyExchange),
            },
            QuickStep::AwaitShared { request } => {
                self.on_quick_shared(cx, key, request, result, out)
            }
            step => {
                found.step = step;
                Err(DropReason::StaleAnswer)
            }
        }
    }

    /// Message 1.
    fn on_quick_first(
        &mut self,
        cx: &mut Cx<'_>,
        sa_key: SaKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let sa = self.sas.find(sa_key).ok_or(DropReason::UnknownCookie)?;
        let SaState::Established(established) = &sa.state else {
            return Err(DropReason::UnexpectedExchange);
        };
        let (body, iv) = open_first(established, arrival, message)?;
        let negotiation = established.negotiation;
        self.on_quick_begun(cx, sa_key, out);
        let notifies = body.all(payload_type::NOTIFY).flat_map(Notify::parse);
        if notifies.into_iter().any(|found| found.kind == notify_type::INITIAL_CONTACT) {
            self.on_initial_contact(cx, sa_key, out);
        }
        // It has got message 6.
        if let Some(negotiation) = negotiation {
            self.forget_negotiation(negotiation);
        }
        let peer_id = self.peer_of(sa_key).ok_or(DropReason::PeerTableFull)?;
        self.handle_heard(cx.now, peer_id);
        let peer = self.peers.find(peer_id).ok_or(DropReason::UnknownCookie)?;
        if peer.exchanges.is_full() || self.exchanges.len() >= self.exchanges.capacity() {
            return Err(DropReason::Busy);
        }
        self.remember(sa_key, arrival.header.message_id);
        self.agree(cx, (sa_key, peer_id), arrival, &body, iv, out)
    }

    /// Chooses from what message 1 offers.
    fn agree(
        &mut self,
        cx: &mut Cx<'_>,
        (sa_key, peer_id): (SaKey, PeerId),
        arrival: &Arrival,
        body: &Body<'_>,
        iv: Block,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let peer = self.peers.find(peer_id).ok_or(DropReason::UnknownCookie)?;
        let capabilities = peer.capabilities;
        let public = body.single(payload_type::KEY_EXCHANGE)?;
        let rules = EspRules {
            policy: self.settings.policy,
            bare_esp: self.settings.bare_esp(arrival.path.remote.is_ipv4()),
            public_len: public.map(<[u8]>::len),
        };
        let offer = SaBody::parse(body.required(payload_type::SA)?)?;
        let nonce = nonce_of(body.required(payload_type::NONCE)?)?;
        let Some(choice) = choose_esp(rules, &offer)? else {
            let failed = (FailureCause::NoProposal, offered(&offer, false));
            self.refuse_quick(cx, peer_id, notify_type::NO_PROPOSAL_CHOSEN, failed, out);
            return Err(DropReason::NoProposalChosen);
        };
        let Ok((ids, peer_port)) = identities(body) else {
            let cause = FailureCause::Protocol(DropReason::BadIdentity);
            let failed = (cause, Offered::new());
            self.refuse_quick(cx, peer_id, notify_type::INVALID_ID_INFORMATION, failed, out);
            return Err(DropReason::BadIdentity);
        };
        let Some(spi_in) = cx.spis.reserve(peer_id) else {
            let cause = FailureCause::Limit(DropReason::SaTableFull);
            out.push(failure(arrival.path, Stage::Phase2, cause, Offered::new()));
            return Err(DropReason::SaTableFull);
        };
        let (terms, notify_life) = self.terms(&choice, arrival.path, spi_in, ids, peer_port);
        let answer = AnswerParts {
            sa: chosen(&choice, spi_in),
            originals: originals(body, capabilities, &arrival.path, terms.mode),
            notify_life,
        };
        let exchange = Exchange {
            peer: peer_id,
            sa: sa_key,
            message_id: arrival.header.message_id,
            path: arrival.path,
            iv,
            expires: cx.now + EXCHANGE_TIME,
            answered: Answered::default(),
            resend: Resend::default(),
            terms,
            installed: false,
            nonces: (nonce, Bytes::new()),
            step: QuickStep::AwaitThird,
        };
        self.begin_quick(cx, exchange, arrival.request, answer, public, out)
    }

    /// This message id has been used on this IKE SA.
    fn remember(&mut self, sa_key: SaKey, message_id: u32) {
        if let Some(sa) = self.sas.find_mut(sa_key)
            && let SaState::Established(established) = &mut sa.state
        {
            established.remember(message_id);
        }
    }

    /// Files the exchange and answers it, at once or after Diffie-Hellman.
    fn begin_quick(
        &mut self,
        cx: &mut Cx<'_>,
        mut exchange: Exchange,
        request: u64,
        answer: AnswerParts,
        public: Option<&[u8]>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let (peer_id, spi, group) = (exchange.peer, exchange.terms.spi_in, exchange.terms.group);
        let Some((group, public)) = group.zip(public) else {
            let key = self.file_exchange(cx, exchange)?;
            return self.answer_quick(cx, key, request, &answer, (&[], &[]), out);
        };
        let Some(job) = DhJob::new(group, cx.rng, Some(public)) else {
            cx.spis.release(spi);
            return Err(DropReason::BadKeyExchange);
        };
        exchange.step = QuickStep::AwaitDh(AwaitQuickDh { request, answer });
        let key = self.file_exchange(cx, exchange)?;
        self.refile(peer_id);
        ask(out, Waiting::Phase2(key), job)
    }

    /// Moves an exchange into its table and to its peer.
    pub(super) fn file_exchange(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: Exchange,
    ) -> Result<ExchangeKey, DropReason> {
        let (peer_id, spi) = (exchange.peer, exchange.terms.spi_in);
        let Ok(key) = self.exchanges.insert(exchange) else {
            cx.spis.release(spi);
            return Err(DropReason::Busy);
        };
        let filed = self.peers.find_mut(peer_id).map(|peer| peer.exchanges.push(key).is_ok());
        if filed != Some(true) {
            self.forget_exchange(cx, key);
            return Err(DropReason::Busy);
        }
        Ok(key)
    }

    /// Message 2: the inbound SA first, then the answer.
    fn answer_quick(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        request: u64,
        answer: &AnswerParts,
        (public, shared): (&[u8], &[u8]),
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let nonce: [u8; NONCE_LEN] = cx.rng.array();
        let found = self.exchanges.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        found.nonces.1 = Bytes::from_slice(&nonce).unwrap_or_default();
        let (peer_id, path, message_id) = (found.peer, found.path, found.message_id);
        let terms = found.terms.clone();
        let Some(params) = self.sa_params(key, shared) else {
            self.forget_exchange(cx, key);
            return Err(DropReason::UnknownCookie);
        };
        let found = self.exchanges.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        let sa = self.sas.find(found.sa).ok_or(DropReason::UnknownCookie)?;
        let SaState::Established(established) = &sa.state else {
            return Err(DropReason::UnknownCookie);
        };
        let prefix: [&[u8]; 2] = [&message_id.to_be_bytes(), &found.nonces.0];
        let position = (exchange::QUICK_MODE, message_id, &found.iv);
        let sealed = protection(sa, established).emit(out, position, &prefix, |chain| {
            chain.copy(payload_type::SA, &answer.sa);
            chain.copy(payload_type::NONCE, &nonce);
            if !public.is_empty() {
                chain.copy(payload_type::KEY_EXCHANGE, public);
            }
            if let Some((theirs, ours)) = &terms.ids {
                chain.copy(payload_type::ID, theirs);
                chain.copy(payload_type::ID, ours);
            }
            if let Some((kind, addresses)) = &answer.originals {
                for &address in addresses {
                    chain.add(*kind, |writer| NatOa(address).emit(writer));
                }
            }
            if let Some(life) = answer.notify_life {
                chain.add(payload_type::NOTIFY, |writer| {
                    let spi = terms.spi_in.0.to_be_bytes();
                    let kind = notify_type::RESPONDER_LIFETIME;
                    let notify = Notify { protocol: protocol::ESP, kind, spi: &spi, data: &[] };
                    notify.emit(writer);
                    emit_u32(esp::LIFE_TYPE, LIFE_SECONDS as u32, writer);
                    emit_u32(esp::LIFE_DURATION, life.as_secs() as u32, writer);
                });
            }
        });
        let (span, iv) = match sealed {
            Ok(sealed) => sealed,
            Err(reason) => {
                self.forget_exchange(cx, key);
                return Err(reason);
            }
        };
        found.iv = iv;
        found.answered.keep(request, out.bytes(span));
        if let Err(reason) = self.add_child(cx, peer_id, terms) {
            self.forget_exchange(cx, key);
            return Err(reason);
        }
        self.note_installed(key);
        out.push(Action::InstallSa(params));
        out.push(Action::Send { path, message: span });
        self.refile(peer_id);
        Ok(())
    }

    /// The SPI of this exchange belongs to an IPsec SA now.
    pub(super) fn note_installed(&mut self, key: ExchangeKey) {
        if let Some(found) = self.exchanges.find_mut(key) {
            found.installed = true;
        }
    }

    /// Message 3: the peer has the pair.
    fn on_quick_third(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let found = self.exchanges.find(key).ok_or(DropReason::UnknownCookie)?;
        let sa = self.sas.find(found.sa).ok_or(DropReason::UnknownCookie)?;
        let SaState::Established(established) = &sa.state else {
            return Err(DropReason::UnknownCookie);
        };
        let (suite, auth) = (established.suite, &established.auth);
        open(message, suite.cipher, &established.key, &found.iv)?;
        let body = message.get(HEADER_LEN..).unwrap_or_default();
        let body = Body::parse(arrival.header.next_payload, body)
            .map_err(|_| DropReason::NotDecryptable)?;
        let (hash, _) = body.hash()?;
        let message_id = found.message_id.to_be_bytes();
        let prefix: [&[u8]; 4] = [&[0], &message_id, &found.nonces.0, &found.nonces.1];
        if !phase2_hash(suite.hash, auth, &prefix, &[]).equals(hash) {
            return Err(DropReason::HashMismatch);
        }
        let (peer, spi) = (found.peer, found.terms.spi_in);
        let child = self.find_child(spi);
        self.forget_exchange(cx, key);
        self.handle_heard(cx.now, peer);
        self.move_peer(peer, arrival.path, out);
        if let Some(child) = child {
            self.activate(cx, child, out);
        }
        self.refile(peer);
        Ok(())
    }

    /// The parameters of the pair that the exchange `key` agreed on.
    pub(super) fn sa_params(&self, key: ExchangeKey, shared: &[u8]) -> Option<SaParams> {
        let Exchange { peer, sa, terms, nonces, .. } = self.exchanges.find(key)?;
        let path = self.peers.find(*peer)?.path;
        let SaState::Established(established) = &self.sas.find(*sa)?.state else { return None };
        let key_of = |spi: Spi| {
            let (hash, derive) = (established.suite.hash, established.derive.expose());
            let nonces = (nonces.0.as_slice(), nonces.1.as_slice());
            esp_key(hash, derive, shared, spi.0, nonces, terms.suite.key_len())
        };
        Some(SaParams {
            peer: *peer,
            path,
            suite: terms.suite,
            spi_in: terms.spi_in,
            spi_out: terms.spi_out,
            key_in: key_of(terms.spi_in),
            key_out: key_of(terms.spi_out),
            encapsulation: terms.encapsulation,
            peer_port: terms.peer_port,
            lifetime: terms.lifetime,
        })
    }

    /// What follows from the chosen transform; and our lifetime, if it is shorter.
    fn terms(
        &self,
        choice: &EspChoice<'_>,
        path: Path,
        spi_in: Spi,
        ids: Option<(Bytes<QM_ID_LEN>, Bytes<QM_ID_LEN>)>,
        peer_port: u16,
    ) -> (Terms, Option<Duration>) {
        let ours = self.settings.esp_lifetime;
        let offered = choice.life.time.unwrap_or(LIFE_DEFAULT);
        let lifetime = Lifetime { time: offered.min(ours).max(LIFE_MIN), bytes: choice.life.bytes };
        let encapsulation = match choice.mode {
            mode::TRANSPORT => Encapsulation::Esp,
            _ if path.is_natt() => Encapsulation::Udp,
            _ => Encapsulation::UdpNonIke,
        };
        let terms = Terms {
            spi_in,
            spi_out: Spi(choice.spi),
            suite: choice.suite,
            group: choice.group,
            mode: choice.mode,
            encapsulation,
            peer_port,
            lifetime,
            ids,
        };
        (terms, Some(ours).filter(|ours| *ours < offered))
    }

    /// Tells the peer, and the log, why its quick mode is not answered.
    fn refuse_quick(
        &self,
        cx: &mut Cx<'_>,
        peer: PeerId,
        kind: u16,
        (cause, offered): (FailureCause, Offered),
        out: &mut Out,
    ) {
        if let Some(path) = self.peers.find(peer).map(|peer| peer.path) {
            out.push(failure(path, Stage::Phase2, cause, offered));
        }
        let notify = Notify { protocol: protocol::ESP, kind, spi: &[], data: &[] };
        let _ = self.tell(cx, peer, out, |chain| {
            chain.add(payload_type::NOTIFY, |writer| notify.emit(writer));
        });
    }
}

/// Decrypts and verifies message 1; tells the IV of message 2.
fn open_first<'m>(
    established: &Established,
    arrival: &Arrival,
    message: &'m mut [u8],
) -> Result<(Body<'m>, Block), DropReason> {
    let suite = established.suite;
    let message_id = arrival.header.message_id;
    let iv = phase2_iv(suite, &established.last_block, message_id);
    let next = open(message, suite.cipher, &established.key, &iv)?;
    let body = message.get(HEADER_LEN..).unwrap_or_default();
    let body =
        Body::parse(arrival.header.next_payload, body).map_err(|_| DropReason::NotDecryptable)?;
    let (hash, covered) = body.hash()?;
    let prefix: [&[u8]; 1] = [&message_id.to_be_bytes()];
    if !phase2_hash(suite.hash, &established.auth, &prefix, covered).equals(hash) {
        return Err(DropReason::HashMismatch);
    }
    Ok((body, next))
}

/// The identification payloads of both sides, and the peer's port; they must stand for L2TP.
#[allow(clippy::type_complexity, reason = "two payload bodies and a port")]
fn identities(
    body: &Body<'_>,
) -> Result<(Option<(Bytes<QM_ID_LEN>, Bytes<QM_ID_LEN>)>, u16), DropReason> {
    let mut ids = body.all(payload_type::ID);
    let (theirs, ours) = match (ids.next(), ids.next(), ids.next()) {
        (None, None, None) => return Ok((None, 0)),
        (Some(theirs), Some(ours), None) => (theirs, ours),
        _ => return Err(DropReason::BadIdentity),
    };
    let (their_id, our_id) = (Id::parse(theirs)?, Id::parse(ours)?);
    let is_udp = |protocol| matches!(protocol, 0 | UDP);
    let served = is_udp(their_id.protocol) && is_udp(our_id.protocol);
    if !served || !matches!(our_id.port, 0 | L2TP_PORT) {
        return Err(DropReason::BadIdentity);
    }
    let keep = |id: &[u8]| Bytes::from_slice(id).map_err(|_| DropReason::BadIdentity);
    Ok((Some((keep(theirs)?, keep(ours)?)), their_id.port))
}

/// The body of the SA payload of message 2.
fn chosen(choice: &EspChoice<'_>, spi: Spi) -> Bytes<CHOSEN_LEN> {
    let mut room = [0; CHOSEN_LEN];
    let mut writer = crate::buf::Writer::new(&mut room);
    emit_chosen(&choice.proposal, &choice.transform, &spi.0.to_be_bytes(), &mut writer);
    Bytes::from_slice(writer.written()).unwrap_or_default()
}

/// The NAT-OA payloads of message 2, where the peer sent some: both addresses as we see them
/// (RFC 3947 §5.2), in the drafts ours only.
fn originals(
    body: &Body<'_>,
    capabilities: Capabilities,
    path: &Path,
    mode: u16,
) -> Option<(u8, heapless::Vec<IpAddr, 2>)> {
    let kinds = [payload_type::NAT_OA, payload_type::NAT_OA_DRAFT, payload_type::NAT_OA_DRAFT_00];
    let kind = kinds.into_iter().find(|&kind| body.all(kind).next().is_some())?;
    if mode == mode::TRANSPORT {
        return None;
    }
    let (remote, local) = (path.remote.ip().to_canonical(), path.local.ip().to_canonical());
    let both = kind == payload_type::NAT_OA && capabilities.natt == Some(Natt::Rfc3947);
    let addresses = [remote, local].into_iter().skip(usize::from(!both));
    Some((kind, addresses.collect()))
}

/// Time for a whole quick mode, with retransmissions.
pub(super) const EXCHANGE_TIME: Duration = Duration::from_secs(60);
/// Lifetime of an IPsec SA for which none was offered (RFC 2407 §4.5).
const LIFE_DEFAULT: Duration = Duration::from_secs(28_800);
/// Shortest lifetime we go along with.
const LIFE_MIN: Duration = Duration::from_secs(15);
/// UDP, as a protocol of IP.
const UDP: u8 = 17;
