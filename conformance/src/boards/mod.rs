//! The cases of group `boards` that run firmware: QEMU's MPS2 boards on an office's LAN, with a
//! stock client that dials in. One family per file.

mod budget;
mod dial;
mod elf;
mod frames;
mod machine;
mod office;
mod trouble;

use crate::lab::Case;

/// Every case, in the order `--list` shows.
pub fn all() -> Vec<Case> {
    [dial::CASES, trouble::CASES, budget::CASES].concat()
}
