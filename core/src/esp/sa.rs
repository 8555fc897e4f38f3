//! One pair of SAs.

use core::ops::Range;

use crate::crypto::transform::{Opener, Sealer};
use crate::crypto::{EspSuite, Mac};
use crate::discard::DropReason;
use crate::ipsec::{Encapsulation, SaParams, Spi};
use crate::time::Instant;

use super::head_start::head_start;
use super::lifetime::Life;
use super::replay::Window;

/// What two SAs, one in each direction, need.
pub(super) struct Sa {
    pub(super) opener: Opener,
    pub(super) sealer: Sealer,
    pub(super) window: Window,
    pub(super) life: Life,
    pub(super) suite: EspSuite,
    pub(super) encapsulation: Encapsulation,
    pub(super) peer_port: u16,
    pub(super) spi_out: Spi,
    /// The last sequence number that was sent.
    pub(super) sent: u32,
    /// Whether it may send.
    pub(super) active: bool,
    /// Whether a valid packet has come in.
    pub(super) proven: bool,
}

impl Sa {
    /// `None` if suite and keys do not fit. `short_icv` begins with quirk `android-sha256-96`.
    pub(super) fn new(now: Instant, params: &SaParams, short_icv: bool) -> Option<Self> {
        let mut sa = Self {
            opener: Opener::new(params.suite, params.key_in.expose())?,
            sealer: Sealer::new(params.suite, params.key_out.expose())?,
            window: Window::default(),
            life: Life::new(now, params.lifetime),
            suite: params.suite,
            encapsulation: params.encapsulation,
            peer_port: params.peer_port,
            spi_out: params.spi_out,
            sent: head_start(),
            active: false,
            proven: false,
        };
        if short_icv && sa.has_short_icv() == Some(false) {
            sa.cut_icv(Mac::Sha256_96);
        }
        Some(sa)
    }

    /// Verifies and decrypts; tells where payload, padding and trailer are.
    pub(super) fn open(&mut self, packet: &mut [u8]) -> Result<Range<usize>, DropReason> {
        match self.opener.open(packet) {
            Ok(text) => Ok(text),
            Err(_) if !self.proven => self.open_with_other_icv(packet),
            Err(_) => Err(DropReason::BadIcv),
        }
    }

    /// Whether HMAC-SHA2-256 is cut to 96 bits; `None` with another suite.
    pub(super) const fn has_short_icv(&self) -> Option<bool> {
        match self.suite {
            EspSuite::Cbc { mac: Mac::Sha256_96, .. } => Some(true),
            EspSuite::Cbc { mac: Mac::Sha256_128, .. } => Some(false),
            _ => None,
        }
    }

    /// Octets in front of the SPI.
    pub(super) const fn marker_len(&self) -> usize {
        match self.encapsulation {
            Encapsulation::UdpNonIke => 8,
            Encapsulation::Esp | Encapsulation::Udp => 0,
        }
    }

    /// Tries the other ICV of HMAC-SHA2-256 on the first packet (quirk `android-sha256-96`).
    ///
    /// Only one of both lengths leaves whole blocks, so nobody can make us compute two MACs.
    fn open_with_other_icv(&mut self, packet: &mut [u8]) -> Result<Range<usize>, DropReason> {
        let (now, other) = match self.has_short_icv() {
            Some(true) => (Mac::Sha256_96, Mac::Sha256_128),
            Some(false) => (Mac::Sha256_128, Mac::Sha256_96),
            None => return Err(DropReason::BadIcv),
        };
        self.opener.cut_icv(other);
        let opened = self.opener.open(packet);
        match opened {
            Ok(_) => self.cut_icv(other),
            Err(_) => self.opener.cut_icv(now),
        }
        opened.map_err(|_| DropReason::BadIcv)
    }

    /// Changes how much of HMAC-SHA2-256 travels, in both directions.
    pub(super) fn cut_icv(&mut self, to: Mac) {
        self.opener.cut_icv(to);
        self.sealer.cut_icv(to);
        if let EspSuite::Cbc { mac, .. } = &mut self.suite {
            *mac = to;
        }
    }
}
