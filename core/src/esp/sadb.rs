//! The table of SA pairs: found by SPI, listed by peer.

use crate::addr::Path;
use crate::ids::{PeerId, SaId};
use crate::ipsec::Spi;
use crate::store::{Backing, Empty, Place, Slab, Slot};
use crate::time::Instant;

use super::sa::Sa;

/// A pair of SAs, or the SPI that is reserved for one.
pub struct Entry {
    peer: PeerId,
    spi: Spi,
    /// Neighbours in the peer's list, by number of slot.
    newer: u32,
    older: u32,
    sa: Option<Sa>,
}

impl Entry {
    pub(super) const fn peer(&self) -> PeerId {
        self.peer
    }

    pub(super) const fn spi(&self) -> Spi {
        self.spi
    }

    pub(super) const fn sa(&self) -> Option<&Sa> {
        self.sa.as_ref()
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Entry({:?}, {:?})", self.peer, self.spi)
    }
}

/// What the SAs of a peer have in common.
#[derive(Clone, Copy, Debug)]
pub struct PeerEntry {
    /// Who; a successor in the same slot differs.
    peer: Option<PeerId>,
    /// Head of the list of its entries, by number of slot.
    newest: u32,
    count: u32,
    /// Where its packets go.
    pub(super) path: Place<Path>,
    /// When it last moved by itself.
    pub(super) moved_at: Option<Instant>,
    /// When its last valid packet came.
    pub(super) heard_at: Option<Instant>,
    /// Whether it cuts HMAC-SHA2-256 to 96 bits (quirk `android-sha256-96`).
    pub(super) short_icv: bool,
}

impl Empty for PeerEntry {
    const EMPTY: Self = Self {
        peer: None,
        newest: 0,
        count: 0,
        path: Place::Free,
        moved_at: None,
        heard_at: None,
        short_icv: false,
    };
}

impl PeerEntry {
    const NOBODY: Self = Self { newest: NONE, ..Self::EMPTY };
}

pub(super) struct Sadb<'a> {
    entries: Slab<'a, SaId, Entry>,
    peers: Backing<'a, PeerEntry>,
    quota: usize,
    /// How many low bits of an SPI are the number of a slot.
    slot_bits: u32,
}

impl<'a> Sadb<'a> {
    pub(super) fn new(
        sas: Backing<'a, Slot<Entry>>,
        mut peers: Backing<'a, PeerEntry>,
        quota: usize,
    ) -> Self {
        peers.fill(PeerEntry::NOBODY);
        let entries = Slab::new(sas);
        let slots = u32::try_from(entries.capacity()).unwrap_or(u32::MAX);
        let slot_bits = u32::BITS - slots.saturating_sub(1).leading_zeros();
        Self { entries, peers, quota, slot_bits }
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Pairs, and entries as the quotas of all peers count them.
    pub(super) fn sums(&self) -> (usize, usize) {
        let pairs = self.entries.iter().filter(|(_, entry)| entry.sa.is_some()).count();
        (pairs, self.peers.iter().map(|peer| peer.count as usize).sum())
    }

    /// Takes a slot for `peer`, at the head of its list; the bits of the SPI that do not name
    /// the slot come from `salt`.
    pub(super) fn reserve(&mut self, peer: PeerId, salt: u32) -> Option<Spi> {
        let place = self.peers.get_mut(peer.index() as usize)?;
        if place.peer != Some(peer) {
            *place = PeerEntry { peer: Some(peer), ..PeerEntry::NOBODY };
        }
        if place.count as usize >= self.quota {
            return None;
        }
        let (older, slot_bits) = (place.newest, self.slot_bits);
        let id = self.entries.insert_with(|key| {
            let spi = spi_of(salt, key.index, slot_bits);
            Entry { peer, spi, newer: NONE, older, sa: None }
        });
        let id = id.ok()?;
        place.newest = id.index();
        place.count += 1;
        if let Some(second) = self.at_mut(older) {
            second.newer = id.index();
        }
        self.find(id).map(Entry::spi)
    }

    /// Makes a pair of a reservation, the newest of its peer.
    pub(super) fn install(&mut self, id: SaId, sa: Sa) {
        self.unlink(id);
        self.link(id);
        if let Some(entry) = self.entries.find_mut(id) {
            entry.sa = Some(sa);
        }
    }

    pub(super) fn remove(&mut self, id: SaId) -> bool {
        self.unlink(id);
        self.entries.remove(id)
    }

    /// Forgets what is known of a peer without entries.
    pub(super) fn forget(&mut self, peer: PeerId) {
        if let Some(place) = self.peer_mut(peer)
            && place.count == 0
        {
            *place = PeerEntry::NOBODY;
        }
    }

    pub(super) fn id_of(&self, spi: Spi) -> Option<SaId> {
        let mask = (1_u32 << self.slot_bits.min(MAX_SLOT_BITS)) - 1;
        let id = self.id_at(spi.0 & mask)?;
        self.find(id).filter(|entry| entry.spi == spi).map(|_| id)
    }

    pub(super) fn id_at(&self, index: u32) -> Option<SaId> {
        self.entries.key_at(index)
    }

    pub(super) fn find(&self, id: SaId) -> Option<&Entry> {
        self.entries.find(id)
    }

    pub(super) fn find_sa(&self, id: SaId) -> Option<&Sa> {
        self.find(id)?.sa.as_ref()
    }

    pub(super) fn find_sa_mut(&mut self, id: SaId) -> Option<&mut Sa> {
        self.entries.find_mut(id)?.sa.as_mut()
    }

    pub(super) fn peer(&self, peer: PeerId) -> Option<&PeerEntry> {
        self.peers.get(peer.index() as usize).filter(|place| place.peer == Some(peer))
    }

    pub(super) fn peer_mut(&mut self, peer: PeerId) -> Option<&mut PeerEntry> {
        self.peers.get_mut(peer.index() as usize).filter(|place| place.peer == Some(peer))
    }

    /// The newest entry of `peer`.
    pub(super) fn newest(&self, peer: PeerId) -> Option<SaId> {
        self.id_at(self.peer(peer)?.newest)
    }

    /// An entry that a predecessor of `peer` in the same slot left behind.
    pub(super) fn left_behind(&self, peer: PeerId) -> Option<SaId> {
        let place = self.peers.get(peer.index() as usize)?;
        self.id_at(place.newest).filter(|_| place.peer != Some(peer))
    }

    /// The pairs of `peer`, newest first; as many as the quota allows at most.
    pub(super) fn list(&self, peer: PeerId) -> impl Iterator<Item = (SaId, &Sa)> {
        let mut next = self.peer(peer).map_or(NONE, |place| place.newest);
        let entries = core::iter::from_fn(move || {
            let id = self.id_at(next)?;
            let entry = self.find(id)?;
            next = entry.older;
            Some((id, entry))
        });
        entries.filter_map(|(id, entry)| Some((id, entry.sa()?)))
    }

    fn at_mut(&mut self, index: u32) -> Option<&mut Entry> {
        let id = self.entries.key_at(index)?;
        self.entries.find_mut(id)
    }

    fn link(&mut self, id: SaId) {
        let Some(peer) = self.find(id).map(Entry::peer) else { return };
        let Some(place) = self.peer_mut(peer) else { return };
        let older = core::mem::replace(&mut place.newest, id.index());
        place.count += 1;
        if let Some(second) = self.at_mut(older) {
            second.newer = id.index();
        }
        if let Some(entry) = self.entries.find_mut(id) {
            (entry.newer, entry.older) = (NONE, older);
        }
    }

    fn unlink(&mut self, id: SaId) {
        let Some(&Entry { peer, newer, older, .. }) = self.find(id) else { return };
        if let Some(neighbour) = self.at_mut(older) {
            neighbour.newer = newer;
        }
        if let Some(neighbour) = self.at_mut(newer) {
            neighbour.older = older;
        }
        // The place may name a predecessor of a new peer, whose entries are being removed.
        if let Some(place) = self.peers.get_mut(peer.index() as usize)
            && place.peer == Some(peer)
        {
            place.count = place.count.saturating_sub(1);
            if place.newest == id.index() {
                place.newest = older;
            }
        }
    }
}

/// An SPI with the number of a slot in its low bits, never one of the reserved ones below 256.
fn spi_of(salt: u32, slot: u32, slot_bits: u32) -> Spi {
    let salted = salt.checked_shl(slot_bits).unwrap_or(0) | slot;
    let lowest = if salted < FIRST_SPI { TOP_BIT } else { 0 };
    Spi(salted | lowest)
}

const NONE: u32 = u32::MAX;
const FIRST_SPI: u32 = 256;
const TOP_BIT: u32 = 1 << 31;
const MAX_SLOT_BITS: u32 = 31;
