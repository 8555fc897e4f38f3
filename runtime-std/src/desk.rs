//! The real [`Desk`]: a mailbox that other threads fill, workers, the log.

use std::sync::Arc;
use std::time::Duration;

use kumihimo_core::config::ConfigError;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, Request};

use crate::config_file::Settings;
use crate::io::{Cause, Desk, Loss, Mail};
use crate::linux::Change;
use crate::log::{Level, Logger};
use crate::mailbox::Queue;
use crate::offload::Offload;
use crate::pause::Pause;
use crate::sys::wait::Waker;

/// What other threads tell the packet thread.
pub type Letter = Mail<Box<Settings>, Change>;

/// The way to a packet thread.
#[derive(Clone, Debug)]
pub struct Mailbox {
    queue: Arc<Queue<Letter>>,
    replies: Arc<Queue<Result<(), ConfigError>>>,
    waker: Arc<Waker>,
    patience: Duration,
}

impl Mailbox {
    /// An empty mailbox.
    ///
    /// # Errors
    /// What the system says: too many descriptors.
    pub fn new() -> std::io::Result<Self> {
        let (queue, replies) = (Arc::new(Queue::new(LETTERS)), Arc::new(Queue::new(1)));
        Ok(Self { queue, replies, waker: Arc::new(Waker::new()?), patience: PATIENCE })
    }

    /// Hands over a letter and wakes the thread; `false` if the mailbox is full.
    pub fn post(&self, letter: Letter) -> bool {
        let posted = self.queue.push(letter).is_ok();
        self.waker.wake();
        posted
    }

    /// Hands over a new configuration and waits until the thread has taken or refused it.
    ///
    /// # Errors
    /// One line that says why it was not taken.
    pub fn configure(&self, settings: Settings, change: Change) -> Result<(), String> {
        // An answer that came too late is not the one to this question.
        while self.replies.try_pop().is_some() {}
        if !self.post(Mail::Configure(Box::new(settings), change)) {
            return Err("the packet thread has too much to do; send SIGHUP again".to_owned());
        }
        let answer = self.replies.pop_within(self.patience).or_else(|| self.give_up());
        match answer {
            Some(result) => result.map_err(|error| config_error(error).to_owned()),
            None => Err("the packet thread does not answer; send SIGHUP again".to_owned()),
        }
    }

    /// Takes back an order that the thread has not seen: it shall not carry it out later, when
    /// nobody knows of it any more. Returns the answer if it is at it already.
    fn give_up(&self) -> Option<Result<(), ConfigError>> {
        let is_order = |letter: &Letter| matches!(letter, Mail::Configure(..));
        match self.queue.retract(is_order) {
            Some(_) => None,
            None => self.replies.pop_within(self.patience),
        }
    }

    /// What ends the thread's wait.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }
}

/// The packet thread's side of everything that is not a packet.
#[derive(Debug)]
pub struct RealDesk {
    mailbox: Mailbox,
    offload: Offload,
    log: Logger,
}

impl RealDesk {
    /// A desk with `workers` threads for slow questions.
    ///
    /// # Errors
    /// What the system says: no more threads.
    pub fn new(mailbox: Mailbox, workers: usize, log: Logger) -> std::io::Result<Self> {
        let reply = mailbox.clone();
        let deliver = move |id: RequestId, answer: Answer| {
            // Without room for it the core's time limit answers instead.
            reply.post(Mail::Answer(id, answer));
        };
        Ok(Self { mailbox, offload: Offload::start(workers, deliver)?, log })
    }
}

impl Desk for RealDesk {
    type Settings = Box<Settings>;
    type Change = Change;

    fn next_mail(&mut self) -> Option<Letter> {
        self.mailbox.queue.try_pop()
    }

    fn ask(&mut self, id: RequestId, request: Request) {
        if !self.offload.ask(id, request) {
            self.log.text(Level::Debug, "offload-full", "too many key exchanges wait: one dropped");
        }
    }

    fn record(&mut self, event: Event) {
        self.log.event(event);
    }

    fn record_drops(&mut self, drops: &DropCounters, unsent: u64) {
        self.log.drops(drops, unsent);
    }

    fn record_loss(&mut self, loss: Loss) {
        self.log.loss(loss);
    }

    fn record_pause(&mut self, pause: Pause, cause: Cause) {
        self.log.pause(pause, cause);
    }

    fn record_longest(&mut self, pause: Pause) {
        self.log.longest(pause);
    }

    fn configured(&mut self, result: Result<(), ConfigError>) {
        // Nobody waits any more where there is no room for it.
        let _ = self.mailbox.replies.push(result);
    }
}

/// Why the core refuses a configuration that the file reader let pass.
pub fn config_error(error: ConfigError) -> &'static str {
    match error {
        ConfigError::BadPsk => "ipsec.psk is empty or too long",
        ConfigError::BadName => "a name of a hub or user is empty or too long",
        ConfigError::DuplicateName => "two hubs or two users have the same name",
        ConfigError::NoDefaultHub => "ipsec.default-hub names no hub",
        ConfigError::BadSubnet => "address and pool of a hub's secure-nat contradict each other",
        ConfigError::TooMany => {
            "there are more hubs, bridges or users than fit; raise server.max-sessions"
        }
    }
}

/// How long a packet thread may take to look at a new configuration.
const PATIENCE: Duration = Duration::from_secs(2);
/// Letters that wait at most: answers of all questions that wait, and orders.
const LETTERS: usize = 512;

#[cfg(test)]
mod tests;
