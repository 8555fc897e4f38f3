//! The loop that drives the core: no system calls, no async, no threads.
//!
//! Each turn waits, hands in what has arrived, at most `limits.batch` inputs, and then polls the
//! core dry, as its drive contract asks. The simulator runs this same loop.

use kumihimo_core::buf::Pool;
use kumihimo_core::config::ConfigError;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, Command, Input, Output, Request};
use kumihimo_core::time::{Duration, Instant, earliest};

use crate::io::{BufOf, Desk, Io, Mail, Outgoing};
use crate::pause::{Phase, Turns};

/// What the engine drives: the core's server, or what a test puts in its place.
pub trait Machine<P: Pool> {
    /// A new configuration.
    type Settings;

    /// Takes one input.
    fn handle(&mut self, now: Instant, pool: &mut P, input: Input<P::Buf>);
    /// Gives one output.
    fn poll(&mut self, now: Instant, pool: &mut P) -> Output<P::Buf>;
    /// Gives the question behind [`Output::Request`].
    fn take_request(&mut self, id: RequestId) -> Option<Request>;
    /// Takes the answer to a question.
    fn handle_answer(&mut self, now: Instant, pool: &mut P, id: RequestId, answer: &Answer);
    /// Takes a new configuration.
    ///
    /// # Errors
    /// Why it is refused; the old one then stays in force.
    fn configure(
        &mut self,
        now: Instant,
        pool: &mut P,
        settings: Self::Settings,
    ) -> Result<(), ConfigError>;
    /// How often what was dropped.
    fn drops(&self) -> &DropCounters;
}

/// A core, its buffers, and the world around it.
pub struct Engine<I: Io, M, D> {
    machine: M,
    pool: I::Pool,
    io: I,
    desk: D,
    inputs: Vec<Input<BufOf<I>>>,
    outgoing: Vec<Outgoing<BufOf<I>>>,
    deadline: Option<Instant>,
    /// When to end although peers have not answered the goodbye.
    stop_at: Option<Instant>,
    report_at: Instant,
    batch: usize,
    turns: Turns,
}

impl<I, M, D> Engine<I, M, D>
where
    I: Io,
    M: Machine<I::Pool>,
    D: Desk<Settings = M::Settings, Change = I::Change>,
{
    /// An engine that hands `batch` inputs to the core before it polls, at least 2.
    pub fn new(machine: M, pool: I::Pool, mut io: I, desk: D, batch: usize) -> Self {
        let batch = batch.max(2);
        let now = io.now();
        Self {
            machine,
            pool,
            io,
            desk,
            inputs: Vec::with_capacity(batch),
            outgoing: Vec::with_capacity(OUTGOING),
            deadline: Some(now),
            stop_at: None,
            report_at: now + REPORT_INTERVAL,
            batch,
            turns: Turns::new(now),
        }
    }

    /// When the next [`Engine::turn`] is due if nothing arrives before.
    pub fn deadline(&self) -> Option<Instant> {
        earliest(self.deadline, self.stop_at)
    }

    /// What it drives, for those who watch.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Its buffers, for those who watch.
    pub const fn pool(&self) -> &I::Pool {
        &self.pool
    }

    /// Runs until [`Mail::Stop`] has been carried out.
    pub fn run(&mut self) {
        while self.turn() {}
    }

    /// One round of wait, input and output; `false` once the engine has stopped.
    pub fn turn(&mut self) -> bool {
        self.io.wait(self.deadline());
        let now = self.io.now();
        self.turns.begin(now, self.io.overslept());
        self.take_inputs(now);
        self.poll_dry(now);
        let stopped = self.has_stopped(now);
        if stopped || self.report_at <= now {
            self.report_at = now + REPORT_INTERVAL;
            self.report();
        }
        if let Some(pause) = self.turns.end() {
            self.desk.record_pause(pause, self.io.cause());
            self.record_losses();
        }
        !stopped
    }

    fn take_inputs(&mut self, now: Instant) {
        let mut room = self.batch;
        if self.deadline.is_some_and(|at| at <= now) {
            self.machine.handle(now, &mut self.pool, Input::Timer);
            self.did(Phase::Timer);
            room -= 1;
        }
        while room > 1 {
            let Some(mail) = self.desk.next_mail() else { break };
            self.handle_mail(now, mail);
            room -= 1;
        }
        self.did(Phase::Mail);
        self.io.recv_batch(&mut self.pool, room, &mut self.inputs);
        self.did(Phase::Receiving);
        for input in self.inputs.drain(..) {
            self.machine.handle(now, &mut self.pool, input);
        }
        self.did(Phase::Handling);
    }

    /// Ends a phase in the account of this turn.
    fn did(&mut self, phase: Phase) {
        self.turns.did(phase, self.io.glance());
    }

    fn report(&mut self) {
        self.desk.record_drops(self.machine.drops(), self.io.unsent());
        self.record_losses();
        self.did(Phase::Reporting);
        self.desk.record_longest(self.turns.longest());
    }

    fn record_losses(&mut self) {
        let Self { io, desk, .. } = self;
        io.losses(&mut |loss| desk.record_loss(loss));
    }

    fn handle_mail(&mut self, now: Instant, mail: Mail<M::Settings, I::Change>) {
        let Self { machine, pool, .. } = self;
        match mail {
            Mail::Answer(id, answer) => machine.handle_answer(now, pool, id, &answer),
            Mail::Command(command) => machine.handle(now, pool, Input::Command(command)),
            Mail::PathMtu(path, mtu) => machine.handle(now, pool, Input::PathMtu { path, mtu }),
            Mail::Configure(settings, change) => {
                let result = machine.configure(now, pool, settings);
                if result.is_ok() {
                    self.io.adopt(change);
                }
                self.desk.configured(result);
            }
            Mail::Stop if self.stop_at.is_none() => {
                machine.handle(now, pool, Input::Command(Command::Shutdown));
                self.stop_at = Some(now + GOODBYE);
            }
            Mail::Stop => {}
        }
    }

    fn poll_dry(&mut self, now: Instant) {
        self.deadline = loop {
            match self.machine.poll(now, &mut self.pool) {
                Output::Wait(at) => break at,
                Output::Transmit { path, payload } => {
                    self.send(Outgoing::Datagram { path, payload });
                }
                Output::Frame { bridge, frame } => self.send(Outgoing::Frame { bridge, frame }),
                Output::Event(event) => self.desk.record(event),
                Output::Request(id) => {
                    if let Some(request) = self.machine.take_request(id) {
                        self.desk.ask(id, request);
                    }
                }
            }
        };
        self.did(Phase::Polling);
        self.io.send_batch(&mut self.outgoing);
        self.did(Phase::Sending);
    }

    fn send(&mut self, outgoing: Outgoing<BufOf<I>>) {
        if self.outgoing.len() == OUTGOING {
            self.did(Phase::Polling);
            self.io.send_batch(&mut self.outgoing);
            self.did(Phase::Sending);
        }
        self.outgoing.push(outgoing);
    }

    /// Whether everyone has been told goodbye, or there was time enough to.
    fn has_stopped(&self, now: Instant) -> bool {
        self.stop_at.is_some_and(|at| at <= now || self.deadline.is_none())
    }
}

#[cfg(test)]
mod pauses;
#[cfg(test)]
mod tests;

/// Outputs that are sent together.
const OUTGOING: usize = 128;
/// Time for peers to acknowledge a goodbye, well within the three seconds of the contract.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often drops are recorded.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
