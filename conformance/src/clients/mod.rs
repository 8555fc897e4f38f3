//! The cases of group `clients`: stock clients dial the real server. One family per file.

mod dial;
mod nat;

use crate::lab::Case;

/// Every case, in the order `--list` shows.
pub fn all() -> Vec<Case> {
    [dial::CASES, nat::CASES].concat()
}
