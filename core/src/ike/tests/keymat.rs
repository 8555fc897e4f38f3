//! Key derivation against vectors that others published.

use crate::crypto::testing::{hex, hex_array};
use crate::crypto::{Cipher, Group, Hash, IkeSuite};
use crate::ike::keymat::{phase1_hash, phase1_iv, phase1_keys, phase2_iv};
use crate::wire::isakmp::Cookie;

const SUITE: IkeSuite =
    IkeSuite { cipher: Cipher::Aes128, hash: Hash::Sha1, group: Group::Modp1024 };

/// From the tests of IPsec-StateMachineExtractor (Ruhr University Bochum, Apache-2.0),
/// `IKEv1HandshakeSessionSecretsTest.java`: recorded handshakes, key "AAAA".
struct Vector {
    cookies: [&'static str; 2],
    nonces: [&'static str; 2],
    publics: [&'static str; 2],
    shared: &'static str,
    skeyids: [&'static str; 4],
    iv: &'static str,
    hash_r: &'static str,
    /// A message id and its IV.
    phase2: Option<(&'static str, &'static str)>,
}

const VECTORS: [Vector; 2] = [
    Vector {
        cookies: ["7116900aa5c2880d", "047ad6f8b3d0abb7"],
        nonces: [
            "4654fdd74594982a",
            "3673e64987b4956dbb8b933399251a5abf88f557a723b802b345f838667e9a4e",
        ],
        publics: [
            "75fb75db0749d4b15d9bb067b63399f790246dd7919d0c0a88fc34dd76eb9ad2
             04e162b261914c0966a2d32d05178d4c0f0ec3817692fca675678f2fd2a68691
             88b943e33ad44cc859a5af98d6d5332c538cff4174ee737c8624de910cc40bd9
             53f7940d1b2d8a681cee03c85199fbe773bfa100ffea5fcb82eed25a399b0b3e",
            "2096a31ff922e5224d9d19f06a41e2d9aebe1180d4e5cbc3d6ea166e2b8810d5
             ddd048375025ae9bf895ad40c508cd8b9398bded0d00ae7e77c1a1eb31930495
             106892630152a926a45037606cda4651340082fc10558786b4d8c4e6d72222d5
             80d9a30d9c3b7fe9c348a6eadc5e79a24fe4b4364297b5ff71914ef8a6980e73",
        ],
        shared: "19B67B23EB5F792EC9D7E11D16501CA20F2A2D0B230D525CD824DFB16867B515
                 DC2CE9560B20B2149BFB360C1662C26A5AD7FE1FAA86E66213238C80B2ED46CC
                 B821BF5043093027EB6E32C71685A093306DF20C24190C7F93947FA21E56D10E
                 4C5B7063B2B4DC1747F1DF0BD46975D1825EEDE335E3ACBAD71A063CECF866C7",
        skeyids: [
            "49856BC53F30DB8CE55F5BEFAE9E42431279550C",
            "E5D7368180A8766F09C90CC9AC15182D3CD492EE",
            "92DE109FE83047C95812B600820F1476CD24AA49",
            "DE5D24679AD21491E63E2D7173017769",
        ],
        iv: "139568606DF1337CBCBC8FA7D201C8A8",
        hash_r: "BA8C49CFD796BDC78E63FF6B5A858FC289DAD933",
        phase2: None,
    },
    Vector {
        cookies: ["dc3f1d7452b2c376", "5f17969262b7829b"],
        nonces: [
            "18eeeee5b29ef938",
            "cf6306dcc088a94c1983462f97a3128ecdefbe4a1925cffddedd526215648099",
        ],
        publics: [
            "a8b04c567a6bb3ab17da6a07f3f1667e6c70fb992ffe0a01dccc0877214c1936
             cc13a66aa97e4cd9ebfd61f6a7119859bba763255b54364d37a59f969d230f87
             7cce6d77ca843e5f0cb24e354d51a429aabf75238f5a17ef5801f3b02d9f35dc
             d3562c35e6aeff67e9c71961f9313b6306c2c1adb428d6e70e713f894d9b7eda",
            "7947cdf90ed5f07ca325c9c9e6de95a82e5728b2e1daf44866100723ad2bed0f
             09e8383cf89c7645c805c2942d4aebfa1b6c351a9666faa1f4988c3a557cb411
             a3b73fd3e094144e646ef5eb85118a61f06c6359e0f19b43a99720b49ae32215
             5d462004be5e09140cfc843e0622c6735bc90ab730577fc311b23b25a8d283fa",
        ],
        shared: "9FC4267E99D40EE7AA19492615990548621EBED0AE925A0810C2F4BF30A100F6
                 B13201BAC4595281E5F2FB6FAF56F9CDA292991B40B41A48CFBA7713140DE178
                 4DBD525C0CB88A4D3B4B46D7CABD539CDD1E79EDE000420CFFE9ED8BCA0B2FE0
                 9208D9D3145F55F68CE0E3C6C479616B64F3EB451CD4CE268310BCDC766BA8A2",
        skeyids: [
            "505E91CA4127FE30D9CAD15F6176E8C504D2D612",
            "571D06B00EDA6D375310377F3B3E0994A936E0F2",
            "1DE7B88B63DEEA0BB41374C6F9514F64B894E083",
            "84FAF4DF7DCEC32AC45F13A485E73263",
        ],
        iv: "0E09ED33BAC3584D1D10762A9BD026C1",
        hash_r: "DDB2CF1067913E83EA6633B8B174BC8CE559B9D1",
        phase2: Some(("d8029d42", "0BF60ED4C34FEA8A12077A204DFD413F")),
    },
];
const OFFER: &str = "00000001000000010000002c01010001000000240101000080010007800e0080
                     800200028004000280030001800b0001800c7080";
const ID: &str = "010000000a00030a";

#[test]
fn main_mode_derives_the_keys_of_recorded_handshakes() {
    for vector in VECTORS {
        let nonces = vector.nonces.map(hex);
        let [initiator, responder] = vector.cookies.map(|cookie| Cookie(hex_array(cookie)));
        let publics = vector.publics.map(hex);
        let nonces = (&nonces[0][..], &nonces[1][..]);
        let keys = phase1_keys(SUITE, b"AAAA", nonces, (initiator, responder), &hex(vector.shared));
        assert_eq!(keys.skeyid.expose(), hex(vector.skeyids[0]));
        assert_eq!(keys.derive.expose(), hex(vector.skeyids[1]));
        assert_eq!(keys.auth.expose(), hex(vector.skeyids[2]));
        assert_eq!(keys.cipher.expose(), hex(vector.skeyids[3]));
        let iv = phase1_iv(SUITE, (&publics[0], &publics[1]));
        assert_eq!(iv[..], hex(vector.iv));
        let hash = phase1_hash(
            SUITE.hash,
            keys.skeyid.expose(),
            (&publics[1], responder),
            (&publics[0], initiator),
            &hex(OFFER),
            &hex(ID),
        );
        assert_eq!(hash.expose(), hex(vector.hash_r));
        if let Some((message_id, expected)) = vector.phase2 {
            let message_id = u32::from_be_bytes(hex_array(message_id));
            assert_eq!(phase2_iv(SUITE, &iv, message_id)[..], hex(expected));
        }
    }
}
