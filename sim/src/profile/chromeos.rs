//! CP-CROS: the client of ChromeOS.

use kumihimo_core::time::Duration;

use super::vendor::{DPD, DRAFT_02_N, FRAGMENTATION, RFC_3947, XAUTH};
use super::{
    EspHabits, EspOffer, IkeHabits, L2tpHabits, Method, PPP_RETRY, PppHabits, Probe, Profile,
    Retry, cbc, gcm, ike,
};
use crate::peer::Cipher::{Aes128, TripleDes};
use crate::peer::Group::{Modp1024, Modp1536, Modp2048, Modp3072};
use crate::peer::Hash::{Md5, Sha1, Sha256};

/// ChromeOS: strongSwan, xl2tpd and pppd as shill configures them (its source).
pub const CP_CROS: Profile = Profile {
    name: "CP-CROS",
    about: "ChromeOS",
    ike: IkeHabits {
        offers: &[
            ike(Aes128, Sha256, Modp3072),
            ike(Aes128, Sha1, Modp2048),
            ike(TripleDes, Sha1, Modp1536),
            ike(TripleDes, Sha1, Modp1024),
        ],
        lifetime_secs: 10_800,
        vendor_ids: &[XAUTH, DPD, FRAGMENTATION, RFC_3947, DRAFT_02_N],
        initial_contact: false,
        counts_message_ids: false,
        // charon: 4 s, growing by 1.8; whole numbers here.
        retry: Retry {
            first: Duration::from_secs(4),
            factor: 2,
            cap: Duration::from_secs(60),
            tries: 6,
        },
        dpd: None,
        keepalive: Duration::from_secs(20),
        renew_percent: Some(90),
    },
    esp: EspHabits {
        offers: ESP,
        one_each: true,
        lifetime_secs: 3_600,
        lifetime_kb: None,
        pfs: None,
        renew_percent: 85,
        deletes_replaced_after: Some(Duration::from_secs(5)),
        original_addresses: 2,
        cuts_sha256: false,
    },
    l2tp: L2tpHabits {
        source_port: Some(1701),
        host_name: "localhost",
        vendor_name: Some("xelerance.com"),
        firmware: Some(0x0690),
        bearer: Some(0),
        framing: 3,
        window: 4,
        extra: &[],
        retry: Retry {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(16),
            tries: 5,
        },
        hello_after: Some(Duration::from_secs(60)),
        answers_hello: true,
        data_length: false,
    },
    ppp: PppHabits {
        mru: Some(1_410),
        mtu: 1_280,
        magic: true,
        accm: Some(0),
        pfc: true,
        acfc: true,
        callback: None,
        methods: &[Method::MsChapV2, Method::Pap],
        echo: Some(Probe { after: Duration::from_secs(30), misses: 4 }),
        retry: PPP_RETRY,
        name_servers: &[129, 131],
        asks_ipv6cp: false,
        asks_ccp: false,
        informs: false,
    },
};

const ESP: &[EspOffer] = &[
    gcm(Aes128),
    cbc(Aes128, Sha256),
    cbc(Aes128, Sha1),
    cbc(TripleDes, Sha1),
    cbc(TripleDes, Md5),
];
