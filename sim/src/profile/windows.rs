//! CP-WIN: the client of Windows 7 to 11.

use kumihimo_core::time::Duration;

use super::vendor::{DRAFT_02_N, FRAGMENTATION, RFC_3947};
use super::{
    EspHabits, EspOffer, IkeHabits, IkeOffer, L2tpHabits, Method, PppHabits, Profile, Retry,
    VendorAvp, cbc, ike,
};
use crate::peer::Cipher::{Aes128, Aes256, TripleDes};
use crate::peer::Group::{Ecp256, Ecp384, Modp1024, Modp2048};
use crate::peer::Hash::Sha1;

/// Windows 7 to 11. Offers and vendor IDs are from logs; there is no DPD (log).
pub const CP_WIN: Profile = Profile {
    name: "CP-WIN",
    about: "Windows 7 to 11",
    ike: IkeHabits {
        offers: IKE,
        lifetime_secs: 28_800,
        vendor_ids: VENDOR_IDS,
        // It says so by a vendor ID of its own instead (log).
        initial_contact: false,
        counts_message_ids: true,
        // Guess: 1, 2, 4 ... s.
        retry: Retry {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(16),
            tries: 6,
        },
        dpd: None,
        keepalive: Duration::from_secs(20),
        renew_percent: None,
    },
    esp: EspHabits {
        offers: ESP,
        one_each: true,
        lifetime_secs: 3_600,
        lifetime_kb: Some(250_000),
        pfs: None,
        renew_percent: 95,
        deletes_replaced_after: Some(Duration::from_secs(10)),
        original_addresses: 2,
        cuts_sha256: false,
    },
    l2tp: L2tpHabits {
        source_port: Some(1701),
        host_name: "DESKTOP-JIRO",
        vendor_name: Some("Microsoft"),
        firmware: Some(0x0500),
        bearer: Some(0),
        framing: 1,
        window: 8,
        extra: EXTRA,
        retry: Retry {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(8),
            tries: 6,
        },
        hello_after: Some(Duration::from_secs(60)),
        answers_hello: true,
        data_length: true,
    },
    ppp: PppHabits {
        mru: Some(1_400),
        mtu: 1_400,
        magic: true,
        accm: None,
        pfc: true,
        acfc: true,
        // CBCP (guess).
        callback: Some(6),
        methods: &[Method::MsChapV2, Method::Pap],
        echo: None,
        retry: Retry {
            first: Duration::from_secs(2),
            factor: 1,
            cap: Duration::from_secs(4),
            tries: 10,
        },
        name_servers: &[129, 130, 131, 132],
        asks_ipv6cp: true,
        asks_ccp: true,
        informs: true,
    },
};

const IKE: &[IkeOffer] = &[
    ike(Aes256, Sha1, Ecp384),
    ike(Aes128, Sha1, Ecp256),
    ike(Aes256, Sha1, Modp2048),
    ike(TripleDes, Sha1, Modp2048),
    ike(TripleDes, Sha1, Modp1024),
];

const ESP: &[EspOffer] = &[cbc(Aes256, Sha1), cbc(Aes128, Sha1), cbc(TripleDes, Sha1)];

const VENDOR_IDS: &[&[u8]] = &[
    // Unknown, and "MS NT5 ISAKMPOAKLEY" of Windows 8 and later.
    &[
        0x01, 0x52, 0x8b, 0xbb, 0xc0, 0x06, 0x96, 0x12, 0x18, 0x49, 0xab, 0x9a, 0x1c, 0x5b, 0x2a,
        0x51, 0, 0, 0, 1,
    ],
    &[
        0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4,
        0x61, 0, 0, 0, 9,
    ],
    RFC_3947,
    DRAFT_02_N,
    FRAGMENTATION,
    // MS-Negotiation Discovery Capable, Vid-Initial-Contact, IKE CGA version 1.
    &0xfb1d_e3cd_f341_b7ea_16b7_e5be_0855_f120_u128.to_be_bytes(),
    &0x2624_4d38_eddb_61b3_172a_36e3_d0cf_b819_u128.to_be_bytes(),
    &0xe3a5_966a_7637_9fe7_0722_8231_e5ce_8652_u128.to_be_bytes(),
];

/// Correlation ID (MS-L2TPIE; the number is a guess).
const EXTRA: &[VendorAvp] = &[VendorAvp { vendor: 311, kind: 1, value: &[0x5a; 16] }];
