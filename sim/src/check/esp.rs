//! Telling ESP from IKE, as the checks need it (RFC 3948 §2).

use kumihimo_core::addr::{NATT_PORT, Outer};

/// What a datagram is, judged by the server's port and its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ESP packet.
    Esp {
        /// Its SPI.
        spi: u32,
        /// Its sequence number.
        sequence: u32,
    },
    /// An ISAKMP message.
    Ike {
        /// The initiator's cookie.
        initiator: [u8; 8],
        /// The responder's cookie.
        responder: [u8; 8],
        /// Whether its payloads are encrypted.
        is_encrypted: bool,
    },
    /// A NAT keepalive.
    Keepalive,
    /// L2TP without IPsec, or nothing that anyone should send.
    Other,
}

/// Tells what a datagram to or from `port` of a server is.
pub fn kind_of(outer: Outer, port: u16, payload: &[u8]) -> Kind {
    match (outer, port) {
        (Outer::Esp, _) => esp(payload),
        (Outer::Udp, NATT_PORT) if payload == [0xff] => Kind::Keepalive,
        (Outer::Udp, NATT_PORT) => match payload.strip_prefix(&[0; 4]) {
            Some(message) => ike(message),
            None => esp(payload),
        },
        (Outer::Udp, 500) => ike(payload),
        (Outer::Udp, _) => Kind::Other,
    }
}

fn esp(payload: &[u8]) -> Kind {
    match (word(payload, 0), word(payload, 4)) {
        (Some(spi), Some(sequence)) => Kind::Esp { spi, sequence },
        _ => Kind::Other,
    }
}

fn ike(message: &[u8]) -> Kind {
    let cookie = |at: usize| message.get(at..at + 8).and_then(|octets| octets.try_into().ok());
    match (cookie(0), cookie(8), message.get(19)) {
        (Some(initiator), Some(responder), Some(flags)) => {
            Kind::Ike { initiator, responder, is_encrypted: flags & 1 == 1 }
        }
        _ => Kind::Other,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(octets.try_into().ok()?))
}
