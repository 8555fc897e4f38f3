//! Diffie-Hellman: the MODP groups of RFC 2409 §6 and RFC 3526, the ECP groups of RFC 5903.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U1024, U1536, U2048, U3072, Uint};
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};

use super::random::Random;

/// A Diffie-Hellman group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Group {
    Modp1024,
    Modp1536,
    Modp2048,
    Modp3072,
    Ecp256,
    Ecp384,
}

impl Group {
    /// Its number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
        }
    }

    /// The group with this number.
    pub fn of_number(number: u16) -> Option<Self> {
        let all = [
            Self::Modp1024,
            Self::Modp1536,
            Self::Modp2048,
            Self::Modp3072,
            Self::Ecp256,
            Self::Ecp384,
        ];
        all.into_iter().find(|group| group.number() == number)
    }
}

/// Our half of an exchange.
#[derive(Clone, Debug)]
pub(super) struct KeyPair {
    group: Group,
    private: Vec<u8>,
    /// What the peer is told.
    pub public: Vec<u8>,
}

impl KeyPair {
    /// A new pair.
    pub(super) fn draw(group: Group, random: &mut Random) -> Self {
        // 256 bits are enough for every group here (RFC 3526 §8).
        let mut private = random.array::<32>().to_vec();
        private[0] &= 0x7f;
        if group == Group::Ecp384 {
            private.splice(0..0, [0; 16]);
        }
        let public = match group {
            Group::Modp1024 => power::<{ U1024::LIMBS }>(&two(128), &private, P1024),
            Group::Modp1536 => power::<{ U1536::LIMBS }>(&two(192), &private, P1536),
            Group::Modp2048 => power::<{ U2048::LIMBS }>(&two(256), &private, P2048),
            Group::Modp3072 => power::<{ U3072::LIMBS }>(&two(384), &private, P3072),
            Group::Ecp256 => public_point::<p256::NistP256>(&private),
            Group::Ecp384 => public_point::<p384::NistP384>(&private),
        };
        Self { group, private, public: public.expect("a private value in range") }
    }

    /// The common secret; `None` if the peer's value is of no use.
    pub(super) fn agree(&self, theirs: &[u8]) -> Option<Vec<u8>> {
        let private = &self.private;
        match self.group {
            Group::Modp1024 => power::<{ U1024::LIMBS }>(theirs, private, P1024),
            Group::Modp1536 => power::<{ U1536::LIMBS }>(theirs, private, P1536),
            Group::Modp2048 => power::<{ U2048::LIMBS }>(theirs, private, P2048),
            Group::Modp3072 => power::<{ U3072::LIMBS }>(theirs, private, P3072),
            Group::Ecp256 => shared_point::<p256::NistP256>(private, theirs),
            Group::Ecp384 => shared_point::<p384::NistP384>(private, theirs),
        }
    }
}

fn two(len: usize) -> Vec<u8> {
    let mut base = vec![0; len];
    base[len - 1] = 2;
    base
}

fn power<const LIMBS: usize>(base: &[u8], exponent: &[u8], prime: &str) -> Option<Vec<u8>> {
    if base.len() != Uint::<LIMBS>::BYTES {
        return None;
    }
    let prime = Odd::<Uint<LIMBS>>::from_be_hex(prime);
    let base = Uint::<LIMBS>::from_be_slice(base);
    if base <= Uint::ONE || base >= prime.as_ref().wrapping_sub(&Uint::ONE) {
        return None;
    }
    let mut wide = vec![0; Uint::<LIMBS>::BYTES];
    let start = wide.len() - exponent.len();
    wide[start..].copy_from_slice(exponent);
    let base = FixedMontyForm::new(&base, &FixedMontyParams::new_vartime(prime));
    let bits = 8 * exponent.len() as u32;
    let result = base.pow_bounded_exp(&Uint::<LIMBS>::from_be_slice(&wide), bits);
    Some(result.retrieve().to_be_bytes().as_ref().to_vec())
}

fn public_point<C>(private: &[u8]) -> Option<Vec<u8>>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    let point = SecretKey::<C>::from_slice(private).ok()?.public_key().to_sec1_point(false);
    // x and y without the prefix (RFC 5903 §7).
    Some(point.as_bytes()[1..].to_vec())
}

fn shared_point<C>(private: &[u8], theirs: &[u8]) -> Option<Vec<u8>>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    let private = SecretKey::<C>::from_slice(private).ok()?;
    let theirs = PublicKey::<C>::from_sec1_bytes(&[&[4], theirs].concat()).ok()?;
    Some(private.diffie_hellman(&theirs).raw_secret_bytes().to_vec())
}

/// Second Oakley group, RFC 2409 §6.2.
const P1024: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";

/// RFC 3526 §2.
const P1536: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF";

/// RFC 3526 §3.
const P2048: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
     3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF";

/// RFC 3526 §4.
const P3072: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
     3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33\
     A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
     ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864\
     D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2\
     08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";
