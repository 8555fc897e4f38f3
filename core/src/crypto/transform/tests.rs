use super::*;
use crate::crypto::testing::hex;
use crate::crypto::{Cipher, cbc as one_shot, prf};

extern crate std;
use std::vec;
use std::vec::Vec;

const CIPHERS: [Cipher; 4] = [Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];
const MACS: [Mac; 5] =
    [Mac::Sha1_96, Mac::Sha256_128, Mac::Sha256_96, Mac::Sha384_192, Mac::Sha512_256];

fn all_suites() -> Vec<EspSuite> {
    let cbc = CIPHERS
        .into_iter()
        .flat_map(|cipher| MACS.into_iter().map(move |mac| EspSuite::Cbc { cipher, mac }));
    let gcm = CIPHERS[1..].iter().map(|&cipher| EspSuite::AesGcm16 { cipher });
    cbc.chain(gcm).collect()
}

/// A key and a packet to be sealed, of `blocks` blocks of text.
fn sample(suite: EspSuite, blocks: usize) -> (Vec<u8>, Vec<u8>) {
    let key = (0..suite.key_len()).map(|octet| (octet * 7 + 3) as u8).collect();
    let len = HEADER_LEN + suite.iv_len() + blocks * suite.align_len() + suite.icv_len();
    (key, (0..len).map(|octet| (octet * 5 + blocks) as u8).collect())
}

fn text_of(suite: EspSuite, packet: &[u8]) -> &[u8] {
    &packet[HEADER_LEN + suite.iv_len()..packet.len() - suite.icv_len()]
}

/// RFC 2202 §3 case 1, cut as RFC 2404 §2 says; RFC 4868 §2.7.2, AUTH256-1, AUTH384-1, AUTH512-1.
#[test]
fn macs_are_cut_to_the_published_icvs() {
    let cases = [
        (Mac::Sha1_96, 20, "b617318655057264e28bc0b6"),
        (Mac::Sha256_128, 32, "198a607eb44bfbc69903a0f1cf2bbdc5"),
        (Mac::Sha384_192, 48, "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"),
        (Mac::Sha512_256, 64, "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"),
    ];
    for (mac, key_len, expected) in cases {
        let key = MacKey::new(mac, &vec![0x0b; key_len]).unwrap();
        let mut icv = vec![0; mac.icv_len()];
        key.write(b"Hi There", &mut icv);
        assert_eq!(icv, hex(expected), "{mac:?}");
        assert_eq!(key.verify(b"Hi There", &icv), Ok(()));
        assert_eq!(key.verify(b"Hi there", &icv), Err(Tampered));
        assert_eq!(key.verify(b"Hi There", &icv[1..]), Err(Tampered));
        assert_eq!(key.verify(b"Hi There", &[]), Err(Tampered));
    }
}

fn check_packet(suite: EspSuite, key: &str, packet: &str, text: &str) {
    let (key, packet, text) = (hex(key), hex(packet), hex(text));
    let mut opened = packet.clone();
    let range = Opener::new(suite, &key).unwrap().open(&mut opened).unwrap();
    assert_eq!(opened[range.clone()], text);
    assert_eq!(opened[..range.start], packet[..range.start]);
    opened[range.end..].fill(0);
    Sealer::new(suite, &key).unwrap().seal(&mut opened).unwrap();
    assert_eq!(opened, packet);
}

/// RFC 3602 §4 case 5. Its packet has no ICV; those here are HMACs over it under keys of octets
/// 0b, computed with Python's `hmac`.
#[test]
fn a_ping_in_transport_mode_equals_that_of_rfc_3602() {
    let icvs = [
        (Mac::Sha1_96, SHA1_ICV_5),
        (Mac::Sha256_128, SHA256_ICV_5),
        (Mac::Sha384_192, SHA384_ICV_5),
        (Mac::Sha512_256, SHA512_ICV_5),
    ];
    for (mac, icv) in icvs {
        let key = std::format!(
            "90d382b4 10eeba7a d938c46c ec1a82bf {}",
            "0b".repeat(mac.hash().digest_len())
        );
        let packet = std::format!(
            "00004321 00000001 e96e8c08 ab465763 fd098d45 dd3ff893
             f663c25d 325c18c6 a9453e19 4e120849 a4870b66 cc6b9965 330013b4 898dc856
             a4699e52 3a55db08 0b59ec3a 8e4b7e52 775b07d1 db34ed9c 538ab50c 551b874a
             a269add0 47ad2d59 13ac19b7 cfbad4a6 {icv}"
        );
        check_packet(
            EspSuite::Cbc { cipher: Cipher::Aes128, mac },
            &key,
            &packet,
            "08000ebd a70a0000 8e9c083d b95b0700 08090a0b 0c0d0e0f 10111213 14151617
             18191a1b 1c1d1e1f 20212223 24252627 28292a2b 2c2d2e2f 30313233 34353637
             01020304 05060708 090a0b0c 0d0e0e01",
        );
    }
}

/// RFC 3602 §4 case 7, with an ICV as above.
#[test]
fn a_ping_in_tunnel_mode_equals_that_of_rfc_3602() {
    let key = std::format!("01234567 89abcdef 01234567 89abcdef {}", "0b".repeat(20));
    let packet = std::format!(
        "00008765 00000002 f4e76524 4f6407ad f13dc138 0f673f37
         773b5241 a4c44922 5e4f3ce5 ed611b0c 237ca96c f74a9301 3c1b0ea1 a0cf70f8
         e4ecaec7 8ac53aad 7a0f022b 859243c6 47752e94 a859352b 8a4d4d2d ecd136e5
         c177f132 ad3fbfb2 201ac990 4c74ee0a 109e0ca1 e4dfe9d5 a100b842 f1c22f0d {SHA1_ICV_7}"
    );
    check_packet(
        EspSuite::Cbc { cipher: Cipher::Aes128, mac: Mac::Sha1_96 },
        &key,
        &packet,
        "45000054 09040000 4001f988 c0a87b03 c0a87bc8 08009f76 a90a0100 b49c083d
         02a20400 08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f 20212223
         24252627 28292a2b 2c2d2e2f 30313233 34353637 01020304 05060708 090a0a04",
    );
}

const SHA1_ICV_5: &str = "cf264838385a370fec0fbf47";
const SHA256_ICV_5: &str = "1731896e10aaf60f5e4bd414d67e268d";
const SHA384_ICV_5: &str = "1e29242b0b522b1e541368f4e3b8c573d96878d673404a60";
const SHA512_ICV_5: &str = "32c14ae80f6c383967b825c2e73a3d07c86f965bf52f52179292f014c92d7ad7";
const SHA1_ICV_7: &str = "efe628e3b9869d2a64beac38";

/// draft-mcgrew-gcm-test-01 §4: the cases without extended sequence numbers, one for each key
/// length.
#[test]
fn packets_under_aes_gcm_equal_those_of_the_draft() {
    check_packet(
        EspSuite::AesGcm16 { cipher: Cipher::Aes128 },
        "feffe9928665731c6d6a8f9467308308 cafebabe",
        "0000a5f8 0000000a facedbaddecaf888
         deb22cd9b07c72c16e3a65beeb8df304 a5a5897d33ae530f1ba76d5d114d2a5c
         3de81827c10e9a4f51330d0eec416642 cfbb85a5b47e48a4ec3b9ba95d918bd1
         83b70d3aa8bc6ee4c309e9d85a41ad4a",
        "4500003e698f000080114dccc0a80102 c0a801010a980035002a2343b2d00100
         00010000000000000373697009637962 65726369747902646b00000100010001",
    );
    check_packet(
        EspSuite::AesGcm16 { cipher: Cipher::Aes192 },
        "feffe9928665731c6d6a8f9467308308feffe9928665731c cafebabe",
        "0000a5f8 0000000a facedbaddecaf888
         a5b1f8066029aea40e598b8122de0242 0938b3ab33f828e687b8858b5bfbdbd0
         315b27452144cc7795457b9652037f53 18027b5b4cd7a636",
        "45000028a4ad4000400678800a01038f 0a010612802306b8cb712602dd6bb03e 501016d075680001",
    );
    check_packet(
        EspSuite::AesGcm16 { cipher: Cipher::Aes256 },
        "abbccddef00112233445566778899aab abbccddef00112233445566778899aab 11223344",
        "4a2cbfe3 00000002 0102030405060708
         ff425c9b724599df7a3bcd510194e00d 6a78107f1b0b1cbf06efae9d65a5d763
         748a637985771d347f0545659f14e99d ef842d8e b335f4eecfdbf831824b4c4915956c96",
        "4500003069a6400080062690c0a80102 9389155e0a9e008b2dc57ee000000000
         7002400020bf0000020405b401010402 01020201",
    );
}

/// The one-shot primitives have vectors of their own.
#[test]
fn every_cbc_suite_encrypts_and_then_authenticates() {
    for suite in all_suites() {
        let EspSuite::Cbc { cipher, mac } = suite else { continue };
        let (key, mut packet) = sample(suite, 5);
        let mut expected = packet.clone();
        let end = packet.len() - mac.icv_len();
        let (cipher_key, mac_key) = key.split_at(cipher.key_len());
        let (iv, text) = expected[HEADER_LEN..end].split_at_mut(cipher.block_len());
        one_shot::encrypt(cipher, cipher_key, iv, text).unwrap();
        let icv = prf::hmac(mac.hash(), mac_key, &[&expected[..end]]);
        expected[end..].copy_from_slice(&icv.expose()[..mac.icv_len()]);
        Sealer::new(suite, &key).unwrap().seal(&mut packet).unwrap();
        assert_eq!(packet, expected, "{suite:?}");
    }
}

#[test]
fn what_is_sealed_opens_and_every_changed_octet_is_noticed() {
    for suite in all_suites() {
        let (key, plain) = sample(suite, 3);
        let (sealer, opener) =
            (Sealer::new(suite, &key).unwrap(), Opener::new(suite, &key).unwrap());
        let mut sealed = plain.clone();
        sealer.seal(&mut sealed).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x10;
            let before = changed.clone();
            assert_eq!(opener.open(&mut changed), Err(Tampered), "{suite:?} octet {at}");
            assert_eq!(changed, before, "nothing is decrypted");
        }
        let range = opener.open(&mut sealed).unwrap();
        assert_eq!(sealed[range], *text_of(suite, &plain), "{suite:?}");
    }
}

#[test]
fn a_batch_of_unequal_packets_equals_single_ones() {
    for suite in all_suites() {
        let (key, _) = sample(suite, 1);
        let sealer = Sealer::new(suite, &key).unwrap();
        for count in 0..=2 * LANES + 1 {
            let mut packets: Vec<Vec<u8>> =
                (0..count).map(|at| sample(suite, 1 + at * 11 % 7 + at / 3).1).collect();
            let mut singles = packets.clone();
            singles.iter_mut().for_each(|packet| sealer.seal(packet).unwrap());
            let mut batch: Vec<&mut [u8]> = packets.iter_mut().map(Vec::as_mut_slice).collect();
            sealer.seal_batch(&mut batch).unwrap();
            assert_eq!(packets, singles, "{suite:?} {count}");
        }
    }
}

/// S17: packets of every short length, and some longer ones.
#[test]
fn garbage_of_any_length_is_refused() {
    for suite in all_suites() {
        let (key, _) = sample(suite, 1);
        let (sealer, opener) =
            (Sealer::new(suite, &key).unwrap(), Opener::new(suite, &key).unwrap());
        for len in 0..150 {
            for octet in [0, 1, 0xff] {
                assert_eq!(opener.open(&mut vec![octet; len]), Err(Tampered));
            }
            // Sealing refuses what does not fit, and never panics.
            let smallest = HEADER_LEN + suite.iv_len() + suite.icv_len();
            let refused = sealer.seal(&mut vec![0; len]).is_err();
            assert!(refused || len >= smallest, "{suite:?} {len}");
        }
    }
}

#[test]
fn a_key_of_another_length_is_refused() {
    for suite in all_suites() {
        for len in (0..130).filter(|&len| len != suite.key_len()) {
            assert!(Opener::new(suite, &vec![1; len]).is_none(), "{suite:?} {len}");
            assert!(Sealer::new(suite, &vec![1; len]).is_none(), "{suite:?} {len}");
        }
    }
    let impossible = EspSuite::AesGcm16 { cipher: Cipher::TripleDes };
    assert!(Opener::new(impossible, &vec![1; impossible.key_len()]).is_none());
}

#[test]
fn only_the_icv_of_sha_256_can_be_cut() {
    let cut = |from, to| {
        let suite = EspSuite::Cbc { cipher: Cipher::Aes128, mac: from };
        let (key, mut packet) = sample(EspSuite::Cbc { cipher: Cipher::Aes128, mac: to }, 2);
        let key_len = suite.key_len();
        let key = &[key, vec![0; 80]].concat()[..key_len];
        let (mut sealer, mut opener) =
            (Sealer::new(suite, key).unwrap(), Opener::new(suite, key).unwrap());
        sealer.cut_icv(to);
        opener.cut_icv(to);
        sealer.seal(&mut packet).is_ok() && opener.open(&mut packet).is_ok()
    };
    assert!(cut(Mac::Sha256_128, Mac::Sha256_96));
    assert!(cut(Mac::Sha256_96, Mac::Sha256_128));
    assert!(!cut(Mac::Sha384_192, Mac::Sha256_96));
}
