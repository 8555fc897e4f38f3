//! `kumihimo serve`: reads the configuration, opens everything, runs the packet thread, and
//! waits for signals.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use kumihimo_core::addr::{self as outer, IKE_PORT};
use kumihimo_core::limits::Limits;

use crate::cli;
use crate::config_file::{self, Problem, Settings};
use crate::desk::{Letter, Mailbox, RealDesk, config_error};
use crate::engine::Engine;
use crate::exec::Chosen;
use crate::io::Mail;
use crate::linux::{Change, LinuxIo};
use crate::log::{Level, LogThread, Logger};
use crate::machine::Core;
use crate::outside::{self, Open};
use crate::pool::BufferPool;
use crate::signals::{News, Signals};
use crate::{connect_card, sys, weak};

/// Serves until a signal ends it.
///
/// # Errors
/// One line that says why it cannot.
pub fn run(options: cli::Serve) -> Result<(), String> {
    let file = options.config.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let named = file != Path::new(DEFAULT_FILE);
    if !named && !file.exists() {
        first_run(&file)?;
    }
    let settings = config_file::load(&file).map_err(|problems| one_line(&problems))?;
    let log = LogThread::start(options.format, options.level)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let mut server = Running::start(settings, log.logger())?;
    let result = server.attend(&file);
    drop(server);
    drop(log);
    result
}

/// The one line for a broken file.
fn one_line(problems: &[Problem]) -> String {
    let more = problems.len().saturating_sub(1);
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    if more == 0 { first } else { format!("{first} (and {more} more: kumihimo check)") }
}

fn first_run(file: &Path) -> Result<(), String> {
    let secrets = config_file::write_first(file).map_err(|error| {
        format!("{}: cannot be written: {error}; go to a folder that can", file.display())
    })?;
    let addresses = sys::ifaddrs::addresses().unwrap_or_default();
    let card = connect_card::render(file, &secrets, &addresses);
    // The server works without anyone reading its standard output.
    let _ = io::stdout().write_all(card.as_bytes());
    let _ = io::stdout().flush();
    Ok(())
}

struct Running {
    current: Current,
    signals: Signals<Chosen>,
    thread: Option<JoinHandle<()>>,
}

/// What is in force, and the way to change it.
struct Current {
    log: Logger,
    mailbox: Mailbox,
    open: Open,
    max_sessions: usize,
}

impl Running {
    fn start(settings: Settings, log: Logger) -> Result<Self, String> {
        log.policy(settings.ipsec.policy);
        let opened = outside::open(&settings, &Open::default())?;
        for warning in weak::warnings(&settings).into_iter().chain(opened.warnings) {
            log.text(Level::Warn, "warning", warning);
        }
        let system = |error: io::Error| format!("cannot start: {error}");
        let mailbox = Mailbox::new().map_err(system)?;
        let (alive, ended) = UnixStream::pair().map_err(system)?;
        let signals = Signals::new(ended).map_err(system)?;
        let services = opened.change.services.clone();
        let max_sessions = settings.server.max_sessions;
        let thread = packet_thread(settings, opened.change, mailbox.clone(), log.clone(), alive)?;
        for mtu in outer_mtus() {
            mailbox.post(mtu);
        }
        let names: Vec<_> = services.into_iter().map(outside::name_of).collect();
        let version = env!("CARGO_PKG_VERSION");
        log.text(Level::Info, "ready", format!("kumihimo {version} ready on {}", names.join(", ")));
        let current = Current { log, mailbox, open: opened.open, max_sessions };
        Ok(Self { current, signals, thread: Some(thread) })
    }

    /// Answers signals until the server has ended.
    fn attend(&mut self, file: &Path) -> Result<(), String> {
        let mut stopping = false;
        loop {
            match self.signals.wait(stopping.then_some(PATIENCE)) {
                News::Reload => self.current.reload(file),
                News::Report => self.current.report(),
                News::Terminate if stopping => return Ok(()),
                News::Terminate => {
                    stopping = true;
                    self.current.log.text(Level::Info, "stopping", "saying goodbye to the clients");
                    self.current.mailbox.post(Mail::Stop);
                }
                News::Late => {
                    return Err("the packet thread does not end; please report this".into());
                }
                News::Ended => {
                    #[cfg(feature = "count-allocations")]
                    self.current.report();
                    let thread = self.thread.take().map(JoinHandle::join);
                    return match thread {
                        Some(Ok(())) if stopping => Ok(()),
                        _ => Err("the packet thread failed; please report the lines above".into()),
                    };
                }
            }
        }
    }
}

impl Current {
    fn reload(&mut self, file: &Path) {
        match self.try_reload(file) {
            Ok(()) => self.log.text(Level::Info, "reloaded", "configuration reloaded"),
            Err(why) => {
                let text = format!("{why} (the old configuration stays in force)");
                self.log.text(Level::Error, "reload-failed", text);
            }
        }
    }

    fn try_reload(&mut self, file: &Path) -> Result<(), String> {
        let settings = config_file::load(file).map_err(|problems| one_line(&problems))?;
        let opened = outside::open(&settings, &self.open)?;
        let mut warnings = weak::warnings(&settings);
        warnings.extend(opened.warnings);
        if settings.server.max_sessions != self.max_sessions {
            warnings.push("server.max-sessions: counts from the next start on".to_owned());
        }
        let policy = settings.ipsec.policy;
        self.mailbox.configure(settings, opened.change)?;
        self.open = opened.open;
        self.log.policy(policy);
        for warning in warnings {
            self.log.text(Level::Warn, "warning", warning);
        }
        Ok(())
    }

    fn report(&self) {
        #[cfg(feature = "count-allocations")]
        self.log.text(Level::Info, "allocations", sys::allocations::report());
        #[cfg(not(feature = "count-allocations"))]
        self.log.text(Level::Info, "report", "nothing to report in this build");
    }
}

/// Starts the packet thread; `alive` is closed when it is gone.
fn packet_thread(
    settings: Settings,
    change: Change,
    mailbox: Mailbox,
    log: Logger,
    alive: UnixStream,
) -> Result<JoinHandle<()>, String> {
    let seed = seed().map_err(|error| format!("no randomness: {error}"))?;
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(2));
    let desk = RealDesk::new(mailbox.clone(), workers, log)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let (report, started) = mpsc::channel();
    let run = move || {
        let _alive = alive;
        let limits = Limits::server(settings.server.max_sessions);
        let pool = BufferPool::new(BUFFERS + settings.server.max_sessions * BUFFERS_PER_SESSION);
        let io = LinuxIo::new(change, mailbox.waker());
        let core = Core::new(&limits, &settings, seed);
        drop(settings);
        let (core, result) = match core {
            Ok(core) => (Some(core), Ok(())),
            Err(error) => (None, Err(error)),
        };
        // The starter waits for it.
        let _ = report.send(result);
        if let Some(core) = core {
            Engine::new(core, pool, io, desk, limits.batch).run();
        }
    };
    let thread = Builder::new()
        .name("kumihimo-packets".into())
        .stack_size(STACK)
        .spawn(run)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    match started.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(format!("configuration: {}", config_error(error))),
        Err(_) => Err("the packet thread failed; please report the lines above".to_owned()),
    }
}

/// What the core should know about narrow ways out: the MTU of each default route below that of
/// Ethernet.
fn outer_mtus() -> Vec<Letter> {
    // Nothing is sent to these addresses, which are for documentation (RFC 5737, RFC 3849).
    let abroad = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
    let narrow = abroad.into_iter().filter_map(|remote| {
        let mtu = sys::socket::route_mtu(remote).ok().filter(|&mtu| mtu < 1_500)?;
        let unspecified: IpAddr = match remote {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let (local, remote) = ((unspecified, IKE_PORT).into(), (remote, IKE_PORT).into());
        Some(Mail::PathMtu(outer::Path { local, remote, outer: outer::Outer::Udp }, mtu))
    });
    narrow.collect()
}

fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// The configuration that is used, or written, if none is named.
pub const DEFAULT_FILE: &str = "kumihimo.toml";
/// Packet buffers, besides those that sessions may hold while they wait for an address.
const BUFFERS: usize = 2_048;
const BUFFERS_PER_SESSION: usize = 4;
/// Time for a goodbye: less than the three seconds of the contract.
const PATIENCE: Duration = Duration::from_millis(2_500);
const STACK: usize = 4 << 20;

#[cfg(test)]
mod tests;
