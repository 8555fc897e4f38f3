//! Group `boards` of the conformance suite: stock clients dial into firmware that QEMU runs.

use std::process::ExitCode;
use std::time::Duration;

use kumihimo_conformance::{boards, lab};

fn main() -> ExitCode {
    lab::Group {
        name: "boards",
        cases: boards::all,
        program: "../boards",
        slow_dial: Duration::from_secs(10),
    }
    .main()
}
