//! Vendor IDs: what a peer announces, and what we announce in return.
//!
//! We return only what the peer offered: it needs nothing else, and our answer to an address
//! that has proven nothing stays no longer than its question.

use crate::wire::isakmp::{Chain, payload_type, vendor};

/// What a peer announced in its first message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// The best NAT traversal that both sides know.
    pub(super) natt: Option<Natt>,
    /// Dead peer detection (RFC 3706).
    pub(super) dpd: bool,
    /// A Microsoft client.
    pub(super) microsoft: bool,
}

/// Flavours of NAT traversal; the later, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Natt {
    /// draft-ietf-ipsec-nat-t-ike-00: stays on port 500.
    Draft00,
    /// draft-ietf-ipsec-nat-t-ike-02.
    Draft02,
    /// The same, whose vendor ID was made with a line feed.
    Draft02LineFeed,
    /// draft-ietf-ipsec-nat-t-ike-03.
    Draft03,
    /// RFC 3947.
    Rfc3947,
}

impl Natt {
    const ALL: [Self; 5] =
        [Self::Draft00, Self::Draft02, Self::Draft02LineFeed, Self::Draft03, Self::Rfc3947];

    const fn vendor_id(self) -> &'static [u8; 16] {
        match self {
            Self::Draft00 => &vendor::DRAFT_00,
            Self::Draft02 => &vendor::DRAFT_02,
            Self::Draft02LineFeed => &vendor::DRAFT_02_N,
            Self::Draft03 => &vendor::DRAFT_03,
            Self::Rfc3947 => &vendor::RFC_3947,
        }
    }

    /// The type of NAT original address payloads.
    pub(super) const fn original_payload(self) -> u8 {
        match self {
            Self::Rfc3947 => payload_type::NAT_OA,
            _ => payload_type::NAT_OA_DRAFT,
        }
    }

    /// The type of NAT discovery payloads.
    pub(super) const fn discovery_payload(self) -> u8 {
        match self {
            Self::Rfc3947 => payload_type::NAT_D,
            _ => payload_type::NAT_D_DRAFT,
        }
    }
}

impl Capabilities {
    /// What the vendor IDs `ids` announce.
    pub(super) fn announced<'a>(ids: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut capabilities = Self::default();
        for id in ids {
            let natt = Natt::ALL.into_iter().find(|natt| natt.vendor_id() == id);
            capabilities.natt = capabilities.natt.max(natt);
            capabilities.dpd |= id == vendor::DPD;
            capabilities.microsoft |= id.starts_with(&vendor::MICROSOFT);
        }
        capabilities
    }

    /// Announces what both sides know.
    pub(super) fn emit(&self, chain: &mut Chain<'_, '_>) {
        if let Some(natt) = self.natt {
            chain.copy(payload_type::VENDOR, natt.vendor_id());
        }
        if self.dpd {
            chain.copy(payload_type::VENDOR, &vendor::DPD);
        }
    }
}
