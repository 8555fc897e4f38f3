//! What a reload remembers and says, without sockets and signals.

use std::sync::atomic::{AtomicBool, Ordering};

use kumihimo_core::event::{DialFailure, Event, FailureCause, Offered, OfferedTransform, Stage};

use super::*;
use crate::desk::RealDesk;
use crate::io::Desk as _;

/// A server that serves nothing, and its file.
struct Idle {
    current: Current,
    desk: RealDesk,
    file: PathBuf,
}

impl Idle {
    fn new(name: &str) -> Self {
        let (log, mailbox) = (Logger::kept(), Mailbox::new().unwrap());
        let desk = RealDesk::new(mailbox.clone(), 0, log.clone()).unwrap();
        let file = format!("kumihimo-serve-{}-{name}.toml", std::process::id());
        let file = std::env::temp_dir().join(file);
        let current = Current { log, mailbox, open: Open::default(), max_sessions: 1_000 };
        Self { current, desk, file }
    }

    /// Reloads a file with `ipsec`, which the packet thread takes.
    fn take(&mut self, ipsec: &str) {
        self.take_all("", ipsec);
    }

    /// The same with `server`, and what the log says of it.
    fn reload(&mut self, server: &str, ipsec: &str) -> String {
        self.take_all(server, ipsec);
        self.current.log.lines()
    }

    fn take_all(&mut self, server: &str, ipsec: &str) {
        let text = format!(
            "[server]\n{server}\n[ipsec]\nl2tp = false\n{ipsec}\n[[hub]]\nname = \"DEFAULT\"\n"
        );
        std::fs::write(&self.file, text).unwrap();
        let Self { current, desk, file } = self;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    match desk.next_mail() {
                        Some(Mail::Configure(..)) => desk.configured(Ok(())),
                        _ => std::thread::yield_now(),
                    }
                }
            });
            current.reload(file);
            done.store(true, Ordering::Relaxed);
        });
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // What is left in a temporary folder does no harm.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// A line of the log names what the policy accepts that is in force then.
#[test]
fn failed_dials_are_explained_by_the_policy_of_the_last_reload() {
    let mut idle = Idle::new("policy");
    for policy in ["modern", "legacy", "compat"] {
        let mut offered = Offered::new();
        offered.push(OfferedTransform { cipher: 1, key_bits: 0, hash: 1, group: 1 }).unwrap();
        let failure = DialFailure {
            remote: "192.0.2.7:500".parse().unwrap(),
            stage: Stage::Phase1,
            cause: FailureCause::NoProposal,
            user: kumihimo_core::event::name_of(b""),
            offered,
        };
        idle.take(&format!("policy = \"{policy}\""));
        idle.current.log.event(Event::DialFailed(failure));
        let lines = idle.current.log.lines();
        assert!(lines.contains("configuration reloaded"), "{lines}");
        assert!(lines.contains(&format!("; policy {policy} accepts ")), "{lines}");
    }
}

#[test]
fn a_reload_warns_of_what_counts_later_or_is_weak() {
    let mut idle = Idle::new("warnings");
    // Each time, for it is so each time.
    for _ in 0..2 {
        let lines = idle.reload("max-sessions = 999", "");
        let warning = " WARN  server.max-sessions: counts from the next start on\n";
        assert!(lines.contains(warning) && lines.contains(" INFO  configuration reloaded\n"));
    }
    let lines = idle.reload("max-sessions = 1000", "");
    assert!(!lines.contains("WARN") && lines.contains(" INFO  configuration reloaded\n"));
    std::fs::write(&idle.file, "[ipsec]\nl2tp = 7\n[server]\nlisten = []\n").unwrap();
    idle.current.reload(&idle.file.clone());
    let lines = idle.current.log.lines();
    let name = idle.file.display();
    assert!(lines.contains(&format!(" ERROR {name}:2: ipsec.l2tp: is an integer; ")), "{lines}");
    let rest = "kumihimo check) (the old configuration stays in force)\n";
    assert!(lines.ends_with(rest) && lines.contains(" (and "), "{lines}");
}

#[test]
fn the_first_problem_is_told_and_the_others_are_counted() {
    let problem = |line| Problem {
        file: "k.toml".to_owned(),
        line: Some(line),
        setting: "a".to_owned(),
        what: "is wrong".to_owned(),
        remedy: "mend it".to_owned(),
    };
    assert_eq!(one_line(&[problem(1)]), "k.toml:1: a: is wrong; mend it");
    let two = "k.toml:1: a: is wrong; mend it (and 1 more: kumihimo check)";
    assert_eq!(one_line(&[problem(1), problem(2)]), two);
}

/// The packet thread may be at something: who asks twice does not wait for its goodbye.
#[test]
fn the_second_signal_to_end_is_obeyed_at_once() {
    let mailbox = Mailbox::new().unwrap();
    let mut desk = RealDesk::new(mailbox.clone(), 0, Logger::kept()).unwrap();
    let (log, open) = (Logger::kept(), Open::default());
    let current = Current { log, mailbox, open, max_sessions: 1_000 };
    let (alive, ended) = UnixStream::pair().unwrap();
    let signals = Signals::new(ended).unwrap();
    let mut running = Running { current, signals, thread: None };
    let terminate = || signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
    terminate();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !matches!(desk.next_mail(), Some(Mail::Stop)) {
                std::thread::yield_now();
            }
            terminate();
        });
        assert_eq!(running.attend(Path::new("unread.toml")), Ok(()));
    });
    drop(alive);
}
