use super::*;
use crate::crypto::testing::hex;

/// The first example of each algorithm's definition: RFC 1321 §A.5, FIPS 180-2 §A.1, §B.1, §C.1
/// and its SHA-384 supplement.
#[test]
fn the_hash_of_abc_is_the_published_one_however_it_is_cut() {
    let expected = [
        (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Hash::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163
             1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Hash::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];
    for (hash, expected) in expected {
        assert_eq!(digest(hash, &[b"abc"]).expose(), hex(expected), "{hash:?}");
        assert_eq!(digest(hash, &[b"a", b"", b"bc"]).expose(), hex(expected), "{hash:?}");
        assert_eq!(hash.digest_len(), hex(expected).len());
    }
}

const HI: &[u8] = b"Hi There";
const WHAT: &[u8] = b"what do ya want for nothing?";
const LONG: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";

fn check(hash: Hash, key: &[u8], data: &[u8], expected: &str) {
    assert_eq!(hmac(hash, key, &[data]).expose(), hex(expected), "{hash:?}");
    let (head, tail) = data.split_at(3);
    assert_eq!(hmac(hash, key, &[head, tail]).expose(), hex(expected), "{hash:?} in pieces");
}

/// RFC 2202 §2 and §3, cases 1, 2 and 6.
#[test]
fn hmac_with_md5_and_sha1_gives_the_vectors_of_rfc_2202() {
    check(Hash::Md5, &[0x0b; 16], HI, "9294727a3638bb1c13f48ef8158bfc9d");
    check(Hash::Md5, b"Jefe", WHAT, "750c783e6ab0b503eaa86e310a5db738");
    check(Hash::Md5, &[0xaa; 80], LONG, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    check(Hash::Sha1, &[0x0b; 20], HI, "b617318655057264e28bc0b6fb378c8ef146be00");
    check(Hash::Sha1, b"Jefe", WHAT, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    check(Hash::Sha1, &[0xaa; 80], LONG, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

/// RFC 4231 §4.2, §4.3 and §4.7: test cases 1, 2 and 6.
#[test]
fn hmac_with_sha2_gives_the_vectors_of_rfc_4231() {
    let cases: [(&[u8], &[u8], [&str; 3]); 3] = [
        (
            &[0x0b; 20],
            HI,
            [
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec6
                 82aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde
                 daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ],
        ),
        (
            b"Jefe",
            WHAT,
            [
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47
                 e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ],
        ),
        (
            &[0xaa; 131],
            LONG,
            [
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f
                 3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ],
        ),
    ];
    for (key, data, [sha256, sha384, sha512]) in cases {
        check(Hash::Sha256, key, data, sha256);
        check(Hash::Sha384, key, data, sha384);
        check(Hash::Sha512, key, data, sha512);
    }
}
