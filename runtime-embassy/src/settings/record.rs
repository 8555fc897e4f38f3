//! Settings as octets: what stands in flash, and what a build script puts into an image.
//!
//! ```text
//! "KMH" version(1) { tag(1) length(1) value }* check(4)
//! ```
//! `check` is the CRC-32 of everything before it. An unknown tag is skipped, so that an older
//! image reads what a newer one wrote as far as it can; a tag that is missing has its default.

use core::net::Ipv4Addr;

use kumihimo_core::config::{EncapsulationPolicy, Policy};

use super::{Addressing, NAME_LEN, PSK_LEN, Settings, USERS};

/// Why a record is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Not a record, or a damaged one.
    Damaged,
    /// A version that this image does not know.
    Version,
    /// The octets are sound, but not what they say.
    Content,
}

impl Settings {
    /// Writes the record into `room`, and gives the part that it takes.
    pub fn to_record<'r>(&self, room: &'r mut [u8; RECORD_LEN]) -> &'r [u8] {
        let mut out = Out { room, len: 0 };
        out.put(&MAGIC);
        out.put(&[VERSION]);
        out.field(PSK, &[&self.psk]);
        out.field(HUB, &[self.hub.as_bytes()]);
        if let Addressing::Static { address, prefix_len, gateway } = self.addressing {
            let gateway = gateway.unwrap_or(Ipv4Addr::UNSPECIFIED);
            out.field(STATIC, &[&address.octets(), &[prefix_len], &gateway.octets()]);
        }
        if let Some(mac) = &self.mac {
            out.field(MAC, &[mac]);
        }
        out.field(POLICY, &[&[policy_number(self.policy)]]);
        out.field(BARE_ESP, &[&[u8::from(self.encapsulation == EncapsulationPolicy::Auto)]]);
        for user in &self.users {
            let name = user.name.as_bytes();
            out.field(USER, &[&[user.max_sessions], &user.nt_hash, name]);
        }
        let check = crc32(out.written());
        out.put(&check.to_be_bytes());
        let len = out.len;
        room.get(..len).unwrap_or_default()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (body, check) = record.split_last_chunk::<4>().ok_or(RecordError::Damaged)?;
        if crc32(body) != u32::from_be_bytes(*check) {
            return Err(RecordError::Damaged);
        }
        let rest = body.strip_prefix(&MAGIC).ok_or(RecordError::Damaged)?;
        let (&version, mut rest) = rest.split_first().ok_or(RecordError::Damaged)?;
        if version != VERSION {
            return Err(RecordError::Version);
        }
        let mut settings = Self::default();
        while let [tag, len, more @ ..] = rest {
            let (value, next) =
                more.split_at_checked(usize::from(*len)).ok_or(RecordError::Content)?;
            settings.take_field(*tag, value)?;
            rest = next;
        }
        if rest.is_empty() { Ok(settings) } else { Err(RecordError::Content) }
    }

    fn take_field(&mut self, tag: u8, value: &[u8]) -> Result<(), RecordError> {
        let bad = RecordError::Content;
        match (tag, value) {
            (PSK, []) => Ok(()),
            (PSK, psk) => self.set_psk(psk).map_err(|_| bad),
            (HUB, name) => self.set_hub(text(name)?).map_err(|_| bad),
            (STATIC, &[a, b, c, d, prefix_len, e, f, g, h]) => {
                let gateway = Ipv4Addr::new(e, f, g, h);
                let gateway = (!gateway.is_unspecified()).then_some(gateway);
                let address = Ipv4Addr::new(a, b, c, d);
                let addressing = Addressing::Static { address, prefix_len, gateway };
                self.set_addressing(addressing).map_err(|_| bad)
            }
            (MAC, mac) => {
                let mac = mac.try_into().map_err(|_| bad)?;
                self.set_mac(Some(mac)).map_err(|_| bad)
            }
            (POLICY, &[number]) => {
                self.policy = policy_of(number).ok_or(bad)?;
                Ok(())
            }
            (BARE_ESP, &[is_bare @ (0 | 1)]) => {
                self.encapsulation =
                    if is_bare == 1 { EncapsulationPolicy::Auto } else { EncapsulationPolicy::Udp };
                Ok(())
            }
            (USER, [max_sessions, rest @ ..]) => {
                let (hash, name) = rest.split_first_chunk::<16>().ok_or(bad)?;
                self.add_user_hash(text(name)?, *hash, *max_sessions).map_err(|_| bad)
            }
            (STATIC | POLICY | BARE_ESP | USER, _) => Err(bad),
            _ => Ok(()),
        }
    }
}

struct Out<'r> {
    room: &'r mut [u8; RECORD_LEN],
    len: usize,
}

impl Out<'_> {
    /// `RECORD_LEN` is the sum of everything at its longest, so what is put always fits.
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(room) = self.room.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn field(&mut self, tag: u8, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.put(&[tag, len as u8]);
        parts.iter().for_each(|part| self.put(part));
    }

    fn written(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }
}

fn text(bytes: &[u8]) -> Result<&str, RecordError> {
    core::str::from_utf8(bytes).map_err(|_| RecordError::Content)
}

const fn policy_number(policy: Policy) -> u8 {
    match policy {
        Policy::Modern => 0,
        Policy::Compat => 1,
        Policy::Legacy => 2,
    }
}

const fn policy_of(number: u8) -> Option<Policy> {
    match number {
        0 => Some(Policy::Modern),
        1 => Some(Policy::Compat),
        2 => Some(Policy::Legacy),
        _ => None,
    }
}

/// CRC-32 as in IEEE 802.3 §3.2.9, reflected; a record is read and written rarely, so no table.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// Octets of the longest record.
pub const RECORD_LEN: usize = MAGIC.len()
    + 1
    + (2 + PSK_LEN)
    + (2 + NAME_LEN)
    + (2 + 9)
    + (2 + 6)
    + (2 + 1)
    + (2 + 1)
    + USERS * (2 + 1 + 16 + NAME_LEN)
    + 4;

const MAGIC: [u8; 3] = *b"KMH";
const VERSION: u8 = 1;
const PSK: u8 = 1;
const HUB: u8 = 2;
const STATIC: u8 = 3;
const MAC: u8 = 4;
const POLICY: u8 = 5;
const BARE_ESP: u8 = 6;
const USER: u8 = 7;
