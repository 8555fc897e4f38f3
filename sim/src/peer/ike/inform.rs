//! Informational exchanges: Delete (RFC 2408 §3.15), DPD (RFC 3706), errors.

use super::message::{ENCRYPTED, Header, INFORMATIONAL, Payload, kind, parse_chain};
use super::offer::{ESP, ISAKMP};
use super::{Action, Cx, Ike};
use crate::peer::Stage;

impl Ike {
    /// Deletes a pair by the SPI that we receive on.
    pub(in crate::peer) fn delete_pair(&mut self, cx: &mut Cx<'_>, spi_in: u32) {
        let mut body = vec![0, 0, 0, 1, ESP, 4, 0, 1];
        body.extend(spi_in.to_be_bytes());
        self.inform(cx, self.sas.len().wrapping_sub(1), (kind::DELETE, body));
    }

    /// Deletes every IKE SA.
    pub(in crate::peer) fn hang_up(&mut self, cx: &mut Cx<'_>) {
        while let Some(at) = self.sas.len().checked_sub(1) {
            self.delete_sa(cx, at);
        }
        self.negotiations.clear();
        self.exchanges.clear();
        self.keepalive_at = None;
        self.ask_at = None;
    }

    pub(super) fn delete_sa(&mut self, cx: &mut Cx<'_>, at: usize) {
        let mut body = vec![0, 0, 0, 1, ISAKMP, 16, 0, 1];
        body.extend(self.sas[at].cookies.concat());
        self.inform(cx, at, (kind::DELETE, body));
        self.sas.remove(at);
    }

    /// Asks whether the peer is alive.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>) {
        self.sequence = match self.sequence {
            0 => cx.random.u32() >> 1,
            last => last + 1,
        };
        let at = self.sas.len().wrapping_sub(1);
        self.notify(cx, at, R_U_THERE, self.sequence);
    }

    fn notify(&mut self, cx: &mut Cx<'_>, at: usize, what: u16, sequence: u32) {
        let Some(sa) = self.sas.get(at) else { return };
        let mut body = vec![0, 0, 0, 1, ISAKMP, 16];
        body.extend(what.to_be_bytes());
        body.extend(sa.cookies.concat());
        body.extend(sequence.to_be_bytes());
        self.inform(cx, at, (kind::NOTIFY, body));
    }

    fn inform(&mut self, cx: &mut Cx<'_>, at: usize, payload: Payload) {
        if at >= self.sas.len() {
            return;
        }
        let message_id = self.new_message_id(cx, at, false);
        let sa = &self.sas[at];
        let payloads = sa.secrets.hashed(&[&message_id.to_be_bytes()], vec![payload]);
        let mut iv = sa.secrets.exchange_iv(&sa.last_block, message_id);
        let header = Header::new(sa.cookies, INFORMATIONAL, message_id);
        let message = sa.secrets.seal(header, &payloads, &mut iv);
        self.send(cx, message);
    }

    pub(super) fn on_informational(
        &mut self,
        cx: &mut Cx<'_>,
        at: usize,
        header: &Header,
        body: &[u8],
    ) {
        let sa = &self.sas[at];
        let iv = sa.secrets.exchange_iv(&sa.last_block, header.message_id);
        let Some(opened) = sa.secrets.open(header, body, &iv) else { return };
        if !sa.secrets.covers(&[&header.message_id.to_be_bytes()], &opened) {
            return;
        }
        let cookies = sa.cookies;
        self.note_life(cx.now);
        for (what, body) in opened.payloads {
            match what {
                kind::DELETE => self.on_delete(cx, &body),
                kind::NOTIFY => self.on_notify(cx, cookies, &body),
                _ => {}
            }
        }
    }

    fn on_delete(&mut self, cx: &mut Cx<'_>, body: &[u8]) {
        let [_, _, _, _, protocol, len, _, _, spis @ ..] = body else { return };
        for spi in spis.chunks_exact(usize::from(*len).max(1)) {
            match (*protocol, spi) {
                (ESP, &[a, b, c, d]) => {
                    cx.out.push(Action::Remove { spi_out: u32::from_be_bytes([a, b, c, d]) });
                }
                (ISAKMP, spi) => self.sas.retain(|sa| sa.cookies.concat() != spi),
                _ => {}
            }
        }
    }

    fn on_notify(&mut self, cx: &mut Cx<'_>, cookies: [[u8; 8]; 2], body: &[u8]) {
        let [_, _, _, _, _, spi_len, high, low, rest @ ..] = body else { return };
        let what = u16::from_be_bytes([*high, *low]);
        let data = rest.get(usize::from(*spi_len)..).unwrap_or_default();
        let number = <[u8; 4]>::try_from(data).map(u32::from_be_bytes);
        let at = self.sas.iter().position(|sa| sa.cookies == cookies);
        match (what, number, at) {
            (R_U_THERE, Ok(sequence), Some(at)) => self.notify(cx, at, R_U_THERE_ACK, sequence),
            // Life is noted already.
            (R_U_THERE_ACK, ..) => {}
            (1..16_384, ..) => cx.out.push(Action::Note(Stage::QuickMode, what)),
            _ => {}
        }
    }

    /// An error in plain text, before there is an IKE SA. Anyone could have said it: it is only
    /// remembered.
    pub(super) fn on_plain_notify(&mut self, cx: &mut Cx<'_>, header: &Header, body: &[u8]) {
        let is_ours = self.negotiations.iter().any(|one| one.is_ours(header.cookies[0]));
        if header.flags & ENCRYPTED != 0 || !is_ours {
            return;
        }
        let Some((payloads, _)) = parse_chain(header.first, body) else { return };
        for (what, body) in payloads {
            if let (kind::NOTIFY, [_, _, _, _, _, _, high, low, ..]) = (what, &body[..]) {
                let number = u16::from_be_bytes([*high, *low]);
                cx.out.push(Action::Note(Stage::MainMode, number));
            }
        }
    }

    /// Whether the peer said that it does DPD.
    pub(super) fn may_ask(&self) -> bool {
        self.sas.last().is_some_and(|sa| sa.peer_knows_dpd)
    }
}

const R_U_THERE: u16 = 36_136;
const R_U_THERE_ACK: u16 = 36_137;
