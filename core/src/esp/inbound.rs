//! Packets on their way in.

use core::ops::Range;

use crate::addr::Path;
use crate::buf::{Frame, Reader};
use crate::canary::{Fault, is_planted};
use crate::discard::DropReason;
use crate::ids::{PeerId, SaId};
use crate::ipsec::Spi;
use crate::store::Place;
use crate::time::{Duration, Instant};

use super::Esp;
use super::sadb::PeerEntry;

/// What a valid packet told besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// On which pair it came.
    pub sa: SaId,
    /// The inbound SPI of that pair.
    pub spi: Spi,
    /// From whom.
    pub peer: PeerId,
    /// Protocol of the payload.
    pub next_header: u8,
    /// It is the first valid one of this pair: the peer has installed its side, which counts as
    /// message 3 of quick mode.
    pub first: bool,
    /// The peer is elsewhere now. Its packets go there already.
    pub moved: Option<Path>,
    /// The pair needs a successor soon; told once.
    pub rekey: bool,
}

impl Esp<'_> {
    /// Verifies and decrypts a packet that begins with its SPI; leaves its payload in `frame`.
    ///
    /// # Errors
    /// The reason to drop it; `frame` holds nothing of use then.
    pub fn open<B: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        now: Instant,
        path: &Path,
        frame: &mut Frame<B>,
    ) -> Result<Opened, DropReason> {
        let mut header = Reader::new(frame.bytes());
        let spi = Spi(header.u32()?);
        let sequence = header.u32()?;
        let id = self.sadb.id_of(spi).ok_or(DropReason::UnknownSpi)?;
        let peer = self.sadb.find(id).ok_or(DropReason::UnknownSpi)?.peer();
        if is_planted(Fault::EndpointMovedEarly)
            && let Some(peer) = self.sadb.peer_mut(peer)
        {
            peer.path = Place::Taken(*path);
        }
        let sa = self.sadb.find_sa_mut(id).ok_or(DropReason::UnknownSpi)?;
        if sa.life.is_over(now) {
            return Err(DropReason::SaExpired);
        }
        if !sa.window.admits(sequence) && !is_planted(Fault::ReplayWindowOff) {
            return Err(DropReason::Replayed);
        }
        let text = sa.open(frame.bytes_mut())?;
        let newest = sa.window.accept(sequence);
        let (payload, next_header) = parse_trailer(frame.bytes(), text)?;
        frame.truncate(payload.end);
        frame.strip(payload.start)?;

        sa.life.on_received(frame.len());
        let worn_out = sa.life.is_worn_out();
        let rekey = sa.life.wants_successor(sequence);
        let first = !core::mem::replace(&mut sa.proven, true);
        sa.active = true;
        let short_icv = sa.has_short_icv();
        if worn_out {
            self.wheel.set(id.index(), Some(now));
        }

        let mut moved = None;
        if let Some(peer) = self.sadb.peer_mut(peer) {
            peer.heard_at = Some(now);
            peer.short_icv = short_icv.unwrap_or(peer.short_icv);
            moved = newest.then(|| follow(now, peer, path)).flatten();
        }
        Ok(Opened { sa: id, spi, peer, next_header, first, moved, rekey })
    }
}

/// Checks padding and trailer (RFC 4303 §2.4, §2.5, §2.6); tells the payload and its protocol.
fn parse_trailer(packet: &[u8], text: Range<usize>) -> Result<(Range<usize>, u8), DropReason> {
    let start = text.start;
    let text = packet.get(text).ok_or(DropReason::BadPadding)?;
    let (rest, &[pad_len, next_header]) =
        text.split_last_chunk::<2>().ok_or(DropReason::BadPadding)?;
    let len = rest.len().checked_sub(usize::from(pad_len)).ok_or(DropReason::BadPadding)?;
    let padding = rest.get(len..).ok_or(DropReason::BadPadding)?;
    if !padding.iter().copied().eq(1..=pad_len) {
        return Err(DropReason::BadPadding);
    }
    Ok((start..start + len, next_header))
}

/// Moves a peer to where its newest packet came from, if that is elsewhere.
///
/// It stays on our port and in its encapsulation, and moves once in [`MOVE_EVERY`] at most, so
/// that two networks that deliver the same packets cannot make it jump.
fn follow(now: Instant, peer: &mut PeerEntry, path: &Path) -> Option<Path> {
    let old = *peer.path.as_ref()?;
    let same_service = old.outer == path.outer && old.local.port() == path.local.port();
    let rested = peer.moved_at.is_none_or(|moved_at| now.since(moved_at) >= MOVE_EVERY);
    if old == *path || !same_service || !rested {
        return None;
    }
    peer.path = Place::Taken(*path);
    peer.moved_at = Some(now);
    Some(*path)
}

const MOVE_EVERY: Duration = Duration::from_secs(1);
