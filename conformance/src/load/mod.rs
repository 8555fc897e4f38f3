//! The load generator: the simulator's clients over real sockets, many at once.
//!
//! ```text
//!   clients (this process)  --UDP-->  server  --TAP-->  station (another namespace)
//!      Driver: Lines, Wires    ESP    /proc/PID         sink and source of UDP
//! ```
//! It dials, in steps; lets traffic flow, phase by phase; and reads what the server's process
//! used. It knows nothing of the server but its protocols, so it works unchanged against any. In
//! mode `floor` it sends what the program `floor` understands instead.
//!
//! It says one line for each step and each phase as it ends, and a last one, whatever happens.

mod carry;
mod dial;
mod driver;
mod figures;
mod line;
mod options;
mod outcome;
mod pace;
mod station;
mod tally;
mod traffic;
mod wires;

pub use driver::run;
pub use options::{Options, USAGE};
pub use station::serve as serve_station;
