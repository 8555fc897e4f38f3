//! Quick mode as initiator (RFC 2409 §5.5): replacing the IPsec SAs of a peer.
//!
//! We offer exactly what protects the current pair, with the identities of both sides as the
//! peer first sent them. We go on sending on the old pair until the peer uses the new one, or a
//! short time has passed: some stacks receive on theirs only after message 3.

use crate::crypto::Secret;
use crate::crypto::dh::{DhJob, DhResult, Public};
use crate::discard::DropReason;
use crate::ids::PeerId;
use crate::ipsec::Spi;
use crate::time::Duration;
use crate::wire::isakmp::{
    Attribute, HEADER_LEN, NatOa, SaBody, emit_proposal, emit_u32, exchange, payload_type, protocol,
};

use super::action::{Action, Out, Waiting, ask};
use super::keymat::phase2_iv;
use super::main_mode::nonce_of;
use super::message::{Body, open, phase2_hash};
use super::peer::protection;
use super::proposal::{
    EspRules, LIFE_KILOBYTES, LIFE_SECONDS, choose_esp, esp, esp_attributes, group_number, mode,
};
use super::quick_mode::EXCHANGE_TIME;
use super::table::{
    Answered, Bytes, Child, ChildKey, Exchange, ExchangeKey, NONCE_LEN, QuickStep, Resend, SaState,
    Terms,
};
use super::vendor::Natt;
use super::{Arrival, Cx, Ike};

impl Ike<'_> {
    /// ESP on the pair with our SPI `spi` nears its byte or sequence limit.
    pub fn handle_rekey_wanted(&mut self, cx: &mut Cx<'_>, spi: Spi, out: &mut Out) {
        let Some(key) = self.find_child(spi) else { return };
        let Some(peer) = self.children.find(key).map(|child| child.peer) else { return };
        if self.newest_child(peer) == Some(key) {
            self.rekey_peer(cx, peer, out);
        }
    }

    /// Replaces the IPsec SAs of a peer by new ones now.
    pub fn rekey_peer(&mut self, cx: &mut Cx<'_>, peer: PeerId, out: &mut Out) {
        let Some(key) = self.newest_child(peer) else { return };
        let began = self.begin_rekey(cx, peer, key, out);
        let Some(child) = self.children.find_mut(key) else { return };
        child.soft = began.is_err().then(|| cx.now + RETRY_TIME);
        self.refile(peer);
    }

    /// The pair that packets to `peer` use: the newest active one.
    fn newest_child(&self, peer: PeerId) -> Option<ChildKey> {
        let mut next = self.peers.find(peer)?.children;
        while let Some(key) = next {
            let child = self.children.find(key)?;
            if child.active {
                return Some(key);
            }
            next = child.next;
        }
        None
    }

    fn begin_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        peer_id: PeerId,
        child: ChildKey,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let peer = self.peers.find(peer_id).ok_or(DropReason::NoSa)?;
        let rekeying = peer.exchanges.iter().filter_map(|&key| self.exchanges.find(key));
        if rekeying.into_iter().any(|found| !matches!(found.step, QuickStep::Done)) {
            return Err(DropReason::Busy);
        }
        let Some(&sa_key) = peer.sas.last() else {
            return self.renew(cx, peer_id, out).and(Err(DropReason::NoSa));
        };
        let path = peer.path;
        let Child { terms, .. } = self.children.find(child).ok_or(DropReason::NoSa)?;
        let terms = Terms { spi_out: Spi(0), ..terms.clone() };
        let group = terms.group;
        let sa = self.sas.find_mut(sa_key).ok_or(DropReason::NoSa)?;
        let SaState::Established(established) = &mut sa.state else {
            return Err(DropReason::NoSa);
        };
        let message_id = cx.rng.u32() | 1;
        established.remember(message_id);
        let iv = phase2_iv(established.suite, &established.last_block, message_id);
        let spi_in = cx.spis.reserve(peer_id).ok_or(DropReason::SaTableFull)?;
        let nonce: [u8; NONCE_LEN] = cx.rng.array();
        let mut exchange = Exchange {
            peer: peer_id,
            sa: sa_key,
            message_id,
            path,
            iv,
            expires: cx.now + EXCHANGE_TIME,
            answered: Answered::default(),
            resend: Resend::default(),
            terms: Terms { spi_in, ..terms },
            installed: false,
            nonces: (Bytes::from_slice(&nonce).unwrap_or_default(), Bytes::new()),
            step: QuickStep::AwaitSecond { private: None },
        };
        let Some(group) = group else {
            let key = self.file_exchange(cx, exchange)?;
            return self.ask_quick(cx, key, &[], out);
        };
        let Some(job) = DhJob::new(group, cx.rng, None) else {
            cx.spis.release(spi_in);
            return Err(DropReason::BadKeyExchange);
        };
        exchange.step = QuickStep::AwaitPublic { private: job.private.clone() };
        let key = self.file_exchange(cx, exchange)?;
        ask(out, Waiting::Phase2(key), job)
    }

    /// Our public value is there: message 1 can leave.
    pub(super) fn on_quick_public(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        private: Secret<66>,
        public: &Public,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let found = self.exchanges.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        found.step = QuickStep::AwaitSecond { private: Some(private) };
        self.ask_quick(cx, key, public, out)
    }

    /// Message 1.
    fn ask_quick(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        public: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let found = self.exchanges.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        let peer = self.peers.find(found.peer).ok_or(DropReason::NoSa)?;
        let sa = self.sas.find(found.sa).ok_or(DropReason::NoSa)?;
        let SaState::Established(established) = &sa.state else { return Err(DropReason::NoSa) };
        let prefix: [&[u8]; 1] = [&found.message_id.to_be_bytes()];
        let position = (exchange::QUICK_MODE, found.message_id, &found.iv);
        let (terms, nonce) = (&found.terms, &found.nonces.0);
        let (span, iv) = protection(sa, established).emit(out, position, &prefix, |chain| {
            chain.add(payload_type::SA, |writer| emit_offer(terms, writer));
            chain.copy(payload_type::NONCE, nonce);
            if !public.is_empty() {
                chain.copy(payload_type::KEY_EXCHANGE, public);
            }
            if let Some((theirs, ours)) = &terms.ids {
                chain.copy(payload_type::ID, ours);
                chain.copy(payload_type::ID, theirs);
            }
            if let Some(natt) = peer.capabilities.natt.filter(|_| terms.mode != mode::TRANSPORT) {
                let (local, remote) = (found.path.local.ip(), found.path.remote.ip());
                let kind = natt.original_payload();
                chain.add(kind, |writer| NatOa(local.to_canonical()).emit(writer));
                if natt == Natt::Rfc3947 {
                    chain.add(kind, |writer| NatOa(remote.to_canonical()).emit(writer));
                }
            }
        })?;
        found.iv = iv;
        found.answered.reply = Bytes::from_slice(out.bytes(span)).unwrap_or_default();
        found.resend = Resend::first(cx.now);
        let (path, peer_id) = (peer.path, found.peer);
        out.push(Action::Send { path, message: span });
        self.refile(peer_id);
        Ok(())
    }

    /// Message 2.
    pub(super) fn on_quick_second(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        arrival: &Arrival,
        message: &mut [u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let found = self.exchanges.find_mut(key).ok_or(DropReason::UnknownCookie)?;
        let sa = self.sas.find(found.sa).ok_or(DropReason::UnknownCookie)?;
        let SaState::Established(established) = &sa.state else {
            return Err(DropReason::UnknownCookie);
        };
        let suite = established.suite;
        let iv = open(message, suite.cipher, &established.key, &found.iv)?;
        let body = message.get(HEADER_LEN..).unwrap_or_default();
        let body = Body::parse(arrival.header.next_payload, body)
            .map_err(|_| DropReason::NotDecryptable)?;
        let (hash, covered) = body.hash()?;
        let prefix: [&[u8]; 2] = [&found.message_id.to_be_bytes(), &found.nonces.0];
        if !phase2_hash(suite.hash, &established.auth, &prefix, covered).equals(hash) {
            return Err(DropReason::HashMismatch);
        }
        let public = body.single(payload_type::KEY_EXCHANGE)?;
        let rules = EspRules {
            policy: self.settings.policy,
            bare_esp: true,
            public_len: public.map(<[u8]>::len),
        };
        let offer = SaBody::parse(body.required(payload_type::SA)?)?;
        let choice = choose_esp(rules, &offer)?.ok_or(DropReason::NoProposalChosen)?;
        let terms = &mut found.terms;
        if (choice.suite, choice.mode, choice.group) != (terms.suite, terms.mode, terms.group) {
            return Err(DropReason::NoProposalChosen);
        }
        let nonce = nonce_of(body.required(payload_type::NONCE)?)?;
        let private = match &found.step {
            QuickStep::AwaitSecond { private } => private.clone(),
            _ => return Err(DropReason::UnexpectedExchange),
        };
        let job = match (private, choice.group, public) {
            (Some(private), Some(group), Some(public)) => {
                let job = DhJob::agree(group, private, public);
                Some(job.ok_or(DropReason::BadKeyExchange)?)
            }
            _ => None,
        };
        terms.spi_out = Spi(choice.spi);
        if let Some(life) = choice.life.time {
            terms.lifetime.time = terms.lifetime.time.min(life);
        }
        found.nonces.1 = nonce;
        found.iv = iv;
        found.resend = Resend::default();
        let peer = found.peer;
        let request = arrival.request;
        if let Some(job) = job {
            found.step = QuickStep::AwaitShared { request };
            ask(out, Waiting::Phase2(key), job)?;
        }
        self.handle_heard(cx.now, peer);
        self.move_peer(peer, arrival.path, out);
        let waits = self.exchanges.find(key).map(|found| &found.step);
        if !matches!(waits, Some(QuickStep::AwaitShared { .. })) {
            self.end_quick(cx, key, request, &[], out)?;
        }
        self.refile(peer);
        Ok(())
    }

    /// The shared secret of a quick mode that we began.
    pub(super) fn on_quick_shared(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        request: u64,
        result: &DhResult,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let DhResult::Done { shared, .. } = result else {
            self.give_up_rekey(cx, key);
            return Err(DropReason::BadKeyExchange);
        };
        self.end_quick(cx, key, request, shared.expose(), out)
    }

    /// Message 3.
    fn end_quick(
        &mut self,
        cx: &mut Cx<'_>,
        key: ExchangeKey,
        request: u64,
        shared: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let params = self.sa_params(key, shared).ok_or(DropReason::NoSa)?;
        let found = self.exchanges.find_mut(key).ok_or(DropReason::StaleAnswer)?;
        let sa = self.sas.find(found.sa).ok_or(DropReason::NoSa)?;
        let SaState::Established(established) = &sa.state else { return Err(DropReason::NoSa) };
        let message_id = found.message_id.to_be_bytes();
        let prefix: [&[u8]; 4] = [&[0], &message_id, &found.nonces.0, &found.nonces.1];
        let position = (exchange::QUICK_MODE, found.message_id, &found.iv);
        let (span, iv) = protection(sa, established).emit(out, position, &prefix, |_| {})?;
        found.iv = iv;
        found.answered.keep(request, out.bytes(span));
        found.step = QuickStep::Done;
        found.resend = Resend { at: Some(cx.now + SWITCH_TIME), tries: 0 };
        let (peer_id, terms) = (found.peer, found.terms.clone());
        let path = self.peers.find(peer_id).ok_or(DropReason::NoSa)?.path;
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

    /// Forgets a quick mode of ours that came to nothing; it is tried once more.
    fn give_up_rekey(&mut self, cx: &mut Cx<'_>, key: ExchangeKey) {
        let Some(peer) = self.exchanges.find(key).map(|found| found.peer) else { return };
        self.forget_exchange(cx, key);
        if let Some(child) = self.newest_child(peer)
            && let Some(child) = self.children.find_mut(child)
        {
            // A pair that came in between has its own time.
            child.soft.get_or_insert(cx.now + RETRY_TIME);
        }
        self.refile(peer);
    }

    /// A quick mode is due: to be sent again, to be switched to, or to be forgotten.
    pub(super) fn on_exchange_due(&mut self, cx: &mut Cx<'_>, key: ExchangeKey, out: &mut Out) {
        let Some(found) = self.exchanges.find_mut(key) else { return };
        let (peer, spi) = (found.peer, found.terms.spi_in);
        if found.expires <= cx.now {
            return match found.step {
                QuickStep::AwaitDh(_) | QuickStep::AwaitThird | QuickStep::Done => {
                    self.forget_exchange(cx, key);
                }
                QuickStep::AwaitPublic { .. }
                | QuickStep::AwaitSecond { .. }
                | QuickStep::AwaitShared { .. } => self.give_up_rekey(cx, key),
            };
        }
        if matches!(found.step, QuickStep::Done) {
            found.resend = Resend::default();
            if let Some(child) = self.find_child(spi) {
                self.activate(cx, child, out);
            }
            return;
        }
        if found.resend.again(cx.now) {
            let reply = &found.answered.reply;
            let path = self.peers.find(peer).map(|peer| peer.path);
            if let Some((path, message)) = path.zip(out.emit(|writer| writer.put(reply))) {
                out.push(Action::Send { path, message });
            }
        } else {
            found.resend = Resend::default();
        }
    }
}

/// The SA payload of message 1.
fn emit_offer(terms: &Terms, writer: &mut crate::buf::Writer<'_>) {
    let (id, attributes) = esp_attributes(terms.suite);
    let spi = terms.spi_in.0.to_be_bytes();
    emit_proposal(protocol::ESP, &spi, id, (1, 1), writer, |writer| {
        for (kind, value) in attributes.into_iter().filter(|found| found.1 != 0) {
            Attribute::emit_basic(kind, value, writer);
        }
        if let Some(group) = terms.group {
            Attribute::emit_basic(esp::GROUP, group_number(group), writer);
        }
        Attribute::emit_basic(esp::MODE, terms.mode, writer);
        emit_u32(esp::LIFE_TYPE, LIFE_SECONDS as u32, writer);
        emit_u32(esp::LIFE_DURATION, terms.lifetime.time.as_secs() as u32, writer);
        if let Some(bytes) = terms.lifetime.bytes {
            emit_u32(esp::LIFE_TYPE, LIFE_KILOBYTES as u32, writer);
            let kilobytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
            emit_u32(esp::LIFE_DURATION, kilobytes, writer);
        }
    });
}

/// Time after which we send on a pair that we asked for, even if the peer has not used it.
const SWITCH_TIME: Duration = Duration::from_secs(2);
/// Time until a quick mode that could not begin, or was not answered, is tried again.
const RETRY_TIME: Duration = Duration::from_secs(5);
