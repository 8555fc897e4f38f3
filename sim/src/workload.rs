//! The swarms: random clients do random things while random things befall them; then all ends
//! that does harm, and everyone must be up and reach the hub within a bound; then everyone
//! leaves, and nothing may be left of them.
//!
//! [`swarm`] has faults of networks and machines, [`upheaval`] has administrators who change their
//! minds, clients that begin again in the middle, and people who mean harm.

mod crowd;
mod sessions;
mod swarm;
mod upheaval;

pub(crate) use sessions::Sessions;
pub use swarm::SWARM;
pub use upheaval::UPHEAVAL;
