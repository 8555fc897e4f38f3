//! The cases of group `clients`: stock clients dial the real server. One family per file.

mod dial;
mod ipv6;
mod load;
mod loss;
mod machine;
mod nat;
mod noise;
mod pause;
mod proposals;
mod redial;
mod rekey;
mod secrets;
mod service;
mod start;

use crate::lab::Case;

/// Every case, in the order `--list` shows.
pub fn all() -> Vec<Case> {
    [
        dial::CASES,
        ipv6::CASES,
        nat::CASES,
        secrets::CASES,
        redial::CASES,
        rekey::CASES,
        loss::CASES,
        load::CASES,
        proposals::CASES,
        noise::CASES,
        pause::CASES,
        service::CASES,
        start::CASES,
        machine::CASES,
    ]
    .concat()
}
