//! Group `clients` of the conformance suite: stock clients dial the real server.

use std::process::ExitCode;
use std::time::Duration;

use kumihimo_conformance::{clients, lab};

fn main() -> ExitCode {
    lab::Group {
        name: "clients",
        cases: clients::all,
        program: "kumihimo",
        slow_dial: Duration::from_secs(2),
    }
    .main()
}
