//! From a datagram to the component it is for.

use crate::addr::{IKE_PORT, L2TP_PORT, NATT_PORT, Outer, Path};
use crate::discard::DropReason;

/// What a datagram holds, and how many octets of marker stand in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ISAKMP message.
    Ike { marker: usize },
    /// An ESP packet.
    Esp { marker: usize },
    /// An L2TP message outside IPsec.
    L2tp,
}

/// Tells what a datagram is by its path and its first octets (RFC 3948 §2).
///
/// # Errors
/// The reason to drop it.
pub(super) fn classify(path: &Path, payload: &[u8]) -> Result<Kind, DropReason> {
    if path.outer == Outer::Esp {
        return Ok(Kind::Esp { marker: 0 });
    }
    match path.local.port() {
        NATT_PORT if payload == KEEPALIVE => Err(DropReason::Keepalive),
        NATT_PORT if payload.starts_with(&NON_ESP_MARKER) => {
            Ok(Kind::Ike { marker: NON_ESP_MARKER.len() })
        }
        NATT_PORT => Ok(Kind::Esp { marker: 0 }),
        IKE_PORT if payload.starts_with(&NON_IKE_MARKER) => {
            Ok(Kind::Esp { marker: NON_IKE_MARKER.len() })
        }
        IKE_PORT => Ok(Kind::Ike { marker: 0 }),
        L2TP_PORT => Ok(Kind::L2tp),
        _ => Err(DropReason::NotServed),
    }
}

/// Stands before IKE on UDP 4500 (RFC 3948 §2.2).
pub(super) const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// Stands before ESP on UDP 500 (draft-ietf-ipsec-udp-encaps-01 §2.1).
pub(super) const NON_IKE_MARKER: [u8; 8] = [0; 8];
/// Holds a NAT mapping open (RFC 3948 §2.3).
pub(super) const KEEPALIVE: &[u8] = &[0xff];

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        let local = ([192, 0, 2, 1], port).into();
        Path { local, remote: ([192, 0, 2, 2], 1024).into(), outer: Outer::Udp }
    }

    #[test]
    fn markers_tell_ike_from_esp() {
        let case = |port, payload: &[u8]| classify(&path(port), payload);
        assert_eq!(case(500, b"cookie.."), Ok(Kind::Ike { marker: 0 }));
        assert_eq!(case(500, b"\0\0\0\0\0\0\0\0spi."), Ok(Kind::Esp { marker: 8 }));
        assert_eq!(case(4500, b"\0\0\0\0cookie.."), Ok(Kind::Ike { marker: 4 }));
        assert_eq!(case(4500, b"spi."), Ok(Kind::Esp { marker: 0 }));
        assert_eq!(case(4500, b"\xff"), Err(DropReason::Keepalive));
        assert_eq!(case(4500, b""), Ok(Kind::Esp { marker: 0 }));
        assert_eq!(case(1701, b"\xc8\x02"), Ok(Kind::L2tp));
        assert_eq!(case(53, b"\xc8\x02"), Err(DropReason::NotServed));
    }

    #[test]
    fn protocol_50_is_esp_whatever_it_begins_with() {
        let path = Path { outer: Outer::Esp, ..path(0) };
        assert_eq!(classify(&path, b"\0\0\0\0"), Ok(Kind::Esp { marker: 0 }));
    }
}
