//! The real [`Desk`]: a mailbox that other threads fill, workers, the log.

use std::sync::Arc;

use kumihimo_core::config::ConfigError;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, Request};

use crate::config_file::Settings;
use crate::io::{Desk, Mail};
use crate::linux::Change;
use crate::log::{Level, Logger};
use crate::mailbox::Queue;
use crate::offload::Offload;
use crate::sys::wait::Waker;

/// What other threads tell the packet thread.
pub type Letter = Mail<Box<Settings>, Change>;

/// The way to a packet thread.
#[derive(Clone, Debug)]
pub struct Mailbox {
    queue: Arc<Queue<Letter>>,
    waker: Arc<Waker>,
}

impl Mailbox {
    /// An empty mailbox.
    ///
    /// # Errors
    /// What the system says: too many descriptors.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { queue: Arc::new(Queue::new(LETTERS)), waker: Arc::new(Waker::new()?) })
    }

    /// Hands over a letter and wakes the thread; `false` if the mailbox is full.
    pub fn post(&self, letter: Letter) -> bool {
        let posted = self.queue.push(letter).is_ok();
        self.waker.wake();
        posted
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

    fn configured(&mut self, result: Result<(), ConfigError>) {
        match result {
            Ok(()) => self.log.text(Level::Info, "reloaded", "configuration reloaded"),
            Err(error) => {
                let text = format!(
                    "configuration: refused, {}; the old one stays in force",
                    config_error(error)
                );
                self.log.text(Level::Error, "reload-failed", text);
            }
        }
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

/// Letters that wait at most: answers of all questions that wait, and orders.
const LETTERS: usize = 512;
