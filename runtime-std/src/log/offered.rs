//! Names of what a client offered, from the numbers of the wire.

use std::borrow::Cow;

use kumihimo_core::event::{OfferedTransform, Stage};

/// The name of one offered transform of the given stage.
pub(super) fn name(stage: Stage, offered: OfferedTransform) -> String {
    let phase_2 = stage == Stage::Phase2;
    let cipher = if phase_2 { esp_cipher(offered.cipher) } else { ike_cipher(offered.cipher) };
    let mut name = cipher.into_owned();
    if offered.key_bits > 0 {
        name.push_str(&offered.key_bits.to_string());
    }
    if offered.hash > 0 {
        let hash = if phase_2 { esp_mac(offered.hash) } else { ike_hash(offered.hash) };
        name = format!("{name}-{hash}");
    }
    if offered.group > 0 {
        name = format!("{name}-{}", group(offered.group));
    }
    name
}

/// Encryption algorithms of phase 1 (RFC 2409 Appendix A, IANA "IPsec registry").
fn ike_cipher(number: u16) -> Cow<'static, str> {
    known(
        "CIPHER",
        number,
        &[
            (1, "DES"),
            (2, "IDEA"),
            (3, "BLOWFISH"),
            (4, "RC5"),
            (5, "3DES"),
            (6, "CAST"),
            (7, "AES"),
            (8, "CAMELLIA"),
        ],
    )
}

/// Hash algorithms of phase 1.
fn ike_hash(number: u16) -> Cow<'static, str> {
    known(
        "HASH",
        number,
        &[(1, "MD5"), (2, "SHA1"), (3, "TIGER"), (4, "SHA256"), (5, "SHA384"), (6, "SHA512")],
    )
}

/// ESP transform identifiers (RFC 2407 §4.4.4, IANA "IPSEC ESP Transform Identifiers").
fn esp_cipher(number: u16) -> Cow<'static, str> {
    known(
        "ESP",
        number,
        &[
            (2, "DES"),
            (3, "3DES"),
            (4, "RC5"),
            (5, "IDEA"),
            (6, "CAST"),
            (7, "BLOWFISH"),
            (11, "NULL"),
            (12, "AES"),
            (13, "AESCTR"),
            (14, "AESCCM8-"),
            (15, "AESCCM12-"),
            (16, "AESCCM16-"),
            (18, "AESGCM8-"),
            (19, "AESGCM12-"),
            (20, "AESGCM16-"),
            (22, "CAMELLIA"),
            (23, "GMAC"),
        ],
    )
}

/// Authentication algorithms of phase 2 (RFC 2407 §4.5, RFC 4868).
fn esp_mac(number: u16) -> Cow<'static, str> {
    known(
        "MAC",
        number,
        &[
            (1, "MD5"),
            (2, "SHA1"),
            (3, "DES"),
            (5, "SHA256"),
            (6, "SHA384"),
            (7, "SHA512"),
            (8, "RIPEMD"),
            (9, "XCBC"),
        ],
    )
}

/// Groups (RFC 2409 §6, RFC 3526, RFC 5903, IANA "Diffie-Hellman Group").
fn group(number: u16) -> Cow<'static, str> {
    known(
        "GROUP",
        number,
        &[
            (1, "MODP768"),
            (2, "MODP1024"),
            (5, "MODP1536"),
            (14, "MODP2048"),
            (15, "MODP3072"),
            (16, "MODP4096"),
            (17, "MODP6144"),
            (18, "MODP8192"),
            (19, "ECP256"),
            (20, "ECP384"),
            (21, "ECP521"),
            (25, "ECP192"),
            (26, "ECP224"),
            (31, "CURVE25519"),
        ],
    )
}

fn known(kind: &str, number: u16, names: &[(u16, &'static str)]) -> Cow<'static, str> {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("{kind}{number}?")),
    }
}
