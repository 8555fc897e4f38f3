//! The machine behind the hub's TAP: `load station ADDRESS`, a process in that namespace.
//!
//! It counts what comes, and sends what it is told to. Commands come by its standard input, one a
//! line: `rate PPS`, `to SIZE ADDRESS…`, `reset`. Fifty times a second it says
//! `sent N got N ages STEPS`. It ends with its standard input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::figures::Histogram;
use super::pace::Bucket;
use super::traffic::{HEADERS, PORT, age, payload, stamp};

#[derive(Debug, Default)]
struct State {
    rate: AtomicU32,
    sent: AtomicU64,
    got: AtomicU64,
    ages: Mutex<Histogram>,
    /// Octets of a packet, and where to.
    targets: Mutex<(usize, Vec<Ipv4Addr>)>,
}

/// Serves until standard input ends.
///
/// # Errors
/// What is wrong with the words or the address.
pub fn serve(words: &[String]) -> Result<(), String> {
    let [address] = words else { return Err("station ADDRESS".to_owned()) };
    let address: Ipv4Addr = address.parse().map_err(|_| format!("{address}: no address"))?;
    let at = SocketAddrV4::new(address, PORT);
    let socket = UdpSocket::bind(at).map_err(|error| format!("{at}: {error}"))?;
    let state = Arc::new(State::default());
    let open = || socket.try_clone().map_err(|error| error.to_string());
    let (sink, source) = (open()?, open()?);
    for work in [sink_of(sink, &state), source_of(source, &state), reporter_of(&state)] {
        thread::spawn(work);
    }
    for line in std::io::stdin().lines().map_while(Result::ok) {
        obey(&state, &line);
    }
    Ok(())
}

type Work = Box<dyn FnOnce() + Send>;

fn sink_of(socket: UdpSocket, state: &Arc<State>) -> Work {
    let state = Arc::clone(state);
    Box::new(move || {
        let mut buffer = [0; 2_048];
        loop {
            // An error tells of an earlier packet that found nobody.
            let Ok(len) = socket.recv(&mut buffer) else { continue };
            if let Some(age) = age(&buffer[..len]) {
                state.got.fetch_add(1, Ordering::Relaxed);
                state.ages.lock().unwrap_or_else(PoisonError::into_inner).add(age);
            }
        }
    })
}

fn source_of(socket: UdpSocket, state: &Arc<State>) -> Work {
    let state = Arc::clone(state);
    Box::new(move || {
        let mut bucket = Bucket::new(Instant::now());
        let mut next = 0_usize;
        loop {
            let rate = f64::from(state.rate.load(Ordering::Relaxed));
            let count = bucket.take(Instant::now(), rate, 64);
            if count == 0 {
                thread::sleep(Duration::from_micros(if rate > 0.0 { 300 } else { 5_000 }));
                continue;
            }
            let (size, targets) =
                state.targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if targets.is_empty() {
                continue;
            }
            let mut payload = payload(size.saturating_sub(HEADERS));
            for _ in 0..count {
                next = (next + 1) % targets.len();
                stamp(&mut payload);
                let sent = socket.send_to(&payload, SocketAddrV4::new(targets[next], PORT));
                state.sent.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
            }
        }
    })
}

fn reporter_of(state: &Arc<State>) -> Work {
    let state = Arc::clone(state);
    Box::new(move || {
        loop {
            thread::sleep(Duration::from_millis(20));
            let sent = state.sent.load(Ordering::Relaxed);
            let got = state.got.load(Ordering::Relaxed);
            let ages = state.ages.lock().unwrap_or_else(PoisonError::into_inner).emit();
            let mut out = std::io::stdout().lock();
            let said = writeln!(out, "sent {sent} got {got} ages {ages}");
            if said.and_then(|()| out.flush()).is_err() {
                return;
            }
        }
    })
}

fn obey(state: &State, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match &words[..] {
        ["rate", rate] => state.rate.store(rate.parse().unwrap_or(0), Ordering::Relaxed),
        ["to", size, targets @ ..] => {
            let targets = targets.iter().filter_map(|target| target.parse().ok()).collect();
            let size = size.parse().unwrap_or(1_000);
            *state.targets.lock().unwrap_or_else(PoisonError::into_inner) = (size, targets);
        }
        ["reset"] => {
            state.sent.store(0, Ordering::Relaxed);
            state.got.store(0, Ordering::Relaxed);
            *state.ages.lock().unwrap_or_else(PoisonError::into_inner) = Histogram::default();
        }
        _ => {}
    }
}

/// The station as the generator sees it.
#[derive(Debug)]
pub(super) struct Station {
    child: Child,
    orders: ChildStdin,
    report: Arc<Mutex<Report>>,
}

/// What the station said last.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) sent: u64,
    pub(super) got: u64,
    pub(super) ages: Histogram,
}

impl Station {
    /// Starts one in another namespace.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start(namespace: &str, address: Ipv4Addr) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace])
            .arg(program)
            .args(["station", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("ip netns exec {namespace}: {error}"))?;
        let (Some(orders), Some(words)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the station has no pipes".to_owned());
        };
        let report = Arc::new(Mutex::new(Report::default()));
        let shared = Arc::clone(&report);
        thread::spawn(move || {
            for line in BufReader::new(words).lines().map_while(Result::ok) {
                if let Some(said) = Report::parse(&line) {
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = said;
                }
            }
        });
        Ok(Self { child, orders, report })
    }

    /// Gives an order; one that is gone hears nothing, and reports nothing.
    pub(super) fn order(&mut self, order: &str) {
        let _ = writeln!(self.orders, "{order}").and_then(|()| self.orders.flush());
    }

    pub(super) fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Report {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut value = |name| (words.next() == Some(name)).then(|| words.next()).flatten();
        let sent = value("sent")?.parse().ok()?;
        let got = value("got")?.parse().ok()?;
        Some(Self { sent, got, ages: Histogram::parse(value("ages")?) })
    }
}
