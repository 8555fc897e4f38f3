//! A case, and what it is given to work with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::lab::server::Kind;
use crate::lab::{Namespace, Outcome, Process};

/// Time for a capture to say what it missed.
const CAPTURE_LIMIT: Duration = Duration::from_secs(2);

/// One thing to show, with a name users may type.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Name on the command line, in reports and of the folder with its logs.
    pub name: &'static str,
    /// One line for `--list`.
    pub shows: &'static str,
    /// The case fails when it runs longer.
    pub limit: Duration,
    /// How much of the machine it needs.
    pub weight: Weight,
    /// Runs the case; the text is its figure.
    pub run: fn(&Lab<'_>) -> Outcome<String>,
}

/// What a case may share the machine with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Mostly waits; others may run beside it.
    Light,
    /// Keeps a core busy for some of its time.
    Heavy,
    /// Measures a time that others would spoil.
    Alone,
}

/// How the harness was called.
#[derive(Debug, Clone)]
pub struct Options {
    /// The group whose cases these are.
    pub group: &'static str,
    /// Which server is dialled.
    pub kind: Kind,
    /// The `kumihimo` program, or the folder with firmware.
    pub program: PathBuf,
    /// Folder with guest-init and client.sh.
    pub sources: PathBuf,
    /// Folder for the logs; every case has a folder in it.
    pub logs: PathBuf,
    /// Units of work at a time; a light case takes one, a heavy case two.
    pub jobs: usize,
    /// Keeps logs of passed cases too.
    pub keep: bool,
    /// A dial that took longer leaves the logs of its case, though it passed.
    pub slow_dial: Duration,
    /// Runs a case that failed a second time.
    pub repeat: bool,
}

/// The lab of one case.
#[derive(Debug)]
pub struct Lab<'a> {
    options: &'a Options,
    folder: PathBuf,
    unique: String,
    end: Instant,
}

impl<'a> Lab<'a> {
    /// Empties the case's folder and starts its clock.
    pub fn new(options: &'a Options, case: &Case, number: usize) -> Outcome<Self> {
        let folder = options.logs.join(case.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let end = Instant::now() + case.limit;
        Ok(Self { options, folder, unique: number.to_string(), end })
    }

    /// Which server is dialled.
    pub fn kind(&self) -> Kind {
        self.options.kind
    }

    /// The `kumihimo` program, or the folder with firmware.
    pub fn program(&self) -> &Path {
        &self.options.program
    }

    /// Where this case's logs go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the guest's scripts are.
    pub fn sources(&self) -> &Path {
        &self.options.sources
    }

    /// When the case must be over.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// A name that no other case of this run has.
    pub fn unique(&self) -> &str {
        &self.unique
    }

    /// A namespace of this case.
    pub fn namespace(&self, role: &str) -> Outcome<Namespace> {
        Namespace::create(&self.unique, role)
    }

    /// Records what passes a device and `filter` into `DEVICE.pcap`, headers and control messages
    /// whole.
    pub fn capture(&self, namespace: &Namespace, device: &str, filter: &str) -> Outcome<Process> {
        let file = self.folder.join(format!("{device}.pcap"));
        let mut command = namespace.command("tcpdump");
        command.args(["-i", device, "-U", "-Z", "root", "-s", "640", "-B", "16384", "-w"]);
        let log = self.folder.join(format!("{device}-tcpdump.log"));
        let capture = Process::start(command.arg(file).arg(filter), &log)?;
        Ok(capture.with_last_words(CAPTURE_LIMIT))
    }
}
