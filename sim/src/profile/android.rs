//! CP-AND-N: the client of Android 7 to 11.

use kumihimo_core::time::Duration;

use super::vendor::{DPD, DRAFT_00, DRAFT_02, DRAFT_02_N, FRAGMENTATION, RFC_3947};
use super::{
    EspHabits, EspOffer, IkeHabits, IkeOffer, L2tpHabits, Method, PPP_RETRY, PppHabits, Profile,
    Retry, cbc, ike,
};
use crate::peer::Cipher::{Aes128, Aes256, Des, TripleDes};
use crate::peer::Group::Modp1024;
use crate::peer::Hash::{Md5, Sha1, Sha256, Sha384, Sha512};

/// Android 7 to 11, racoon and mtpd: offers from their source (cm-14.1).
pub const CP_AND_N: Profile = Profile {
    name: "CP-AND-N",
    about: "Android 7 to 11",
    ike: IkeHabits {
        offers: IKE,
        lifetime_secs: 28_800,
        vendor_ids: &[RFC_3947, DRAFT_02_N, DRAFT_02, DRAFT_00, FRAGMENTATION, DPD],
        initial_contact: true,
        counts_message_ids: false,
        retry: Retry {
            first: Duration::from_secs(3),
            factor: 1,
            cap: Duration::from_secs(3),
            tries: 10,
        },
        dpd: None,
        keepalive: Duration::from_secs(20),
        renew_percent: None,
    },
    esp: EspHabits {
        offers: ESP,
        one_each: false,
        lifetime_secs: 28_800,
        lifetime_kb: Some(u32::MAX),
        pfs: None,
        renew_percent: 80,
        deletes_replaced_after: None,
        original_addresses: 2,
        cuts_sha256: false,
    },
    l2tp: L2tpHabits {
        source_port: None,
        host_name: "anonymous",
        vendor_name: None,
        firmware: None,
        bearer: None,
        framing: 3,
        window: 1,
        extra: &[],
        // mtpd: every 2 s.
        retry: Retry {
            first: Duration::from_secs(2),
            factor: 1,
            cap: Duration::from_secs(2),
            tries: 10,
        },
        hello_after: None,
        answers_hello: true,
        data_length: false,
    },
    ppp: PppHabits {
        mru: Some(1_400),
        mtu: 1_400,
        magic: true,
        accm: Some(0),
        pfc: true,
        acfc: true,
        callback: None,
        methods: &[Method::MsChapV2, Method::Pap],
        echo: None,
        retry: PPP_RETRY,
        name_servers: &[129, 131],
        asks_ipv6cp: false,
        asks_ccp: false,
        informs: false,
    },
};

/// The phones that do not answer HELLO (U19 of the users' complaints).
pub const CP_AND_N_DEAF: Profile = Profile {
    name: "CP-AND-N-DEAF",
    about: "Android 9 and 10, which do not answer HELLO",
    l2tp: L2tpHabits { answers_hello: false, ..CP_AND_N.l2tp },
    ..CP_AND_N
};

const IKE: &[IkeOffer] = &[
    ike(Aes256, Sha384, Modp1024),
    ike(Aes256, Sha256, Modp1024),
    ike(Aes256, Sha512, Modp1024),
    ike(Aes256, Sha1, Modp1024),
    ike(Aes256, Md5, Modp1024),
    ike(Aes128, Sha512, Modp1024),
    ike(Aes128, Sha384, Modp1024),
    ike(Aes128, Sha256, Modp1024),
    ike(Aes128, Sha1, Modp1024),
    ike(Aes128, Md5, Modp1024),
    ike(TripleDes, Sha256, Modp1024),
    ike(TripleDes, Sha1, Modp1024),
    ike(TripleDes, Md5, Modp1024),
    ike(Des, Sha256, Modp1024),
    ike(Des, Sha1, Modp1024),
    ike(Des, Md5, Modp1024),
];

const ESP: &[EspOffer] = &[
    cbc(Aes256, Sha512),
    cbc(Aes256, Sha384),
    cbc(Aes256, Sha1),
    cbc(Aes256, Sha256),
    cbc(Aes256, Md5),
    cbc(Aes128, Sha512),
    cbc(Aes128, Sha384),
    cbc(Aes128, Sha1),
    cbc(Aes128, Sha256),
    cbc(Aes128, Md5),
    cbc(TripleDes, Sha512),
    cbc(TripleDes, Sha384),
    cbc(TripleDes, Sha1),
    cbc(TripleDes, Sha256),
    cbc(TripleDes, Md5),
    cbc(Des, Sha1),
    cbc(Des, Md5),
];
