use super::*;
use crate::crypto::testing::hex;
use crate::crypto::{Hash, prf};

extern crate std;
use std::vec::Vec;

const ALL: [Group; 8] = [
    Group::Modp1024,
    Group::Modp1536,
    Group::Modp2048,
    Group::Modp3072,
    Group::Modp4096,
    Group::Ecp256,
    Group::Ecp384,
    Group::Ecp521,
];

fn done(result: DhResult) -> (Vec<u8>, Vec<u8>) {
    match result {
        DhResult::Done { public, shared } => (public.to_vec(), shared.expose().to_vec()),
        DhResult::BadPublic => panic!("the value is good"),
    }
}

fn run(group: Group, private: &[u8], peer_public: Option<&[u8]>) -> DhResult {
    let private = Secret::copy_of(private).unwrap();
    let peer_public = peer_public.map(|value| Public::from_slice(value).unwrap());
    DhJob { group, private, peer_public, wants_public: true }.run()
}

fn sha256(octets: &[u8]) -> Vec<u8> {
    prf::digest(Hash::Sha256, &[octets]).expose().to_vec()
}

/// Computed with Python's `pow`, the primes from the formulas of RFC 2409 §6.2 and RFC 3526
/// (2^n - 2^(n-64) - 1 + 2^64 * ((2^(n-130) * pi) + c)):
///
/// ```text
/// x = int.from_bytes(sha256(b'x%d' % n).digest(), 'big')
/// y = int.from_bytes(sha512(b'y%d' % n).digest(), 'big')
/// [sha256(v.to_bytes(n // 8, 'big')) for v in pow(2, x, p), pow(2, x * y, p)]
/// ```
#[test]
fn modp_values_equal_those_of_python() {
    let cases = [
        (
            Group::Modp1024,
            "1024",
            "a6497b6cac6434840375e242cdd3a1ba10fae15667e518f2eabcbb5f3c15e7b2",
            "9fc116eb1a2902d137eece0acdbd40da0c3cb9878f7814db2a4b88ac2194e556",
        ),
        (
            Group::Modp1536,
            "1536",
            "cd9bdab6a8c6b26b6c0e1942675e6fad26855b4810363592c4ed453e85d9adec",
            "60c114b82de331ad42d2c8cf70d862ffc349724a13390f239d685e46a14302c1",
        ),
        (
            Group::Modp2048,
            "2048",
            "2d2c6cd38657ef88aa185c9213fff4e01246db41451259b9064020d80b7be969",
            "dee5197a5d6cf2e95aa4932b588d49b0f16fffeadf7068e869fe2e4696c558fa",
        ),
        (
            Group::Modp3072,
            "3072",
            "a49e589f85b029aa7a6ad0fb92c5c69d0349e2575068d71409b51529b5416a6c",
            "2e7972dee84c381de8e48bb589ecdb31c1a5d84c39ff21b375e710cbab0c4c0a",
        ),
        (
            Group::Modp4096,
            "4096",
            "28c0fc6d890027c69f11382a1e7c2e22bab0b800a5826b0a18309f56d874bbb8",
            "86741ec49d52ee30a2d87e7d24aa1616d6c7716443a6c2441e66cdecaff9a9af",
        ),
    ];
    for (group, bits, public_hash, shared_hash) in cases {
        if !group.is_built_in() {
            continue;
        }
        let x = prf::digest(Hash::Sha256, &[b"x", bits.as_bytes()]);
        let y = prf::digest(Hash::Sha512, &[b"y", bits.as_bytes()]);
        let (peer_public, none) = done(run(group, y.expose(), None));
        assert!(none.is_empty());
        let (public, shared) = done(run(group, x.expose(), Some(&peer_public)));
        assert_eq!(public.len(), group.public_len());
        assert_eq!(sha256(&public), hex(public_hash), "{group:?}");
        assert_eq!(sha256(&shared), hex(shared_hash), "{group:?}");
    }
}

#[cfg(feature = "ecp")]
struct Point {
    scalar: &'static str,
    public: &'static str,
}

#[cfg(feature = "ecp")]
fn check_points(group: Group, i: &Point, r: &Point, shared: &str) {
    for (own, other) in [(i, r), (r, i)] {
        let result = run(group, &hex(own.scalar), Some(&hex(other.public)));
        assert_eq!(done(result), (hex(own.public), hex(shared)), "{group:?}");
    }
}

/// RFC 5903 §8.1.
#[cfg(feature = "ecp")]
#[test]
fn the_256_bit_curve_gives_the_vector_of_rfc_5903() {
    check_points(
        Group::Ecp256,
        &Point {
            scalar: "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
            public: "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180
                     5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
        },
        &Point {
            scalar: "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
            public: "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63
                     56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
        },
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
    );
}

/// RFC 5903 §8.2.
#[cfg(feature = "ecp")]
#[test]
fn the_384_bit_curve_gives_the_vector_of_rfc_5903() {
    check_points(
        Group::Ecp384,
        &Point {
            scalar: "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F16
                     0647B67414DCE655E35B538041E649EE3FAEF896783AB194",
            public: "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E3
                     1634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA
                     9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144AD
                     A024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
        },
        &Point {
            scalar: "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060
                     855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
            public: "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D
                     83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571
                     DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416
                     DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
        },
        "11187331C279962D93D604243FD592CB9D0A926F422E4718
         7521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
    );
}

/// RFC 5903 §8.3.
#[cfg(feature = "ecp")]
#[test]
fn the_521_bit_curve_gives_the_vector_of_rfc_5903() {
    check_points(
        Group::Ecp521,
        &Point {
            scalar: "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A0
                     95AA85A30FE1C2952C6771D937BA9777F5957B2639BAB072462F68C27A57382D
                     4A52",
            public: "0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBE
                     E1E3BF42E00B8E380AEAE57C2D107564941885942AF5A7F4601723C4195D176C
                     ED3E
                     017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10A
                     D8A788015AC405D7799DC75E7B7D5B6CF2261A6A7F1507438BF01BEB6CA3926F
                     9582",
        },
        &Point {
            scalar: "0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E
                     9C677D600B343757A3BDBF2A3163E4C2F869CCA7458AA4A4EFFC311F5CB15168
                     5EB9",
            public: "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A21
                     9B97C356436ADC6E95BB0352F6BE64A6C2912D4EF2D0433CED2B6171640012D9
                     460F
                     015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87
                     220B6536C5C408A1D2AEBB8E86D678AE49CB57091F4732296579AB44FCD17F0F
                     C56A",
        },
        "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04
         D1427E73CA4BAA240A34786859810C06B3C715A3A8CC3151F2BEE417996D19F3
         DDEA",
    );
}

#[test]
fn both_sides_reach_the_same_secret_the_initiator_in_two_steps() {
    let mut rng = Rng::from_seed([7; 32]);
    for group in ALL.into_iter().filter(|group| group.is_built_in()) {
        let first = DhJob::new(group, &mut rng, None).unwrap();
        let (initiator, none) = done(first.run());
        assert!(none.is_empty());
        let (responder, theirs) =
            done(DhJob::new(group, &mut rng, Some(&initiator)).unwrap().run());
        assert_eq!(responder.len(), group.public_len());
        let second = DhJob::agree(group, first.private, &responder).unwrap();
        let (not_again, ours) = done(second.run());
        assert!(not_again.is_empty());
        assert_eq!(ours, theirs, "{group:?}");
        let coordinates = if group.is_ecp() { 2 } else { 1 };
        assert_eq!(ours.len(), group.public_len() / coordinates);
    }
}

#[test]
fn every_job_has_a_private_value_of_its_own() {
    let mut rng = Rng::from_seed([8; 32]);
    for (group, len) in ALL.into_iter().zip([32, 32, 32, 36, 40, 32, 48, 66]) {
        if !group.is_built_in() {
            continue;
        }
        let one = DhJob::new(group, &mut rng, None).unwrap();
        let other = DhJob::new(group, &mut rng, None).unwrap();
        assert_eq!(one.private.len(), len);
        assert!(!one.private.equals(other.private.expose()));
    }
}

#[test]
fn a_public_value_of_another_length_makes_no_job() {
    let mut rng = Rng::from_seed([9; 32]);
    for group in ALL.into_iter().filter(|group| group.is_built_in()) {
        let value = [5; 513];
        for len in [0, 1, group.public_len() - 1, group.public_len() + 1] {
            assert!(DhJob::new(group, &mut rng, Some(&value[..len])).is_none());
            assert!(DhJob::agree(group, Secret::EMPTY, &value[..len]).is_none());
        }
    }
}

/// CVE-2015-3240: 0, 1 and p-1; and everything from p on.
#[test]
fn trivial_elements_of_a_modp_group_are_refused() {
    let primes: &[(Group, Vec<u8>)] = &[
        (Group::Modp1024, modp::PRIME_1024.to_be_bytes().as_ref().to_vec()),
        (Group::Modp1536, modp::PRIME_1536.to_be_bytes().as_ref().to_vec()),
        (Group::Modp2048, modp::PRIME_2048.to_be_bytes().as_ref().to_vec()),
        #[cfg(feature = "modp-wide")]
        (Group::Modp3072, modp::PRIME_3072.to_be_bytes().as_ref().to_vec()),
        #[cfg(feature = "modp-wide")]
        (Group::Modp4096, modp::PRIME_4096.to_be_bytes().as_ref().to_vec()),
    ];
    for &(group, ref prime) in primes {
        let mut zero = prime.clone();
        zero.fill(0);
        let with_last = |base: &[u8], octet| {
            let mut value = base.to_vec();
            *value.last_mut().unwrap() = octet;
            value
        };
        let all_ones = std::vec![0xff; prime.len()];
        let bad =
            [zero.clone(), with_last(&zero, 1), with_last(prime, 0xfe), prime.clone(), all_ones];
        for value in &bad {
            let result = run(group, &[3; 32], Some(value));
            assert!(matches!(result, DhResult::BadPublic), "{group:?}");
        }
        for value in [with_last(&zero, 2), with_last(prime, 0xfd)] {
            assert!(matches!(run(group, &[3; 32], Some(&value)), DhResult::Done { .. }));
        }
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    let mut rng = Rng::from_seed([10; 32]);
    for group in ALL.into_iter().filter(|group| group.is_ecp() && group.is_built_in()) {
        let job = DhJob::new(group, &mut rng, None).unwrap();
        let (good, _) = done(job.run());
        let mut off = good.clone();
        *off.last_mut().unwrap() ^= 1;
        let swapped = {
            let (x, y) = good.split_at(good.len() / 2);
            [y, x].concat()
        };
        for bad in [off, swapped, std::vec![0; good.len()], std::vec![0xff; good.len()]] {
            let job = DhJob::agree(group, job.private.clone(), &bad).unwrap();
            assert!(matches!(job.run(), DhResult::BadPublic), "{group:?}");
        }
    }
}
