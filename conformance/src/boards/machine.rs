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
        machine.wait_for("ready address=", Duration::from_secs(20))?;
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
        self.ask(&format!("set psk {PSK}"), OK)?;
        self.ask(&format!("user add {USER} {PASSWORD}"), OK)?;
        Ok(())
    }

    /// Types a line into the console and waits for a line that holds `answer`.
    pub(crate) fn ask(&mut self, line: &str, answer: &str) -> Outcome<String> {
        self.skip();
        self.console.write_all(format!("{line}\r").as_bytes())?;
        self.wait_for(answer, Duration::from_secs(10)).map_err(|e| e.during(line))
    }

    /// A figure of the firmware, not older than this call.
    pub(crate) fn figure(&self, name: &str) -> Outcome<u64> {
        let file = self.sockets.join(FIGURES);
        // What is there is from before.
        let _ = fs::remove_file(&file);
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if text.ends_with("end\n") {
                let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
                return match line.and_then(|number| number.parse().ok()) {
                    Some(number) => Ok(number),
                    None => fail!("no figure {name}: {text}"),
                };
            }
            thread::sleep(Duration::from_millis(20));
        }
        fail!("the firmware wrote no figures within 10 s")
    }

    /// Orders the firmware to fail in one of its ways.
    pub(crate) fn make_it(&self, fail: &str) -> Outcome<()> {
        // It must never see half of the order.
        let draft = self.sockets.join("draft");
        fs::write(&draft, fail)?;
        Ok(fs::rename(draft, self.sockets.join("kumihimo.order"))?)
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
        let end = Instant::now() + limit;
        loop {
            let ended = self.process.ended()?;
            let log = self.log();
            let mut at = self.seen;
            for line in log.get(at..).unwrap_or_default().split_inclusive('\n') {
                at += line.len();
                if line.ends_with('\n') && line.contains(needle) {
                    self.seen = at;
                    return Ok(line.trim().to_owned());
                }
            }
            if let Some(status) = ended {
                fail!("QEMU ended ({status}): {}", self.process.output().trim());
            }
            if Instant::now() > end {
                fail!("the console did not say {needle:?} within {} s", limit.as_secs());
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
const FIGURES: &str = "kumihimo.figures";
/// What the console answers to an order that it carried out.
const OK: &str = "ok";
/// How lines begin that the firmware's last words are.
const FAULTS: &[&str] = &["Panic: ", "Fault: ", "Watchdog: "];
