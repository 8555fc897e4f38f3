//! How stock clients behave, as data: one [`Profile`] for each.
//!
//! What is known of each client, and how well, is said beside its constants: *source* where its
//! own code was read, *log* where a user's log shows it, *guess* where nothing was found yet. A
//! guess becomes a fact by a capture only.

mod android;
mod apple;
mod chromeos;
mod windows;

pub use android::{CP_AND_N, CP_AND_N_DEAF};
pub use apple::CP_APL_MM;
pub use chromeos::CP_CROS;
pub use windows::CP_WIN;

use kumihimo_core::time::Duration;

use crate::peer::{Cipher, EspCipher, Group, Hash};

/// Every profile there is.
pub const ALL: [&Profile; 5] = [&CP_WIN, &CP_APL_MM, &CP_AND_N, &CP_AND_N_DEAF, &CP_CROS];

/// The profile of this name.
pub fn named(name: &str) -> Option<&'static Profile> {
    ALL.into_iter().find(|profile| profile.name.eq_ignore_ascii_case(name))
}

/// How one kind of client behaves.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name in documents and tests.
    pub name: &'static str,
    /// Who that is.
    pub about: &'static str,
    /// Phase 1.
    pub ike: IkeHabits,
    /// Phase 2.
    pub esp: EspHabits,
    /// The tunnel.
    pub l2tp: L2tpHabits,
    /// The link.
    pub ppp: PppHabits,
}

/// How often and how long something is repeated that is not answered.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Before the first repetition.
    pub first: Duration,
    /// By what the delay grows each time.
    pub factor: u64,
    /// What it never exceeds.
    pub cap: Duration,
    /// How often it is said, the first time included.
    pub tries: u32,
}

/// What is done when the other side is silent.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// After so long without a word from it.
    pub after: Duration,
    /// So many unanswered questions are too many.
    pub misses: u32,
}

/// A transform of phase 1; the authentication is always a pre-shared key.
#[derive(Clone, Copy, Debug)]
pub struct IkeOffer {
    /// Its cipher, CBC.
    pub cipher: Cipher,
    /// Its hash.
    pub hash: Hash,
    /// Its group.
    pub group: Group,
}

/// Phase 1 and informational exchanges.
#[derive(Clone, Copy, Debug)]
pub struct IkeHabits {
    /// In the order on the wire.
    pub offers: &'static [IkeOffer],
    /// Seconds.
    pub lifetime_secs: u32,
    /// In the order on the wire.
    pub vendor_ids: &'static [&'static [u8]],
    /// Whether message 5 says INITIAL-CONTACT.
    pub initial_contact: bool,
    /// Whether message IDs of quick mode count up from 1, low octet first.
    pub counts_message_ids: bool,
    /// Repetition of messages.
    pub retry: Retry,
    /// Dead peer detection as the one who asks (RFC 3706).
    pub dpd: Option<Probe>,
    /// Between NAT keepalives (RFC 3948 §2.3).
    pub keepalive: Duration,
    /// When it makes a new IKE SA, in percent of the lifetime; `None`: only once it needs one.
    pub renew_percent: Option<u64>,
}

/// A transform of phase 2.
#[derive(Clone, Copy, Debug)]
pub struct EspOffer {
    /// Its cipher.
    pub cipher: EspCipher,
    /// Its MAC; none with GCM.
    pub mac: Option<Hash>,
}

/// Phase 2 and ESP.
#[derive(Clone, Copy, Debug)]
pub struct EspHabits {
    /// In the order on the wire.
    pub offers: &'static [EspOffer],
    /// Whether each transform stands in a proposal of its own.
    pub one_each: bool,
    /// Seconds.
    pub lifetime_secs: u32,
    /// Kilobytes, where it says so.
    pub lifetime_kb: Option<u32>,
    /// Perfect forward secrecy.
    pub pfs: Option<Group>,
    /// When it makes a new pair, in percent of the lifetime.
    pub renew_percent: u64,
    /// How long a pair that was replaced lives on before it is deleted; `None`: to its own end.
    pub deletes_replaced_after: Option<Duration>,
    /// How many original addresses it sends: 0, its own, or its own and the server's.
    pub original_addresses: u8,
    /// Whether its HMAC-SHA2-256 is cut to 96 bits, as old Linux kernels did.
    pub cuts_sha256: bool,
}

/// An AVP that only one vendor's client sends.
#[derive(Clone, Copy, Debug)]
pub struct VendorAvp {
    /// The vendor's number.
    pub vendor: u16,
    /// The attribute's number.
    pub kind: u16,
    /// Its value.
    pub value: &'static [u8],
}

/// The L2TP access concentrator.
#[derive(Clone, Copy, Debug)]
pub struct L2tpHabits {
    /// Inner UDP source port; `None`: one drawn for each dial.
    pub source_port: Option<u16>,
    /// Host name in SCCRQ.
    pub host_name: &'static str,
    /// Vendor name in SCCRQ.
    pub vendor_name: Option<&'static str>,
    /// Firmware revision in SCCRQ.
    pub firmware: Option<u16>,
    /// Bearer capabilities in SCCRQ.
    pub bearer: Option<u32>,
    /// Framing capabilities in SCCRQ.
    pub framing: u32,
    /// Receive window in SCCRQ.
    pub window: u16,
    /// AVPs of its own in SCCRQ.
    pub extra: &'static [VendorAvp],
    /// Repetition of control messages.
    pub retry: Retry,
    /// HELLO after so long without a word from the server.
    pub hello_after: Option<Duration>,
    /// Whether it acknowledges a HELLO.
    pub answers_hello: bool,
    /// Whether data messages carry their length.
    pub data_length: bool,
}

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 1334.
    Pap,
    /// RFC 2759.
    MsChapV2,
}

/// The PPP link.
#[derive(Clone, Copy, Debug)]
pub struct PppHabits {
    /// MRU that it asks for; `None`: does not mention it.
    pub mru: Option<u16>,
    /// Octets of the longest IP packet that it sends.
    pub mtu: u16,
    /// A magic number.
    pub magic: bool,
    /// Async control character map that it mentions.
    pub accm: Option<u32>,
    /// Protocol field compression.
    pub pfc: bool,
    /// Address and control field compression.
    pub acfc: bool,
    /// Callback option, with this operation.
    pub callback: Option<u8>,
    /// What it is ready to do, best first.
    pub methods: &'static [Method],
    /// LCP echo requests.
    pub echo: Option<Probe>,
    /// Repetition of requests.
    pub retry: Retry,
    /// Name servers that it asks for, by option: 129 and 131 DNS, 130 and 132 NetBIOS.
    pub name_servers: &'static [u8],
    /// Whether it begins IPv6CP.
    pub asks_ipv6cp: bool,
    /// Whether it begins CCP.
    pub asks_ccp: bool,
    /// Whether it asks DHCP servers for more, once it has its address.
    pub informs: bool,
}

/// Vendor IDs that several clients send.
mod vendor {
    pub(super) const RFC_3947: &[u8] =
        &0x4a13_1c81_0703_5845_5c57_28f2_0e95_452f_u128.to_be_bytes();
    pub(super) const DRAFT_03: &[u8] =
        &0x7d94_19a6_5310_ca6f_2c17_9d92_1552_9d56_u128.to_be_bytes();
    pub(super) const DRAFT_02: &[u8] =
        &0xcd60_4643_35df_21f8_7cfd_b2fc_68b6_a448_u128.to_be_bytes();
    pub(super) const DRAFT_02_N: &[u8] =
        &0x90cb_8091_3ebb_696e_0863_81b5_ec42_7b1f_u128.to_be_bytes();
    pub(super) const DRAFT_00: &[u8] =
        &0x4485_152d_18b6_bbcd_0be8_a846_9579_ddcc_u128.to_be_bytes();
    pub(super) const DPD: &[u8] = &0xafca_d713_68a1_f1c9_6b86_96fc_7757_0100_u128.to_be_bytes();
    pub(super) const FRAGMENTATION: &[u8] =
        &0x4048_b7d5_6ebc_e885_25e7_de7f_00d6_c2d3_u128.to_be_bytes();
    pub(super) const XAUTH: &[u8] = &0x0900_2689_dfd6_b712_u64.to_be_bytes();
}

pub(crate) const fn ike(cipher: Cipher, hash: Hash, group: Group) -> IkeOffer {
    IkeOffer { cipher, hash, group }
}

pub(crate) const fn cbc(cipher: Cipher, mac: Hash) -> EspOffer {
    EspOffer { cipher: EspCipher::Cbc(cipher), mac: Some(mac) }
}

const fn gcm(cipher: Cipher) -> EspOffer {
    EspOffer { cipher: EspCipher::Gcm(cipher), mac: None }
}

/// pppd's: every 3 s, ten times.
const PPP_RETRY: Retry =
    Retry { first: Duration::from_secs(3), factor: 1, cap: Duration::from_secs(3), tries: 10 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_their_names() {
        for profile in ALL {
            assert_eq!(named(&profile.name.to_lowercase()).map(|it| it.name), Some(profile.name));
        }
        assert!(named("CP-NOBODY").is_none());
    }
}
