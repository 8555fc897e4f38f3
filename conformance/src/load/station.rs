//! The machine behind the hub's TAP: `load station ADDRESS`, a process in that namespace.
//!
//! It counts what comes, and sends what it is told to. Commands come by its standard input, one a
//! line: `rate PPS`, `to SIZE,SIZE… ADDRESS…`, `open`, `close`. Fifty times a second it says
//! `sent N got N octets N own N ages STEPS`. It ends with its standard input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::pace::Bucket;
use super::tally::Tally;
use super::traffic::{HEADERS, PORT, left, payload, stamp};

#[derive(Debug, Default)]
struct State {
    rate: AtomicU32,
    sent: AtomicU64,
    tally: Mutex<Tally>,
    /// Octets of packets, in turn, and where to.
    targets: Mutex<(Vec<usize>, Vec<Ipv4Addr>)>,
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
            if let Some(left) = left(&buffer[..len]) {
                lock(&state.tally).add(left, HEADERS + len);
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
            let (sizes, targets) = lock(&state.targets).clone();
            let Some(longest) = sizes.iter().max().filter(|_| !targets.is_empty()) else {
                continue;
            };
            let mut payload = payload(longest.saturating_sub(HEADERS));
            for _ in 0..count {
                next = next.wrapping_add(1);
                // Each target gets all sizes.
                let len = sizes[next / targets.len() % sizes.len()] - HEADERS;
                let target = SocketAddrV4::new(targets[next % targets.len()], PORT);
                stamp(&mut payload);
                let sent = socket.send_to(&payload[..len], target);
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
            let tally = lock(&state.tally).emit();
            let mut out = std::io::stdout().lock();
            let said = writeln!(out, "sent {sent} {tally}");
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
        ["to", sizes, targets @ ..] => {
            let targets = targets.iter().filter_map(|target| target.parse().ok()).collect();
            let sizes = sizes.split(',').filter_map(|size| size.parse().ok());
            let sizes = sizes.filter(|size| *size >= LEAST).collect();
            *lock(&state.targets) = (sizes, targets);
        }
        ["open"] => {
            state.sent.store(0, Ordering::Relaxed);
            *lock(&state.tally) = Tally::opened();
        }
        ["close"] => {
            state.rate.store(0, Ordering::Relaxed);
            lock(&state.tally).close();
        }
        _ => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(super) tally: Tally,
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
                    *lock(&shared) = said;
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
        lock(&self.report).clone()
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
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
        let is_sent = words.next() == Some("sent");
        let sent = words.next().filter(|_| is_sent)?.parse().ok()?;
        Some(Self { sent, tally: Tally::parse(words)? })
    }
}

/// Octets of a packet that has room for its mark.
const LEAST: usize = 64;
