//! What guests ask of the machine, and what a guest that could not boot says of it.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::guest::{KERNEL, MEMORY_MIB};
use crate::lab::{Outcome, any_cpu, run};
use crate::{fail, proc};

/// Where the file is that is a guest's memory.
pub(super) const MEMORY_FOLDER: &str = "/dev/shm";
const LIMIT: Duration = Duration::from_secs(10);

/// Each thing that the machine lacks for guests, with what to do about it.
pub(super) fn lacks() -> Vec<String> {
    [has_kernel(), has_tun(), has_seccomp(), has_memory_folder().and_then(|()| has_memory())]
        .into_iter()
        .filter_map(|outcome| outcome.err().map(|why| why.to_string()))
        .collect()
}

fn has_kernel() -> Outcome<()> {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let folders = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&folders).any(|folder| is_program(&folder.join(KERNEL))) {
        return Ok(());
    }
    fail!("no {KERNEL} for guests: apt-get install user-mode-linux")
}

fn has_tun() -> Outcome<()> {
    match File::options().read(true).write(true).open(TUN) {
        Ok(_) => Ok(()),
        Err(error) => {
            fail!("no {TUN} ({error}): modprobe tun, or start the container with --device {TUN}")
        }
    }
}

/// As a guest gets it: by the launcher.
fn has_seccomp() -> Outcome<()> {
    let launcher = any_cpu::launcher()?;
    if !launcher.is_file() {
        fail!("{} is not built: cargo build --bins", launcher.display());
    }
    let (status, said) = run(Command::new(launcher).arg("true"), "", LIMIT)?;
    if !status.success() {
        fail!("{}", said.trim());
    }
    Ok(())
}

/// The folder for the guests' memory must not be a slow one, and hold what is executed.
fn has_memory_folder() -> Outcome<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mount = mounts.lines().rfind(|line| line.split(' ').nth(1) == Some(MEMORY_FOLDER));
    let Some(mount) = mount else {
        fail!("no tmpfs at {MEMORY_FOLDER}: mkdir -p {MEMORY_FOLDER} && {MOUNT}")
    };
    if mount.split(' ').nth(3).unwrap_or_default().split(',').any(|option| option == "noexec") {
        fail!("{MEMORY_FOLDER} is mounted noexec, a guest's memory is executed: {REMEDY}");
    }
    Ok(())
}

/// Whether one more guest fits into the machine's memory.
pub(super) fn has_memory() -> Outcome<()> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let free_mib = proc::number(&meminfo, "MemAvailable").map(|kib| kib / 1024);
    if let Some(free_mib) = free_mib.filter(|&free| free < MEMORY_MIB) {
        fail!("{free_mib} MiB of memory free, a guest takes {MEMORY_MIB}: free some, or --jobs 1");
    }
    let mut df = Command::new("df");
    let (_, said) = run(df.args(["--output=avail", "--block-size=1M", MEMORY_FOLDER]), "", LIMIT)?;
    let free_mib = said.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok());
    if let Some(free_mib) = free_mib.filter(|&free| free < MEMORY_MIB) {
        fail!(
            "{free_mib} MiB free in {MEMORY_FOLDER}, a guest takes {MEMORY_MIB}: \
             {REMEDY}, or --jobs 1"
        );
    }
    Ok(())
}

/// One line for why a guest ended: what its kernel said of it, and what to do where that is known.
pub(super) fn last_words(console: &str) -> String {
    let lines = || console.lines().map(without_level).filter(|line| !line.is_empty());
    let known = CAUSES.iter().find_map(|(words, remedy)| {
        let line = lines().find(|line| line.contains(words))?;
        Some(format!("{line}{remedy}"))
    });
    known.or_else(|| lines().next_back().map(str::to_owned)).unwrap_or_else(|| SILENT.to_owned())
}

/// A line of the kernel's log without its level, `<3>`.
fn without_level(line: &str) -> &str {
    let line = line.trim();
    let level = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    level.filter(|(level, _)| level.parse::<u8>().is_ok()).map_or(line, |(_, text)| text)
}

/// What guests die of, the cause before what follows from it.
const CAUSES: &[(&str, &str)] = &[
    (
        "ptrace set fp regs failed",
        ": this processor has registers that the guest's kernel cannot save; any-cpu hides them",
    ),
    ("likely just ran out of space", ": mount -o remount,size=4G /dev/shm, or --jobs 1"),
    ("Kernel panic", ""),
];
const MOUNT: &str = "mount -t tmpfs -o size=4G tmpfs /dev/shm";
const REMEDY: &str = "mount -o remount,exec,size=4G /dev/shm, or start the container with \
                      --tmpfs /dev/shm:exec,size=4g";
const SILENT: &str = "it said nothing";
const TUN: &str = "/dev/net/tun";

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn a_guest_that_cannot_save_registers_says_so() {
        let console = "mmapper_init - find_iomem failed\n\
            userspace - ptrace set fp regs failed, errno = 14\n\
            Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n\
            CPU: 0 PID: 1 Comm: guest-init Not tainted 6.1.176 #1\n";
        let words = last_words(console);
        assert!(
            words.starts_with("userspace - ptrace set fp regs failed, errno = 14: "),
            "{words}"
        );
        assert!(words.ends_with("any-cpu hides them"), "{words}");
    }

    #[test]
    fn a_full_memory_folder_comes_before_the_panic_that_follows() {
        let console = "kmsg_dump:\n\
            <3>Bus error - the host /dev/shm or /tmp mount likely just ran out of space\n\
            <0>Kernel panic - not syncing: Kernel mode signal 7\n";
        let words = last_words(console);
        assert!(words.starts_with("Bus error - the host /dev/shm"), "{words}");
        assert!(words.ends_with("mount -o remount,size=4G /dev/shm, or --jobs 1"), "{words}");
    }

    #[test]
    fn another_panic_and_an_unknown_end_are_told_as_they_are() {
        let panic = "Kernel panic - not syncing: VFS: Unable to mount root fs\nCPU: 0\n";
        assert_eq!(last_words(panic), "Kernel panic - not syncing: VFS: Unable to mount root fs");
        assert_eq!(last_words("one\n<6>two\n\n"), "two");
        assert_eq!(last_words("\n"), "it said nothing");
    }
}
