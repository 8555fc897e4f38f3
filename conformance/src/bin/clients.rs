//! Group `clients` of the conformance suite: stock clients dial the real server.

use std::process::ExitCode;

use kumihimo_conformance::{clients, lab};

fn main() -> ExitCode {
    lab::Group { name: "clients", cases: clients::all, program: "kumihimo" }.main()
}
