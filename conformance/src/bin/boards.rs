//! Group `boards` of the conformance suite: stock clients dial into firmware that QEMU runs.

use std::process::ExitCode;

use kumihimo_conformance::{boards, lab};

fn main() -> ExitCode {
    lab::Group { name: "boards", cases: boards::all, program: "../boards" }.main()
}
