//! Runs a command that cannot read register sets by `ptrace`, which lets User-Mode Linux run on
//! every processor: `any-cpu COMMAND…`. Why: `lab/any_cpu.rs`.
//!
//! Exit status: the command's, or 127 when it was not started.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use kumihimo_conformance::lab::hide_register_sets;

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: any-cpu COMMAND…");
        return ExitCode::from(NOT_STARTED);
    };
    if let Err(why) = hide_register_sets() {
        eprintln!("any-cpu: {why}");
        return ExitCode::from(NOT_STARTED);
    }
    let error = Command::new(&program).args(words).exec();
    eprintln!("any-cpu: {}: {error}", program.display());
    ExitCode::from(NOT_STARTED)
}

const NOT_STARTED: u8 = 127;
