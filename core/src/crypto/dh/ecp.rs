//! ECP groups: points of the NIST curves.

use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, Sec1Point, ToSec1Point};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};

use super::{DhJob, DhResult, Public};
use crate::crypto::{Group, Rng, Secret};

/// A new scalar for `group`; `None` only from a broken generator.
pub(super) fn draw(group: Group, rng: &mut Rng) -> Option<Secret<66>> {
    for _ in 0..DRAWS {
        let scalar = Secret::filled(group.public_len() / 2, |scalar| {
            rng.fill(scalar);
            if let (Group::Ecp521, Some(first)) = (group, scalar.first_mut()) {
                *first &= 1;
            }
        });
        let valid = match group {
            Group::Ecp384 => p384::SecretKey::from_slice(scalar.expose()).is_ok(),
            Group::Ecp521 => p521::SecretKey::from_slice(scalar.expose()).is_ok(),
            _ => p256::SecretKey::from_slice(scalar.expose()).is_ok(),
        };
        if valid {
            return Some(scalar);
        }
    }
    None
}

/// Carries out `job` on its curve.
pub(super) fn run(job: &DhJob) -> Option<DhResult> {
    match job.group {
        Group::Ecp384 => run_on::<p384::NistP384>(job),
        Group::Ecp521 => run_on::<p521::NistP521>(job),
        _ => run_on::<p256::NistP256>(job),
    }
}

/// Carries out `job` on curve `C`.
///
/// A point travels as x and y without a prefix (RFC 5903 §7). One that is not on the curve is
/// refused; the point at infinity has no encoding. The cofactor of these curves is 1.
#[inline(never)]
fn run_on<C>(job: &DhJob) -> Option<DhResult>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    let private = SecretKey::<C>::from_slice(job.private.expose()).ok()?;
    let mut public = Public::new();
    if job.wants_public {
        let point = private.public_key().to_sec1_point(false);
        public.extend_from_slice(point.as_bytes().strip_prefix(&[UNCOMPRESSED])?).ok()?;
    }
    let Some(peer) = &job.peer_public else {
        return Some(DhResult::Done { public, shared: Secret::EMPTY });
    };
    let mut encoded = heapless::Vec::<u8, { 1 + 132 }>::new();
    encoded.push(UNCOMPRESSED).ok()?;
    encoded.extend_from_slice(peer).ok()?;
    let point = Sec1Point::<C>::from_bytes(&encoded).ok()?;
    let peer = PublicKey::<C>::from_sec1_point(&point).into_option()?;
    let shared = private.diffie_hellman(&peer);
    Some(DhResult::Done { public, shared: Secret::copy_of(shared.raw_secret_bytes())? })
}

/// Prefix of an uncompressed point in SEC 1 §2.3.3.
const UNCOMPRESSED: u8 = 4;
/// A draw fails with a chance of 2^-32 at most, on P-256.
const DRAWS: u8 = 8;
