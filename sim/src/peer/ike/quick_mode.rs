//! Quick mode as initiator (RFC 2409 §5.5).

use kumihimo_core::time::{Duration, Instant};

use super::message::{Header, Payload, QUICK_MODE, find, kind};
use super::offer::{self, EspTerms, esp_offer, find_esp, id_body, original};
use super::{Action, Cx, Ike, Natt, Pair, REMEMBER, Way};
use crate::peer::exchange_key::KeyPair;
use crate::peer::resend::Resend;

/// A phase 2 on its way, or just over.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) cookies: [[u8; 8]; 2],
    pub(super) message_id: u32,
    pub(super) iv: Vec<u8>,
    pub(super) spi_in: u32,
    pub(super) nonces: [Vec<u8>; 2],
    pub(super) key_pair: Option<KeyPair>,
    pub(super) step: Step,
    pub(super) resend: Option<Resend>,
    /// The last message that was answered, and the answer.
    pub(super) answered: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) forget_at: Option<Instant>,
}

/// The message that is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Second,
    Third,
    Over,
}

impl Exchange {
    pub(super) fn is_ours(&self) -> bool {
        self.step == Step::Second
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.step = Step::Over;
        self.resend = None;
        self.forget_at = Some(now + REMEMBER);
    }
}

impl Ike {
    /// Negotiates a pair; after a main mode, if there is no IKE SA.
    pub(in crate::peer) fn pair(&mut self, cx: &mut Cx<'_>) {
        if self.exchanges.iter().any(Exchange::is_ours) {
            return;
        }
        let Some(at) = self.sas.len().checked_sub(1) else {
            self.wants_pair = true;
            return self.begin_main_mode(cx);
        };
        let spi_in = cx.random.spi();
        let nonce = cx.random.array::<20>().to_vec();
        let key_pair = self.profile.esp.pfs.map(|group| KeyPair::draw(group, cx.random));
        let payloads = self.quick_payloads(at, spi_in, &nonce, key_pair.as_ref());
        let message_id = self.new_message_id(cx, at, true);
        let sa = &self.sas[at];
        let mut iv = sa.secrets.exchange_iv(&sa.last_block, message_id);
        let payloads = sa.secrets.hashed(&[&message_id.to_be_bytes()], payloads);
        let header = Header::new(sa.cookies, QUICK_MODE, message_id);
        let message = sa.secrets.seal(header, &payloads, &mut iv);
        self.exchanges.push(Exchange {
            cookies: sa.cookies,
            message_id,
            iv,
            spi_in,
            nonces: [nonce, Vec::new()],
            key_pair,
            step: Step::Second,
            resend: Some(Resend::new(cx.now, message.clone(), self.profile.ike.retry)),
            answered: None,
            forget_at: None,
        });
        self.send(cx, message);
    }

    /// A message ID that this IKE SA has not seen.
    pub(super) fn new_message_id(&mut self, cx: &mut Cx<'_>, at: usize, is_quick: bool) -> u32 {
        if !is_quick || !self.profile.ike.counts_message_ids {
            return cx.random.spi();
        }
        let sa = &mut self.sas[at];
        sa.begun += 1;
        sa.begun.swap_bytes()
    }

    fn quick_payloads(
        &self,
        at: usize,
        spi_in: u32,
        nonce: &[u8],
        key_pair: Option<&KeyPair>,
    ) -> Vec<Payload> {
        let habits = &self.profile.esp;
        let mut payloads = vec![
            (kind::SA, esp_offer(habits, spi_in, self.mode(at))),
            (kind::NONCE, nonce.to_vec()),
        ];
        payloads.extend(key_pair.map(|pair| (kind::KE, pair.public.clone())));
        let [local, server] = [self.ends.local[0].ip(), self.ends.server[0].ip()];
        payloads.push((kind::ID, id_body(local, UDP, self.ends.l2tp_port)));
        payloads.push((kind::ID, id_body(server, UDP, L2TP)));
        payloads.extend(self.original_addresses(at));
        payloads
    }

    /// NAT-OA of ours, and of the server, where there is a NAT.
    pub(super) fn original_addresses(&self, at: usize) -> Vec<Payload> {
        let kind = match self.sas[at].natt {
            Some(Natt::Rfc3947) => kind::NAT_OA,
            Some(Natt::Draft) => kind::NAT_OA_DRAFT,
            None => return Vec::new(),
        };
        if self.way != Way::Nat {
            return Vec::new();
        }
        let addresses = [self.ends.local[0].ip(), self.ends.server[0].ip()];
        let count = usize::from(self.profile.esp.original_addresses);
        addresses.into_iter().take(count).map(|address| original(kind, address)).collect()
    }

    /// Encapsulation mode: transport, in UDP where there is a NAT (RFC 3947 §5.1).
    fn mode(&self, at: usize) -> u16 {
        match (self.way, self.sas[at].natt) {
            (Way::Nat, Some(Natt::Rfc3947)) => 4,
            (Way::Nat, Some(Natt::Draft)) => 61_444,
            _ => 2,
        }
    }

    pub(super) fn on_quick_mode(
        &mut self,
        cx: &mut Cx<'_>,
        at: usize,
        header: &Header,
        message: &[u8],
        body: &[u8],
    ) {
        let of_this =
            |one: &Exchange| one.cookies == header.cookies && one.message_id == header.message_id;
        let Some(index) = self.exchanges.iter().position(of_this) else {
            self.on_quick_first(cx, at, header, message, body);
            return;
        };
        if let Some((request, answer)) = &self.exchanges[index].answered
            && request == message
        {
            let answer = answer.clone();
            return self.send(cx, answer);
        }
        let mut one = self.exchanges.swap_remove(index);
        let _ = match one.step {
            Step::Second => self.on_quick_second(cx, &mut one, (at, header), message, body),
            Step::Third => self.on_quick_third(cx, &mut one, (at, header), body),
            Step::Over => None,
        };
        self.exchanges.push(one);
    }

    /// Message 2: the server's choice. Message 3.
    fn on_quick_second(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Exchange,
        (at, header): (usize, &Header),
        message: &[u8],
        body: &[u8],
    ) -> Option<()> {
        let sa = &self.sas[at];
        let opened = sa.secrets.open(header, body, &one.iv)?;
        let id = one.message_id.to_be_bytes();
        if !sa.secrets.covers(&[&id, &one.nonces[0]], &opened) {
            return None;
        }
        let proposals = offer::parse(find(&opened.payloads, kind::SA)?)?;
        let [proposal] = &proposals[..] else { return None };
        let [transform] = &proposal.transforms[..] else { return None };
        let terms = find_esp(self.profile.esp.offers, transform)?;
        let spi_out = u32::from_be_bytes(proposal.spi.clone().try_into().ok()?);
        one.nonces[1] = find(&opened.payloads, kind::NONCE)?.to_vec();
        let shared = match &one.key_pair {
            Some(pair) => pair.agree(find(&opened.payloads, kind::KE)?)?,
            None => Vec::new(),
        };
        let pair = self.pair_of(at, one, &terms, spi_out, &shared, true);
        let sa = &self.sas[at];
        let hash =
            sa.secrets.hash.hmac(&sa.secrets.a, &[&[0], &id, &one.nonces[0], &one.nonces[1]]);
        let mut iv = opened.next_iv;
        let third = Header::new(one.cookies, QUICK_MODE, one.message_id);
        let third = sa.secrets.seal(third, &[(kind::HASH, hash)], &mut iv);
        one.answered = Some((message.to_vec(), third.clone()));
        one.close(cx.now);
        cx.out.push(Action::Install(Box::new(pair)));
        self.send(cx, third);
        self.note_life(cx.now);
        Some(())
    }

    pub(super) fn pair_of(
        &self,
        at: usize,
        one: &Exchange,
        terms: &EspTerms,
        spi_out: u32,
        shared: &[u8],
        ours: bool,
    ) -> Pair {
        let secrets = &self.sas[at].secrets;
        let nonces = [&one.nonces[0][..], &one.nonces[1]];
        let len = terms.cipher.key_len() + terms.mac.map_or(0, |mac| mac.digest_len());
        let secs = terms.lifetime_secs.unwrap_or(u64::MAX);
        Pair {
            spi_in: one.spi_in,
            spi_out,
            cipher: terms.cipher,
            mac: terms.mac,
            key_in: secrets.keymat(shared, one.spi_in, nonces, len),
            key_out: secrets.keymat(shared, spi_out, nonces, len),
            in_udp: terms.mode > 2,
            lifetime: Duration::from_secs(secs.min(self.profile.esp.lifetime_secs.into())),
            ours,
        }
    }
}

const UDP: u8 = 17;
const L2TP: u16 = 1701;
