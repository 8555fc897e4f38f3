//! Many lines over few sockets, and what they are told to do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use kumihimo::pool::BufferPool;
use kumihimo::sys::mmsg::{BATCH, Messages};
use kumihimo::sys::socket;
use kumihimo::sys::wait::PollSet;
use kumihimo_core::addr::Outer;
use kumihimo_core::time::Instant as LineInstant;
use kumihimo_sim::peer::ip::ping;

use super::figures::{Histogram, Usage};
use super::line::{Came, Line};
use super::options::Options;
use super::pace::{Bucket, Pace, Rate};
use super::station::Station;
use super::traffic::{Arrived, look, packet};

/// Dials, sends, and says what came of it; whether all went well.
///
/// # Errors
/// What keeps it from beginning.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut driver = Driver::new(options)?;
    let mut result = Outcome::default();
    driver.dial_all(&mut result);
    if driver.up_count() > 0 && driver.is_server_there() && driver.has_traffic() {
        driver.carry(&mut result);
    }
    result.rss_kib = driver.usage().map_or(0, |usage| usage.rss_kib);
    let is_alive = driver.is_server_there();
    driver.hang_up_all();
    println!("{}", result.line());
    Ok(is_alive && result.failed == 0 && result.dialled > 0)
}

/// What is told at the end.
#[derive(Debug, Default)]
struct Outcome {
    dialled: usize,
    failed: usize,
    dial_seconds: f64,
    dial_cpu_seconds: f64,
    seconds: f64,
    up_sent: u64,
    up_got: u64,
    down_sent: u64,
    down_got: u64,
    cpu_seconds: f64,
    rss_kib: u64,
    latency: Histogram,
}

impl Outcome {
    fn line(&self) -> String {
        format!(
            "result dialled={} failed={} dial_seconds={:.3} dial_cpu_seconds={:.2} seconds={:.3} \
             up_sent={} up_got={} down_sent={} down_got={} cpu_seconds={:.2} rss_kib={} \
             lat_p50_us={} lat_p99_us={}",
            self.dialled,
            self.failed,
            self.dial_seconds,
            self.dial_cpu_seconds,
            self.seconds,
            self.up_sent,
            self.up_got,
            self.down_sent,
            self.down_got,
            self.cpu_seconds,
            self.rss_kib,
            self.latency.percentile(50),
            self.latency.percentile(99),
        )
    }
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Since when.
    Dialling(Instant),
    /// It has an address, and pings from then on.
    Pinging(Instant, Instant),
    Up,
    Gone,
}

struct Seat {
    line: Line,
    stage: Stage,
    socket: usize,
    local: IpAddr,
}

/// A datagram that waits to leave.
struct Waiting {
    socket: usize,
    local: IpAddr,
    remote: SocketAddr,
    bytes: Vec<u8>,
}

struct Driver<'o> {
    options: &'o Options,
    seats: Vec<Seat>,
    sockets: Vec<OwnedFd>,
    /// The client at a local address of a socket.
    by_address: HashMap<(usize, IpAddr), usize>,
    station: Option<Station>,
    messages: Messages,
    pool: BufferPool,
    waiting: Vec<Waiting>,
    begin: Instant,
    /// When deadlines are looked at next.
    look_at: Instant,
    got: u64,
    ages: Histogram,
    told: u32,
}

impl<'o> Driver<'o> {
    fn new(options: &'o Options) -> Result<Self, String> {
        let addresses = local_addresses(options)?;
        let rounds = options.clients.div_ceil(addresses.len());
        let any: IpAddr = match options.server {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => [0_u16; 8].into(),
        };
        let open = || socket::open(Outer::Udp, SocketAddr::new(any, 0));
        let sockets: Result<Vec<_>, _> = (0..rounds).map(|_| open()).collect();
        let sockets = sockets.map_err(|error| format!("cannot open sockets: {error}"))?;
        let profile = options.habits();
        let (mut seats, mut by_address) = (Vec::new(), HashMap::new());
        for index in 0..options.clients {
            let local = addresses[index % addresses.len()];
            let socket = index / addresses.len();
            by_address.insert((socket, local), index);
            let line = Line::new(options, profile, index, local);
            seats.push(Seat { line, stage: Stage::Idle, socket, local });
        }
        let station = match &options.station {
            Some((namespace, address)) => Some(Station::start(namespace, *address)?),
            None => None,
        };
        Ok(Self {
            options,
            seats,
            sockets,
            by_address,
            station,
            messages: Messages::new(),
            pool: BufferPool::new(4 * BATCH),
            waiting: Vec::new(),
            begin: Instant::now(),
            look_at: Instant::now(),
            got: 0,
            ages: Histogram::default(),
            told: 0,
        })
    }

    fn line_now(&self) -> LineInstant {
        LineInstant::from_micros(1 + self.begin.elapsed().as_micros() as u64)
    }

    fn usage(&self) -> Option<Usage> {
        self.options.pid.and_then(Usage::of)
    }

    fn is_server_there(&self) -> bool {
        self.options.pid.is_none() || self.usage().is_some()
    }

    fn up_count(&self) -> usize {
        self.seats.iter().filter(|seat| seat.stage == Stage::Up).count()
    }

    fn has_traffic(&self) -> bool {
        self.options.up != Rate::Fixed(0) || self.options.down != Rate::Fixed(0)
    }

    /// Dials with every client, and waits until each is up and had a ping answered, or failed.
    fn dial_all(&mut self, result: &mut Outcome) {
        let begin = Instant::now();
        let before = self.usage().unwrap_or_default();
        let rate = f64::from(self.options.dial_rate);
        let (mut next, mut said) = (0, begin);
        loop {
            let now = Instant::now();
            let due = (now.duration_since(begin).as_secs_f64() * rate) as usize + 1;
            while next < self.seats.len().min(due) {
                self.seats[next].stage = Stage::Dialling(now);
                let at = self.line_now();
                self.seats[next].line.dial(at);
                self.settle(next);
                next += 1;
            }
            self.give_up(now);
            let is_open = |seat: &Seat| !matches!(seat.stage, Stage::Up | Stage::Gone);
            if !self.seats.iter().any(is_open) {
                break;
            }
            if now.duration_since(said) >= SECOND {
                said = now;
                let gone = self.seats.iter().filter(|seat| seat.stage == Stage::Gone).count();
                let (up, all) = (self.up_count(), self.seats.len());
                eprintln!("load: {up} of {all} up, {gone} failed");
                if !self.is_server_there() {
                    eprintln!("load: the server is gone");
                    break;
                }
            }
            self.step(Duration::from_millis(2));
        }
        result.dial_seconds = begin.elapsed().as_secs_f64();
        result.dialled = self.up_count();
        result.failed = self.seats.len() - result.dialled;
        let after = self.usage().unwrap_or(before);
        result.dial_cpu_seconds = after.cpu_seconds - before.cpu_seconds;
        eprintln!(
            "load: {} up, {} failed in {:.1} s",
            result.dialled, result.failed, result.dial_seconds
        );
    }

    /// Ends dials that take too long, and repeats pings.
    fn give_up(&mut self, now: Instant) {
        for index in 0..self.seats.len() {
            match self.seats[index].stage {
                Stage::Dialling(since) | Stage::Pinging(since, _)
                    if now.duration_since(since) > self.options.dial_limit =>
                {
                    self.lose(index, "it took too long");
                }
                Stage::Pinging(since, next) if next <= now => {
                    self.seats[index].stage = Stage::Pinging(since, now + PING_AGAIN);
                    self.ping(index);
                }
                _ => {}
            }
        }
    }

    fn ping(&mut self, index: usize) {
        let station = self.options.station.as_ref().map(|station| station.1);
        let Some(from) = self.seats[index].line.address() else { return };
        // Where nobody is named, the first address of the client's network is.
        let [a, b, c, _] = from.octets();
        let to = self.options.ping.or(station).unwrap_or(Ipv4Addr::new(a, b, c, 1));
        let now = self.line_now();
        self.seats[index].line.send(now, ping(from, to, index as u16, 1, &[0; 32]));
        self.settle(index);
    }

    fn lose(&mut self, index: usize, why: &str) {
        self.seats[index].stage = Stage::Gone;
        self.told += 1;
        if self.told <= TELL_MAX {
            eprintln!("load: client {index}: {why}");
        }
    }

    /// Lets traffic flow for the time that was asked for.
    fn carry(&mut self, result: &mut Outcome) {
        let targets: Vec<usize> =
            (0..self.seats.len()).filter(|&at| self.seats[at].stage == Stage::Up).collect();
        let addresses: Vec<Ipv4Addr> =
            targets.iter().filter_map(|&at| self.seats[at].line.address()).collect();
        let list: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
        let to_station = self.options.station.as_ref().map(|station| station.1);
        self.order(&format!("to {} {}", self.options.size, list.join(" ")));
        // Warm: addresses are looked up, and the pace finds its rate.
        let warm = if self.options.up == Rate::Max || self.options.down == Rate::Max {
            WARM_MAX
        } else {
            WARM
        };
        let begin = Instant::now();
        let mut flow = Flow::new(self.options, begin);
        self.pump(&mut flow, &targets, &addresses, to_station, begin + warm);
        self.order("reset");
        (self.got, self.ages) = (0, Histogram::default());
        (flow.sent, flow.is_measured, flow.said) = (0, true, (0, 0, 0, 0));
        let before = self.usage().unwrap_or_default();
        let begin = Instant::now();
        self.pump(&mut flow, &targets, &addresses, to_station, begin + self.options.seconds);
        let after = self.usage().unwrap_or(before);
        result.seconds = begin.elapsed().as_secs_f64();
        result.cpu_seconds = after.cpu_seconds - before.cpu_seconds;
        self.order("rate 0");
        // What is on its way still arrives.
        let end = Instant::now() + LAST;
        while Instant::now() < end {
            self.step(Duration::from_millis(2));
        }
        let report = self.station.as_ref().map(Station::report).unwrap_or_default();
        result.up_sent = flow.sent;
        result.up_got = if self.options.between { self.got } else { report.got };
        result.down_sent = report.sent;
        result.down_got = if self.options.between { 0 } else { self.got };
        result.latency = self.ages.clone();
        result.latency.merge(&report.ages);
    }

    fn pump(
        &mut self,
        flow: &mut Flow,
        targets: &[usize],
        addresses: &[Ipv4Addr],
        to_station: Option<Ipv4Addr>,
        end: Instant,
    ) {
        let mut said = Instant::now();
        loop {
            let now = Instant::now();
            if now >= end {
                return;
            }
            let count = flow.bucket.take(now, flow.up.current(), BURST);
            if count > 0 {
                flow.next = (flow.next + 1) % targets.len();
                let index = targets[flow.next];
                let from = addresses[flow.next];
                let next = addresses[(flow.next + 1) % addresses.len()];
                let to = if self.options.between { Some(next) } else { to_station };
                if let Some(to) = to {
                    let at = self.line_now();
                    for _ in 0..count {
                        let octets = packet(from, to, self.options.size);
                        self.seats[index].line.send(at, octets);
                    }
                    flow.sent += count as u64;
                    self.settle(index);
                }
            }
            self.step(if count > 0 { Duration::ZERO } else { Duration::from_micros(200) });
            flow.adapt(self);
            if now.duration_since(said) >= SECOND {
                said = now;
                flow.tell(self);
                let all_gone = targets.iter().all(|&at| self.seats[at].stage == Stage::Gone);
                if all_gone || !self.is_server_there() {
                    eprintln!("load: the server is gone");
                    return;
                }
            }
        }
    }

    fn order(&mut self, order: &str) {
        if let Some(station) = &mut self.station {
            station.order(order);
        }
    }

    /// Receives, keeps time, and waits for at most `wait` where there is nothing to do.
    fn step(&mut self, wait: Duration) {
        self.flush();
        let mut count = 0;
        for at in 0..self.sockets.len() {
            count += self.receive(at);
        }
        let now = Instant::now();
        if now >= self.look_at {
            self.look_at = now + LOOK;
            let at = self.line_now();
            for index in 0..self.seats.len() {
                if self.seats[index].line.deadline().is_some_and(|deadline| deadline <= at) {
                    self.settle(index);
                }
            }
        }
        self.flush();
        if count == 0 && !wait.is_zero() {
            let mut set = PollSet::default();
            self.sockets.iter().for_each(|socket| {
                set.add(socket.as_fd());
            });
            let _ = set.wait(Some(wait));
        }
    }

    fn receive(&mut self, at: usize) -> usize {
        let mut came = Vec::new();
        let Self { sockets, messages, pool, .. } = self;
        let received = messages.receive(sockets[at].as_fd(), BATCH, pool, |datagram| {
            came.push((datagram.local, datagram.remote, datagram.frame.bytes().to_vec()));
        });
        let now = self.line_now();
        for (local, remote, bytes) in came {
            if let Some(&index) = self.by_address.get(&(at, local)) {
                self.seats[index].line.receive(now, remote, bytes);
                self.settle(index);
            }
        }
        received.unwrap_or(0)
    }

    /// Carries out what a line wants.
    fn settle(&mut self, index: usize) {
        let now = self.line_now();
        while let Some(came) = self.seats[index].line.poll(now) {
            let seat = &mut self.seats[index];
            match came {
                Came::Datagram(remote, bytes) => {
                    let (socket, local) = (seat.socket, seat.local);
                    self.waiting.push(Waiting { socket, local, remote, bytes });
                }
                Came::Packet(octets) => match look(&octets) {
                    Arrived::Traffic(age) => {
                        self.got += 1;
                        self.ages.add(age);
                    }
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
                Came::Down(why) => self.lose(index, &why),
                Came::Note(what) => eprintln!("load: client {index}: {what}"),
            }
        }
    }

    /// Sends what waits.
    fn flush(&mut self) {
        let mut rest = &self.waiting[..];
        while let Some(first) = rest.first() {
            let end = rest.iter().position(|it| it.socket != first.socket).unwrap_or(rest.len());
            let datagrams =
                rest[..end.min(BATCH)].iter().map(|it| (it.local, it.remote, &it.bytes[..]));
            let socket = self.sockets[first.socket].as_fd();
            let sent = match self.messages.send(socket, true, datagrams) {
                Ok(sent) => sent.max(1),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_micros(100));
                    continue;
                }
                // A refusal that came back by ICMP, most likely; this one is lost.
                Err(_) => 1,
            };
            rest = &rest[sent..];
        }
        self.waiting.clear();
    }

    fn hang_up_all(&mut self) {
        for index in 0..self.seats.len() {
            let now = self.line_now();
            self.seats[index].line.hang_up(now);
            self.settle_quietly(index);
            if index % 64 == 0 {
                self.flush();
            }
        }
        self.flush();
    }

    /// As [`Self::settle`], for a line that is being ended.
    fn settle_quietly(&mut self, index: usize) {
        let now = self.line_now();
        let Seat { line, socket, local, .. } = &mut self.seats[index];
        while let Some(came) = line.poll(now) {
            if let Came::Datagram(remote, bytes) = came {
                self.waiting.push(Waiting { socket: *socket, local: *local, remote, bytes });
            }
        }
    }
}

/// Traffic under way.
struct Flow {
    up: Pace,
    down: Pace,
    bucket: Bucket,
    next: usize,
    sent: u64,
    is_measured: bool,
    said: (u64, u64, u64, u64),
    ordered: u32,
    adapted: Instant,
}

impl Flow {
    fn new(options: &Options, now: Instant) -> Self {
        Self {
            up: Pace::new(options.up, now),
            down: Pace::new(options.down, now),
            bucket: Bucket::new(now),
            next: 0,
            sent: 0,
            is_measured: false,
            said: (0, 0, 0, 0),
            ordered: 0,
            adapted: now,
        }
    }

    /// Learns what arrives, and tells the station how fast to send.
    fn adapt(&mut self, driver: &mut Driver<'_>) {
        let now = Instant::now();
        if now.duration_since(self.adapted) < ADAPT {
            return;
        }
        self.adapted = now;
        let report = driver.station.as_ref().map(Station::report).unwrap_or_default();
        let got = if driver.options.between { driver.got } else { report.got };
        self.up.learn(now, self.sent, got);
        self.down.learn(now, report.sent, driver.got);
        let rate = self.down.current() as u32;
        if rate != self.ordered {
            self.ordered = rate;
            driver.order(&format!("rate {rate}"));
        }
    }

    fn tell(&mut self, driver: &Driver<'_>) {
        let report = driver.station.as_ref().map(Station::report).unwrap_or_default();
        let new = (self.sent, report.got, report.sent, driver.got);
        let old = std::mem::replace(&mut self.said, new);
        let what = if self.is_measured { "measured" } else { "warming up" };
        eprintln!(
            "load: {what}: up {} sent, {} arrived; down {} sent, {} arrived",
            new.0.saturating_sub(old.0),
            new.1.saturating_sub(old.1),
            new.2.saturating_sub(old.2),
            new.3.saturating_sub(old.3),
        );
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

const SECOND: Duration = Duration::from_secs(1);
/// Between looks at the deadlines of all lines.
const LOOK: Duration = Duration::from_millis(5);
const PING_AGAIN: Duration = Duration::from_millis(500);
const ADAPT: Duration = Duration::from_millis(100);
/// Before traffic is measured, at a fixed rate and where the rate is to be found.
const WARM: Duration = Duration::from_secs(1);
const WARM_MAX: Duration = Duration::from_secs(6);
/// Longer than the station's reports are apart.
const LAST: Duration = Duration::from_millis(400);
/// Packets of one client in a row.
const BURST: usize = 32;
/// Failures that are told one by one.
const TELL_MAX: u32 = 5;
