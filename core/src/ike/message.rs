//! Protecting and opening messages: encryption, padding and the hashes of phase 2
//! (RFC 2409 §5.5, §5.7 and Appendix B).

use crate::crypto::cbc;
use crate::crypto::prf::{Digest, hmac};
use crate::crypto::{Cipher, Hash, IkeSuite};
use crate::discard::DropReason;
use crate::outbox::Span;
use crate::wire::isakmp::{
    Chain, Cookie, HEADER_LEN, Header, PAYLOAD_HEADER_LEN, PAYLOADS_MAX, Payload, Payloads,
    exchange, flag, payload_type,
};

use super::action::Out;
use super::keymat::{Block, CipherKey};

/// The payloads of a message whose chain is sound.
pub(super) struct Body<'a> {
    payloads: heapless::Vec<Payload<'a>, { PAYLOADS_MAX as usize }>,
    /// The chain behind its first payload, without padding.
    after_first: &'a [u8],
}

impl<'a> Body<'a> {
    /// Walks the chain that begins with a payload of type `first`.
    pub(super) fn parse(first: u8, body: &'a [u8]) -> Result<Self, DropReason> {
        let mut payloads = heapless::Vec::new();
        let mut chain = Payloads::new(first, body);
        let mut after_first = body;
        while let Some(payload) = chain.next() {
            if payloads.is_empty() {
                after_first = chain.rest();
            }
            payloads.push(payload?).map_err(|_| DropReason::BadPayload)?;
        }
        let used = after_first.len().saturating_sub(chain.rest().len());
        Ok(Self { payloads, after_first: after_first.get(..used).unwrap_or_default() })
    }

    /// The one payload of type `kind`; `None` if there is none.
    ///
    /// # Errors
    /// [`DropReason::BadPayload`] if there are several.
    pub(super) fn single(&self, kind: u8) -> Result<Option<&'a [u8]>, DropReason> {
        let mut found = self.all(kind);
        match (found.next(), found.next()) {
            (payload, None) => Ok(payload),
            (_, Some(_)) => Err(DropReason::BadPayload),
        }
    }

    /// The one payload of type `kind`.
    ///
    /// # Errors
    /// [`DropReason::BadPayload`] if there is not exactly one.
    pub(super) fn required(&self, kind: u8) -> Result<&'a [u8], DropReason> {
        self.single(kind)?.ok_or(DropReason::BadPayload)
    }

    /// All payloads of type `kind`, in order.
    pub(super) fn all(&self, kind: u8) -> impl Iterator<Item = &'a [u8]> {
        self.payloads.iter().filter(move |payload| payload.kind == kind).map(|found| found.body)
    }

    /// The first payload, if its type is HASH, and the octets it covers.
    ///
    /// # Errors
    /// [`DropReason::BadPayload`] if the message begins with anything else.
    pub(super) fn hash(&self) -> Result<(&'a [u8], &'a [u8]), DropReason> {
        match self.payloads.first() {
            Some(first) if first.kind == payload_type::HASH => Ok((first.body, self.after_first)),
            _ => Err(DropReason::BadPayload),
        }
    }
}

/// Decrypts the body of `message` in place; tells the IV of what follows.
///
/// # Errors
/// [`DropReason::NotDecryptable`] if the body is not a number of blocks.
pub(super) fn open(
    message: &mut [u8],
    cipher: Cipher,
    key: &CipherKey,
    iv: &Block,
) -> Result<Block, DropReason> {
    let (_, body) = Header::parse(message)?;
    let end = HEADER_LEN + body.len();
    let body = message.get_mut(HEADER_LEN..end).unwrap_or_default();
    let next = body.last_chunk_of(cipher.block_len()).ok_or(DropReason::NotDecryptable)?;
    cbc::decrypt(cipher, key.expose(), iv, body).map_err(|_| DropReason::NotDecryptable)?;
    Ok(next)
}

/// Emits a message that is not protected.
///
/// # Errors
/// [`DropReason::OutboxFull`].
pub(super) fn emit_plain(
    out: &mut Out,
    header: &Header,
    write: impl FnOnce(&mut Chain<'_, '_>),
) -> Result<Span, DropReason> {
    let span = out.emit(|writer| {
        let mut chain = Chain::begin(header, writer);
        write(&mut chain);
        chain.end(1);
    });
    span.ok_or(DropReason::OutboxFull)
}

/// Emits an encrypted message of phase 1; tells the IV of what follows.
///
/// # Errors
/// [`DropReason::OutboxFull`].
pub(super) fn emit_encrypted(
    out: &mut Out,
    header: &Header,
    (cipher, key, iv): (Cipher, &CipherKey, &Block),
    write: impl FnOnce(&mut Chain<'_, '_>),
) -> Result<(Span, Block), DropReason> {
    let span = out.emit(|writer| {
        let mut chain = Chain::begin(header, writer);
        write(&mut chain);
        chain.end(cipher.block_len());
    });
    let span = span.ok_or(DropReason::OutboxFull)?;
    let next = encrypt(out.bytes_mut(span), cipher, key, iv)?;
    Ok((span, next))
}

/// What a message of phase 2 is protected with.
pub(super) struct Protection<'k> {
    pub(super) initiator: Cookie,
    pub(super) responder: Cookie,
    pub(super) suite: IkeSuite,
    /// SKEYID_a.
    pub(super) auth: &'k Digest,
    pub(super) key: &'k CipherKey,
}

impl Protection<'_> {
    /// Emits a message that begins with the hash of `prefix` and all its other payloads; tells
    /// the IV of what follows.
    ///
    /// # Errors
    /// [`DropReason::OutboxFull`].
    pub(super) fn emit(
        &self,
        out: &mut Out,
        (exchange, message_id, iv): (u8, u32, &Block),
        prefix: &[&[u8]],
        write: impl FnOnce(&mut Chain<'_, '_>),
    ) -> Result<(Span, Block), DropReason> {
        let header = Header {
            initiator: self.initiator,
            responder: self.responder,
            next_payload: payload_type::NONE,
            exchange,
            flags: flag::ENCRYPTED,
            message_id,
        };
        let IkeSuite { cipher, hash, .. } = self.suite;
        let mut len = 0;
        let span = out.emit(|writer| {
            let mut chain = Chain::begin(&header, writer);
            chain.add(payload_type::HASH, |writer| writer.zeros(hash.digest_len()));
            write(&mut chain);
            len = chain.end(cipher.block_len());
        });
        let span = span.ok_or(DropReason::OutboxFull)?;
        let bytes = out.bytes_mut(span);
        let rest_at = HASH_AT + hash.digest_len();
        let rest = bytes.get(rest_at..len).unwrap_or_default();
        let value = phase2_hash(hash, self.auth, prefix, rest);
        if let Some(room) = bytes.get_mut(HASH_AT..rest_at) {
            room.copy_from_slice(value.expose());
        }
        let next = encrypt(bytes, cipher, self.key, iv)?;
        Ok((span, next))
    }

    /// Emits an informational message with one payload; nothing follows it.
    ///
    /// # Errors
    /// [`DropReason::OutboxFull`].
    pub(super) fn emit_informational(
        &self,
        out: &mut Out,
        message_id: u32,
        iv: &Block,
        write: impl FnOnce(&mut Chain<'_, '_>),
    ) -> Result<Span, DropReason> {
        let prefix: [&[u8]; 1] = [&message_id.to_be_bytes()];
        let position = (exchange::INFORMATIONAL, message_id, iv);
        self.emit(out, position, &prefix, write).map(|(span, _)| span)
    }
}

/// A hash of phase 2: the PRF under SKEYID_a over `prefix`, then `rest`.
pub(super) fn phase2_hash(hash: Hash, auth: &Digest, prefix: &[&[u8]], rest: &[u8]) -> Digest {
    let mut parts = heapless::Vec::<&[u8], 6>::new();
    for part in prefix.iter().copied().chain([rest]) {
        let fits = parts.push(part).is_ok();
        debug_assert!(fits, "a hash of phase 2 has at most four parts before the payloads");
    }
    hmac(hash, auth.expose(), &parts)
}

fn encrypt(
    message: &mut [u8],
    cipher: Cipher,
    key: &CipherKey,
    iv: &Block,
) -> Result<Block, DropReason> {
    let body = message.get_mut(HEADER_LEN..).unwrap_or_default();
    cbc::encrypt(cipher, key.expose(), iv, body).map_err(|_| DropReason::NoRoom)?;
    body.last_chunk_of(cipher.block_len()).ok_or(DropReason::NoRoom)
}

trait LastBlock {
    fn last_chunk_of(&self, len: usize) -> Option<Block>;
}

impl LastBlock for [u8] {
    fn last_chunk_of(&self, len: usize) -> Option<Block> {
        let start = self.len().checked_sub(len)?;
        Block::from_slice(self.get(start..)?).ok()
    }
}

const HASH_AT: usize = HEADER_LEN + PAYLOAD_HEADER_LEN;
