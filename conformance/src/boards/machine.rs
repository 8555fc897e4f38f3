//! A board: QEMU with firmware, a serial console, a monitor, and the file that is its flash.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::boards::office::Office;
use crate::lab::{Failure, Lab, Outcome, PASSWORD, PSK, Process, USER};
use crate::{expect, fail};

/// A machine that QEMU knows, and the firmware for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// QEMU's name.
    pub(crate) machine: &'static str,
    /// The file in the folder of firmware.
    pub(crate) firmware: &'static str,
}

/// The board that most cases use.
pub(crate) const AN386: Model = Model { machine: "mps2-an386", firmware: "an386.elf" };

/// A Cortex-M3.
pub(crate) const AN385: Model = Model { machine: "mps2-an385", firmware: "an385.elf" };
/// A Cortex-M7.
pub(crate) const AN500: Model = Model { machine: "mps2-an500", firmware: "an500.elf" };

/// What the console says when the board has an address.
pub(crate) const READY: &str = "ready address=";
/// How long firmware may take from power to an address.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// A board that is plugged in. Dropping it is a power cut.
#[derive(Debug)]
pub(crate) struct Machine {
    process: Process,
    sockets: PathBuf,
    console: UnixStream,
    log: PathBuf,
    /// Octets of the log that earlier waits have seen.
    seen: usize,
}

impl Machine {
    /// Plugs the board in, with a clean flash and the lab's settings typed into its console.
    pub(crate) fn install(lab: &Lab<'_>, office: &Office, model: Model) -> Outcome<Self> {
        let mut machine = Self::plug_in(lab, office, model, &[])?;
        machine.wait_for(READY, START_LIMIT)?;
        machine.set_up()?;
        Ok(machine)
    }

    /// Plugs it in with the flash as it was left; `options` are further ones of QEMU.
    pub(crate) fn plug_in(
        lab: &Lab<'_>,
        office: &Office,
        model: Model,
        options: &[&str],
    ) -> Outcome<Self> {
        let firmware = lab.program().join(model.firmware);
        expect!(firmware.is_file(), "{} is not built", firmware.display());
        let firmware = fs::canonicalize(firmware)?;
        // The path of a UNIX socket has at most 107 octets, so they are not with the logs.
        let unique = format!("kumihimo-board-{}-{}", std::process::id(), lab.unique());
        let sockets = std::env::temp_dir().join(unique);
        fs::create_dir_all(&sockets)?;
        let log = lab.folder().join("server.log");
        let seen = fs::metadata(&log).map_or(0, |meta| meta.len() as usize);
        let socket = |name: &str| format!("socket,id={name},server=on,wait=off,path={name}");
        let mut command = office.site.server.command("qemu-system-arm");
        command.args(["-machine", model.machine, "-display", "none", "-nodefaults"]);
        command.arg("-no-user-config");
        command.args(["-semihosting-config", "enable=on,target=native"]);
        command.args(["-nic", "tap,id=lan,ifname=board,script=no,downscript=no,model=lan9118"]);
        let console = format!("{},logfile={},logappend=on", socket("console"), log.display());
        command.args(["-chardev", &console, "-serial", "chardev:console"]);
        command.args(["-chardev", &socket("monitor"), "-mon", "monitor"]);
        command.arg("-kernel").arg(firmware).args(options);
        // The file of the flash is where QEMU is started; so are the sockets.
        command.current_dir(&sockets);
        let flash = flash(lab);
        let here = sockets.join(FLASH);
        let _ = fs::remove_file(&here);
        symlink(&flash, &here)?;
        let process = Process::start(&mut command, &lab.folder().join("qemu.log"))?;
        let console = connect(&sockets.join("console"))?;
        // It goes to the log as well; left unread it would stop.
        let mut said = console.try_clone()?;
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Ok(Self { process, sockets, console, log, seen })
    }

    /// Types the lab's key and user into the console.
    pub(crate) fn set_up(&mut self) -> Outcome<()> {
        self.change(&format!("set psk {PSK}"))?;
        self.change(&format!("user add {USER} {PASSWORD}"))
    }

    /// Types a line into the console.
    pub(crate) fn say(&mut self, line: &str) -> Outcome<()> {
        Ok(self.console.write_all(format!("{line}\r").as_bytes())?)
    }

    /// Types an order that the console carries out.
    pub(crate) fn change(&mut self, line: &str) -> Outcome<()> {
        self.skip();
        self.say(line)?;
        self.wait_for_line(|said| said == OK, OK, Duration::from_secs(10))
            .map(drop)
            .map_err(|e| e.during(line))
    }

    /// All figures of the firmware.
    pub(crate) fn figures(&mut self) -> Outcome<Figures> {
        self.skip();
        let from = self.seen;
        self.say("figures")?;
        self.wait_for("end of figures", Duration::from_secs(10))?;
        let log = self.log();
        let said = log.get(from..self.seen).unwrap_or_default();
        let lines = said.lines().filter_map(|line| line.trim().strip_prefix("figure "));
        let pairs = lines.filter_map(|line| line.split_once(' '));
        Ok(Figures(pairs.map(|(name, figure)| (name.to_owned(), figure.to_owned())).collect()))
    }

    /// How much was lost, for whatever reason.
    pub(crate) fn all_lost(&mut self) -> Outcome<u64> {
        let said = self.status()?;
        let numbers = said.lines().filter_map(|line| line.trim().strip_prefix("lost "));
        Ok(numbers.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// Datagrams from clients and to them.
    pub(crate) fn datagrams(&mut self) -> Outcome<u64> {
        Ok(self.numbers("datagrams ")?.iter().sum())
    }

    /// Times that packets came faster than the board works.
    pub(crate) fn rests(&mut self) -> Outcome<u64> {
        match self.numbers("frames ")?[..] {
            [_, _, rests] => Ok(rests),
            ref other => fail!("frames, and no rests: {other:?}"),
        }
    }

    /// The numbers in a line of the status.
    fn numbers(&mut self, name: &str) -> Outcome<Vec<u64>> {
        let said = self.status()?;
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        let words = line.unwrap_or_default().split([' ', ',']);
        Ok(words.filter_map(|word| word.parse().ok()).collect())
    }

    /// The board's own time, in cycles of its clock.
    pub(crate) fn cycles(&mut self) -> Outcome<u64> {
        self.figures()?.of("cycles")
    }

    fn status(&mut self) -> Outcome<String> {
        // The console is told what was counted once a second.
        thread::sleep(Duration::from_millis(2500));
        self.skip();
        let from = self.seen;
        self.say("status")?;
        // The answer has no end of its own; that of the next line shows it.
        self.say("no command")?;
        self.wait_for("unknown command", Duration::from_secs(10))?;
        Ok(self.log().get(from..self.seen).unwrap_or_default().to_owned())
    }

    /// Gives QEMU's monitor an order.
    pub(crate) fn order(&self, line: &str) -> Outcome<()> {
        let mut monitor = UnixStream::connect(self.sockets.join("monitor"))?;
        monitor.set_read_timeout(Some(Duration::from_secs(5)))?;
        until_prompt(&mut monitor)?;
        monitor.write_all(format!("{line}\n").as_bytes())?;
        until_prompt(&mut monitor)
    }

    /// All the console said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for a line of the console with `needle`, from behind the last one waited for.
    pub(crate) fn wait_for(&mut self, needle: &str, limit: Duration) -> Outcome<String> {
        self.wait_for_line(|line| line.contains(needle), needle, limit)
    }

    fn wait_for_line(
        &mut self,
        is_it: impl Fn(&str) -> bool,
        what: &str,
        limit: Duration,
    ) -> Outcome<String> {
        let end = Instant::now() + limit;
        loop {
            let ended = self.process.ended()?;
            let log = self.log();
            let mut at = self.seen;
            for line in log.get(at..).unwrap_or_default().split_inclusive('\n') {
                at += line.len();
                if line.ends_with('\n') && is_it(line.trim()) {
                    self.seen = at;
                    return Ok(line.trim().to_owned());
                }
            }
            if let Some(status) = ended {
                fail!("QEMU ended ({status}): {}", self.process.output().trim());
            }
            if Instant::now() > end {
                fail!("the console did not say {what:?} within {} s", limit.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits no longer for what was said so far.
    pub(crate) fn skip(&mut self) {
        self.seen = self.log().len();
    }

    /// Fails unless the board runs, and was never reset by itself.
    pub(crate) fn still_well(&mut self) -> Outcome<()> {
        if let Some(status) = self.process.ended()? {
            fail!("QEMU ended ({status}): {}", self.process.output().trim());
        }
        let log = self.log();
        let fault = log.lines().find(|line| FAULTS.iter().any(|word| line.starts_with(word)));
        expect!(fault.is_none(), "the firmware ended: {fault:?}");
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.process.kill();
        // Nothing but links is left in it.
        let _ = fs::remove_dir_all(&self.sockets);
    }
}

/// What the firmware counts.
#[derive(Debug, Clone)]
pub(crate) struct Figures(Vec<(String, String)>);

impl Figures {
    /// One of them.
    pub(crate) fn of(&self, name: &str) -> Outcome<u64> {
        let figure = self.0.iter().find(|(other, _)| other == name);
        match figure.and_then(|(_, figure)| figure.parse().ok()) {
            Some(figure) => Ok(figure),
            None => fail!("the firmware has no figure {name}: {self:?}"),
        }
    }
}

/// The file that is the board's flash.
pub(crate) fn flash(lab: &Lab<'_>) -> PathBuf {
    lab.folder().join(FLASH)
}

fn connect(path: &Path) -> Outcome<UnixStream> {
    for _ in 0..200 {
        if let Ok(stream) = UnixStream::connect(path) {
            return Ok(stream);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::failed(format!("QEMU made no socket {}", path.display())))
}

fn until_prompt(monitor: &mut UnixStream) -> Outcome<()> {
    let (mut said, mut room) = (Vec::new(), [0; 256]);
    while !said.ends_with(b"(qemu) ") {
        match monitor.read(&mut room)? {
            0 => fail!("the monitor closed: {}", String::from_utf8_lossy(&said)),
            len => said.extend(&room[..len]),
        }
    }
    Ok(())
}

const FLASH: &str = "kumihimo.flash";
/// What the console answers to an order that it carried out.
const OK: &str = "ok";
/// How lines begin that the firmware's last words are.
const FAULTS: &[&str] = &["Panic: ", "Fault: ", "Watchdog: "];
