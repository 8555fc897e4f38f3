//! Packets on their way out.

use crate::buf::Frame;
use crate::canary::{Fault, is_planted};
use crate::crypto::transform::{HEADER_LEN, LANES};
use crate::crypto::{EspSuite, Rng};
use crate::discard::DropReason;
use crate::ids::{PeerId, SaId};
use crate::time::Instant;

use super::Esp;

/// What preparing a packet told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The pair needs a successor soon; told once.
    pub rekey: bool,
}

impl Esp<'_> {
    /// The pair on which a datagram to `port` of `peer` goes: of those that may send the newest
    /// whose selector names the port, else the newest for any port, else the newest.
    pub fn outbound_for(&self, peer: PeerId, port: u16) -> Option<SaId> {
        let (mut any, mut last) = (None, None);
        for (id, sa) in self.sadb.list(peer).filter(|(_, sa)| sa.active) {
            if sa.peer_port == port {
                return Some(id);
            }
            if sa.peer_port == 0 {
                any = any.or(Some(id));
            }
            last = last.or(Some(id));
        }
        any.or(last)
    }

    /// Makes an ESP packet of the UDP datagram in `frame`, complete but for encryption and ICV.
    ///
    /// It must pass [`Esp::seal`] before it leaves. In UDP 500 the non-IKE marker stands in front
    /// of it.
    ///
    /// # Errors
    /// [`DropReason::NoSa`] without such a pair, [`DropReason::SaExpired`] at the end of its life
    /// or of its sequence numbers, [`DropReason::NoRoom`] if the buffer is too small. `frame`
    /// holds nothing of use then.
    pub fn prepare<B: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        sa: SaId,
        frame: &mut Frame<B>,
    ) -> Result<Prepared, DropReason> {
        let id = sa;
        let sa = self.sadb.find_sa_mut(id).ok_or(DropReason::NoSa)?;
        if sa.life.is_over(now) {
            return Err(DropReason::SaExpired);
        }
        let sequence = sa.sent.checked_add(1).ok_or(DropReason::SaExpired)?;
        let len = frame.len();
        append_trailer(frame, sa.suite)?;
        push_iv(frame, sa.suite, sequence, rng)?;
        push_u32(frame, sequence)?;
        push_u32(frame, sa.spi_out.0)?;
        frame.push(sa.marker_len())?.fill(0);

        if !(is_planted(Fault::SequenceSentTwice) && sequence.is_multiple_of(16)) {
            sa.sent = sequence;
        }
        sa.life.on_sent(len);
        let rekey = sa.life.wants_successor(sequence);
        if sa.life.is_worn_out() || sequence == u32::MAX {
            self.wheel.set(id.index(), Some(now));
        }
        Ok(Prepared { rekey })
    }

    /// Encrypts and authenticates packets that were prepared on `sa`, several at once.
    ///
    /// # Errors
    /// [`DropReason::NoSa`] if the pair is gone, [`DropReason::BadLength`] if one of them was not
    /// prepared on it. None of them may leave then.
    pub fn seal(&self, sa: SaId, packets: &mut [&mut [u8]]) -> Result<(), DropReason> {
        let sa = self.sadb.find_sa(sa).ok_or(DropReason::NoSa)?;
        for group in packets.chunks_mut(LANES) {
            let mut bodies = heapless::Vec::<&mut [u8], LANES>::new();
            for packet in group {
                let body = packet.get_mut(sa.marker_len()..).ok_or(DropReason::BadLength)?;
                bodies.push(body).map_err(|_| DropReason::BadLength)?;
            }
            sa.sealer.seal_batch(&mut bodies).map_err(|_| DropReason::BadLength)?;
        }
        Ok(())
    }
}

/// Padding 1, 2, 3 …, its length, the protocol, and room for the ICV.
fn append_trailer<B: AsRef<[u8]> + AsMut<[u8]>>(
    frame: &mut Frame<B>,
    suite: EspSuite,
) -> Result<(), DropReason> {
    let bare = frame.len() + TRAILER_LEN;
    let pad_len = bare.next_multiple_of(suite.align_len()) - bare;
    let room = frame.append(pad_len + TRAILER_LEN + suite.icv_len())?;
    let trailer = (1..=pad_len as u8).chain([pad_len as u8, UDP]).chain(core::iter::repeat(0));
    room.iter_mut().zip(trailer).for_each(|(octet, value)| *octet = value);
    Ok(())
}

/// A random IV for CBC (RFC 3602 §3), the sequence number for GCM, where an IV must never come
/// twice under a key (RFC 4106 §3.1).
fn push_iv<B: AsRef<[u8]> + AsMut<[u8]>>(
    frame: &mut Frame<B>,
    suite: EspSuite,
    sequence: u32,
    rng: &mut Rng,
) -> Result<(), DropReason> {
    match suite {
        EspSuite::Cbc { .. } => rng.fill(frame.push(suite.iv_len())?),
        EspSuite::AesGcm16 { .. } => {
            push_u32(frame, sequence)?;
            push_u32(frame, 0)?;
        }
    }
    Ok(())
}

fn push_u32<B: AsRef<[u8]> + AsMut<[u8]>>(
    frame: &mut Frame<B>,
    value: u32,
) -> Result<(), DropReason> {
    frame.push(4)?.copy_from_slice(&value.to_be_bytes());
    Ok(())
}

/// Pad length and next header.
const TRAILER_LEN: usize = 2;
/// IP protocol number of UDP.
const UDP: u8 = 17;
const _: () = assert!(HEADER_LEN == 2 * size_of::<u32>());
