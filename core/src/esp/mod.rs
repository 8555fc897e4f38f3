//! ESP in transport mode and its SA database (RFC 4303, RFC 4301 §4.4.2).
//!
//! [`Esp`] keeps pairs of SAs. IKE reserves an SPI through [`SpiSource`], installs the pair,
//! and activates it; inbound works from the moment of installing, outbound from activation or
//! from the first valid packet that comes in, which proves that the peer has installed its side.
//! An SPI holds the number of its SA's slot, so a packet finds its SA without a search; the rest
//! of it is random.
//!
//! Order on the way in: SPI, lifetime, replay window, ICV in constant time; only then anything
//! is decrypted, believed or remembered. A peer's endpoint moves on a packet that is fresh: one
//! with the highest sequence number so far (RFC 3948 leaves this open; a replayed packet must
//! not move anyone). Padding must be 1, 2, 3 … (RFC 4303 §2.4).
//!
//! On the way out a packet is *prepared* (sequence number, IV, padding) when it is made, and
//! *sealed* later, together with others of its SA: [`Esp::seal`]. It must not leave in between.
//!
//! Lifetimes: this module enforces the hard ends by itself, of time, octets and sequence
//! numbers. When to negotiate a new SA in good time is IKE's decision; what IKE cannot know,
//! octets and sequence numbers running out, is told once by [`Opened::rekey`] or
//! [`Prepared::rekey`].
//!
//! *Quirk `android-sha256-96`*: Android kernels without RFC 4868 cut HMAC-SHA2-256 to 96 bits
//! though 128 were negotiated. The first packet of an SA shows it by its length and its ICV, and
//! switches both directions; later SAs of the peer begin that way.
//!
//! Not done here: tunnel mode, extended sequence numbers (IKEv1 cannot negotiate them unasked),
//! traffic flow confidentiality. Selectors are looked at by the server, which parses the UDP
//! header inside.

mod counted;
mod head_start;
mod inbound;
mod lifetime;
mod outbound;
mod overhead;
mod replay;
mod sa;
mod sadb;

use crate::addr::Path;
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::ids::{PeerId, SaId};
use crate::ipsec::{Encapsulation, SaParams, Spi, SpiSource};
use crate::limits::Limits;
use crate::store::{Node, Place, Slot, Wheel, tables};
use crate::time::Instant;

use sa::Sa;
use sadb::Sadb;

pub use counted::Counted;
#[cfg(feature = "sim")]
pub use head_start::set_head_start;
pub use inbound::Opened;
pub use lifetime::Usage;
pub use outbound::Prepared;
pub use overhead::{max_payload, overhead};
pub use sadb::{Entry, PeerEntry};

/// Pairs of IPsec SAs, and the packets they protect.
pub struct Esp<'a> {
    sadb: Sadb<'a>,
    wheel: Wheel<'a>,
    rng: Rng,
}

tables! {
    /// The memory of an [`Esp`].
    pub struct Storage, Arrays for limits {
        /// Pairs of SAs.
        sas: [Slot<Entry>; limits.sas],
        /// Their deadlines.
        nodes: [Node; limits.sas],
        /// IKE peers.
        peers: [PeerEntry; limits.peers],
    }
}

/// A pair of SAs that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Which.
    pub sa: SaId,
    /// With whom.
    pub peer: PeerId,
    /// The SPI of its inbound SA.
    pub spi: Spi,
}

impl<'a> Esp<'a> {
    /// An empty database in `storage`; SPIs come from a generator seeded by `rng`.
    pub fn new(storage: Storage<'a>, limits: &Limits, rng: &mut Rng) -> Self {
        let Storage { sas, nodes, peers } = storage;
        Self {
            sadb: Sadb::new(sas, peers, limits.sas_per_peer),
            wheel: Wheel::new(nodes),
            rng: Rng::from_seed(rng.array()),
        }
    }

    /// Makes a pair of SAs of what IKE agreed on and of the SPI it reserved.
    ///
    /// Its packets go to where `params` says the peer is, and so do those of the peer's other
    /// SAs.
    ///
    /// # Errors
    /// [`DropReason::UnknownSpi`] if the SPI is not reserved for that peer,
    /// [`DropReason::Unsupported`] if suite and keys do not fit; the SPI is released then.
    pub fn install(&mut self, now: Instant, params: &SaParams) -> Result<SaId, DropReason> {
        let id = self.sadb.id_of(params.spi_in).ok_or(DropReason::UnknownSpi)?;
        let entry = self.sadb.find(id).ok_or(DropReason::UnknownSpi)?;
        if entry.peer() != params.peer || entry.sa().is_some() {
            return Err(DropReason::UnknownSpi);
        }
        let short_icv = self.sadb.peer(params.peer).is_some_and(|peer| peer.short_icv);
        let Some(sa) = Sa::new(now, params, short_icv) else {
            self.remove_id(id);
            return Err(DropReason::Unsupported);
        };
        self.wheel.set(id.index(), Some(sa.life.ends_at()));
        self.sadb.install(id, sa);
        self.set_path(params.peer, params.path);
        Ok(id)
    }

    /// Sends on the pair with the inbound SPI `spi` from now on.
    pub fn activate(&mut self, spi: Spi) {
        if let Some(sa) = self.sadb.id_of(spi).and_then(|id| self.sadb.find_sa_mut(id)) {
            sa.active = true;
        }
    }

    /// Removes the pair with the inbound SPI `spi`, or releases a reservation; tells whether
    /// there was one.
    ///
    /// Packets that were prepared on it must be sealed first, or are lost.
    pub fn remove(&mut self, spi: Spi) -> bool {
        self.sadb.id_of(spi).is_some_and(|id| self.remove_id(id))
    }

    /// Removes all pairs and reservations of `peer`: as many steps as the quota allows pairs.
    ///
    /// Packets that were prepared on them must be sealed first, or are lost.
    pub fn remove_peer(&mut self, peer: PeerId) {
        while let Some(id) = self.sadb.newest(peer) {
            if !self.remove_id(id) {
                debug_assert!(false, "a list holds what exists");
                return;
            }
        }
        self.sadb.forget(peer);
    }

    /// The inbound SPI of the pair of `peer` whose outbound SPI is `spi_out`: what the peer
    /// names in a Delete (RFC 2408 §3.15).
    pub fn spi_of_outbound(&self, peer: PeerId, spi_out: Spi) -> Option<Spi> {
        let mut list = self.sadb.list(peer);
        list.find(|(_, sa)| sa.spi_out == spi_out).and_then(|(id, _)| self.spi(id))
    }

    /// The inbound SPI of a pair.
    pub fn spi(&self, sa: SaId) -> Option<Spi> {
        self.sadb.find(sa).map(Entry::spi)
    }

    /// Whom a pair belongs to.
    pub fn peer(&self, sa: SaId) -> Option<PeerId> {
        self.sadb.find(sa).map(Entry::peer)
    }

    /// Sends the packets of `peer` on `path` from now on.
    pub fn set_path(&mut self, peer: PeerId, path: Path) {
        if let Some(peer) = self.sadb.peer_mut(peer) {
            peer.path = Place::Taken(path);
        }
    }

    /// Where the packets of a pair go: where the peer is, without UDP if so agreed.
    pub fn path(&self, sa: SaId) -> Option<Path> {
        let path = *self.sadb.peer(self.peer(sa)?)?.path.as_ref()?;
        let is_bare = self.sadb.find_sa(sa)?.encapsulation == Encapsulation::Esp;
        Some(if is_bare { path.without_udp() } else { path })
    }

    /// When the last valid packet of `peer` came.
    pub fn heard_at(&self, peer: PeerId) -> Option<Instant> {
        self.sadb.peer(peer)?.heard_at
    }

    /// Octets and packets that the inbound and the outbound SA of a pair have protected.
    pub fn usage(&self, sa: SaId) -> Option<(Usage, Usage)> {
        self.sadb.find_sa(sa).map(|sa| (sa.life.inbound(), sa.life.outbound()))
    }

    /// Number of pairs and reservations.
    pub const fn len(&self) -> usize {
        self.sadb.len()
    }

    /// Whether there is neither pair nor reservation.
    pub const fn is_empty(&self) -> bool {
        self.sadb.len() == 0
    }

    /// When to call [`Esp::handle_timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.wheel.deadline()
    }

    /// Removes one pair that has reached the end of its life, and names it; call it until there
    /// is none.
    ///
    /// Packets that were prepared before must be sealed first, or are lost.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Expired> {
        while let Some(index) = self.wheel.take_due(now) {
            let Some(sa) = self.sadb.id_at(index) else { continue };
            let Some(entry) = self.sadb.find(sa) else { continue };
            let expired = Expired { sa, peer: entry.peer(), spi: entry.spi() };
            self.remove_id(sa);
            return Some(expired);
        }
        None
    }

    fn remove_id(&mut self, id: SaId) -> bool {
        self.wheel.set(id.index(), None);
        self.sadb.remove(id)
    }
}

impl SpiSource for Esp<'_> {
    fn reserve(&mut self, peer: PeerId) -> Option<Spi> {
        while let Some(id) = self.sadb.left_behind(peer) {
            self.remove_id(id);
        }
        self.sadb.reserve(peer, self.rng.u32())
    }

    fn release(&mut self, spi: Spi) {
        if let Some(id) = self.sadb.id_of(spi)
            && self.sadb.find_sa(id).is_none()
        {
            self.remove_id(id);
        }
    }
}

impl core::fmt::Debug for Esp<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Esp({} pairs)", self.len())
    }
}

#[cfg(test)]
mod tests;
