//! Keys in the formats of Wireshark's own tables, so that it decrypts a capture.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::algorithm::{Cipher, EspCipher, Hash};
use super::ike::{IkeKey, Pair};

/// One ESP SA, for a dissector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspKey {
    /// Sender.
    pub from: IpAddr,
    /// Receiver.
    pub to: IpAddr,
    /// SPI.
    pub spi: u32,
    /// Cipher.
    pub cipher: EspCipher,
    /// Its key; GCM's salt counts.
    pub key: Vec<u8>,
    /// MAC, and its key.
    pub mac: Option<(Hash, Vec<u8>)>,
}

impl EspKey {
    /// Both SAs of a pair between `ends`: us and the server.
    pub(super) fn of_pair(pair: &Pair, [local, server]: [IpAddr; 2]) -> [Self; 2] {
        let one = |from, to, spi, material: &[u8]| {
            let (key, mac_key) = material.split_at(pair.cipher.key_len());
            let mac = pair.mac.map(|hash| (hash, mac_key.to_vec()));
            Self { from, to, spi, cipher: pair.cipher, key: key.to_vec(), mac }
        };
        [
            one(local, server, pair.spi_out, &pair.key_out),
            one(server, local, pair.spi_in, &pair.key_in),
        ]
    }

    const fn cipher_name(&self) -> &'static str {
        match self.cipher {
            EspCipher::Cbc(Cipher::Des) => "DES-CBC [RFC2405]",
            EspCipher::Cbc(Cipher::TripleDes) => "TripleDES-CBC [RFC2451]",
            EspCipher::Cbc(_) => "AES-CBC [RFC3602]",
            EspCipher::Gcm(_) => "AES-GCM with 16 octet ICV [RFC4106]",
        }
    }

    const fn mac_name(&self) -> &'static str {
        match &self.mac {
            None => "NULL",
            Some((Hash::Md5, _)) => "HMAC-MD5-96 [RFC2403]",
            Some((Hash::Sha1, _)) => "HMAC-SHA-1-96 [RFC2404]",
            Some((Hash::Sha256, _)) => "HMAC-SHA-256-128 [RFC4868]",
            Some((Hash::Sha384, _)) => "HMAC-SHA-384-192 [RFC4868]",
            Some((Hash::Sha512, _)) => "HMAC-SHA-512-256 [RFC4868]",
        }
    }
}

/// The lines of `ikev1_decryption_table`: initiator's cookie and key.
pub fn ikev1_decryption_table(keys: &[IkeKey]) -> String {
    let mut table = String::new();
    for key in keys {
        let _ = writeln!(table, "{},{}", hex(&key.cookie), hex(&key.key));
    }
    table
}

/// The lines of `esp_sa`. Addresses are `*`: on the far side of a NAT they are others.
pub fn esp_sa_table(keys: &[EspKey]) -> String {
    let mut table = String::new();
    for key in keys {
        let family = if key.from.is_ipv4() { "IPv4" } else { "IPv6" };
        let mac_key = match &key.mac {
            Some((_, mac_key)) => format!("0x{}", hex(mac_key)),
            None => String::new(),
        };
        let _ = writeln!(
            table,
            "\"{family}\",\"*\",\"*\",\"0x{:08x}\",\"{}\",\"0x{}\",\"{}\",\"{mac_key}\",\"32-bit\"",
            key.spi,
            key.cipher_name(),
            hex(&key.key),
            key.mac_name(),
        );
    }
    table
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
