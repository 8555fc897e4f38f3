//! Cryptography: which algorithms exist, and the primitives each protocol uses.
//!
//! Algorithms are RustCrypto's; this module gives them the shapes that IKE, ESP and PPP need.
//! Slow public-key work is a job ([`dh`]) that a runtime carries out where it does not hold up
//! packets. All randomness comes from one generator ([`rng`]) that the runtime seeds.

pub mod cbc;
pub mod dh;
pub mod mschap;
pub mod prf;
pub mod rng;
mod secret;
mod suite;
#[cfg(test)]
pub(crate) mod testing;
pub mod transform;

pub use rng::Rng;
pub use secret::Secret;
pub use suite::{Cipher, EspSuite, Group, Hash, IkeSuite, Mac};
