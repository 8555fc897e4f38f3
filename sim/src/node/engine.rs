//! The engine of `runtime-std`, the very code that serves sockets, over a simulated outside.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use kumihimo::config_file::Settings;
use kumihimo::engine::{Engine, Machine as _};
use kumihimo::io::{BufOf, Desk, Io, Mail, Outgoing};
use kumihimo::machine::Core;
use kumihimo::pool::{Buffer, BufferPool};
use kumihimo_core::buf::Frame;
use kumihimo_core::config::ConfigError;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::ids::RequestId;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Census, Input, Request};
use kumihimo_core::time::Instant;

use super::machine::{Arrival, Departure, Machine};

/// The engine with a core in it, and the outside that it believes in.
pub struct StdMachine {
    engine: Engine<SimIo, Core, SimDesk>,
    outside: Rc<RefCell<Outside>>,
}

/// What the engine sees of the world.
#[derive(Debug, Default)]
struct Outside {
    now: Instant,
    /// Datagrams and frames that have arrived.
    packets: VecDeque<Arrival>,
    mail: VecDeque<Mail<Box<Settings>, ()>>,
    departures: Vec<Departure>,
    hoarded: Vec<Buffer>,
    /// How many buffers are to be taken away at the next receive.
    wants_hoard: usize,
    starved: u64,
}

/// The simulated sockets and clock.
#[derive(Debug)]
pub struct SimIo(Rc<RefCell<Outside>>);

/// The simulated workers, log and administrator.
#[derive(Debug)]
pub struct SimDesk(Rc<RefCell<Outside>>);

impl StdMachine {
    /// A server with tables for `limits` and `buffers` buffers; `seed` is its entropy.
    ///
    /// # Errors
    /// Why the configuration is refused.
    pub fn new(
        limits: &Limits,
        buffers: usize,
        settings: &Settings,
        seed: [u8; 32],
    ) -> Result<Self, String> {
        let core = Core::new(limits, settings, seed);
        let core = core.map_err(|error| format!("configuration: {error:?}"))?;
        let outside = Rc::new(RefCell::new(Outside::default()));
        let (io, desk) = (SimIo(Rc::clone(&outside)), SimDesk(Rc::clone(&outside)));
        let engine = Engine::new(core, BufferPool::new(buffers), io, desk, limits.batch);
        Ok(Self { engine, outside })
    }

    /// Whether something waits that a turn would take.
    fn has_work(&self, now: Instant) -> bool {
        let outside = self.outside.borrow();
        let arrived = !outside.packets.is_empty() || !outside.mail.is_empty();
        arrived || self.engine.deadline().is_some_and(|at| at <= now)
    }
}

impl Machine for StdMachine {
    fn turn(
        &mut self,
        now: Instant,
        arrivals: &mut Vec<Arrival>,
        departures: &mut Vec<Departure>,
    ) -> Result<(), String> {
        {
            let mut outside = self.outside.borrow_mut();
            outside.now = now;
            for arrival in arrivals.drain(..) {
                match arrival {
                    Arrival::Answer { id, answer } => {
                        outside.mail.push_back(Mail::Answer(id, *answer));
                    }
                    Arrival::Command(command) => outside.mail.push_back(Mail::Command(command)),
                    Arrival::PathMtu { path, mtu } => {
                        outside.mail.push_back(Mail::PathMtu(path, mtu));
                    }
                    Arrival::Settings(settings) => {
                        outside.mail.push_back(Mail::Configure(settings, ()));
                    }
                    packet => outside.packets.push_back(packet),
                }
            }
        }
        // One turn even if nothing is due: a wait may end early.
        for _ in 0..TURNS_MAX {
            if !self.engine.turn() {
                return Err("the engine stopped".into());
            }
            departures.append(&mut self.outside.borrow_mut().departures);
            if !self.has_work(now) {
                return Ok(());
            }
        }
        Err(format!("after {TURNS_MAX} turns the engine still has work"))
    }

    fn deadline(&self) -> Option<Instant> {
        self.engine.deadline()
    }

    fn census(&self) -> Census {
        self.engine.machine().census()
    }

    fn drops(&self) -> DropCounters {
        self.engine.machine().drops().clone()
    }

    fn buffers(&self) -> (usize, usize) {
        let pool = self.engine.pool();
        (pool.free(), pool.total() - self.outside.borrow().hoarded.len())
    }

    fn starved(&self) -> u64 {
        self.outside.borrow().starved
    }

    fn hoard(&mut self, count: usize) -> usize {
        let mut outside = self.outside.borrow_mut();
        outside.wants_hoard = count;
        if count == 0 {
            outside.hoarded.clear();
        }
        outside.hoarded.len() + count
    }
}

impl Io for SimIo {
    type Pool = BufferPool;
    type Change = ();

    fn now(&mut self) -> Instant {
        self.0.borrow().now
    }

    fn recv_batch(
        &mut self,
        pool: &mut BufferPool,
        most: usize,
        inputs: &mut Vec<Input<BufOf<Self>>>,
    ) {
        let mut outside = self.0.borrow_mut();
        let wanted = std::mem::take(&mut outside.wants_hoard);
        let taken = std::iter::from_fn(|| kumihimo_core::buf::Pool::take(pool));
        outside.hoarded.extend(taken.take(wanted));
        for _ in 0..most {
            let Some(packet) = outside.packets.pop_front() else { return };
            let input = match packet {
                Arrival::Datagram { path, payload } => {
                    Frame::copy_of(pool, &payload).map(|payload| Input::Datagram { path, payload })
                }
                Arrival::Frame { bridge, frame } => {
                    Frame::copy_of(pool, &frame).map(|frame| Input::Frame { bridge, frame })
                }
                Arrival::PathMtu { .. }
                | Arrival::Answer { .. }
                | Arrival::Command(_)
                | Arrival::Settings(_)
                | Arrival::Compute => continue,
            };
            // Without a buffer nothing can be received: that equals loss.
            outside.starved += u64::from(input.is_err());
            inputs.extend(input.ok());
        }
    }

    fn send_batch(&mut self, outgoing: &mut Vec<Outgoing<BufOf<Self>>>) {
        let departures = outgoing.drain(..).map(|outgoing| match outgoing {
            Outgoing::Datagram { path, payload } => {
                Departure::Datagram { path, payload: payload.bytes().into() }
            }
            Outgoing::Frame { bridge, frame } => {
                Departure::Frame { bridge, frame: frame.bytes().into() }
            }
        });
        self.0.borrow_mut().departures.extend(departures);
    }

    /// The world waits in its stead.
    fn wait(&mut self, _: Option<Instant>) {}

    fn adopt(&mut self, (): ()) {}

    fn unsent(&self) -> u64 {
        0
    }
}

impl Desk for SimDesk {
    type Settings = Box<Settings>;
    type Change = ();

    fn next_mail(&mut self) -> Option<Mail<Box<Settings>, ()>> {
        self.0.borrow_mut().mail.pop_front()
    }

    fn ask(&mut self, id: RequestId, request: Request) {
        let question = Departure::Question { id, request: Box::new(request) };
        self.0.borrow_mut().departures.push(question);
    }

    fn record(&mut self, event: Event) {
        self.0.borrow_mut().departures.push(Departure::Event(event));
    }

    fn record_drops(&mut self, _: &DropCounters, _: u64) {}

    fn configured(&mut self, told: Result<(), ConfigError>) {
        let told = told.map_err(|why| format!("{why:?}"));
        self.0.borrow_mut().departures.push(Departure::Configured(told));
    }
}

/// More turns than any number of arrivals can take.
const TURNS_MAX: usize = 100_000;
