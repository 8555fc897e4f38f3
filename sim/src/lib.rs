//! The deterministic simulator: one seed, one world.
//!
//! A [`World`](world::World) holds nodes, the networks between them and the time. Everything that
//! could be otherwise is drawn from a tape of [`Choices`](choice::Choices), so that the same tape
//! gives the same run, octet for octet. What happens is told to checks, which are always on, and
//! to the [`Trace`](trace::Trace), whose hash shows that two runs were the same.
//!
//! A scenario builds a world and plays in it; how to run one, read a failure and add to all this:
//! `docs/SIMULATOR.md`.

pub mod check;
pub mod choice;
pub mod clock;
pub mod fault;
pub mod net;
pub mod node;
pub mod observe;
pub mod peer;
pub mod profile;
pub mod report;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod story;
pub mod trace;
pub mod workload;
pub mod world;
