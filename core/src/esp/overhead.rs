//! What ESP adds to a datagram, for the MTU.

use crate::crypto::EspSuite;
use crate::crypto::transform::HEADER_LEN;
use crate::ids::PeerId;
use crate::ipsec::Encapsulation;

use super::Esp;

impl Esp<'_> {
    /// Octets that ESP adds to a datagram for `port` of `peer` at most: [`overhead`] of the pair
    /// it would take, or of the worst suite while there is none.
    pub fn overhead_of(&self, peer: PeerId, port: u16) -> u16 {
        let sa = self.outbound_for(peer, port).and_then(|id| self.sadb.find_sa(id));
        sa.map_or(WORST, |sa| overhead(sa.suite, sa.encapsulation))
    }
}

/// Octets that ESP adds to its payload at most: header, IV, padding, trailer and ICV, and the
/// non-IKE marker where there is one. Outer IP and UDP headers are not in it.
pub const fn overhead(suite: EspSuite, encapsulation: Encapsulation) -> u16 {
    (fixed_len(suite, encapsulation) + TRAILER_LEN + suite.align_len() - 1) as u16
}

/// Octets of the longest payload whose ESP packet fits into outer packets of `mtu` octets.
///
/// `ip_len` is the length of the outer IP header. Zero if nothing fits.
pub const fn max_payload(
    mtu: u16,
    ip_len: u16,
    suite: EspSuite,
    encapsulation: Encapsulation,
) -> u16 {
    let udp_len = match encapsulation {
        Encapsulation::Esp => 0,
        Encapsulation::Udp | Encapsulation::UdpNonIke => 8,
    };
    let fixed = fixed_len(suite, encapsulation) + udp_len + ip_len as usize;
    let text = (mtu as usize).saturating_sub(fixed);
    let whole = text - text % suite.align_len();
    whole.saturating_sub(TRAILER_LEN) as u16
}

const fn fixed_len(suite: EspSuite, encapsulation: Encapsulation) -> usize {
    let marker = match encapsulation {
        Encapsulation::UdpNonIke => 8,
        Encapsulation::Esp | Encapsulation::Udp => 0,
    };
    marker + HEADER_LEN + suite.iv_len() + suite.icv_len()
}

/// Pad length and next header.
const TRAILER_LEN: usize = 2;
/// Marker, header, IV and padding of AES-CBC, ICV of HMAC-SHA2-512-256.
const WORST: u16 = 8 + 8 + 16 + 15 + 2 + 32;
