//! What fits into a packet on the way to a client.

use crate::addr::{Outer, Path};

/// Octets of the longest IP packet in a PPP frame that fits an outer packet of `outer_mtu`
/// octets, with `esp` octets of ESP at most around the inner UDP datagram (0 without IPsec).
pub fn link_mtu(path: &Path, outer_mtu: u16, esp: u16) -> u16 {
    let ip = if path.remote.is_ipv4() { IPV4 } else { IPV6 };
    let outer_udp = match path.outer {
        Outer::Udp if esp > 0 => UDP,
        Outer::Udp | Outer::Esp => 0,
    };
    let overhead = ip + outer_udp + esp + UDP + L2TP + PPP;
    outer_mtu.saturating_sub(overhead).clamp(MTU_MIN, MTU_MAX)
}

/// The largest TCP segment over IPv4 that fits a link with this MTU, in octets.
pub const fn mss_of(link_mtu: u16) -> u16 {
    link_mtu.saturating_sub(IPV4 + TCP)
}

const IPV4: u16 = 20;
const IPV6: u16 = 40;
const UDP: u16 = 8;
const L2TP: u16 = 8;
const PPP: u16 = 4;
const TCP: u16 = 20;
/// The least that IPv4 promises to carry (RFC 791).
const MTU_MIN: u16 = 576;
const MTU_MAX: u16 = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overhead_of_every_layer_counts() {
        let path = |remote: [u8; 4], outer| Path {
            local: ([192, 0, 2, 1], 4500).into(),
            remote: (remote, 4500).into(),
            outer,
        };
        let natt = path([192, 0, 2, 2], Outer::Udp);
        // AES-CBC and HMAC-SHA1-96: 8 + 16 in front, up to 15 + 2 + 12 behind.
        assert_eq!(link_mtu(&natt, 1500, 53), 1500 - 20 - 8 - 53 - 8 - 8 - 4);
        assert_eq!(link_mtu(&path([192, 0, 2, 2], Outer::Esp), 1500, 53), 1407);
        assert_eq!(link_mtu(&natt, 1500, 0), 1460);
        assert_eq!(link_mtu(&natt, 300, 53), 576);
        assert_eq!(mss_of(1400), 1360);
    }
}
