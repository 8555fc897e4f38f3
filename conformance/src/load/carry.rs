//! Traffic: it warms up, is measured, and ends; who sends when, and how fast.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::driver::{Driver, Stage};
use super::figures::with_own;
use super::options::Phase;
use super::outcome::{Traffic, Verdict};
use super::pace::{Bucket, Pace, Rate};
use super::station::{Report, Station};
use super::tally::Tally;
use super::traffic::packet;

impl Driver<'_> {
    /// Lets traffic flow for the time that was asked for.
    pub(super) fn carry(&mut self, number: usize, phase: Phase) -> Traffic {
        let mut flow = Flow::new(self, phase);
        let addresses: Vec<String> = flow.addresses.iter().map(Ipv4Addr::to_string).collect();
        let sizes: Vec<String> = self.options.sizes.iter().map(usize::to_string).collect();
        self.order(&format!("to {} {}", sizes.join(","), addresses.join(" ")));
        let mut done = Traffic { phase: number, clients: flow.targets.len(), ..Traffic::default() };
        // Addresses are looked up, and the pace finds its rate.
        let is_seeking = phase.up == Rate::Max || phase.down == Rate::Max;
        done.is_warm = true;
        let warm = if is_seeking { WARM_MAX } else { WARM };
        let goes_on = self.pump_for(&mut flow, &mut done, warm);
        if goes_on {
            done.is_warm = false;
            self.pump_for(&mut flow, &mut done, phase.seconds);
        }
        self.order("close");
        self.tally.close();
        done.up_sent = flow.sent;
        self.drain();
        let report = self.report();
        done.down_sent = report.sent;
        (done.up, done.down) = if self.options.between {
            (self.tally.clone(), report.tally)
        } else {
            (report.tally, self.tally.clone())
        };
        if is_seeking && !done.is_warm {
            let found = |got: u64| got as f64 / done.seconds.max(1e-3);
            let Self { found: pair, .. } = self;
            pair.0 = if phase.up == Rate::Max { found(done.up.got) } else { pair.0 };
            pair.1 = if phase.down == Rate::Max { found(done.down.got) } else { pair.1 };
        }
        done
    }

    /// Lets it flow and notes what that took; `false` if the server ended.
    fn pump_for(&mut self, flow: &mut Flow, done: &mut Traffic, time: Duration) -> bool {
        self.order("open");
        self.tally = Tally::opened();
        (flow.sent, flow.said) = (0, [0; 4]);
        flow.is_measured = !done.is_warm;
        let station = self.station.as_ref().map(Station::pid);
        let (before, own_before) = (self.usage(), with_own(station));
        let begin = Instant::now();
        let goes_on = self.pump(flow, begin + time);
        done.seconds = begin.elapsed().as_secs_f64();
        done.usage = self.usage();
        done.cpu_seconds = done.usage.cpu_seconds - before.cpu_seconds;
        done.own_cpu_seconds = with_own(station) - own_before;
        if !goes_on {
            let when = if done.is_warm { "before traffic was measured" } else { "under traffic" };
            self.judge(Verdict::Died(format!("{when}, after {:.1} s", done.seconds)));
        }
        goes_on
    }

    fn report(&self) -> Report {
        self.station.as_ref().map(Station::report).unwrap_or_default()
    }

    /// Waits until nothing more arrives that is still on its way.
    fn drain(&mut self) {
        let end = Instant::now() + DRAIN_MAX;
        let (mut seen, mut quiet_since) = (0, Instant::now());
        while Instant::now() < end && quiet_since.elapsed() < DRAIN {
            self.step(Duration::from_millis(2));
            let now = self.tally.own + self.report().tally.own;
            if now != seen {
                (seen, quiet_since) = (now, Instant::now());
            }
        }
    }

    /// Returns `false` if the server ended before `end`.
    fn pump(&mut self, flow: &mut Flow, end: Instant) -> bool {
        let (begin, mut said) = (Instant::now(), Instant::now());
        self.heard_at = Some(begin);
        loop {
            let now = Instant::now();
            if now >= end {
                return true;
            }
            let count = flow.bucket.take(now, flow.up.current(), BURST);
            if count > 0 {
                self.send_burst(flow, count);
            }
            self.step(if count > 0 { Duration::ZERO } else { Duration::from_micros(200) });
            flow.adapt(self);
            if now.duration_since(said) >= SECOND {
                said = now;
                flow.tell(self);
                // An answer is due to someone, whatever else flows.
                self.ping(flow.targets[flow.next % flow.targets.len()]);
            }
            if self.is_server_dead() || self.is_forsaken(flow) {
                return false;
            }
        }
    }

    /// Whether nobody is up any more, or nothing at all has come for a long time.
    fn is_forsaken(&self, flow: &Flow) -> bool {
        let patience = if self.options.pid.is_some() { SILENCE_OF_LIVING } else { SILENCE };
        let is_gone = |&at: &usize| self.seats[at].stage == Stage::Gone;
        let silent = self.heard_at.is_none_or(|at| at.elapsed() >= patience);
        (silent && !self.options.floor) || flow.targets.iter().all(is_gone)
    }

    fn send_burst(&mut self, flow: &mut Flow, count: usize) {
        flow.next = (flow.next + 1) % flow.targets.len();
        let (index, from) = (flow.targets[flow.next], flow.addresses[flow.next]);
        let next = flow.addresses[(flow.next + 1) % flow.addresses.len()];
        let to = if self.options.between { Some(next) } else { flow.to_station };
        let Some(to) = to else { return };
        let at = self.line_now();
        for _ in 0..count {
            flow.turn += 1;
            let size = self.options.sizes[flow.turn % self.options.sizes.len()];
            self.seats[index].line.send(at, packet(from, to, size));
        }
        flow.sent += count as u64;
        self.settle(index);
    }
}

/// Traffic under way.
struct Flow {
    /// Seats of the clients that were up, and their addresses.
    targets: Vec<usize>,
    addresses: Vec<Ipv4Addr>,
    to_station: Option<Ipv4Addr>,
    up: Pace,
    down: Pace,
    bucket: Bucket,
    next: usize,
    turn: usize,
    sent: u64,
    is_measured: bool,
    said: [u64; 4],
    ordered: u32,
    adapted: Instant,
}

impl Flow {
    fn new(driver: &Driver<'_>, phase: Phase) -> Self {
        let (targets, addresses) = (0..driver.seats.len())
            .filter(|&at| driver.seats[at].stage == Stage::Up)
            .filter_map(|at| Some((at, driver.seats[at].line.address()?)))
            .unzip();
        let now = Instant::now();
        let rate = |rate, found: f64| match rate {
            Rate::Twice => Rate::Fixed((found * 2.0) as u32),
            other => other,
        };
        Self {
            targets,
            addresses,
            to_station: driver.options.station.as_ref().map(|station| station.1),
            up: Pace::new(rate(phase.up, driver.found.0), now),
            down: Pace::new(rate(phase.down, driver.found.1), now),
            bucket: Bucket::new(now),
            next: 0,
            turn: 0,
            sent: 0,
            is_measured: false,
            said: [0; 4],
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
        let report = driver.report();
        let got = if driver.options.between { driver.tally.got } else { report.tally.got };
        self.up.learn(now, self.sent, got);
        self.down.learn(now, report.sent, driver.tally.got);
        let rate = self.down.current() as u32;
        if rate != self.ordered {
            self.ordered = rate;
            driver.order(&format!("rate {rate}"));
        }
    }

    fn tell(&mut self, driver: &Driver<'_>) {
        let report = driver.report();
        let new = [self.sent, report.tally.got, report.sent, driver.tally.got];
        let old = std::mem::replace(&mut self.said, new);
        let what = if self.is_measured { "measured" } else { "warming up" };
        let [up_sent, up_got, down_sent, down_got] =
            [0, 1, 2, 3].map(|at| new[at].saturating_sub(old[at]));
        eprintln!(
            "load: {what}: up {up_sent} sent, {up_got} arrived; down {down_sent} sent, \
             {down_got} arrived"
        );
    }
}

const SECOND: Duration = Duration::from_secs(1);
const ADAPT: Duration = Duration::from_millis(100);
/// Before traffic is measured, at a fixed rate and where the rate is to be found.
const WARM: Duration = Duration::from_secs(1);
const WARM_MAX: Duration = Duration::from_secs(5);
/// Nothing more is on its way when nothing came for so long, which is longer than the station's
/// reports are apart; a server that holds packets back for longer than the second is not waited
/// for.
const DRAIN: Duration = Duration::from_millis(300);
const DRAIN_MAX: Duration = Duration::from_secs(3);
/// Packets of one client in a row.
const BURST: usize = 32;
/// A server is gone when nothing has come for so long, and pings were due each second.
const SILENCE: Duration = Duration::from_secs(4);
/// The same where its process is there: it may be busy.
const SILENCE_OF_LIVING: Duration = Duration::from_secs(15);
