//! `sim`: runs the simulator from the command line. How: `docs/SIMULATOR.md`.
#![allow(
    clippy::disallowed_methods,
    reason = "progress and time limits are of this machine, not of a world"
)]

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match command::run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("sim: {text}");
            ExitCode::from(2)
        }
    }
}
