//! Processes with a time limit: commands that end, and servers that run until they are stopped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Failure, Outcome};
use crate::{expect, fail, proc};

/// Runs a command to its end with `input` on stdin; returns its status and all it printed.
pub fn run(command: &mut Command, input: &str, limit: Duration) -> Outcome<(ExitStatus, String)> {
    let what = format!("{command:?}");
    let (mut reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer).stdin(Stdio::piped());
    let mut child = command.spawn().map_err(|e| Failure::failed(format!("{what}: {e}")))?;
    // The command holds the writing ends; without ours gone the pipe never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input is no fault.
        let _ = stdin.write_all(input.as_bytes());
    }
    let (sender, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut chunk) {
            if sender.send(chunk[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    let end = Instant::now() + limit;
    let mut output = Vec::new();
    let status = loop {
        match chunks.recv_timeout(Duration::from_millis(10)) {
            Ok(chunk) => output.extend(chunk),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(5)),
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            fail!("{what}: no end after {} s", limit.as_secs());
        }
    };
    // A grandchild may keep the pipe open: what is there within a moment counts.
    while let Ok(chunk) = chunks.recv_timeout(Duration::from_millis(100)) {
        output.extend(chunk);
    }
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}

/// A process that runs beside the case, with its output in a file. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    /// How long it may take to end by itself.
    last_words: Option<Duration>,
}

impl Process {
    /// Starts the command with stdout and stderr in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Outcome<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdout(file.try_clone()?).stderr(file).stdin(Stdio::null());
        let what = format!("{command:?}");
        let child = command.spawn().map_err(|e| Failure::failed(format!("{what}: {e}")))?;
        Ok(Self { child, log: log.to_owned(), last_words: None })
    }

    /// The same, but it is asked to end before it is killed, for it has something to say then.
    #[must_use]
    pub fn with_last_words(mut self, limit: Duration) -> Self {
        self.last_words = Some(limit);
        self
    }

    /// Its process identifier.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The status, once it ended by itself.
    pub fn ended(&mut self) -> Outcome<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until the output holds a line with `needle`; an error if the process ends before.
    pub fn wait_for_output(&mut self, needle: &str, limit: Duration) -> Outcome<String> {
        let end = Instant::now() + limit;
        loop {
            let ended = self.ended()?;
            if let Some(line) = self.output().lines().find(|line| line.contains(needle)) {
                return Ok(line.to_owned());
            }
            if let Some(status) = ended {
                fail!("ended ({status}) before it printed {needle:?}: {}", last(&self.output()));
            }
            if Instant::now() > end {
                fail!("no {needle:?} within {} s; last: {}", limit.as_secs(), last(&self.output()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end.
    pub fn wait(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > end {
                fail!("still running after {:.1} s", limit.as_secs_f32());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by its name (`TERM`, `HUP`).
    pub fn signal(&self, name: &str) -> Outcome<()> {
        let pid = self.pid().to_string();
        let (status, text) =
            run(Command::new("kill").args(["-s", name, &pid]), "", Duration::from_secs(5))?;
        if !status.success() {
            fail!("kill -s {name} {pid}: {text}");
        }
        Ok(())
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Memory that it holds, in KiB.
    pub fn resident_kib(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        match proc::number(&status, "VmRSS") {
            Some(kib) => Ok(kib),
            None => fail!("no VmRSS of process {}", self.pid()),
        }
    }

    /// Processor time that it and its children used so far, user and system, in seconds.
    pub fn cpu_seconds(&self) -> Outcome<f64> {
        let mut family = vec![self.pid()];
        let mut ticks = 0;
        let stats: Vec<Stat> = fs::read_dir("/proc")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .collect();
        let mut next = 0;
        while let Some(&pid) = family.get(next) {
            next += 1;
            ticks += stats.iter().find(|stat| stat.pid == pid).map_or(0, |stat| stat.ticks);
            family.extend(stats.iter().filter(|stat| stat.parent == pid).map(|stat| stat.pid));
        }
        expect!(ticks > 0, "process {} used no processor time at all", self.pid());
        Ok(ticks as f64 / TICKS_PER_SECOND)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let (Some(limit), Ok(None)) = (self.last_words, self.ended()) {
            // It is killed in any case.
            let _ = self.signal("TERM").and_then(|()| self.wait(limit));
        }
        self.kill();
    }
}

/// Linux counts in 1/100 s towards programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// A line of `/proc/PID/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name in brackets and may hold anything; the third follows it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let user: u64 = fields.get(11)?.parse().ok()?;
        let system: u64 = fields.get(12)?.parse().ok()?;
        Some(Self { pid, parent: fields.get(1)?.parse().ok()?, ticks: user + system })
    }
}

fn last(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("(nothing printed)")
}
