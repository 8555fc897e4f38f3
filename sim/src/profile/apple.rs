//! CP-APL-MM: the client of macOS and iOS without a group name.

use kumihimo_core::time::Duration;

use super::vendor::{DPD, DRAFT_00, DRAFT_02, DRAFT_02_N, DRAFT_03, FRAGMENTATION, RFC_3947};
use super::{
    EspHabits, EspOffer, IkeHabits, IkeOffer, L2tpHabits, Method, PPP_RETRY, PppHabits, Probe,
    Profile, Retry, cbc, ike,
};
use crate::peer::Cipher::{Aes128, Aes256, TripleDes};
use crate::peer::Group::{Modp1024, Modp1536, Modp2048};
use crate::peer::Hash::{Md5, Sha1, Sha256, Sha512};

/// macOS 10.15 to 15, iOS: offers, L2TP and PPP from their source (ppp-1027).
pub const CP_APL_MM: Profile = Profile {
    name: "CP-APL-MM",
    about: "macOS and iOS without a group name",
    ike: IkeHabits {
        offers: IKE,
        lifetime_secs: 3_600,
        vendor_ids: &[RFC_3947, DRAFT_03, DRAFT_02_N, DRAFT_02, DRAFT_00, FRAGMENTATION, DPD],
        initial_contact: true,
        counts_message_ids: false,
        // racoon's: every 3 s.
        retry: Retry {
            first: Duration::from_secs(3),
            factor: 1,
            cap: Duration::from_secs(3),
            tries: 10,
        },
        dpd: Some(Probe { after: Duration::from_secs(20), misses: 5 }),
        keepalive: Duration::from_secs(20),
        renew_percent: Some(90),
    },
    esp: EspHabits {
        offers: ESP,
        one_each: false,
        lifetime_secs: 3_600,
        lifetime_kb: None,
        pfs: None,
        renew_percent: 80,
        deletes_replaced_after: None,
        original_addresses: 2,
        cuts_sha256: false,
    },
    l2tp: L2tpHabits {
        source_port: None,
        host_name: "jiros-mbp",
        vendor_name: None,
        firmware: None,
        bearer: None,
        framing: 3,
        window: 4,
        extra: &[],
        retry: Retry {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(4),
            tries: 9,
        },
        hello_after: None,
        answers_hello: true,
        data_length: true,
    },
    ppp: PppHabits {
        mru: None,
        mtu: 1_280,
        magic: true,
        accm: Some(0),
        pfc: true,
        acfc: true,
        callback: None,
        methods: &[Method::MsChapV2, Method::Pap],
        echo: Some(Probe { after: Duration::from_secs(10), misses: 4 }),
        retry: PPP_RETRY,
        name_servers: &[129, 131],
        asks_ipv6cp: false,
        asks_ccp: false,
        informs: true,
    },
};

const IKE: &[IkeOffer] = &[
    ike(Aes256, Sha256, Modp2048),
    ike(Aes256, Sha1, Modp2048),
    ike(Aes256, Md5, Modp2048),
    ike(Aes256, Sha512, Modp2048),
    ike(Aes256, Sha256, Modp1536),
    ike(Aes256, Sha1, Modp1536),
    ike(Aes256, Md5, Modp1536),
    ike(Aes256, Sha256, Modp1024),
    ike(Aes256, Sha1, Modp1024),
    ike(Aes256, Md5, Modp1024),
    ike(Aes128, Sha1, Modp1024),
    ike(Aes128, Md5, Modp1024),
    ike(TripleDes, Sha1, Modp1024),
    ike(TripleDes, Md5, Modp1024),
];

const ESP: &[EspOffer] = &[
    cbc(Aes256, Sha256),
    cbc(Aes256, Sha1),
    cbc(Aes256, Md5),
    cbc(Aes128, Sha256),
    cbc(Aes128, Sha1),
    cbc(Aes128, Md5),
    cbc(TripleDes, Sha256),
    cbc(TripleDes, Sha1),
    cbc(TripleDes, Md5),
];
