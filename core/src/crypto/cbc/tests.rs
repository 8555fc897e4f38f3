use super::*;
use crate::crypto::testing::hex;

extern crate std;

fn check(cipher: Cipher, key: &str, iv: &str, plain: &str, encrypted: &str) {
    let (key, iv, plain) = (hex(key), hex(iv), hex(plain));
    let mut data = plain.clone();
    encrypt(cipher, &key, &iv, &mut data).unwrap();
    assert_eq!(data, hex(encrypted), "{cipher:?}");
    decrypt(cipher, &key, &iv, &mut data).unwrap();
    assert_eq!(data, plain, "{cipher:?}");
}

const IV: &str = "000102030405060708090a0b0c0d0e0f";
const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
                     30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";

/// NIST SP 800-38A §F.2.1 to §F.2.6.
#[test]
fn aes_gives_the_vectors_of_sp_800_38a() {
    check(
        Cipher::Aes128,
        "2b7e151628aed2a6abf7158809cf4f3c",
        IV,
        PLAIN,
        "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
         73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
    );
    check(
        Cipher::Aes192,
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        IV,
        PLAIN,
        "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a
         571b242012fb7ae07fa9baac3df102e0 08b0e27988598881d920a9e64f5615cd",
    );
    check(
        Cipher::Aes256,
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        IV,
        PLAIN,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
         39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
    );
}

/// NIST's example for CBC with three-key TDES ("Block Cipher Modes of Operation, TDES_CBC").
#[test]
fn triple_des_gives_nists_example() {
    check(
        Cipher::TripleDes,
        "0123456789abcdef 23456789abcdef01 456789abcdef0123",
        "f69f2445df4f9b17",
        "6bc1bee22e409f96 e93d7e117393172a ae2d8a571e03ac9c 9eb76fac45af8e51",
        "2079c3d53aa763e1 93b79e2569ab5262 516570481f25b50f 73c0bda85c8e0da7",
    );
}

#[test]
fn a_length_that_does_not_fit_is_refused_and_changes_nothing() {
    for cipher in [Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256] {
        let (key, iv) = ([1; 33], [2; 17]);
        let (key_len, block_len) = (cipher.key_len(), cipher.block_len());
        let cases = [
            (key_len, block_len, block_len + 1),
            (key_len, block_len, 7),
            (key_len, block_len - 1, block_len),
            (key_len, block_len + 1, block_len),
            (key_len - 1, block_len, block_len),
            (key_len + 1, block_len, block_len),
        ];
        for (key_len, iv_len, data_len) in cases {
            let mut data = std::vec![9; data_len];
            let (key, iv) = (&key[..key_len], &iv[..iv_len]);
            assert_eq!(encrypt(cipher, key, iv, &mut data), Err(BadLength));
            assert_eq!(decrypt(cipher, key, iv, &mut data), Err(BadLength));
            assert!(data.iter().all(|&octet| octet == 9));
        }
        assert_eq!(encrypt(cipher, &key[..key_len], &iv[..block_len], &mut []), Ok(()));
    }
}
