//! Choosing transforms in both phases, by our order of preference (`docs/CONTRACT.md`).
//!
//! The first acceptable transform of the highest rank wins; among equals, the peer's order. A
//! transform with an attribute we do not know is not acceptable: choosing it would promise what
//! the attribute asks for (RFC 2408 §4.2). Does not build answers: `wire::isakmp` returns what
//! was chosen octet for octet.

use crate::config::Policy;
use crate::crypto::{Cipher, EspSuite, Group, Hash, IkeSuite, Mac};
use crate::event::{Offered, OfferedTransform};
use crate::time::Duration;
use crate::wire;
use crate::wire::isakmp::{Attributes, Proposal, SaBody, Transform, protocol};

use super::table::ATTRIBUTES_LEN;

/// The transform chosen for phase 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct IkeChoice<'a> {
    pub(super) proposal: Proposal<'a>,
    pub(super) transform: Transform<'a>,
    pub(super) suite: IkeSuite,
    /// The lifetime it comes with.
    pub(super) lifetime: Option<Duration>,
}

/// The transform chosen for an IPsec SA.
#[derive(Clone, Copy, Debug)]
pub(super) struct EspChoice<'a> {
    pub(super) proposal: Proposal<'a>,
    pub(super) transform: Transform<'a>,
    pub(super) suite: EspSuite,
    pub(super) mode: u16,
    pub(super) group: Option<Group>,
    pub(super) spi: u32,
    pub(super) life: Life,
}

/// What limits the choice of phase 2 besides the policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct EspRules {
    pub(super) policy: Policy,
    /// Whether ESP may travel without UDP.
    pub(super) bare_esp: bool,
    /// Octets of the peer's public value, if it sent one.
    pub(super) public_len: Option<usize>,
}

/// Lifetimes of a transform; a type given twice counts once, the shorter one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) time: Option<Duration>,
    pub(super) bytes: Option<u64>,
    kind: Option<u64>,
}

impl Life {
    fn on_type(&mut self, kind: u64) -> Option<()> {
        self.kind = Some(kind).filter(|kind| [LIFE_SECONDS, LIFE_KILOBYTES].contains(kind));
        self.kind.map(|_| ())
    }

    fn on_duration(&mut self, number: u64) -> Option<()> {
        match self.kind.take()? {
            LIFE_SECONDS => {
                let time = Duration::from_secs(number);
                self.time = Some(self.time.map_or(time, |earlier| earlier.min(time)));
            }
            _ => {
                let bytes = number.saturating_mul(1024);
                self.bytes = Some(self.bytes.map_or(bytes, |earlier| earlier.min(bytes)));
            }
        }
        Some(())
    }
}

/// Chooses a transform for phase 1.
///
/// # Errors
/// What is malformed in the offer.
pub(super) fn choose_ike<'a>(
    policy: Policy,
    offer: &SaBody<'a>,
) -> Result<Option<IkeChoice<'a>>, wire::Error> {
    let mut best = None;
    for proposal in offer.proposals() {
        let proposal = proposal?;
        for transform in proposal.transforms() {
            let transform = transform?;
            let usable = transform.id == KEY_IKE && transform.attributes.len() <= ATTRIBUTES_LEN;
            if proposal.protocol != protocol::ISAKMP || !usable {
                continue;
            }
            let Some((suite, lifetime)) = ike_suite(transform.attributes()) else { continue };
            let Some(rank) = ike_rank(policy, suite) else { continue };
            if best.as_ref().is_none_or(|&(best, _)| rank < best) {
                best = Some((rank, IkeChoice { proposal, transform, suite, lifetime }));
            }
        }
    }
    Ok(best.map(|(_, choice)| choice))
}

/// Chooses a transform for an IPsec SA.
///
/// # Errors
/// What is malformed in the offer.
pub(super) fn choose_esp<'a>(
    rules: EspRules,
    offer: &SaBody<'a>,
) -> Result<Option<EspChoice<'a>>, wire::Error> {
    let mut best = None;
    for proposal in offer.proposals() {
        let proposal = proposal?;
        let acceptable = proposal.protocol == protocol::ESP && !is_bundle(offer, &proposal);
        let spi = <[u8; 4]>::try_from(proposal.spi).map(u32::from_be_bytes).unwrap_or_default();
        for transform in proposal.transforms() {
            let transform = transform?;
            let Some(offered) = esp_transform(&transform) else { continue };
            let usable = spi >= SPI_MIN && transform.attributes.len() <= ATTRIBUTES_LEN;
            if !acceptable || !usable || !offered.fits(rules) {
                continue;
            }
            let Some(rank) = esp_rank(rules.policy, offered.suite) else { continue };
            if best.as_ref().is_none_or(|&(best, _)| rank < best) {
                let EspTransform { suite, mode, group, life } = offered;
                let choice = EspChoice { proposal, transform, suite, mode, group, spi, life };
                best = Some((rank, choice));
            }
        }
    }
    Ok(best.map(|(_, choice)| choice))
}

/// What was offered, for the line that says why a dial failed.
pub(super) fn offered(offer: &SaBody<'_>, phase1: bool) -> Offered {
    let transforms = offer.proposals().flatten().flat_map(|proposal| {
        proposal.transforms().flatten().map(move |transform| {
            let cipher = if phase1 { 0 } else { u16::from(transform.id) };
            describe(transform.attributes(), cipher, phase1)
        })
    });
    transforms.take(Offered::new().capacity()).collect()
}

fn describe(attributes: Attributes<'_>, cipher: u16, phase1: bool) -> OfferedTransform {
    let mut offered = OfferedTransform { cipher, ..OfferedTransform::default() };
    for attribute in attributes.flatten() {
        let number = attribute.value.number().unwrap_or_default().min(u16::MAX.into()) as u16;
        match (phase1, attribute.kind) {
            (true, ike::CIPHER) => offered.cipher = number,
            (true, ike::HASH) | (false, esp::MAC) => offered.hash = number,
            (true, ike::GROUP) | (false, esp::GROUP) => offered.group = number,
            (true, ike::KEY_BITS) | (false, esp::KEY_BITS) => offered.key_bits = number,
            _ => {}
        }
    }
    offered
}

/// Whether SAs of several protocols are asked for at once (RFC 2408 §4.2).
fn is_bundle(offer: &SaBody<'_>, proposal: &Proposal<'_>) -> bool {
    let same = offer.proposals().flatten().filter(|other| other.number == proposal.number);
    same.count() > 1
}

/// The suite and lifetime of a phase 1 transform that we could use.
fn ike_suite(attributes: Attributes<'_>) -> Option<(IkeSuite, Option<Duration>)> {
    let (mut cipher, mut key_bits, mut hash, mut group, mut auth) = (0, 0, None, None, 0);
    let mut life = Life::default();
    for attribute in attributes {
        let attribute = attribute.ok()?;
        let number = attribute.value.number();
        match attribute.kind {
            ike::CIPHER => cipher = number?,
            ike::KEY_BITS => key_bits = number?,
            ike::HASH => hash = Some(hash_of(number?)?),
            ike::AUTH => auth = number?,
            ike::GROUP => group = Some(group_of(number?)?),
            ike::LIFE_TYPE => life.on_type(number?)?,
            ike::LIFE_DURATION => life.on_duration(number.unwrap_or(u64::MAX))?,
            _ => return None,
        }
    }
    let cipher = match cipher {
        ike::CIPHER_3DES => Cipher::TripleDes,
        ike::CIPHER_AES => aes(key_bits)?,
        _ => return None,
    };
    let suite = IkeSuite { cipher, hash: hash?, group: group? };
    (auth == ike::AUTH_PSK).then_some((suite, life.time))
}

/// The attributes of a phase 1 transform that offers `suite`, for our own proposals.
pub(super) const fn ike_attributes(suite: IkeSuite) -> [(u16, u16); 5] {
    let (cipher, key_bits) = match suite.cipher {
        Cipher::TripleDes => (ike::CIPHER_3DES, 0),
        Cipher::Aes128 => (ike::CIPHER_AES, 128),
        Cipher::Aes192 => (ike::CIPHER_AES, 192),
        Cipher::Aes256 => (ike::CIPHER_AES, 256),
    };
    [
        (ike::CIPHER, cipher as u16),
        (ike::KEY_BITS, key_bits),
        (ike::HASH, hash_number(suite.hash)),
        (ike::GROUP, group_number(suite.group)),
        (ike::AUTH, ike::AUTH_PSK as u16),
    ]
}

/// The transform number and attributes of an ESP transform that offers `suite`.
pub(super) const fn esp_attributes(suite: EspSuite) -> (u8, [(u16, u16); 2]) {
    let (id, cipher, mac) = match suite {
        EspSuite::Cbc { cipher: Cipher::TripleDes, mac } => (esp::ID_3DES, None, Some(mac)),
        EspSuite::Cbc { cipher, mac } => (esp::ID_AES, Some(cipher), Some(mac)),
        EspSuite::AesGcm16 { cipher } => (esp::ID_AES_GCM_16, Some(cipher), None),
    };
    let key_bits = match cipher {
        Some(cipher) => cipher.key_len() as u16 * 8,
        None => 0,
    };
    let mac = match mac {
        Some(Mac::Sha1_96) => esp::MAC_SHA1,
        Some(Mac::Sha256_128 | Mac::Sha256_96) => esp::MAC_SHA256,
        Some(Mac::Sha384_192) => esp::MAC_SHA384,
        Some(Mac::Sha512_256) => esp::MAC_SHA512,
        None => 0,
    };
    (id, [(esp::KEY_BITS, key_bits), (esp::MAC, mac as u16)])
}

struct EspTransform {
    suite: EspSuite,
    mode: u16,
    group: Option<Group>,
    life: Life,
}

impl EspTransform {
    fn fits(&self, rules: EspRules) -> bool {
        let in_udp = matches!(self.mode, mode::UDP_TRANSPORT | mode::UDP_TRANSPORT_DRAFT);
        let bare = self.mode == mode::TRANSPORT && rules.bare_esp;
        (in_udp || bare) && self.group.map(Group::public_len) == rules.public_len
    }
}

/// A transform for ESP that we could use.
fn esp_transform(transform: &Transform<'_>) -> Option<EspTransform> {
    let (mut key_bits, mut mac, mut group, mut mode) = (0, 0, None, 0);
    let mut life = Life::default();
    for attribute in transform.attributes() {
        let attribute = attribute.ok()?;
        let number = attribute.value.number();
        match attribute.kind {
            esp::LIFE_TYPE => life.on_type(number?)?,
            esp::LIFE_DURATION => life.on_duration(number.unwrap_or(u64::MAX))?,
            esp::GROUP => group = Some(group_of(number?)?),
            esp::MODE => mode = u16::try_from(number?).ok()?,
            esp::MAC => mac = number?,
            esp::KEY_BITS => key_bits = number?,
            _ => return None,
        }
    }
    let mac_of = |number| match number {
        esp::MAC_SHA1 => Some(Mac::Sha1_96),
        esp::MAC_SHA256 => Some(Mac::Sha256_128),
        esp::MAC_SHA384 => Some(Mac::Sha384_192),
        esp::MAC_SHA512 => Some(Mac::Sha512_256),
        _ => None,
    };
    let suite = match transform.id {
        esp::ID_3DES => EspSuite::Cbc { cipher: Cipher::TripleDes, mac: mac_of(mac)? },
        esp::ID_AES => EspSuite::Cbc { cipher: aes(key_bits)?, mac: mac_of(mac)? },
        esp::ID_AES_GCM_16 if mac == 0 => EspSuite::AesGcm16 { cipher: aes(key_bits)? },
        _ => return None,
    };
    Some(EspTransform { suite, mode, group, life })
}

/// The lower, the better; `None` if the policy forbids it.
///
/// What is offered for old clients only weighs most, so that a strong cipher never brings a
/// weak group with it where the peer offers better.
fn ike_rank(policy: Policy, suite: IkeSuite) -> Option<[u8; 4]> {
    let (cipher, cipher_old) = match suite.cipher {
        Cipher::Aes256 => (0, false),
        Cipher::Aes128 => (1, false),
        Cipher::Aes192 => (2, true),
        Cipher::TripleDes => (3, true),
    };
    let (hash, hash_old) = match suite.hash {
        Hash::Sha256 => (0, false),
        Hash::Sha384 => (1, false),
        Hash::Sha512 => (2, false),
        Hash::Sha1 => (3, true),
        Hash::Md5 if policy == Policy::Legacy => (4, true),
        Hash::Md5 => return None,
    };
    let (group, group_old) = match suite.group {
        Group::Ecp256 => (0, false),
        Group::Ecp384 => (1, false),
        Group::Ecp521 => (2, false),
        Group::Modp2048 => (3, false),
        Group::Modp3072 => (4, false),
        Group::Modp4096 => (5, false),
        Group::Modp1536 => (6, true),
        Group::Modp1024 => (7, true),
    };
    if policy == Policy::Modern && (cipher_old || hash_old || group_old) {
        return None;
    }
    let weak = u8::from(suite.cipher == Cipher::TripleDes) + u8::from(group_old);
    Some([weak, cipher, hash, group])
}

/// As [`ike_rank`], for ESP.
fn esp_rank(policy: Policy, suite: EspSuite) -> Option<[u8; 3]> {
    let modern = policy == Policy::Modern;
    let size = |cipher| match cipher {
        Cipher::Aes256 => Some(0),
        Cipher::Aes128 => Some(1),
        Cipher::Aes192 => Some(2),
        Cipher::TripleDes => None,
    };
    let (cipher, mac) = match suite {
        EspSuite::AesGcm16 { cipher } => return Some([0, 0, size(cipher)?]),
        EspSuite::Cbc { cipher, mac } => (cipher, mac),
    };
    let mac = match mac {
        Mac::Sha256_128 if modern => 0,
        Mac::Sha384_192 if modern => 1,
        Mac::Sha512_256 if modern => 2,
        Mac::Sha1_96 if modern => return None,
        Mac::Sha1_96 => 0,
        Mac::Sha512_256 => 1,
        Mac::Sha384_192 => 2,
        Mac::Sha256_128 => 3,
        Mac::Sha256_96 => return None,
    };
    match size(cipher) {
        Some(size) => Some([1, mac, size]),
        None if modern => None,
        None => Some([2, mac, 0]),
    }
}

const fn aes(key_bits: u64) -> Option<Cipher> {
    match key_bits {
        128 => Some(Cipher::Aes128),
        192 => Some(Cipher::Aes192),
        256 => Some(Cipher::Aes256),
        _ => None,
    }
}

const fn hash_of(number: u64) -> Option<Hash> {
    match number {
        1 => Some(Hash::Md5),
        2 => Some(Hash::Sha1),
        4 => Some(Hash::Sha256),
        5 => Some(Hash::Sha384),
        6 => Some(Hash::Sha512),
        _ => None,
    }
}

const fn hash_number(hash: Hash) -> u16 {
    match hash {
        Hash::Md5 => 1,
        Hash::Sha1 => 2,
        Hash::Sha256 => 4,
        Hash::Sha384 => 5,
        Hash::Sha512 => 6,
    }
}

fn group_of(number: u64) -> Option<Group> {
    let group = match number {
        2 => Group::Modp1024,
        5 => Group::Modp1536,
        14 => Group::Modp2048,
        15 => Group::Modp3072,
        16 => Group::Modp4096,
        19 => Group::Ecp256,
        20 => Group::Ecp384,
        21 => Group::Ecp521,
        _ => return None,
    };
    Some(group).filter(|group| group.is_built_in())
}

/// The number of a group in attributes.
pub(super) const fn group_number(group: Group) -> u16 {
    match group {
        Group::Modp1024 => 2,
        Group::Modp1536 => 5,
        Group::Modp2048 => 14,
        Group::Modp3072 => 15,
        Group::Modp4096 => 16,
        Group::Ecp256 => 19,
        Group::Ecp384 => 20,
        Group::Ecp521 => 21,
    }
}

/// Attributes of phase 1 (RFC 2409 Appendix A).
pub(super) mod ike {
    pub(in crate::ike) const CIPHER: u16 = 1;
    pub(in crate::ike) const HASH: u16 = 2;
    pub(in crate::ike) const AUTH: u16 = 3;
    pub(in crate::ike) const GROUP: u16 = 4;
    pub(in crate::ike) const LIFE_TYPE: u16 = 11;
    pub(in crate::ike) const LIFE_DURATION: u16 = 12;
    pub(in crate::ike) const KEY_BITS: u16 = 14;
    pub(in crate::ike) const CIPHER_3DES: u64 = 5;
    pub(in crate::ike) const CIPHER_AES: u64 = 7;
    pub(in crate::ike) const AUTH_PSK: u64 = 1;
}

/// Attributes of phase 2 (RFC 2407 §4.5) and ESP transforms (RFC 2407 §4.4.4, RFC 3602, RFC 4106).
pub(super) mod esp {
    pub(in crate::ike) const LIFE_TYPE: u16 = 1;
    pub(in crate::ike) const LIFE_DURATION: u16 = 2;
    pub(in crate::ike) const GROUP: u16 = 3;
    pub(in crate::ike) const MODE: u16 = 4;
    pub(in crate::ike) const MAC: u16 = 5;
    pub(in crate::ike) const KEY_BITS: u16 = 6;
    pub(in crate::ike) const ID_3DES: u8 = 3;
    pub(in crate::ike) const ID_AES: u8 = 12;
    pub(in crate::ike) const ID_AES_GCM_16: u8 = 20;
    pub(in crate::ike) const MAC_SHA1: u64 = 2;
    pub(in crate::ike) const MAC_SHA256: u64 = 5;
    pub(in crate::ike) const MAC_SHA384: u64 = 6;
    pub(in crate::ike) const MAC_SHA512: u64 = 7;
}

/// Encapsulation modes (RFC 2407 §4.5, RFC 3947 §5.1, draft-ietf-ipsec-nat-t-ike-03 §5.1).
pub(super) mod mode {
    pub(in crate::ike) const TRANSPORT: u16 = 2;
    pub(in crate::ike) const UDP_TRANSPORT: u16 = 4;
    pub(in crate::ike) const UDP_TRANSPORT_DRAFT: u16 = 61444;
}

/// KEY_IKE, the one transform of phase 1 (RFC 2407 §4.4.2).
pub(super) const KEY_IKE: u8 = 1;
pub(super) const LIFE_SECONDS: u64 = 1;
pub(super) const LIFE_KILOBYTES: u64 = 2;
/// SPIs below are reserved (RFC 4303 §2.1).
const SPI_MIN: u32 = 256;
