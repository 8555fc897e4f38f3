//! The bare core, driven as its contract says and checked at every step.

use std::cell::RefCell;
use std::rc::Rc;

use kumihimo_core::buf::{BUFFER_LEN, Frame, Pool};
use kumihimo_core::config::Config;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Census, Cx, Input, Output, Server, Storage};
use kumihimo_core::time::Instant;

use super::machine::{Arrival, Departure, Machine};

/// The core's server and its buffers.
pub struct CoreMachine {
    server: Server<'static, DirtyPool>,
    pool: DirtyPool,
    batch: usize,
    deadline: Option<Instant>,
    hoarded: Vec<DirtyBuffer>,
    starved: u64,
}

impl CoreMachine {
    /// A server with tables for `limits` and `buffers` buffers; `seed` is its entropy.
    ///
    /// # Errors
    /// Why the configuration is refused.
    pub fn new(
        limits: &Limits,
        buffers: usize,
        config: &Config<'_>,
        seed: [u8; 32],
    ) -> Result<Self, String> {
        let server = Server::new(Storage::allocate(limits), limits, config, seed);
        let server = server.map_err(|error| format!("configuration: {error:?}"))?;
        Ok(Self {
            server,
            pool: DirtyPool::new(buffers, seed[0] | 1),
            batch: limits.batch.max(1),
            deadline: Some(Instant::ZERO),
            hoarded: Vec::new(),
            starved: 0,
        })
    }

    fn take(&mut self, now: Instant, arrival: Arrival) {
        let Self { server, pool, starved, .. } = self;
        let input = match arrival {
            // Without a buffer nothing can be received: that equals loss.
            Arrival::Datagram { path, payload } => match Frame::copy_of(pool, &payload) {
                Ok(payload) => Input::Datagram { path, payload },
                Err(_) => return *starved += 1,
            },
            Arrival::Frame { bridge, frame } => match Frame::copy_of(pool, &frame) {
                Ok(frame) => Input::Frame { bridge, frame },
                Err(_) => return *starved += 1,
            },
            Arrival::PathMtu { path, mtu } => Input::PathMtu { path, mtu },
            Arrival::Command(command) => Input::Command(command),
            Arrival::Compute | Arrival::Settings(_) => return,
            Arrival::Answer { id, answer } => {
                return server.handle_answer(&mut Cx { now, pool }, id, &answer);
            }
        };
        server.handle(&mut Cx { now, pool }, input);
    }

    fn poll(&mut self, now: Instant) -> Output<DirtyBuffer> {
        self.server.poll(&mut Cx { now, pool: &mut self.pool })
    }

    /// Polls until the server waits, and checks that it really does.
    fn drain(&mut self, now: Instant, departures: &mut Vec<Departure>) -> Result<(), String> {
        for _ in 0..POLLS_MAX {
            match self.poll(now) {
                Output::Wait(at) => return self.rest(now, at),
                Output::Transmit { path, payload } => {
                    departures.push(Departure::Datagram { path, payload: payload.bytes().into() });
                }
                Output::Frame { bridge, frame } => {
                    departures.push(Departure::Frame { bridge, frame: frame.bytes().into() });
                }
                Output::Event(event) => departures.push(Departure::Event(event)),
                Output::Request(id) => {
                    let request = self.server.take_request(id);
                    let request = Box::new(request.ok_or("a request could not be taken")?);
                    if self.server.take_request(id).is_some() {
                        return Err("a request could be taken twice".into());
                    }
                    departures.push(Departure::Question { id, request });
                }
            }
        }
        Err(format!("after {POLLS_MAX} polls it does not wait"))
    }

    fn rest(&mut self, now: Instant, at: Option<Instant>) -> Result<(), String> {
        if at.is_some_and(|at| at <= now) {
            return Err(format!("it waits for {at:?} at {now:?}"));
        }
        match self.poll(now) {
            Output::Wait(again) if again == at => {
                self.deadline = at;
                Ok(())
            }
            other => Err(format!("it waited for {at:?}, and then had {other:?}")),
        }
    }
}

impl Machine for CoreMachine {
    fn turn(
        &mut self,
        now: Instant,
        arrivals: &mut Vec<Arrival>,
        departures: &mut Vec<Departure>,
    ) -> Result<(), String> {
        // A timer that comes early is harmless, and so it comes with every turn.
        self.server.handle(&mut Cx { now, pool: &mut self.pool }, Input::Timer);
        let mut waiting = arrivals.drain(..).peekable();
        loop {
            for arrival in waiting.by_ref().take(self.batch) {
                match arrival {
                    Arrival::Settings(settings) => {
                        // What it has to tell of before comes before the verdict.
                        self.drain(now, departures)?;
                        let told = settings.with_core(|config| self.server.configure(config));
                        let told = told.map_err(|why| format!("{why:?}"));
                        departures.push(Departure::Configured(told));
                    }
                    arrival => self.take(now, arrival),
                }
            }
            self.drain(now, departures)?;
            if waiting.peek().is_none() {
                return Ok(());
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn census(&self) -> Census {
        self.server.census()
    }

    fn drops(&self) -> DropCounters {
        self.server.drops().clone()
    }

    fn buffers(&self) -> (usize, usize) {
        (self.pool.free(), self.pool.total - self.hoarded.len())
    }

    fn starved(&self) -> u64 {
        self.starved
    }

    fn hoard(&mut self, count: usize) -> usize {
        if count == 0 {
            self.hoarded.clear();
        }
        let Self { hoarded, pool, .. } = self;
        hoarded.extend(std::iter::from_fn(|| pool.take()).take(count));
        hoarded.len()
    }
}

/// A pool that never gives a clean buffer out: nothing that a server does may depend on what a
/// fresh buffer holds.
#[derive(Clone, Debug)]
pub struct DirtyPool {
    free: Rc<RefCell<Vec<Box<[u8]>>>>,
    pub(super) total: usize,
    dirt: u8,
}

/// A buffer; it returns to its pool when it is dropped.
#[derive(Debug)]
pub struct DirtyBuffer {
    octets: Box<[u8]>,
    home: Rc<RefCell<Vec<Box<[u8]>>>>,
}

impl DirtyPool {
    pub(super) fn new(total: usize, dirt: u8) -> Self {
        Self { free: Rc::new(RefCell::new(Vec::with_capacity(total))), total, dirt }.filled()
    }

    fn filled(self) -> Self {
        let buffers = std::iter::repeat_with(|| vec![self.dirt; BUFFER_LEN].into());
        self.free.borrow_mut().extend(buffers.take(self.total));
        self
    }

    pub(super) fn free(&self) -> usize {
        self.free.borrow().len()
    }
}

impl Pool for DirtyPool {
    type Buf = DirtyBuffer;

    fn take(&mut self) -> Option<DirtyBuffer> {
        let octets = self.free.borrow_mut().pop()?;
        Some(DirtyBuffer { octets, home: Rc::clone(&self.free) })
    }
}

impl AsRef<[u8]> for DirtyBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl AsMut<[u8]> for DirtyBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.octets
    }
}

impl Drop for DirtyBuffer {
    fn drop(&mut self) {
        self.home.borrow_mut().push(std::mem::take(&mut self.octets));
    }
}

/// More outputs than any turn can have.
const POLLS_MAX: usize = 1_000_000;
