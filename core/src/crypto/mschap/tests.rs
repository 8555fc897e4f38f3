use super::*;
use crate::crypto::testing::hex_array;

// RFC 2759 §9.2.
const USER: &[u8] = b"User";
const PASSWORD: &str = "clientPass";

fn authenticator_challenge() -> [u8; 16] {
    hex_array("5b5d7c7d7b3f2f3e3c2c602132262628")
}

fn peer_challenge() -> [u8; 16] {
    hex_array("21402324255e262a28295f2b3a337c7e")
}

#[test]
fn an_exchange_gives_the_values_of_rfc_2759() {
    let (ours, theirs) = (authenticator_challenge(), peer_challenge());
    let hash = nt_hash(PASSWORD);
    assert_eq!(hash, hex_array("44ebba8d5312b8d611474411f56989ae"));
    assert_eq!(challenge_hash(&theirs, &ours, USER), hex_array("d02e4386bce91226"));
    let response = nt_response(&ours, &theirs, USER, &hash);
    assert_eq!(response, hex_array("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df"));
    assert_eq!(
        authenticator_response(&hash, &response, &theirs, &ours, USER),
        hex_array("407a5589115fd0d6209f510fe9c04566932cda56")
    );
}

/// RFC 2759 §9.3: the keys that DES takes of the hash of the password "MyPw".
#[test]
fn des_keys_are_spread_as_in_rfc_2759() {
    let hash = nt_hash("MyPw");
    assert_eq!(hash, hex_array("fc156af7edcd6c0edde3337d427f4eac"));
    let [a, b, c, d, e, f, g, ..] = hash;
    let spread = with_parity_bits(&[a, b, c, d, e, f, g]);
    // The RFC prints the keys with odd parity, fd0b5b5e7f6e34d9; DES ignores the lowest bits.
    let without_parity = hex_array::<8>("fd0b5b5e7f6e34d9").map(|octet| octet & 0xfe);
    assert_eq!(spread, without_parity);
}

#[test]
fn a_domain_before_the_name_is_not_hashed() {
    let (ours, theirs) = (authenticator_challenge(), peer_challenge());
    let bare = challenge_hash(&theirs, &ours, USER);
    assert_eq!(challenge_hash(&theirs, &ours, b"DOMAIN\\User"), bare);
    assert_eq!(challenge_hash(&theirs, &ours, b"a\\b\\User"), bare);
    assert_ne!(challenge_hash(&theirs, &ours, b"User@DOMAIN"), bare);
    assert_ne!(challenge_hash(&theirs, &ours, b""), bare);
}

/// Made with `printf "\xd6\x30\x3d\xd8\x11\xde" | openssl dgst -md4`.
#[test]
fn a_password_outside_ascii_is_hashed_in_utf_16() {
    assert_eq!(nt_hash("\u{30d6}\u{1f611}"), hex_array("e37984de171f72f5d8c1bde6e26c033a"));
}
