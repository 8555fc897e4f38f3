//! MODP groups: powers modulo a safe prime.

#[cfg(not(feature = "modp-wide"))]
#[path = "modp/one_width.rs"]
mod width;
#[cfg(feature = "modp-wide")]
#[path = "modp/own_width.rs"]
mod width;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U1024, U1536, U2048, Uint};
use zeroize::{Zeroize as _, Zeroizing};

pub(super) use self::width::run;
use super::{DhJob, DhResult, Public};
use crate::crypto::{Group, Rng, Secret};

/// A new exponent for `group`, twice as long as the group is strong (RFC 3526 §8).
pub(super) fn draw(group: Group, rng: &mut Rng) -> Secret<66> {
    let len = match group {
        Group::Modp4096 => 40,
        Group::Modp3072 => 36,
        _ => 32,
    };
    Secret::filled(len, |exponent| rng.fill(exponent))
}

/// Carries out `job` in the group of `prime`, whose generator is 2; the prime may be shorter than
/// its type.
///
/// The prime is safe, so once 0, 1 and p-1 are refused every value has an order of (p-1)/2 at
/// least, and tells nothing about the exponent.
#[inline(never)]
fn run_at<const LIMBS: usize>(job: &DhJob, prime: &Prime<LIMBS>) -> Option<DhResult> {
    let private = job.private.expose();
    let mut public = Public::new();
    if job.wants_public {
        let value = power(&Uint::from_u8(2), private, prime)?;
        let octets = value.to_be_bytes();
        public.extend_from_slice(last(octets.as_ref(), job.group)?).ok()?;
    }
    let Some(peer) = &job.peer_public else {
        return Some(DhResult::Done { public, shared: Secret::EMPTY });
    };
    let shared = power(&parse_public(peer, job.group, prime)?, private, prime)?;
    let mut octets = shared.to_be_bytes();
    let secret = last(octets.as_ref(), job.group).and_then(Secret::copy_of);
    octets.as_mut().zeroize();
    Some(DhResult::Done { public, shared: secret? })
}

/// The octets of a value of `group` among those of its type.
fn last(octets: &[u8], group: Group) -> Option<&[u8]> {
    octets.get(octets.len().checked_sub(group.public_len())?..)
}

/// A public value between 2 and p-2.
fn parse_public<const LIMBS: usize>(
    octets: &[u8],
    group: Group,
    prime: &Prime<LIMBS>,
) -> Option<Uint<LIMBS>> {
    if octets.len() != group.public_len() {
        return None;
    }
    let value = padded(octets)?;
    let last = prime.as_ref().wrapping_sub(&Uint::ONE);
    (value > Uint::ONE && value < last).then_some(value)
}

/// `base` to the power of `exponent` modulo `prime`; the time depends on the lengths alone.
fn power<const LIMBS: usize>(
    base: &Uint<LIMBS>,
    exponent: &[u8],
    prime: &Prime<LIMBS>,
) -> Option<Zeroizing<Uint<LIMBS>>> {
    let wide = Zeroizing::new(padded::<LIMBS>(exponent)?);
    let base = FixedMontyForm::new(base, &FixedMontyParams::new_vartime(*prime));
    let power = Zeroizing::new(base.pow_bounded_exp(&wide, 8 * exponent.len() as u32));
    Some(Zeroizing::new(power.retrieve()))
}

/// The number that `octets` tell, at most as wide as its type.
fn padded<const LIMBS: usize>(octets: &[u8]) -> Option<Uint<LIMBS>> {
    let mut padded = Zeroizing::new([0_u8; 512]);
    let padded = padded.get_mut(..Uint::<LIMBS>::BYTES)?;
    let start = padded.len().checked_sub(octets.len())?;
    padded.get_mut(start..)?.copy_from_slice(octets);
    Some(Uint::from_be_slice(padded))
}

/// The modulus of a group.
pub(super) type Prime<const LIMBS: usize> = Odd<Uint<LIMBS>>;

const fn prime<const LIMBS: usize>(hex: &str) -> Prime<LIMBS> {
    Odd::from_be_hex(hex)
}

/// Second Oakley group, RFC 2409 §6.2.
pub(super) const PRIME_1024: Prime<{ U1024::LIMBS }> = prime(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
);

/// RFC 3526 §2.
pub(super) const PRIME_1536: Prime<{ U1536::LIMBS }> = prime(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
);

/// RFC 3526 §3.
pub(super) const PRIME_2048: Prime<{ U2048::LIMBS }> = prime(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
     98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
     9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
     3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
);

/// RFC 3526 §4.
#[cfg(feature = "modp-wide")]
pub(super) const PRIME_3072: Prime<{ crypto_bigint::U3072::LIMBS }> = prime(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
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
     08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
);

/// RFC 3526 §5.
#[cfg(feature = "modp-wide")]
pub(super) const PRIME_4096: Prime<{ crypto_bigint::U4096::LIMBS }> = prime(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
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
     08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7\
     88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8\
     DBBBC2DB04DE8EF92E8EFC141FBECAA6287C59474E6BC05D99B2964FA090C3A2\
     233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9\
     93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF",
);
