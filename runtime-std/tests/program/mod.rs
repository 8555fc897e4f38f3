//! The `kumihimo` program as a process: a folder to run in, its log lines, signals.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A folder and an address for one test.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) ip: Ipv4Addr,
}

impl Place {
    pub(crate) fn new(number: u8) -> Self {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("kumihimo-serve-{id}-{number}"));
        fs::create_dir_all(&folder).unwrap();
        let [high, low] = (id as u16).to_be_bytes();
        Self { folder, ip: Ipv4Addr::new(127, high, low, number) }
    }

    /// Writes the configuration.
    pub(crate) fn write_all(&self, text: &str) {
        fs::write(self.folder.join("kumihimo.toml"), text).unwrap();
    }

    /// Writes a configuration for L2TP without IPsec with `extra` at the end of `[ipsec]`.
    pub(crate) fn write(&self, extra: &str) {
        let text = format!(
            "[server]\nlisten = [\"{}\"]\nmax-sessions = 8\n\
             [ipsec]\nl2tp = false\nl2tp-raw = true\n{extra}\n\
             [[hub]]\nname = \"DEFAULT\"\n[hub.secure-nat]\ndhcp = true\n\
             [[hub.user]]\nname = \"jiro\"\npassword = \"pass\"\n",
            self.ip
        );
        self.write_all(&text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kumihimo"));
        command.args(arguments).current_dir(&self.folder);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left in a temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Server {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut child = place.command(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Self { child, lines }
    }

    /// The next line that holds `text`.
    pub(crate) fn line(&self, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, except after a failed assertion.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
