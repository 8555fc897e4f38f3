//! Many lines over few sockets: who sits where, what came for whom, and the order of things.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use kumihimo_core::time::Instant as LineInstant;
use kumihimo_sim::peer::ip::ping;

use super::figures::Usage;
use super::line::{Came, Line};
use super::options::Options;
use super::outcome::Verdict;
use super::station::Station;
use super::tally::Tally;
use super::traffic::{Arrived, look};
use super::wires::{BARE, IKE, Waiting, Wires};

/// Dials, sends, and says what came of it; whether all went well.
///
/// # Errors
/// What keeps it from beginning.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut driver = Driver::new(options)?;
    let (mut up, mut clients) = (0, 0);
    for &step in &options.steps {
        let dialled = driver.dial(step);
        println!("{}", dialled.line());
        (up, clients) = (dialled.up, step);
        if up < step {
            driver.judge(Verdict::Refused(format!(
                "{up} of {step} clients are up; most often: {}",
                dialled.main_reason()
            )));
        }
        if up == 0 || driver.is_over() {
            break;
        }
    }
    for (number, phase) in options.phases.iter().enumerate() {
        if up == 0 || driver.is_over() {
            break;
        }
        if driver.up_count() < clients {
            let again = driver.dial(clients);
            println!("{}", again.line());
        }
        let traffic = driver.carry(number + 1, *phase);
        println!("{}", traffic.line());
    }
    if driver.is_server_dead() {
        driver.judge(Verdict::Died("its process is gone".to_owned()));
    }
    let rss_kib = driver.last_usage.rss_kib;
    driver.hang_up_all();
    let verdict = driver.verdict;
    eprintln!("load: {verdict}");
    println!(
        "result ended={} clients={clients} up={up} failed={} rss_kib={rss_kib}",
        verdict.word(),
        clients - up
    );
    Ok(verdict == Verdict::Well)
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// To be dialled.
    Idle,
    /// Since when.
    Dialling(Instant),
    /// It has an address, and pings from then on.
    Pinging(Instant, Instant),
    Up,
    Gone,
}

pub(super) struct Seat {
    pub(super) line: Line,
    pub(super) stage: Stage,
    /// Dials so far.
    pub(super) tries: u32,
    socket: usize,
    local: IpAddr,
}

pub(super) struct Driver<'o> {
    pub(super) options: &'o Options,
    pub(super) seats: Vec<Seat>,
    wires: Wires,
    /// The client at a local address of a socket.
    by_address: HashMap<(usize, IpAddr), usize>,
    pub(super) station: Option<Station>,
    begin: Instant,
    /// When deadlines are looked at next.
    look_at: Instant,
    /// What arrived here.
    pub(super) tally: Tally,
    /// Why clients ended, and the last words of the server to one.
    pub(super) lost: Vec<(usize, String)>,
    told: HashMap<usize, u16>,
    /// When something came from the server last.
    pub(super) heard_at: Option<Instant>,
    /// Packets in a second that arrived when as many as go were asked for: up, down.
    pub(super) found: (f64, f64),
    pub(super) last_usage: Usage,
    usage_at: Instant,
    is_dead: bool,
    pub(super) verdict: Verdict,
}

impl<'o> Driver<'o> {
    fn new(options: &'o Options) -> Result<Self, String> {
        let addresses = local_addresses(options)?;
        let clients = options.steps.iter().copied().max().unwrap_or(1);
        let wires = if options.is_bare {
            if clients > addresses.len() {
                let count = addresses.len();
                return Err(format!("bare ESP: {clients} clients need as many of --from {count}"));
            }
            Wires::of_esp(options.server)?
        } else {
            Wires::of_udp(options.server, clients.div_ceil(addresses.len()))?
        };
        let profile = options.habits();
        let (mut seats, mut by_address) = (Vec::new(), HashMap::new());
        for index in 0..clients {
            let local = addresses[index % addresses.len()];
            let socket = if options.is_bare { IKE } else { index / addresses.len() };
            by_address.insert((socket, local), index);
            if options.is_bare {
                by_address.insert((BARE, local), index);
            }
            let line = Line::new(options, profile, index, local);
            seats.push(Seat { line, stage: Stage::Idle, tries: 0, socket, local });
        }
        let last_usage = match options.pid {
            Some(pid) => Usage::of(pid).ok_or(format!("there is no process {pid}"))?,
            None => Usage::default(),
        };
        let station = match &options.station {
            Some((namespace, address)) => Some(Station::start(namespace, *address)?),
            None => None,
        };
        let now = Instant::now();
        Ok(Self {
            options,
            seats,
            wires,
            by_address,
            station,
            begin: now,
            look_at: now,
            tally: Tally::default(),
            lost: Vec::new(),
            told: HashMap::new(),
            heard_at: None,
            found: (0.0, 0.0),
            last_usage,
            usage_at: now,
            is_dead: false,
            verdict: Verdict::Well,
        })
    }

    pub(super) fn line_now(&self) -> LineInstant {
        LineInstant::from_micros(1 + self.begin.elapsed().as_micros() as u64)
    }

    /// What the server used so far: as it is now, or was when it was last seen.
    pub(super) fn usage(&mut self) -> Usage {
        self.usage_at = Instant::now();
        if let Some(pid) = self.options.pid.filter(|_| !self.is_dead) {
            match Usage::of(pid) {
                Some(usage) => self.last_usage = usage,
                None => self.is_dead = true,
            }
        }
        self.last_usage
    }

    /// Whether its process is gone; looks some times in a second.
    pub(super) fn is_server_dead(&mut self) -> bool {
        if self.usage_at.elapsed() >= LOOK_FOR_DEATH {
            self.usage();
        }
        self.is_dead
    }

    /// The first thing that goes wrong is told, and death in any case.
    pub(super) fn judge(&mut self, verdict: Verdict) {
        let is_worse = matches!(verdict, Verdict::Died(_) | Verdict::Silent)
            && matches!(self.verdict, Verdict::Refused(_));
        if self.verdict == Verdict::Well || is_worse {
            self.verdict = verdict;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.verdict, Verdict::Died(_) | Verdict::Silent)
    }

    pub(super) fn up_count(&self) -> usize {
        self.seats.iter().filter(|seat| seat.stage == Stage::Up).count()
    }

    pub(super) fn ping(&mut self, index: usize) {
        let station = self.options.station.as_ref().map(|station| station.1);
        let Some(from) = self.seats[index].line.address() else { return };
        // Where nobody is named, the first address of the client's network is.
        let [a, b, c, _] = from.octets();
        let to = self.options.ping.or(station).unwrap_or(Ipv4Addr::new(a, b, c, 1));
        let now = self.line_now();
        self.seats[index].line.send(now, ping(from, to, index as u16, 1, &[0; 32]));
        self.settle(index);
    }

    pub(super) fn order(&mut self, order: &str) {
        if let Some(station) = &mut self.station {
            station.order(order);
        }
    }

    /// Receives, keeps time, and waits for at most `wait` where there is nothing to do.
    pub(super) fn step(&mut self, wait: Duration) {
        self.wires.flush();
        let mut came = Vec::new();
        self.wires
            .receive(|socket, local, remote, bytes| came.push((socket, local, remote, bytes)));
        let is_idle = came.is_empty();
        let at = self.line_now();
        for (socket, local, remote, bytes) in came {
            if remote.ip() == self.options.server {
                self.take(at, socket, local, remote, bytes);
            }
        }
        let now = Instant::now();
        if now >= self.look_at {
            self.look_at = now + LOOK;
            for index in 0..self.seats.len() {
                if self.seats[index].line.deadline().is_some_and(|deadline| deadline <= at) {
                    self.settle(index);
                }
            }
        }
        self.wires.flush();
        if is_idle && !wait.is_zero() {
            self.wires.wait(wait);
        }
    }

    fn take(
        &mut self,
        at: LineInstant,
        socket: usize,
        local: IpAddr,
        remote: SocketAddr,
        bytes: Vec<u8>,
    ) {
        self.heard_at = Some(Instant::now());
        let Some(&index) = self.by_address.get(&(socket, local)) else { return };
        let line = &mut self.seats[index].line;
        if self.options.is_bare && socket == BARE {
            line.receive_esp(at, remote, bytes);
        } else {
            line.receive(at, remote, bytes);
        }
        self.settle(index);
    }

    /// Carries out what a line wants.
    pub(super) fn settle(&mut self, index: usize) {
        let now = self.line_now();
        while let Some(came) = self.seats[index].line.poll(now) {
            let seat = &mut self.seats[index];
            let (socket, local) = (seat.socket, seat.local);
            match came {
                Came::Datagram(remote, bytes) => {
                    self.wires.push(Waiting { socket, local, remote, bytes });
                }
                Came::Esp(remote, bytes) => {
                    self.wires.push(Waiting { socket: BARE, local, remote, bytes });
                }
                Came::Packet(octets) => match look(&octets) {
                    Arrived::Traffic(left) => self.tally.add(left, octets.len()),
                    Arrived::Pong if matches!(seat.stage, Stage::Pinging(..)) => {
                        seat.stage = Stage::Up;
                    }
                    Arrived::Pong | Arrived::Other => {}
                },
                Came::Up => {
                    if let Stage::Dialling(since) = seat.stage {
                        seat.stage = Stage::Pinging(since, Instant::now());
                    }
                }
                Came::Down(why) => {
                    let said = self.told.get(&index);
                    let said = said.map_or(String::new(), |it| format!(" (it says {it})"));
                    self.lose(index, format!("{why}{said}"));
                }
                Came::Note(what) => {
                    self.told.insert(index, what);
                }
            }
        }
    }

    /// A client ended: it is to be dialled again, or given up.
    pub(super) fn lose(&mut self, index: usize, why: String) {
        let seat = &mut self.seats[index];
        if matches!(seat.stage, Stage::Gone | Stage::Idle) {
            return;
        }
        let is_last = seat.stage == Stage::Up || seat.tries >= self.options.tries;
        seat.stage = if is_last { Stage::Gone } else { Stage::Idle };
        self.lost.push((index, why));
    }

    fn hang_up_all(&mut self) {
        for index in 0..self.seats.len() {
            self.hang_up(index);
            if index % 64 == 0 {
                self.wires.flush();
            }
        }
        self.wires.flush();
    }

    /// Says goodbye for a client; what its line tells of that is no news.
    pub(super) fn hang_up(&mut self, index: usize) {
        let now = self.line_now();
        let Seat { line, socket, local, .. } = &mut self.seats[index];
        line.hang_up(now);
        while let Some(came) = line.poll(now) {
            let (socket, local) = (*socket, *local);
            match came {
                Came::Datagram(remote, bytes) => {
                    self.wires.push(Waiting { socket, local, remote, bytes });
                }
                Came::Esp(remote, bytes) => {
                    self.wires.push(Waiting { socket: BARE, local, remote, bytes });
                }
                _ => {}
            }
        }
    }
}

fn local_addresses(options: &Options) -> Result<Vec<IpAddr>, String> {
    if let Some((first, count)) = options.from {
        let first = u32::from(first);
        return Ok((0..count).map(|at| Ipv4Addr::from(first + at).into()).collect());
    }
    let towards = || -> std::io::Result<IpAddr> {
        let any: IpAddr = match options.server {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => [0_u16; 8].into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((options.server, 500))?;
        Ok(socket.local_addr()?.ip())
    };
    Ok(vec![towards().map_err(|error| format!("no way to {}: {error}", options.server))?])
}

/// Between looks at the deadlines of all lines.
const LOOK: Duration = Duration::from_millis(5);
/// Between looks at the server's process.
const LOOK_FOR_DEATH: Duration = Duration::from_millis(100);
