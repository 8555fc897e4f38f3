//! The server under test: the real `kumihimo serve`, or a control in its place.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::lab::{Failure, Lab, Outcome, PASSWORD, PSK, Process, Site, USER, softether};
use crate::{expect, fail};

/// The router address of the hub's SecureNAT.
pub const ROUTER: &str = "192.168.30.1";
/// What the lab gives the hub's TAP device.
pub const ON_TAP: &str = "192.168.30.250";
/// The hub's network.
pub const NETWORK: &str = "192.168.30.0/24";

/// What is recorded of the hub: not the bulk of a transfer.
const FEW: &str = "not tcp or tcp[tcpflags] & (tcp-syn | tcp-fin | tcp-rst) != 0";
const READY_LIMIT: Duration = Duration::from_secs(20);
const GOODBYE_LIMIT: Duration = Duration::from_secs(3);

/// Which server is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server of this project.
    Kumihimo,
    /// `SoftEther` VPN, the control for the lab itself: what it passes, the lab can measure.
    SoftEther,
    /// A process that never answers: no case may pass against it.
    Silent,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kumihimo => "kumihimo",
            Self::SoftEther => "softether",
            Self::Silent => "silent",
        })
    }
}

/// What a case wants different from the smallest configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Further lines of `[ipsec]`.
    pub ipsec: &'static str,
}

/// A running server, with the hub's TAP device addressed.
#[derive(Debug)]
pub struct Server {
    process: Process,
    kind: Kind,
    _capture: Process,
}

impl Settings {
    /// The configuration file.
    pub fn toml(&self) -> String {
        format!(
            r#"[server]
listen = ["0.0.0.0", "::"]
state-dir = "state"

[ipsec]
l2tp = true
psk = "{PSK}"
default-hub = "DEFAULT"
{}

[[hub]]
name = "DEFAULT"

[hub.secure-nat]
nat = false
dhcp = true
address = "{ROUTER}/24"
pool = "192.168.30.10-192.168.30.200"
lease = "2h"

[[hub.bridge]]
tap = "vpn0"

[[hub.user]]
name = "{USER}"
auth = "password"
password = "{PASSWORD}"
"#,
            self.ipsec
        )
    }
}

impl Server {
    /// Starts the server in the site's namespace and waits until it serves.
    pub fn start(lab: &Lab<'_>, site: &Site, settings: &Settings) -> Outcome<Self> {
        let kind = lab.kind();
        let (process, tap) = match kind {
            Kind::Kumihimo => (start_kumihimo(lab, site, settings)?, "vpn0"),
            Kind::SoftEther => (softether::start(lab, site, settings)?, softether::TAP),
            Kind::Silent => (start_silent(lab, site)?, "vpn0"),
        };
        site.server.wait_for(tap)?;
        site.server.up(tap, &[&format!("{ON_TAP}/24")]).map_err(|e| e.during("the hub's TAP"))?;
        let capture = lab.capture(&site.server, tap, FEW)?;
        Ok(Self { process, kind, _capture: capture })
    }

    /// The process, for signals and figures.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Fails unless the server still runs and never panicked.
    pub fn still_well(&mut self) -> Outcome<()> {
        if let Some(status) = self.process.ended()? {
            fail!("the server ended: {status}");
        }
        let log = self.log();
        let panicked = log.lines().find(|line| line.contains("panicked at"));
        expect!(panicked.is_none(), "the server panicked: {panicked:?}");
        Ok(())
    }

    /// SIGTERM; returns the exit status and the seconds it took.
    pub fn terminate(&mut self, limit: Duration) -> Outcome<(ExitStatus, f64)> {
        let start = std::time::Instant::now();
        self.process.signal("TERM")?;
        let status = self.process.wait(limit).map_err(|e| e.during("after SIGTERM"))?;
        Ok((status, start.elapsed().as_secs_f64()))
    }

    /// Skips the case when only Kumihimo has what it shows.
    pub fn only_kumihimo(lab: &Lab<'_>) -> Outcome<()> {
        match lab.kind() {
            Kind::SoftEther => Err(Failure::Skipped("the control has no such setting".to_owned())),
            Kind::Kumihimo | Kind::Silent => Ok(()),
        }
    }

    /// Which server this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// Writes a configuration file into the case's folder.
pub fn write_config(lab: &Lab<'_>, text: &str) -> Outcome<PathBuf> {
    let file = lab.folder().join("kumihimo.toml");
    fs::write(&file, text)?;
    Ok(file)
}

impl Drop for Server {
    /// A server that is told to end says in its log what it dropped; one that is killed does not.
    fn drop(&mut self) {
        if self.kind == Kind::Kumihimo && matches!(self.process.ended(), Ok(None)) {
            let _ = self.terminate(GOODBYE_LIMIT);
        }
    }
}

fn start_kumihimo(lab: &Lab<'_>, site: &Site, settings: &Settings) -> Outcome<Process> {
    let program = lab.program();
    expect!(program.is_file(), "{} is not built", program.display());
    let config = write_config(lab, &settings.toml())?;
    let mut command = site.server.command(&program.display().to_string());
    command.args(["serve", "--log-level", "debug", "--config"]).arg(config);
    let mut process = Process::start(&mut command, &lab.folder().join("server.log"))?;
    process.wait_for_output("ready", READY_LIMIT).map_err(|e| e.during("kumihimo serve"))?;
    Ok(process)
}

fn start_silent(lab: &Lab<'_>, site: &Site) -> Outcome<Process> {
    site.server.tap("vpn0", &[])?;
    let mut command = site.server.command("sleep");
    Process::start(command.arg("3600"), &lab.folder().join("server.log"))
}
