//! The client's ESP SAs: which one to send on, and how long each one lives.

use std::ops::Range;

use kumihimo_core::time::Instant;

use super::algorithm::Hash;
use super::esp::{EspPair, Keys};
use super::ike::Pair;
use crate::profile::EspHabits;

/// All pairs, the newest one last.
#[derive(Default)]
pub(super) struct Sadb {
    pairs: Vec<Entry>,
}

struct Entry {
    esp: EspPair,
    /// Whether the server has it too.
    is_active: bool,
    /// When a new one is wanted.
    soft: Option<Instant>,
    hard: Instant,
    delete_at: Option<Instant>,
}

/// A packet that was opened.
pub(super) struct Opened {
    /// Where the UDP datagram stands.
    pub(super) range: Range<usize>,
    pub(super) spi_in: u32,
    /// Whether it is the first word on a pair that the server began.
    pub(super) is_first: bool,
}

/// What time did.
pub(super) struct Due {
    /// Pairs that are gone.
    pub(super) deleted: Vec<u32>,
    pub(super) wants_pair: bool,
}

impl Sadb {
    /// Adds a pair; `false` if its keys do not fit.
    pub(super) fn install(&mut self, now: Instant, pair: &Pair, habits: &EspHabits) -> bool {
        let mac = pair.mac.map(|hash| {
            let cut = hash == Hash::Sha256 && habits.cuts_sha256;
            (hash, if cut { 12 } else { hash.icv_len() })
        });
        let keys = |material: &[u8]| Keys::new(pair.cipher, mac, material);
        let (Some(keys_in), Some(keys_out)) = (keys(&pair.key_in), keys(&pair.key_out)) else {
            return false;
        };
        if let Some(after) = habits.deletes_replaced_after.filter(|_| pair.ours) {
            for old in &mut self.pairs {
                old.delete_at.get_or_insert(now + after);
            }
        }
        // A pair that is replaced is not worth renewing.
        self.pairs.iter_mut().for_each(|old| old.soft = None);
        self.pairs.push(Entry {
            esp: EspPair::new(pair.spi_in, keys_in, pair.spi_out, keys_out, pair.in_udp),
            is_active: pair.ours,
            soft: Some(now + pair.lifetime.times(habits.renew_percent).over(100)),
            hard: now + pair.lifetime,
            delete_at: None,
        });
        true
    }

    pub(super) fn activate(&mut self, spi_in: u32) {
        for entry in &mut self.pairs {
            entry.is_active |= entry.esp.spi_in == spi_in;
        }
    }

    /// Removes a pair by the SPI that we send on; `true` if it was the last one.
    pub(super) fn remove(&mut self, spi_out: u32) -> bool {
        let before = self.pairs.len();
        self.pairs.retain(|entry| entry.esp.outbound.spi != spi_out);
        before > 0 && self.pairs.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// SPIs that we receive on.
    pub(super) fn spis(&self) -> Vec<u32> {
        self.pairs.iter().map(|entry| entry.esp.spi_in).collect()
    }

    /// Verifies and decrypts `packet` in place.
    pub(super) fn open(&mut self, packet: &mut [u8]) -> Option<Opened> {
        let spi_in = u32::from_be_bytes(*packet.first_chunk::<4>()?);
        let entry = self.pairs.iter_mut().find(|entry| entry.esp.spi_in == spi_in)?;
        let range = entry.esp.open(packet)?;
        let is_first = !core::mem::replace(&mut entry.is_active, true);
        Some(Opened { range, spi_in, is_first })
    }

    /// Seals a UDP datagram on the newest pair; says whether it goes into UDP.
    pub(super) fn seal(&mut self, parts: &[&[u8]]) -> Option<(Vec<u8>, bool)> {
        let entry = self.pairs.iter_mut().rfind(|entry| entry.is_active)?;
        Some((entry.esp.seal(parts)?, entry.esp.in_udp))
    }

    /// As if so many packets had been sent on every pair.
    pub(super) fn age(&mut self, sent: u32) {
        self.pairs.iter_mut().for_each(|entry| entry.esp.outbound.sequence = sent);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let of = |entry: &Entry| [entry.soft, Some(entry.hard), entry.delete_at];
        self.pairs.iter().flat_map(of).flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        let mut due = Due { deleted: Vec::new(), wants_pair: false };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for entry in &mut self.pairs {
            if is_due(entry.soft) {
                entry.soft = None;
                due.wants_pair = true;
            }
        }
        self.pairs.retain(|entry| {
            let ends = entry.hard <= now || is_due(entry.delete_at);
            due.deleted.extend(ends.then_some(entry.esp.spi_in));
            !ends
        });
        due
    }
}
