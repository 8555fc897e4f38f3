//! `load`: dials a server with many clients, sends through it, and measures. See
//! `kumihimo_conformance::load`.

use std::process::ExitCode;

use kumihimo_conformance::load::{Options, USAGE, run, serve_station};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((mode, rest)) if mode == "run" => Options::parse(rest).and_then(|it| run(&it)),
        Some((mode, rest)) if mode == "station" => serve_station(rest).map(|()| true),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("load: {why}");
            ExitCode::from(2)
        }
    }
}
