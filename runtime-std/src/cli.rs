//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value, ValueExt as _};

use crate::log::{Format, Level};

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// `kumihimo serve`
    Serve(Serve),
    /// `kumihimo check`
    Check {
        /// The configuration; `./kumihimo.toml` if none is named.
        config: Option<PathBuf>,
    },
    /// Prints this and ends.
    Print(String),
    /// A command of the contract that is not built yet.
    NotYet(String),
}

/// `kumihimo serve`
#[derive(Debug, PartialEq, Eq)]
pub struct Serve {
    /// The configuration; `./kumihimo.toml`, made if missing, if none is named.
    pub config: Option<PathBuf>,
    /// How the log is written.
    pub format: Format,
    /// The least level that is written.
    pub level: Level,
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// One line that says what is wrong; the exit code is 2.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let first = parser.next().map_err(|error| usage(&error))?;
    match first {
        None => Err(format!("name a command; {SEE_HELP}")),
        Some(Short('h') | Long("help")) => Ok(Invocation::Print(HELP.to_owned())),
        Some(Short('V') | Long("version")) => Ok(Invocation::Print(version())),
        Some(Value(command)) => match command.to_str() {
            Some("serve") => serve(&mut parser),
            Some("check") => check(&mut parser),
            Some("version") => alone(&mut parser, version()),
            Some("help") => alone(&mut parser, HELP.to_owned()),
            Some(name @ ("vpncmd" | "import")) => Ok(Invocation::NotYet(name.to_owned())),
            _ => Err(format!("unknown command {command:?}; {SEE_HELP}")),
        },
        Some(other) => Err(usage(&other.unexpected())),
    }
}

fn serve(parser: &mut lexopt::Parser) -> Result<Invocation, String> {
    let mut serve = Serve { config: None, format: Format::Text, level: Level::Info };
    while let Some(argument) = parser.next().map_err(|error| usage(&error))? {
        match argument {
            Long("config") => serve.config = Some(path(parser)?),
            Long("log") => {
                let formats = [("text", Format::Text), ("json", Format::Json)];
                serve.format = choice(parser, "--log", &formats)?;
            }
            Long("log-level") => serve.level = choice(parser, "--log-level", &Level::NAMES)?,
            Short('h') | Long("help") => return Ok(Invocation::Print(SERVE_HELP.to_owned())),
            other => return Err(usage(&other.unexpected())),
        }
    }
    Ok(Invocation::Serve(serve))
}

fn check(parser: &mut lexopt::Parser) -> Result<Invocation, String> {
    let mut config = None;
    while let Some(argument) = parser.next().map_err(|error| usage(&error))? {
        match argument {
            Long("config") => config = Some(path(parser)?),
            Short('h') | Long("help") => return Ok(Invocation::Print(CHECK_HELP.to_owned())),
            other => return Err(usage(&other.unexpected())),
        }
    }
    Ok(Invocation::Check { config })
}

fn alone(parser: &mut lexopt::Parser, text: String) -> Result<Invocation, String> {
    match parser.next().map_err(|error| usage(&error))? {
        None | Some(Short('h') | Long("help")) => Ok(Invocation::Print(text)),
        Some(other) => Err(usage(&other.unexpected())),
    }
}

fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(|error| usage(&error))
}

fn choice<T: Copy>(
    parser: &mut lexopt::Parser,
    option: &str,
    choices: &[(&str, T)],
) -> Result<T, String> {
    let value = parser.value().map_err(|error| usage(&error))?;
    let value = value.string().map_err(|error| usage(&error))?;
    let found = choices.iter().find(|(name, _)| *name == value);
    found.map(|&(_, choice)| choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|&(name, _)| name).collect();
        format!("{option} {value:?}: use {}", names.join(" or "))
    })
}

fn usage(error: &lexopt::Error) -> String {
    format!("{error}; {SEE_HELP}")
}

fn version() -> String {
    format!("kumihimo {}\n", env!("CARGO_PKG_VERSION"))
}

const SEE_HELP: &str = "see kumihimo --help";

const HELP: &str = "\
Kumihimo: a VPN server for the L2TP/IPsec clients that phones and PCs have built in

Usage: kumihimo COMMAND [OPTION]…

Commands:
  serve     run the server in the foreground; the first run writes ./kumihimo.toml
  check     look for what is wrong with the configuration and this machine
  version   print the version
  help      print this

kumihimo COMMAND --help says more about a command.
";

const SERVE_HELP: &str = "\
Runs the server in the foreground.

Usage: kumihimo serve [--config FILE] [--log text|json] [--log-level LEVEL]

  --config FILE      the configuration; without it ./kumihimo.toml, which is written with
                     random secrets if it does not exist
  --log text|json    how the log on standard error looks (text)
  --log-level LEVEL  trace, debug, info, warn or error (info)

Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT say goodbye to the clients
and end the server.
";

const CHECK_HELP: &str = "\
Looks for what is wrong with the configuration and this machine, and prints one line for each
finding with what to do about it. Exit code: 0 nothing found, 1 something found.

Usage: kumihimo check [--config FILE]

  --config FILE      the configuration; without it ./kumihimo.toml
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn serve_takes_its_options_in_any_order() {
        let serve = parsed("serve --log-level debug --config=/etc/k.toml --log json");
        assert_eq!(
            serve,
            Ok(Invocation::Serve(Serve {
                config: Some("/etc/k.toml".into()),
                format: Format::Json,
                level: Level::Debug,
            }))
        );
    }

    #[test]
    fn wrong_usage_says_what_is_wrong() {
        assert_eq!(parsed("").unwrap_err(), "name a command; see kumihimo --help");
        assert_eq!(parsed("srve").unwrap_err(), "unknown command \"srve\"; see kumihimo --help");
        assert_eq!(parsed("serve --log xml").unwrap_err(), "--log \"xml\": use text or json");
        assert!(parsed("serve --conifg x").unwrap_err().contains("--conifg"));
        assert!(parsed("check extra").unwrap_err().contains("extra"));
    }

    #[test]
    fn help_and_version_are_everywhere() {
        for line in
            ["--help", "help", "serve --help", "check -h", "version", "--version", "version -h"]
        {
            assert!(matches!(parsed(line), Ok(Invocation::Print(_))), "{line}");
        }
        assert_eq!(parsed("vpncmd /SERVER"), Ok(Invocation::NotYet("vpncmd".into())));
    }
}
