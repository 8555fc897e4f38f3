//! The machine that the lab runs on: any processor does, and what it lacks is told.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::any_cpu::{behind, forbid_seccomp, launcher, pretend_amx};
use crate::lab::{Case, Guest, Lab, Outcome, Seat, Site, Weight, run};
use crate::{expect, fail, proc};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "any-processor",
        shows: "a guest that cannot save this processor's registers dies, and boots without them",
        limit: Duration::from_secs(90),
        weight: Weight::Light,
        run: any_processor,
    },
    Case {
        name: "guest-threads",
        shows: "threads of a guest copy, hash, encrypt, take signals: each result is right",
        limit: Duration::from_secs(120),
        weight: Weight::Heavy,
        run: guest_threads,
    },
    Case {
        name: "machine-lacks",
        shows: "no seccomp, no linux.uml, no /dev/net/tun, no good /dev/shm: one line each",
        limit: Duration::from_secs(60),
        weight: Weight::Light,
        run: machine_lacks,
    },
];

const LIMIT: Duration = Duration::from_secs(20);

fn any_processor(lab: &Lab<'_>) -> Outcome<String> {
    let (model, has_amx) = processor()?;
    let launcher = launcher()?.display().to_string();
    let plain = register_sets(Command::new("perl"))?;
    expect!(plain == "works", "PTRACE_GETREGSET on this machine: {plain}");
    let mut inside = Command::new(launcher);
    inside.arg("perl");
    let inside = register_sets(inside)?;
    expect!(inside == format!("errno {}", libc::EIO), "PTRACE_GETREGSET inside: {inside}");
    let site = Site::direct(lab)?;
    let seat = &site.seats[0];
    let pretence = if has_amx { || Ok(()) } else { pretend_amx };
    let (death, boot_s) = behind(pretence, || without_and_with(lab, seat))?;
    let amx = if has_amx { "AMX" } else { "no AMX, so pretended" };
    Ok(format!("{model}, {amx}: without the filter \"{death}\"; with it up in {boot_s:.1} s"))
}

/// What a guest dies of without the filter, and the seconds in which it boots with it.
fn without_and_with(lab: &Lab<'_>, seat: &Seat) -> Outcome<(String, f64)> {
    let Err(death) = Guest::boot_plain(lab, "plain", seat) else {
        fail!("a guest without the filter lives");
    };
    let death = death.to_string();
    expect!(death.lines().count() == 1, "not one line: {death}");
    let Some((_, cause)) = death.split_once("userspace - ") else {
        fail!("another death: {death}")
    };
    let cause = cause.split(": ").next().unwrap_or(cause).to_owned();
    expect!(cause == "ptrace set fp regs failed, errno = 14", "another death: {death}");
    let begin = Instant::now();
    Guest::boot(lab, "client", seat)?;
    Ok((cause, begin.elapsed().as_secs_f64()))
}

/// Whether a process started so can read another's registers as a set: `works`, or `errno N`.
fn register_sets(mut perl: Command) -> Outcome<String> {
    let (status, said) = run(perl.args(["-e", READ_REGISTERS]), "", LIMIT)?;
    expect!(status.success(), "perl: {status}: {said}");
    Ok(said.trim().to_owned())
}

/// The processor's name, and whether it has AMX.
fn processor() -> Outcome<(String, bool)> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| proc::field(&cpuinfo, name).unwrap_or("?");
    let has_amx = field("flags").split(' ').any(|flag| flag == "amx_tile");
    Ok((field("model name").to_owned(), has_amx))
}

fn guest_threads(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut guest = Guest::boot(lab, "client", &site.seats[0])?;
    let churn = lab.sources().join("churn.py");
    let script = format!("python3 {} {CHURN_SECONDS}", churn.display());
    let said = guest.run(&script, Duration::from_secs(CHURN_SECONDS + 45))?;
    let figure = said.lines().rfind(|line| line.contains("copies")).unwrap_or_default();
    let least = figure.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).min();
    expect!(least >= Some(LEAST), "too little was done: {said}");
    Ok(figure.to_owned())
}

fn machine_lacks(lab: &Lab<'_>) -> Outcome<String> {
    let mut said = Vec::new();
    for (what, loss, remedy) in LOSSES {
        let mut harness = Command::new("unshare");
        harness.args(["--mount", "--propagation", "private", "sh", "-c"]);
        harness.arg(format!("{loss} && exec \"$0\" \"$@\""));
        let text = harness_fails(lab, harness).map_err(|why| why.during(what))?;
        expect!(text.contains(remedy), "{what}: no word of {remedy}: {text}");
        said.push(text);
    }
    let text = behind(forbid_seccomp, || harness_fails(lab, Command::new("env")))?;
    expect!(text.contains("CONFIG_SECCOMP_FILTER"), "no seccomp: {text}");
    said.push(text);
    Ok(format!("{} told, e.g. {}", said.len(), said[0]))
}

/// Runs this harness by `wrapper`; what it said in its one line.
fn harness_fails(lab: &Lab<'_>, mut wrapper: Command) -> Outcome<String> {
    wrapper.arg(std::env::current_exe()?);
    let logs = lab.folder().join("inner");
    let (status, said) = run(wrapper.arg("--logs").arg(logs).arg("ports-taken"), "", LIMIT)?;
    let lines: Vec<&str> = said.lines().collect();
    let [line, "clients: 0 passed, 1 failed, 0 skipped"] = lines[..] else {
        fail!("not one line and the summary: {said}")
    };
    expect!(status.code() == Some(1), "{status}: {said}");
    match line.strip_prefix("FAIL  machine") {
        Some(line) => Ok(line.trim().to_owned()),
        None => fail!("not understood: {line}"),
    }
}

const CHURN_SECONDS: u64 = 30;
/// Of each kind, signals too.
const LEAST: u64 = 10;

/// What a machine may lack: how to take it away within a mount namespace, and what is said then.
const LOSSES: &[(&str, &str, &str)] = &[
    (
        "no linux.uml",
        "mount --bind /dev/null \"$(command -v linux.uml)\"",
        "apt-get install user-mode-linux",
    ),
    ("no TUN", "mount -t tmpfs none /dev/net", "modprobe tun"),
    ("a small /dev/shm", "mount -t tmpfs -o size=64m none /dev/shm", "size=4G"),
    ("/dev/shm noexec", "mount -t tmpfs -o noexec none /dev/shm", "remount,exec"),
];

/// Stops a child of its own and reads its registers as a set (`NT_PRSTATUS`).
const READ_REGISTERS: &str = r#"
    my ($ptrace, $traceme, $getregset) = (101, 0, 0x4204);
    my $child = fork // die;
    if (!$child) { syscall($ptrace, $traceme, 0, 0, 0); kill STOP => $$; exit }
    waitpid $child, 2;
    my $registers = "\0" x 512;
    my $room = pack "PQ", $registers, length $registers;
    my $failed = syscall($ptrace, $getregset, $child, 1, $room) == -1;
    print $failed ? "errno " . ($! + 0) : "works";
    kill KILL => $child;
"#;
