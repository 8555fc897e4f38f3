//! The `kumihimo` program.

use std::io::Write as _;
use std::process::ExitCode;

use kumihimo::cli::{self, Invocation};
use kumihimo::{check, serve};

#[cfg(feature = "count-allocations")]
#[global_allocator]
static ALLOCATOR: kumihimo::sys::allocations::Counting = kumihimo::sys::allocations::Counting;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Err(usage) => failed(&usage, 2),
        Ok(Invocation::Print(text)) => {
            // A reader that went away has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Invocation::NotYet(command)) => {
            failed(&format!("kumihimo {command}: not supported yet; edit kumihimo.toml"), 1)
        }
        Ok(Invocation::Check { config }) => {
            let findings = check::findings(config.as_deref());
            for finding in &findings {
                let _ = writeln!(std::io::stdout(), "{finding}");
            }
            ExitCode::from(u8::from(!findings.is_empty()))
        }
        Ok(Invocation::Serve(options)) => match serve::run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(line) => failed(&line, 1),
        },
    }
}

fn failed(line: &str, code: u8) -> ExitCode {
    eprintln!("kumihimo: {line}");
    ExitCode::from(code)
}
