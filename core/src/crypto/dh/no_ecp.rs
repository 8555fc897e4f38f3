//! In place of the ECP groups where they are not built in: no job comes into being.

use super::{DhJob, DhResult};
use crate::crypto::{Group, Rng, Secret};

pub(super) const fn draw(_: Group, _: &mut Rng) -> Option<Secret<66>> {
    None
}

pub(super) const fn run(_: &DhJob) -> Option<DhResult> {
    None
}
