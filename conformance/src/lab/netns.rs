//! Network namespaces: made for a case, emptied and removed with it.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::fail;
use crate::lab::{Outcome, run};

/// All names begin so; the harness's process identifier follows.
const PREFIX: &str = "kumihimo-lab-";
const LIMIT: Duration = Duration::from_secs(20);

/// A namespace of this run. Dropping it kills whatever runs in it and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// What an nftables counter counted.
#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes, with IP headers.
    pub bytes: u64,
}

impl Namespace {
    /// Makes a namespace with its loopback up. `unique` tells the cases of one run apart.
    pub fn create(unique: &str, role: &str) -> Outcome<Self> {
        let name = format!("{PREFIX}{}-{unique}-{role}", std::process::id());
        ip(&format!("netns add {name}"))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs in the namespace and dies with the harness.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.name, program]);
        command
    }

    /// Runs a program in the namespace; an error unless it succeeds.
    pub fn run(&self, program: &str, args: &[&str]) -> Outcome<String> {
        checked(self.command(program).args(args), "")
    }

    /// `ip -n THIS ARGS`, the arguments split at blanks.
    pub fn ip(&self, args: &str) -> Outcome<()> {
        ip(&format!("-n {} {args}", self.name))
    }

    /// Sets a kernel parameter of the namespace.
    pub fn sysctl(&self, setting: &str) -> Outcome<()> {
        self.run("sysctl", &["-q", "-w", setting]).map(drop)
    }

    /// Loads an nftables rule set.
    pub fn nft(&self, rules: &str) -> Outcome<()> {
        checked(self.command("nft").args(["-f", "-"]), rules).map(drop)
    }

    /// The named counter of table `inet lab`.
    pub fn counter(&self, counter: &str) -> Outcome<Counter> {
        let text = self.run("nft", &["list", "counter", "inet", "lab", counter])?;
        let after = |word| {
            let mut words = text.split_whitespace().skip_while(|other| *other != word);
            words.nth(1).and_then(|number| number.parse().ok())
        };
        match (after("packets"), after("bytes")) {
            (Some(packets), Some(bytes)) => Ok(Counter { packets, bytes }),
            _ => fail!("counter {counter} not understood: {text}"),
        }
    }

    /// Makes a TAP device, up, with these addresses.
    pub fn tap(&self, name: &str, addresses: &[&str]) -> Outcome<()> {
        self.ip(&format!("tuntap add {name} mode tap"))?;
        self.up(name, addresses)
    }

    /// Joins a device of this namespace to one of another.
    pub fn veth(&self, name: &str, other: &Self, other_name: &str) -> Outcome<()> {
        self.ip(&format!("link add {name} type veth peer name {other_name} netns {}", other.name))
    }

    /// Waits until a device that another process makes is there.
    pub fn wait_for(&self, device: &str) -> Outcome<()> {
        for _ in 0..100 {
            if self.ip(&format!("link show dev {device}")).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        fail!("no device {device} within 5 s")
    }

    /// Gives a device its addresses and takes it up.
    pub fn up(&self, device: &str, addresses: &[&str]) -> Outcome<()> {
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            self.ip(&format!("addr add {address} dev {device}{nodad}"))?;
        }
        self.ip(&format!("link set {device} up"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes the namespaces of this process (`own`), or those of harnesses that are gone.
pub fn sweep(own: bool) {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else {
            continue;
        };
        let ours = pid == std::process::id().to_string();
        if if own { ours } else { !ours && !is_harness(pid) } {
            remove(&name);
        }
    }
}

/// Whether a harness has this process identifier, and is no zombie: those have no program.
fn is_harness(pid: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
        && fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| matches!(comm.trim(), "clients" | "boards" | "compare"))
}

/// Kills what runs in the namespace, which includes the stubs of a guest's processes.
fn remove(name: &str) {
    for _ in 0..20 {
        let listed = run(Command::new("ip").args(["netns", "pids", name]), "", LIMIT);
        let pids = listed.map(|(_, text)| text).unwrap_or_default();
        let pids: Vec<&str> =
            pids.split_whitespace().filter(|pid| pid.parse::<u32>().is_ok()).collect();
        if pids.is_empty() {
            break;
        }
        let _ = run(Command::new("kill").args(["-s", "KILL"]).args(pids), "", LIMIT);
        thread::sleep(Duration::from_millis(50));
    }
    let _ = run(Command::new("ip").args(["netns", "del", name]), "", LIMIT);
}

fn ip(args: &str) -> Outcome<()> {
    checked(Command::new("ip").args(args.split_whitespace()), "").map(drop)
}

fn checked(command: &mut Command, input: &str) -> Outcome<String> {
    let (status, text) = run(command, input, LIMIT)?;
    if !status.success() {
        fail!("{command:?}: {status}: {}", text.trim());
    }
    Ok(text)
}
