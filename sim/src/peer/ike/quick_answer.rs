//! Quick mode as responder: the server renews a pair.

use super::message::{Header, QUICK_MODE, find, kind};
use super::offer::{self, ESP, chosen, find_esp};
use super::quick_mode::{Exchange, Step};
use super::{Action, Cx, Ike};
use crate::peer::exchange_key::KeyPair;
use crate::peer::resend::Resend;

impl Ike {
    /// Message 1 from the server. Message 2.
    pub(super) fn on_quick_first(
        &mut self,
        cx: &mut Cx<'_>,
        at: usize,
        header: &Header,
        message: &[u8],
        body: &[u8],
    ) -> Option<()> {
        let sa = &self.sas[at];
        let id = header.message_id.to_be_bytes();
        let iv = sa.secrets.exchange_iv(&sa.last_block, header.message_id);
        let opened = sa.secrets.open(header, body, &iv)?;
        if !sa.secrets.covers(&[&id], &opened) {
            return None;
        }
        let proposals = offer::parse(find(&opened.payloads, kind::SA)?)?;
        let offers = self.profile.esp.offers;
        let (proposal, transform, terms) =
            proposals.iter().filter(|found| found.protocol == ESP).find_map(|proposal| {
                let fits = |it| Some((proposal, it, find_esp(offers, it)?));
                proposal.transforms.iter().find_map(fits)
            })?;
        let spi_out = u32::from_be_bytes(proposal.spi.clone().try_into().ok()?);
        let theirs = find(&opened.payloads, kind::NONCE)?.to_vec();
        let key_pair = terms.group.map(|group| KeyPair::draw(group, cx.random));
        let shared = match &key_pair {
            Some(pair) => pair.agree(find(&opened.payloads, kind::KE)?)?,
            None => Vec::new(),
        };
        let ours = cx.random.array::<20>().to_vec();
        let spi_in = cx.random.spi();
        let mut payloads = vec![
            (kind::SA, chosen(proposal, transform, &spi_in.to_be_bytes())),
            (kind::NONCE, ours.clone()),
        ];
        payloads.extend(key_pair.map(|pair| (kind::KE, pair.public)));
        payloads.extend(opened.payloads.iter().filter(|found| found.0 == kind::ID).cloned());
        payloads.extend(self.original_addresses(at));
        let sa = &self.sas[at];
        let payloads = sa.secrets.hashed(&[&id, &theirs], payloads);
        let mut iv = opened.next_iv;
        let second = Header::new(sa.cookies, QUICK_MODE, header.message_id);
        let second = sa.secrets.seal(second, &payloads, &mut iv);
        let one = Exchange {
            cookies: sa.cookies,
            message_id: header.message_id,
            iv,
            spi_in,
            nonces: [theirs, ours],
            key_pair: None,
            step: Step::Third,
            resend: Some(Resend::new(cx.now, second.clone(), self.profile.ike.retry)),
            answered: Some((message.to_vec(), second.clone())),
            forget_at: None,
        };
        let pair = self.pair_of(at, &one, &terms, spi_out, &shared, false);
        self.exchanges.push(one);
        cx.out.push(Action::Install(Box::new(pair)));
        self.send(cx, second);
        self.note_life(cx.now);
        Some(())
    }

    /// Message 3 from the server: it has the pair.
    pub(super) fn on_quick_third(
        &mut self,
        cx: &mut Cx<'_>,
        one: &mut Exchange,
        (at, header): (usize, &Header),
        body: &[u8],
    ) -> Option<()> {
        let secrets = &self.sas[at].secrets;
        let opened = secrets.open(header, body, &one.iv)?;
        let id = one.message_id.to_be_bytes();
        let expected = secrets.hash.hmac(&secrets.a, &[&[0], &id, &one.nonces[0], &one.nonces[1]]);
        if find(&opened.payloads, kind::HASH)? != expected {
            return None;
        }
        one.close(cx.now);
        cx.out.push(Action::Activate { spi_in: one.spi_in });
        Some(())
    }

    /// ESP came on a pair: the server has it, whether message 3 came or not.
    pub(in crate::peer) fn note_use(&mut self, cx: &mut Cx<'_>, spi_in: u32) {
        let waits = |one: &&mut Exchange| one.spi_in == spi_in && one.step == Step::Third;
        if let Some(one) = self.exchanges.iter_mut().find(waits) {
            one.close(cx.now);
        }
    }
}
