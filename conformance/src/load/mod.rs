//! The load generator: the simulator's clients over real sockets, many at once.
//!
//! ```text
//!   clients (this process)  --UDP-->  server  --TAP-->  station (another namespace)
//!      Driver: Lines, sockets         /proc/PID         sink and source of UDP
//! ```
//! It dials, sends, receives, and reads what the server's process used. It knows nothing of the
//! server but its protocols, so it works unchanged against any. In mode `floor` it sends what the
//! program `floor` understands instead.

mod driver;
mod figures;
mod line;
mod options;
mod pace;
mod station;
mod traffic;

pub use driver::run;
pub use options::{Options, USAGE};
pub use station::serve as serve_station;
