//! Main mode (RFC 2409 §5.4), in both roles.
//!
//! As initiator we send messages 1, 3 and 5; as responder, when the server renews its IKE SA,
//! messages 2, 4 and 6.

use std::net::SocketAddr;

use kumihimo_core::time::{Duration, Instant};

use super::message::{Header, MAIN_MODE, Payload, find, kind, parse_chain};
use super::offer::{self, chosen, find_ike, id_body, ike_offer, octets_of};
use super::secrets::Secrets;
use super::{Action, Cx, Ike, IkeKey, IkeSa, Natt, REMEMBER, Way};
use crate::peer::algorithm::Hash;
use crate::peer::exchange_key::KeyPair;
use crate::peer::resend::Resend;
use crate::peer::{Reach, Reason, Stage};
use crate::profile::IkeOffer;

/// A phase 1 on its way, or just over.
#[derive(Debug)]
pub(super) struct Negotiation {
    cookies: [[u8; 8]; 2],
    /// Body of the initiator's SA payload.
    offer: Vec<u8>,
    step: Step,
    choice: Option<(IkeOffer, u64)>,
    pair: Option<KeyPair>,
    publics: [Vec<u8>; 2],
    nonces: [Vec<u8>; 2],
    secrets: Option<Secrets>,
    iv: Vec<u8>,
    natt: Option<Natt>,
    peer_knows_dpd: bool,
    pub(super) resend: Option<Resend>,
    /// The last message that was answered, and the answer.
    answered: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) forget_at: Option<Instant>,
}

/// The message that is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Second,
    Third,
    Fourth,
    Fifth,
    Sixth,
    Over,
}

impl Negotiation {
    fn new(cookies: [[u8; 8]; 2], offer: Vec<u8>, step: Step) -> Self {
        Self {
            cookies,
            offer,
            step,
            choice: None,
            pair: None,
            publics: Default::default(),
            nonces: Default::default(),
            secrets: None,
            iv: Vec::new(),
            natt: None,
            peer_knows_dpd: false,
            resend: None,
            answered: None,
            forget_at: None,
        }
    }

    /// Whether it is ours and has this cookie.
    pub(super) fn is_ours(&self, cookie: [u8; 8]) -> bool {
        self.cookies[0] == cookie && matches!(self.step, Step::Second | Step::Fourth | Step::Sixth)
    }

    /// How far it has come.
    pub(super) const fn reach(&self) -> Reach {
        match self.step {
            Step::Second => Reach::Nothing,
            Step::Third | Step::Fourth => Reach::Offer,
            Step::Fifth | Step::Sixth => Reach::Keys,
            Step::Over => Reach::IkeSa,
        }
    }

    fn header(&self) -> Header {
        Header::new(self.cookies, MAIN_MODE, 0)
    }

    /// HASH_I or HASH_R (RFC 2409 §5).
    fn proof(&self, of_initiator: bool, id: &[u8]) -> Option<Vec<u8>> {
        let secrets = self.secrets.as_ref()?;
        let [first, second] = if of_initiator { [0, 1] } else { [1, 0] };
        let parts: [&[u8]; 6] = [
            &self.publics[first],
            &self.publics[second],
            &self.cookies[first],
            &self.cookies[second],
            &self.offer,
            id,
        ];
        Some(secrets.hash.hmac(&secrets.id, &parts))
    }

    fn derive(&mut self, psk: &[u8], shared: &[u8]) {
        let Some((choice, _)) = self.choice else { return };
        let nonces = [&self.nonces[0][..], &self.nonces[1]];
        let algorithms = (choice.hash, choice.cipher);
        let secrets = Secrets::derive(algorithms, psk, nonces, self.cookies, shared);
        self.iv = secrets.first_iv([&self.publics[0], &self.publics[1]]);
        self.secrets = Some(secrets);
    }

    fn hash(&self) -> Option<Hash> {
        self.choice.map(|(choice, _)| choice.hash)
    }

    /// What stands for an address in NAT-D (RFC 3947 §3.2).
    fn address_hash(&self, address: SocketAddr) -> Option<Vec<u8>> {
        let [cookie_i, cookie_r] = &self.cookies;
        let parts: [&[u8]; 4] =
            [cookie_i, cookie_r, &octets_of(address.ip()), &address.port().to_be_bytes()];
        Some(self.hash()?.digest(&parts))
    }

    const fn nat_d(&self) -> Option<u8> {
        match self.natt {
            Some(Natt::Rfc3947) => Some(kind::NAT_D),
            Some(Natt::Draft) => Some(kind::NAT_D_DRAFT),
            None => None,
        }
    }

    fn learn_vendor_ids(&mut self, payloads: &[Payload], ours: &[&[u8]]) {
        let both = |id: &[u8]| {
            let known = |theirs: &&Payload| theirs.0 == kind::VENDOR && theirs.1.starts_with(id);
            payloads.iter().find(known).is_some() && ours.iter().any(|it| it.starts_with(id))
        };
        if both(&RFC_3947) {
            self.natt = Some(Natt::Rfc3947);
        } else if both(&DRAFT_02_N) || both(&DRAFT_02) || both(&DRAFT_03) {
            self.natt = Some(Natt::Draft);
        }
        self.peer_knows_dpd = both(&DPD);
    }
}

impl Ike {
    /// Sends message 1, unless one is on its way.
    pub(super) fn begin_main_mode(&mut self, cx: &mut Cx<'_>) {
        if self.negotiations.iter().any(|one| one.is_ours(one.cookies[0])) {
            return;
        }
        let cookies = [cx.random.array(), [0; 8]];
        let habits = &self.profile.ike;
        let mut negotiation = Negotiation::new(cookies, ike_offer(habits), Step::Second);
        let mut payloads = vec![(kind::SA, negotiation.offer.clone())];
        payloads.extend(habits.vendor_ids.iter().map(|id| (kind::VENDOR, id.to_vec())));
        let message = negotiation.header().emit(&payloads);
        negotiation.resend = Some(Resend::new(cx.now, message.clone(), habits.retry));
        self.negotiations.push(negotiation);
        self.send(cx, message);
    }

    pub(super) fn on_main_mode(
        &mut self,
        cx: &mut Cx<'_>,
        header: &Header,
        message: &[u8],
        body: &[u8],
    ) {
        if let Some(answer) = self.negotiations.iter().find_map(|one| one.answer_to(message)) {
            return self.send(cx, answer);
        }
        let cookies = header.cookies;
        let found = self.negotiations.iter().position(|one| {
            let fresh = one.step == Step::Second && one.cookies[0] == cookies[0];
            fresh || one.cookies == cookies
        });
        let Some(at) = found else {
            if cookies[1] == [0; 8] && self.was_ready {
                self.on_first(cx, cookies[0], header, message, body);
            }
            return;
        };
        let mut one = self.negotiations.swap_remove(at);
        let done = match one.step {
            Step::Second => self.on_second(cx, &mut one, header, body),
            Step::Third => self.on_third(cx, &mut one, header, message, body),
            Step::Fourth => self.on_fourth(cx, &mut one, header, body),
            Step::Fifth => self.on_fifth(cx, &mut one, header, message, body),
            Step::Sixth => self.on_sixth(cx, &mut one, header, body),
            Step::Over => None,
        };
        // What does not fit leaves no trace.
        let _ = done;
        self.negotiations.push(one);
    }

    /// Message 2: what was chosen. Message 3: key exchange, nonce, NAT discovery.
    fn on_second(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Negotiation,
        header: &Header,
        body: &[u8],
    ) -> Option<()> {
        let (payloads, _) = parse_chain(header.first, body)?;
        let proposals = offer::parse(find(&payloads, kind::SA)?)?;
        let ([proposal], habits) = (&proposals[..], &self.profile.ike) else { return None };
        let [transform] = &proposal.transforms[..] else { return None };
        let (choice, life) = find_ike(habits.offers, &transform.attributes)?;
        if header.cookies[1] == [0; 8] {
            return None;
        }
        one.cookies = header.cookies;
        let life = life.unwrap_or_else(|| habits.lifetime_secs.into());
        one.choice = Some((choice, life.min(habits.lifetime_secs.into())));
        one.learn_vendor_ids(&payloads, habits.vendor_ids);
        let pair = KeyPair::draw(choice.group, cx.random);
        one.publics[0].clone_from(&pair.public);
        one.nonces[0] = cx.random.array::<20>().to_vec();
        one.pair = Some(pair);
        let mut payloads =
            vec![(kind::KE, one.publics[0].clone()), (kind::NONCE, one.nonces[0].clone())];
        payloads.extend(self.nat_discovery(cx, one));
        let message = one.header().emit(&payloads);
        one.step = Step::Fourth;
        one.resend = Some(Resend::new(cx.now, message.clone(), habits.retry));
        self.send(cx, message);
        Some(())
    }

    /// Hash of the server's address, then of ours.
    fn nat_discovery(&self, cx: &mut Cx<'_>, one: &Negotiation) -> Vec<Payload> {
        let Some(kind) = one.nat_d() else { return Vec::new() };
        let port = usize::from(self.floated);
        let theirs = one.address_hash(self.ends.server[port]);
        let mut ours = one.address_hash(self.ends.local[port]);
        if let Some(ours) = ours.as_mut().filter(|_| self.ends.forces_udp) {
            cx.random.fill(ours);
        }
        [theirs, ours].into_iter().flatten().map(|hash| (kind, hash)).collect()
    }

    /// Notes whether the peer's hashes tell of a NAT.
    fn judge_way(&mut self, one: &Negotiation, payloads: &[Payload]) {
        let (Some(kind), port) = (one.nat_d(), usize::from(self.floated)) else { return };
        let hashes: Vec<_> = payloads.iter().filter(|it| it.0 == kind).map(|it| &it.1).collect();
        let Some((of_us, of_them)) = hashes.split_first() else { return };
        let ours = one.address_hash(self.ends.local[port]);
        let theirs = one.address_hash(self.ends.server[port]);
        let clear = Some(*of_us) == ours.as_ref()
            && of_them.iter().any(|hash| Some(*hash) == theirs.as_ref());
        let is_nat = !clear || self.ends.forces_udp || self.way == Way::Nat;
        self.way = if is_nat { Way::Nat } else { Way::Clear };
    }

    /// Message 4: the server's half. Message 5, from port 4500 if there is a NAT.
    fn on_fourth(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Negotiation,
        header: &Header,
        body: &[u8],
    ) -> Option<()> {
        let (payloads, _) = parse_chain(header.first, body)?;
        one.publics[1] = find(&payloads, kind::KE)?.to_vec();
        one.nonces[1] = find(&payloads, kind::NONCE)?.to_vec();
        let shared = one.pair.as_ref()?.agree(&one.publics[1])?;
        one.derive(&self.ends.psk, &shared);
        self.judge_way(one, &payloads);
        self.floated |= self.way == Way::Nat;
        let id = id_body(self.ends.local[0].ip(), 0, 0);
        let mut payloads = vec![(kind::ID, id.clone()), (kind::HASH, one.proof(true, &id)?)];
        if self.profile.ike.initial_contact && !self.was_ready {
            payloads.push((kind::NOTIFY, initial_contact(one.cookies)));
        }
        let mut iv = one.iv.clone();
        let message = one.secrets.as_ref()?.seal(one.header(), &payloads, &mut iv);
        one.iv = iv;
        one.step = Step::Sixth;
        one.resend = Some(Resend::new(cx.now, message.clone(), self.profile.ike.retry));
        // Whoever listens needs the key of a dial that fails from here on.
        self.export(one);
        self.send(cx, message);
        Some(())
    }

    /// Message 6: the server's proof.
    fn on_sixth(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Negotiation,
        header: &Header,
        body: &[u8],
    ) -> Option<()> {
        let secrets = one.secrets.clone()?;
        let opened = secrets.open(header, body, &one.iv)?;
        let id = find(&opened.payloads, kind::ID)?;
        if find(&opened.payloads, kind::HASH)? != one.proof(false, id)? {
            cx.out.push(Action::Failed(Stage::MainMode, Reason::WrongProof));
            return None;
        }
        self.establish(cx, one, secrets, opened.next_iv);
        Some(())
    }

    /// Message 1 from the server, which renews. Message 2.
    fn on_first(
        &mut self,
        cx: &mut Cx<'_>,
        cookie: [u8; 8],
        header: &Header,
        message: &[u8],
        body: &[u8],
    ) -> Option<()> {
        let (payloads, _) = parse_chain(header.first, body)?;
        let offer = find(&payloads, kind::SA)?;
        let proposals = offer::parse(offer)?;
        let habits = &self.profile.ike;
        let (proposal, transform, choice, life) = proposals.iter().find_map(|proposal| {
            proposal.transforms.iter().find_map(|transform| {
                let (choice, life) = find_ike(habits.offers, &transform.attributes)?;
                Some((proposal, transform, choice, life))
            })
        })?;
        let cookies = [cookie, cx.random.array()];
        let mut one = Negotiation::new(cookies, offer.to_vec(), Step::Third);
        let life = life.unwrap_or_else(|| habits.lifetime_secs.into());
        one.choice = Some((choice, life));
        one.learn_vendor_ids(&payloads, habits.vendor_ids);
        let mut answer = vec![(kind::SA, chosen(proposal, transform, &[]))];
        answer.extend(habits.vendor_ids.iter().map(|id| (kind::VENDOR, id.to_vec())));
        let answer = one.header().emit(&answer);
        one.give_up_at(cx.now);
        one.answered = Some((message.to_vec(), answer.clone()));
        self.negotiations.push(one);
        self.send(cx, answer);
        Some(())
    }

    /// Message 3 from the server. Message 4.
    fn on_third(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Negotiation,
        header: &Header,
        message: &[u8],
        body: &[u8],
    ) -> Option<()> {
        let (payloads, _) = parse_chain(header.first, body)?;
        let (choice, _) = one.choice?;
        one.publics[0] = find(&payloads, kind::KE)?.to_vec();
        one.nonces[0] = find(&payloads, kind::NONCE)?.to_vec();
        let pair = KeyPair::draw(choice.group, cx.random);
        let shared = pair.agree(&one.publics[0])?;
        one.publics[1] = pair.public;
        one.nonces[1] = cx.random.array::<20>().to_vec();
        one.derive(&self.ends.psk, &shared);
        self.judge_way(one, &payloads);
        let mut answer =
            vec![(kind::KE, one.publics[1].clone()), (kind::NONCE, one.nonces[1].clone())];
        answer.extend(self.nat_discovery(cx, one));
        let answer = one.header().emit(&answer);
        one.step = Step::Fifth;
        one.answered = Some((message.to_vec(), answer.clone()));
        self.send(cx, answer);
        Some(())
    }

    /// Message 5 from the server: its proof. Message 6: ours.
    fn on_fifth(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Negotiation,
        header: &Header,
        message: &[u8],
        body: &[u8],
    ) -> Option<()> {
        let secrets = one.secrets.clone()?;
        let opened = secrets.open(header, body, &one.iv)?;
        let theirs = find(&opened.payloads, kind::ID)?;
        if find(&opened.payloads, kind::HASH)? != one.proof(true, theirs)? {
            return None;
        }
        let id = id_body(self.ends.local[0].ip(), 0, 0);
        let payloads = [(kind::ID, id.clone()), (kind::HASH, one.proof(false, &id)?)];
        let mut iv = opened.next_iv;
        let answer = secrets.seal(one.header(), &payloads, &mut iv);
        one.answered = Some((message.to_vec(), answer.clone()));
        self.send(cx, answer);
        self.export(one);
        self.establish(cx, one, secrets, iv);
        Some(())
    }

    fn establish(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Negotiation,
        secrets: Secrets,
        last_block: Vec<u8>,
    ) {
        let life = Duration::from_secs(one.choice.map_or(3_600, |(_, life)| life));
        let renew = self.profile.ike.renew_percent;
        self.sas.push(IkeSa {
            cookies: one.cookies,
            secrets,
            last_block,
            natt: one.natt,
            renew_at: renew.map(|percent| cx.now + life.times(percent).over(100)),
            expires: cx.now + life,
            peer_knows_dpd: one.peer_knows_dpd,
            begun: 0,
        });
        one.step = Step::Over;
        one.resend = None;
        one.forget_at = Some(cx.now + REMEMBER);
        self.note_life(cx.now);
        self.ask_at = self.profile.ike.dpd.map(|habit| cx.now + habit.after);
        if self.floated {
            self.keepalive_at = Some(cx.now + self.profile.ike.keepalive);
        }
        self.was_ready = true;
        if core::mem::take(&mut self.wants_pair) {
            self.pair(cx);
        }
    }

    fn export(&mut self, one: &Negotiation) {
        let Some(secrets) = &one.secrets else { return };
        self.keys.push(IkeKey { cookie: one.cookies[0], key: secrets.key.clone() });
    }
}

impl Negotiation {
    fn answer_to(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (request, answer) = self.answered.as_ref()?;
        (request == message).then(|| answer.clone())
    }

    /// One that the server began and does not end is forgotten.
    fn give_up_at(&mut self, now: Instant) {
        self.forget_at = Some(now + REMEMBER);
    }
}

/// The body of an INITIAL-CONTACT notification (RFC 2407 §4.6.3.3).
fn initial_contact(cookies: [[u8; 8]; 2]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, 1, 16, 0x60, 0x02];
    body.extend(cookies.concat());
    body
}

const RFC_3947: [u8; 16] = 0x4a13_1c81_0703_5845_5c57_28f2_0e95_452f_u128.to_be_bytes();
const DRAFT_03: [u8; 16] = 0x7d94_19a6_5310_ca6f_2c17_9d92_1552_9d56_u128.to_be_bytes();
const DRAFT_02_N: [u8; 16] = 0x90cb_8091_3ebb_696e_0863_81b5_ec42_7b1f_u128.to_be_bytes();
const DRAFT_02: [u8; 16] = 0xcd60_4643_35df_21f8_7cfd_b2fc_68b6_a448_u128.to_be_bytes();
/// Without its minor version.
const DPD: [u8; 15] =
    [0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01];
