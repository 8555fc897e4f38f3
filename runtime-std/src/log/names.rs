//! Names of algorithms, as strongSwan's users know them: `AES256-SHA1-MODP2048`.

use kumihimo_core::crypto::{Cipher, EspSuite, Group, Hash, IkeSuite, Mac};

/// The name of a phase-1 suite.
pub(super) fn ike_suite(suite: IkeSuite) -> String {
    format!("{}-{}-{}", cipher(suite.cipher), hash(suite.hash), group(suite.group))
}

/// The name of a phase-2 suite.
pub(super) fn esp_suite(suite: EspSuite) -> String {
    match suite {
        EspSuite::Cbc { cipher: c, mac: m } => format!("{}-{}", cipher(c), mac(m)),
        EspSuite::AesGcm16 { cipher: c } => format!("{}GCM16", cipher(c)),
    }
}

fn cipher(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::TripleDes => "3DES",
        Cipher::Aes128 => "AES128",
        Cipher::Aes192 => "AES192",
        Cipher::Aes256 => "AES256",
    }
}

fn hash(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "MD5",
        Hash::Sha1 => "SHA1",
        Hash::Sha256 => "SHA256",
        Hash::Sha384 => "SHA384",
        Hash::Sha512 => "SHA512",
    }
}

fn mac(mac: Mac) -> &'static str {
    match mac {
        Mac::Sha1_96 => "SHA1",
        Mac::Sha256_128 => "SHA256",
        Mac::Sha256_96 => "SHA256_96",
        Mac::Sha384_192 => "SHA384",
        Mac::Sha512_256 => "SHA512",
    }
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Modp1024 => "MODP1024",
        Group::Modp1536 => "MODP1536",
        Group::Modp2048 => "MODP2048",
        Group::Modp3072 => "MODP3072",
        Group::Modp4096 => "MODP4096",
        Group::Ecp256 => "ECP256",
        Group::Ecp384 => "ECP384",
        Group::Ecp521 => "ECP521",
    }
}
