//! A guest: User-Mode Linux booted from the host's own files, driven step by step.
//!
//! The guest's init (`conformance/lab/guest-init`) reads step numbers from its console, runs the
//! script of that number, and marks the end with a line `@@ NUMBER STATUS`. So one boot serves
//! several dials, and the harness decides between them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Failure, Lab, Outcome, Seat, any_cpu, machine, run};
use crate::{expect, fail, proc};

/// What a guest runs.
pub(super) const KERNEL: &str = "linux.uml";
/// What it takes of the machine's memory at most.
pub(super) const MEMORY_MIB: u64 = 256;
/// Begins what a guest says of a tick that came late; milliseconds follow.
pub(super) const LATE: &str = "@@ late ";
/// The file in the case's folder with a line of what each guest's kernel ran and waited.
pub(super) const WORK: &str = "guests";
const KILL_LIMIT: Duration = Duration::from_secs(5);
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// A running guest. Dropping it is a power cut.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    console: ChildStdin,
    lines: Receiver<String>,
    folder: PathBuf,
    steps: u32,
    end: Instant,
}

/// What a step printed and how it ended.
#[derive(Debug)]
pub struct Step {
    /// Exit status of the script.
    pub status: i32,
    /// All it printed.
    pub output: String,
}

/// What a step printed that had no end, and why it had none.
struct Unended {
    output: String,
    why: Why,
}

enum Why {
    Died,
    Time(Duration),
}

impl Guest {
    /// Boots a guest on a seat; its console goes to `NAME.console` in the case's folder.
    pub fn boot(lab: &Lab<'_>, name: &str, seat: &Seat) -> Outcome<Self> {
        let mut command = seat.command(&any_cpu::launcher()?.display().to_string());
        command.arg(KERNEL).args(any_cpu::WITHOUT_AVX);
        Self::start(lab, name, seat, command)
    }

    /// The same with the kernel as it is, which not every processor can run.
    pub(crate) fn boot_plain(lab: &Lab<'_>, name: &str, seat: &Seat) -> Outcome<Self> {
        Self::start(lab, name, seat, seat.command(KERNEL))
    }

    fn start(lab: &Lab<'_>, name: &str, seat: &Seat, mut command: Command) -> Outcome<Self> {
        machine::has_memory()?;
        let folder = lab.folder().join(name);
        fs::create_dir_all(&folder)?;
        let init = lab.sources().join("guest-init");
        for path in [&folder, &init] {
            let told = path.to_str().filter(|path| !path.contains(char::is_whitespace));
            expect!(
                told.is_some(),
                "a guest cannot be told a path with blanks: {}",
                path.display()
            );
        }
        command
            .arg(format!("mem={MEMORY_MIB}M"))
            .args(["root=/dev/root", "rootflags=/", "rootfstype=hostfs", "ro"])
            .args(["con=null", "con0=fd:0,fd:1", "ssl=null", "quiet"])
            .arg(format!("init={}", init.display()))
            .arg(format!("vec0:transport=tap,ifname={},depth=128", seat.tap))
            .arg(format!("lab={}", lab.sources().display()))
            .arg(format!("steps={}", folder.display()))
            // Otherwise it leaves a folder in the home of who runs it.
            .arg(format!("uml_dir={}", folder.display()))
            .args(seat.environment());
        command.env("TMPDIR", machine::MEMORY_FOLDER);
        let log = lab.folder().join(format!("{name}.console"));
        let (reader, writer) = std::io::pipe()?;
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn()?;
        let Some(console) = child.stdin.take() else { fail!("{name}: no console") };
        let (sender, lines) = mpsc::channel();
        let mut log = File::create(log)?;
        let booted = Instant::now();
        thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                // A full disk shows elsewhere; the console must go on.
                let _ = writeln!(log, "{:8.3} {line}", booted.elapsed().as_secs_f32());
                // What a tick says may stand behind the beginning of a line of the step.
                let said = line.split_once(LATE).map_or(&*line, |(said, _)| said);
                if (line.is_empty() || !said.is_empty()) && sender.send(said.to_owned()).is_err() {
                    break;
                }
            }
        });
        let mut guest = Self { child, console, lines, folder, steps: 0, end: lab.end() };
        drop(command);
        match guest.until("ready", BOOT_LIMIT) {
            Ok(Step { status: 0, .. }) => Ok(guest),
            Ok(Step { output, .. }) | Err(Unended { output, why: Why::Died }) => {
                fail!("{name} did not boot: {}", machine::last_words(&output))
            }
            Err(Unended { output, why: Why::Time(limit) }) => {
                let last = machine::last_words(&output);
                fail!("{name} did not boot within {} s: {last}", limit.as_secs())
            }
        }
    }

    /// Stops the guest for a while, as a machine does that has no processor for it.
    pub(crate) fn stand_still(&self, time: Duration) -> Outcome<()> {
        let pid = self.child.id().to_string();
        let signal = |name| run(Command::new("kill").args(["-s", name, &pid]), "", KILL_LIMIT);
        signal("STOP")?;
        thread::sleep(time);
        signal("CONT").map(drop)
    }

    /// Adds a line to a file in the case's folder.
    pub(super) fn note(&self, file: &str, line: &str) -> Outcome<()> {
        let path = self.folder.with_file_name(file);
        writeln!(File::options().create(true).append(true).open(path)?, "{line}")?;
        Ok(())
    }

    /// Runs a script in the guest, whatever its status.
    pub fn step(&mut self, script: &str, limit: Duration) -> Outcome<Step> {
        self.steps += 1;
        let number = self.steps.to_string();
        fs::write(self.folder.join(format!("{number}.sh")), script)?;
        writeln!(self.console, "{number}")
            .map_err(|e| Failure::failed(format!("the guest is gone: {e}")))?;
        self.until(&number, limit).map_err(|Unended { output, why }| {
            let what = first_line(script);
            Failure::failed(match why {
                Why::Died => format!("{what}: the guest died: {}", machine::last_words(&output)),
                Why::Time(limit) => {
                    let limit_s = limit.as_secs_f32();
                    format!("{what}: no end within {limit_s:.0} s; so far: {output}")
                }
            })
        })
    }

    /// Runs a script that must succeed; returns what it printed.
    pub fn run(&mut self, script: &str, limit: Duration) -> Outcome<String> {
        let step = self.step(script, limit)?;
        if step.status != 0 {
            let shown = step.output.lines().rev().take(12).collect::<Vec<_>>();
            let shown: Vec<_> = shown.into_iter().rev().collect();
            fail!("`{}` gave {}:\n{}", first_line(script), step.status, shown.join("\n"));
        }
        Ok(step.output)
    }

    fn until(&mut self, marker: &str, limit: Duration) -> Result<Step, Unended> {
        let end = (Instant::now() + limit).min(self.end);
        let marker = format!("@@ {marker} ");
        let mut output = String::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let why = match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(status) = line.strip_prefix(&marker) {
                        let status = status.trim().parse().unwrap_or(-1);
                        return Ok(Step { status, output });
                    }
                    output.push_str(&line);
                    output.push('\n');
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => Why::Time(limit),
                Err(RecvTimeoutError::Disconnected) => Why::Died,
            };
            return Err(Unended { output, why });
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        if let Some(account) = proc::Work::of(self.child.id()) {
            // A full disk shows elsewhere.
            let _ = self.note(WORK, &format!("guest {name}'s kernel {account}"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(script: &str) -> &str {
    script.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim()
}
