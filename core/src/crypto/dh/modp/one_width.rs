//! All groups by the code for 2048 bits, the shortest code: the groups 2 and 5, which only old
//! clients ask for, take as long as group 14.

use crypto_bigint::U2048;

use super::{PRIME_1024, PRIME_1536, PRIME_2048, Prime, run_at};
use crate::crypto::Group;
use crate::crypto::dh::{DhJob, DhResult};

/// Carries out `job` in its group.
pub(in crate::crypto::dh) fn run(job: &DhJob) -> Option<DhResult> {
    let prime: &Prime<{ U2048::LIMBS }> = match job.group {
        Group::Modp1024 => &const { PRIME_1024.resize() },
        Group::Modp1536 => &const { PRIME_1536.resize() },
        Group::Modp2048 => &PRIME_2048,
        _ => return None,
    };
    run_at(job, prime)
}
