//! Dials: so many at a time and in a second, again where one failed, and each up to its first ping.

use std::time::{Duration, Instant};

use super::driver::{Driver, Stage};
use super::outcome::{Dialled, Verdict};

impl Driver<'_> {
    /// Dials with the first `wanted` clients that are not up, until each has had a ping answered
    /// or has failed as often as it may.
    pub(super) fn dial(&mut self, wanted: usize) -> Dialled {
        let before = self.usage();
        let mut dials = Dials::new(self, wanted);
        while dials.has_more(self) {
            dials.start_some(self);
            self.repeat_pings();
            dials.note_lost(self);
            dials.tell(self);
            if dials.is_hopeless(self) {
                break;
            }
            self.step(Duration::from_millis(1));
        }
        for index in 0..wanted {
            if !matches!(self.seats[index].stage, Stage::Up | Stage::Gone) {
                self.hang_up(index);
                self.seats[index].stage = Stage::Gone;
            }
        }
        dials.note_lost(self);
        let mut done = dials.done;
        let after = self.usage();
        done.clients = wanted;
        done.up = self.up_count();
        done.seconds = dials.begin.elapsed().as_secs_f64();
        done.cpu_seconds = after.cpu_seconds - before.cpu_seconds;
        done.rss_kib = after.rss_kib;
        eprintln!("load: {} of {wanted} up in {:.1} s", done.up, done.seconds);
        done
    }

    /// Ends dials that take too long, and repeats pings.
    fn repeat_pings(&mut self) {
        let now = Instant::now();
        for index in 0..self.seats.len() {
            match self.seats[index].stage {
                Stage::Dialling(since) if now.duration_since(since) > self.options.dial_limit => {
                    self.hang_up(index);
                    self.lose(index, "the dial took too long".to_owned());
                }
                Stage::Pinging(since, _) if now.duration_since(since) > self.options.dial_limit => {
                    self.hang_up(index);
                    self.lose(index, "no ping was answered".to_owned());
                }
                Stage::Pinging(since, next) if next <= now => {
                    self.seats[index].stage = Stage::Pinging(since, now + PING_AGAIN);
                    self.ping(index);
                }
                _ => {}
            }
        }
    }
}

/// Dials under way.
struct Dials {
    wanted: usize,
    begin: Instant,
    started: usize,
    said: Instant,
    done: Dialled,
}

impl Dials {
    fn new(driver: &mut Driver<'_>, wanted: usize) -> Self {
        driver.lost.clear();
        for seat in driver.seats.iter_mut().take(wanted) {
            if seat.stage == Stage::Gone {
                seat.stage = Stage::Idle;
            }
            seat.tries = 0;
        }
        let now = Instant::now();
        Self { wanted, begin: now, started: 0, said: now, done: Dialled::default() }
    }

    fn has_more(&self, driver: &Driver<'_>) -> bool {
        let is_open = |stage| !matches!(stage, Stage::Up | Stage::Gone);
        driver.seats.iter().take(self.wanted).any(|seat| is_open(seat.stage))
    }

    fn start_some(&mut self, driver: &mut Driver<'_>) {
        let is_under_way = |stage| matches!(stage, Stage::Dialling(_) | Stage::Pinging(..));
        let mut open = driver.seats.iter().filter(|seat| is_under_way(seat.stage)).count();
        let rate = f64::from(driver.options.dial_rate);
        let due = (self.begin.elapsed().as_secs_f64() * rate) as usize + 1;
        for index in 0..self.wanted {
            if open >= driver.options.at_once || self.started >= due {
                return;
            }
            if driver.seats[index].stage == Stage::Idle {
                driver.seats[index].stage = Stage::Dialling(Instant::now());
                driver.seats[index].tries += 1;
                let at = driver.line_now();
                driver.seats[index].line.dial(at);
                driver.settle(index);
                self.started += 1;
                open += 1;
            }
        }
    }

    fn note_lost(&mut self, driver: &mut Driver<'_>) {
        for (index, why) in driver.lost.drain(..) {
            *self.done.reasons.entry(why).or_default() += 1;
            if driver.seats[index].stage == Stage::Idle {
                self.done.again += 1;
            }
        }
    }

    fn tell(&mut self, driver: &Driver<'_>) {
        if self.said.elapsed() < SECOND {
            return;
        }
        self.said = Instant::now();
        let gone = driver.seats.iter().filter(|seat| seat.stage == Stage::Gone).count();
        let (up, again) = (driver.up_count(), self.done.again);
        eprintln!("load: {up} of {} up, {again} dialled again, {gone} failed", self.wanted);
    }

    /// Whether to end although not all is done.
    fn is_hopeless(&self, driver: &mut Driver<'_>) -> bool {
        if driver.is_server_dead() {
            let (up, wanted) = (driver.up_count(), self.wanted);
            driver.judge(Verdict::Died(format!("while clients dialled, {up} of {wanted} up")));
            return true;
        }
        let waited = self.begin.elapsed();
        if driver.heard_at.is_none() && waited >= SILENCE && !driver.options.floor {
            driver.judge(Verdict::Silent);
            return true;
        }
        waited >= driver.options.dial_time
    }
}

const SECOND: Duration = Duration::from_secs(1);
const PING_AGAIN: Duration = Duration::from_millis(500);
/// A server that has said nothing for so long is not there.
const SILENCE: Duration = Duration::from_secs(8);
