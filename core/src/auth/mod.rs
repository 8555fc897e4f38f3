//! Local users: who may enter, and where to.
//!
//! A client names itself `user`, `user@hub` or `hub\user` ([`name`]) and proves it with PAP or
//! MS-CHAPv2. Passwords are kept as NT hashes (RFC 2759 §8.3), which are as good as the password
//! to a thief, so they are wiped and never printed.
//!
//! MS-CHAPv2 hashes the name as well. Clients hash it as they send it, without what stands before
//! the last backslash (pppd, and so Android and Apple; Windows has but one): `jiro@hub` counts
//! whole, of `hub\jiro` only `jiro`. [`crate::crypto::mschap`] does so.
//!
//! Not here: accounts elsewhere (RADIUS, NT domains), expiry, lock-out.

mod name;
mod users;

pub use crate::ids::UserId;
pub use users::{Arrays, Lengths, Storage, User, Users};

#[cfg(test)]
mod tests;
