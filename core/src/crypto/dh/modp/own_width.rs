//! Every group at its own width: the shortest time.

use super::{PRIME_1024, PRIME_1536, PRIME_2048, PRIME_3072, PRIME_4096, run_at};
use crate::crypto::Group;
use crate::crypto::dh::{DhJob, DhResult};

/// Carries out `job` in its group.
pub(in crate::crypto::dh) fn run(job: &DhJob) -> Option<DhResult> {
    match job.group {
        Group::Modp1024 => run_at(job, &PRIME_1024),
        Group::Modp1536 => run_at(job, &PRIME_1536),
        Group::Modp3072 => run_at(job, &PRIME_3072),
        Group::Modp4096 => run_at(job, &PRIME_4096),
        _ => run_at(job, &PRIME_2048),
    }
}
