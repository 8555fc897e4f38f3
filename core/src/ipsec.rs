//! What IKE agrees on and ESP enforces.

use crate::addr::Path;
use crate::crypto::{EspSuite, Secret};
use crate::ids::PeerId;
use crate::time::Duration;

/// A security parameter index; at least 256 (RFC 4303 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spi(pub u32);

/// How ESP travels between the outer addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encapsulation {
    /// IP protocol 50.
    Esp,
    /// In UDP 4500, IKE marked by four zero octets (RFC 3948).
    Udp,
    /// In UDP 500, ESP marked by eight zero octets (draft-ietf-ipsec-udp-encaps-00/01).
    UdpNonIke,
}

/// After what an SA has to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Time since it was made.
    pub time: Duration,
    /// Octets it may protect in either direction.
    pub bytes: Option<u64>,
}

/// Key material of one direction, [`EspSuite::key_len`] octets.
pub type EspKey = Secret<96>;

/// Everything ESP needs to know about a pair of SAs that IKE agreed on.
#[derive(Clone, Debug)]
pub struct SaParams {
    /// With whom.
    pub peer: PeerId,
    /// Where the peer is now.
    pub path: Path,
    /// Algorithms.
    pub suite: EspSuite,
    /// Names the inbound SA; chosen by us through [`SpiSource`].
    pub spi_in: Spi,
    /// Names the outbound SA; chosen by the peer.
    pub spi_out: Spi,
    /// Keys of the inbound SA.
    pub key_in: EspKey,
    /// Keys of the outbound SA.
    pub key_out: EspKey,
    /// Transport of the packets.
    pub encapsulation: Encapsulation,
    /// The peer's UDP port in its traffic selector; 0 for any. Ours is 1701.
    pub peer_port: u16,
    /// When to replace it, as negotiated.
    pub lifetime: Lifetime,
}

/// Gives out SPIs that no inbound SA uses; implemented by the SA database.
pub trait SpiSource {
    /// Reserves an SPI for `peer` until the SA is installed or the SPI is released.
    ///
    /// `None` if the table is full or the peer has reached its quota.
    fn reserve(&mut self, peer: PeerId) -> Option<Spi>;

    /// Gives back an SPI that will not be used.
    fn release(&mut self, spi: Spi);
}
