//! The log: one line per fact, as text or JSON, on standard error.
//!
//! Threads hand facts to a queue and go on; one thread formats and writes them. A full queue
//! loses lines and counts them. Secrets never get here: [`Event`] has none. What a peer sent is
//! escaped.

mod accepted;
mod account;
mod event;
mod limit;
mod line;
mod names;
mod offered;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use kumihimo_core::config::Policy;
use kumihimo_core::discard::{DropCounters, DropReason};
use kumihimo_core::event::Event;

use crate::io::{Cause, Loss};
use crate::mailbox::Queue;
use crate::pause::Pause;
use limit::{Limiter, Verdict};
pub use line::{Format, Level};
use line::{Line, Value};

/// Hands facts to the log. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Logger {
    queue: Arc<Queue<Entry>>,
    lost: Arc<AtomicUsize>,
    level: Level,
}

/// The thread that writes.
#[derive(Debug)]
pub struct LogThread {
    logger: Logger,
    thread: Option<JoinHandle<()>>,
    /// Hangs up when the thread has written all.
    written: Receiver<()>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the queue's memory is made once and is small")]
enum Entry {
    Event(SystemTime, Event),
    Drops(SystemTime, DropCounters, u64),
    Loss(SystemTime, Loss),
    Pause(SystemTime, Pause, Cause),
    Longest(SystemTime, Pause),
    Text(SystemTime, Level, &'static str, String),
    Policy(Policy),
}

impl LogThread {
    /// Starts to write lines of at least `level` to standard error.
    ///
    /// # Errors
    /// What the system says: no more threads.
    pub fn start(format: Format, level: Level) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUE));
        let logger = Logger { queue, lost: Arc::default(), level };
        let writer = Writer::new(logger.clone(), format, io::stderr());
        let (writing, written) = channel();
        let run = move || {
            let _writing = writing;
            writer.run();
        };
        let thread = Builder::new().name("kumihimo-log".into()).spawn(run)?;
        Ok(Self { logger, thread: Some(thread), written })
    }

    /// A handle for another thread.
    pub fn logger(&self) -> Logger {
        self.logger.clone()
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.logger.queue.close();
        // Where nobody reads standard error, or its disk is stuck, the last lines are lost.
        let stuck = self.written.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if let Some(thread) = self.thread.take().filter(|_| !stuck) {
            // A thread that panicked has already said so.
            let _ = thread.join();
        }
    }
}

impl Logger {
    /// Records what the core reports.
    pub fn event(&self, event: Event) {
        self.push(Entry::Event(SystemTime::now(), event));
    }

    /// Records how often what was dropped, and how much could not be sent.
    pub fn drops(&self, drops: &DropCounters, unsent: u64) {
        if self.level <= Level::Debug {
            self.push(Entry::Drops(SystemTime::now(), drops.clone(), unsent));
        }
    }

    /// Records what was lost at one place so far.
    pub fn loss(&self, loss: Loss) {
        self.push(Entry::Loss(SystemTime::now(), loss));
    }

    /// Records a long pause of the packet thread.
    pub fn pause(&self, pause: Pause, cause: Cause) {
        self.push(Entry::Pause(SystemTime::now(), pause, cause));
    }

    /// Records the longest pause so far.
    pub fn longest(&self, pause: Pause) {
        if self.level <= Level::Debug {
            self.push(Entry::Longest(SystemTime::now(), pause));
        }
    }

    /// Records a line of the runtime itself; `name` tells kinds of lines apart in JSON.
    pub fn text(&self, level: Level, name: &'static str, text: impl Into<String>) {
        if self.level <= level {
            self.push(Entry::Text(SystemTime::now(), level, name, text.into()));
        }
    }

    /// Says which algorithms are acceptable from here on.
    pub fn policy(&self, policy: Policy) {
        self.push(Entry::Policy(policy));
    }

    fn push(&self, entry: Entry) {
        if self.queue.push(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer<W> {
    logger: Logger,
    format: Format,
    out: W,
    policy: Policy,
    limiter: Limiter,
    drops: DropCounters,
    unsent: u64,
    /// What was last told of each place that lost something.
    losses: Vec<Loss>,
}

impl<W: Write> Writer<W> {
    fn new(logger: Logger, format: Format, out: W) -> Self {
        let (policy, limiter) = (Policy::default(), Limiter::default());
        let (drops, losses) = (DropCounters::default(), Vec::new());
        Self { logger, format, out, policy, limiter, drops, unsent: 0, losses }
    }

    fn run(mut self) {
        while let Some(entry) = self.logger.queue.pop() {
            self.entry(entry);
            let lost = self.logger.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let text = format!("{lost} lines lost: more happened than could be written");
                self.write(SystemTime::now(), &Line::new(Level::Warn, "lines-lost", text));
            }
        }
    }

    fn entry(&mut self, entry: Entry) {
        match entry {
            Entry::Policy(policy) => self.policy = policy,
            Entry::Text(at, level, name, text) => self.write(at, &Line::new(level, name, text)),
            Entry::Drops(at, drops, unsent) => self.drop_counters(at, drops, unsent),
            Entry::Loss(at, loss) => self.loss(at, loss),
            Entry::Longest(at, pause) => self.write(at, &account::longest(&pause)),
            Entry::Pause(at, pause, cause) => {
                let verdict = self.limiter.admit_pause(at, pause.phase);
                self.admitted(at, &verdict, || account::pause(&pause, &cause));
            }
            Entry::Event(at, event) => {
                let verdict = self.limiter.admit(at, &event);
                let policy = self.policy;
                self.admitted(at, &verdict, || event::line(&event, policy));
            }
        }
    }

    /// Writes a line of which there may be too many.
    fn admitted(&mut self, at: SystemTime, verdict: &Verdict, line: impl FnOnce() -> Line) {
        let &Verdict::Write { more } = verdict else { return };
        let mut line = line();
        if more > 0 {
            line.push("repeated", Value::Number(more));
            line.text.push_str(&format!(" ({more} more like it since the last line)"));
        }
        self.write(at, &line);
    }

    /// A line for each place that lost more than when it was last told.
    fn loss(&mut self, at: SystemTime, loss: Loss) {
        let told = self.losses.iter_mut().find(|told| told.is_of_the_place_of(&loss));
        let grew = loss.count() > told.as_ref().map_or(0, |told| told.count());
        let line = grew.then(|| account::loss(&loss));
        match told {
            Some(told) => *told = loss,
            None if grew => self.losses.push(loss),
            None => {}
        }
        if let Some(line) = line {
            self.write(at, &line);
        }
    }

    /// One line with the counters that moved since the last one.
    fn drop_counters(&mut self, at: SystemTime, drops: DropCounters, unsent: u64) {
        let mut line = Line::new(Level::Debug, "drops", "dropped so far:".to_owned());
        for &reason in DropReason::ALL {
            let count = drops.of(reason);
            if count > self.drops.of(reason) {
                line.text.push_str(&format!(" {} {count}", reason.name()));
                line.push(reason.name(), Value::Number(count));
            }
        }
        if unsent > self.unsent {
            line.text.push_str(&format!(" unsent {unsent}"));
            line.push("unsent", Value::Number(unsent));
        }
        (self.drops, self.unsent) = (drops, unsent);
        if !line.is_bare() {
            self.write(at, &line);
        }
    }

    fn write(&mut self, at: SystemTime, line: &Line) {
        if line.level < self.logger.level {
            return;
        }
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let line = line.render(self.format, since_epoch);
        // Nobody is left to be told where even standard error is gone.
        let _ = self.out.write_all(line.as_bytes());
    }
}

/// Time for the last lines: with that for the goodbye less than the three seconds of the contract.
const PATIENCE: Duration = Duration::from_secs(1);
/// Facts that wait to be written.
const QUEUE: usize = 1_024;
