//! The runner of `runtime-embassy`, the very code that boards run, over a simulated Ethernet and
//! embassy's mock clock.
//!
//! What boards have not: SecureNAT, a second hub, IPv6, news of the path's MTU. Key exchanges are
//! computed by the runtime's own offload, as late as the world says; it loses none and says
//! nothing twice. What the board sends may be cut into fragments on its way, so that there is no
//! news of a path's MTU either.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use embassy_time::MockDriver;
use kumihimo::config_file::Settings as StdSettings;
use kumihimo_core::buf::Pool;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::server::{BridgeId, Census, Command, Storage};
use kumihimo_core::time::{Instant, earliest};
use kumihimo_embassy::settings::Addressing;
use kumihimo_embassy::{NetMemory, Observer, Resources, Settings, Shared, Turn};

use super::bare::{DirtyBuffer, DirtyPool};
use super::cable::{Cable, ROUTER_IP, Router, Taken};
use super::machine::{Arrival, Departure, Machine};
use super::setup::ServerSetup;
use crate::story::town::SERVER_IP;

/// A board: its packet task, the task that computes, and its Ethernet.
pub struct BoardMachine {
    runner: Task,
    offload: Task,
    shared: Rc<Shared>,
    cable: Cable,
    router: Router,
    pool: DirtyPool,
    hoarded: Vec<DirtyBuffer>,
    seen: Rc<RefCell<Seen>>,
    /// Orders for which the runtime has no room yet.
    commands: VecDeque<Command>,
    /// Settings that wait, and what becomes of those that were handed over.
    reloads: VecDeque<Settings>,
    reload: Option<Task>,
    /// Whether the one who computes has something to do, and has said so.
    is_asked: bool,
    /// Whether he has had his time.
    may_compute: bool,
    piece_len: usize,
    /// Packets that came in pieces, of which some may have found no place.
    in_pieces: u64,
    /// Where the mock clock stands.
    now: Instant,
    _clock: ClockGuard,
}

/// What the observer saw of the server.
#[derive(Debug, Default)]
struct Seen {
    departures: Vec<Departure>,
    census: Census,
    drops: DropCounters,
    deadline: Option<Instant>,
    no_buffer: u64,
}

struct Eye(Rc<RefCell<Seen>>);

impl Observer for Eye {
    fn on_event(&mut self, _: Instant, event: &Event) {
        self.0.borrow_mut().departures.push(Departure::Event(event.clone()));
    }

    fn on_turn<P: Pool>(&mut self, _: Instant, turn: &Turn<'_, '_, P>) {
        let seen = &mut *self.0.borrow_mut();
        seen.census = turn.server.census();
        seen.drops.clone_from(turn.server.drops());
        seen.deadline = earliest(turn.deadline, Some(turn.report_at));
        seen.no_buffer = u64::from(turn.traffic.no_buffer);
    }
}

impl BoardMachine {
    /// A board of this setup; `seed` is its entropy.
    ///
    /// # Errors
    /// What of the setup a board cannot have.
    pub fn new(setup: &ServerSetup, mut seed: [u8; 32]) -> Result<Self, String> {
        let clock = clock();
        MockDriver::get().reset();
        let settings = settings_of(&setup.settings)?;
        // A shrunk tape gives zeros, which a board rightly refuses.
        seed[31] ^= u8::from(seed.iter().all(|octet| octet == &seed[0]));
        let (shared, cable) = (Rc::new(Shared::new()), Cable::new(setup.cable));
        let pool = DirtyPool::new(setup.buffers, seed[0] | 1);
        let seen = Rc::new(RefCell::new(Seen { deadline: Some(Instant::ZERO), ..Seen::default() }));
        let run = {
            let (shared, eye, device) = (Rc::clone(&shared), Eye(Rc::clone(&seen)), cable.device());
            let (pool, limits) = (pool.clone(), setup.limits);
            async move {
                let mut net = Box::new(NetMemory::new());
                let storage = Storage::allocate(&limits);
                let resources = Resources { storage, limits, pool, net: &mut net };
                let made = kumihimo_embassy::new(&shared, resources, device, settings, Some(seed));
                let ended = match made {
                    Ok((_, runner)) => runner.run_observed(eye).await.err(),
                    Err(why) => Some(why),
                };
                format!("the board stopped: {ended:?}")
            }
        };
        let offload = {
            let shared = Rc::clone(&shared);
            async move { shared.handle().offload().run().await }
        };
        let mut offload = Task::new(offload);
        offload.run()?;
        Ok(Self {
            runner: Task::new(run),
            offload,
            shared,
            cable,
            router: Router::default(),
            pool,
            hoarded: Vec::new(),
            seen,
            commands: VecDeque::new(),
            reloads: VecDeque::new(),
            reload: None,
            is_asked: false,
            may_compute: false,
            piece_len: setup.cable.piece_len,
            in_pieces: 0,
            now: Instant::ZERO,
            _clock: clock,
        })
    }

    fn take(&mut self, arrival: Arrival, departures: &mut Vec<Departure>) {
        match arrival {
            Arrival::Settings(settings) => match settings_of(&settings) {
                Ok(settings) => self.reloads.push_back(settings),
                Err(why) => departures.push(Departure::Configured(Err(why))),
            },
            Arrival::Datagram { path, payload } => {
                let frames = self.router.wrap(&path, &payload, self.piece_len);
                self.in_pieces += u64::from(frames.len() > 1);
                frames.into_iter().for_each(|frame| self.cable.deliver(frame));
            }
            Arrival::Frame { frame, .. } => self.cable.deliver(frame),
            Arrival::Command(command) => self.commands.push_back(command),
            Arrival::Compute => self.may_compute = true,
            Arrival::PathMtu { .. } | Arrival::Answer { .. } => {}
        }
    }

    /// Gives the runtime the orders that wait.
    fn order(&mut self) {
        let handle = self.shared.handle();
        while let Some(&command) = self.commands.front() {
            let sent = pin!(handle.command(command));
            if sent.poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                return;
            }
            self.commands.pop_front();
        }
    }

    /// Hands settings over, one after the other; tells whether something came of it.
    fn configure(&mut self, departures: &mut Vec<Departure>) -> bool {
        if self.reload.is_none()
            && let Some(settings) = self.reloads.pop_front()
        {
            let shared = Rc::clone(&self.shared);
            self.reload = Some(Task::new(async move {
                let told = shared.handle().configure(settings).await;
                told.err().map_or_else(String::new, |why| why.text().to_owned())
            }));
        }
        match self.reload.as_mut().map(Task::run) {
            Some(Err(why)) => {
                self.reload = None;
                let told = if why.is_empty() { Ok(()) } else { Err(why) };
                departures.push(Departure::Configured(told));
                true
            }
            Some(Ok(is_busy)) => is_busy,
            None => false,
        }
    }

    fn compute(&mut self, departures: &mut Vec<Departure>) -> Result<bool, String> {
        let computes = std::mem::take(&mut self.may_compute);
        if computes {
            self.is_asked = false;
            self.offload.run()?;
        }
        if !self.is_asked && self.offload.is_woken() {
            self.is_asked = true;
            departures.push(Departure::Computation);
        }
        Ok(computes)
    }

    /// Takes what the board has sent to where it belongs; tells whether there was anything.
    fn carry(&mut self, departures: &mut Vec<Departure>) -> bool {
        let sent = self.cable.take_sent();
        let has_sent = !sent.is_empty();
        for frame in sent {
            match self.router.take(&frame) {
                Taken::Datagram { path, payload } => {
                    departures.push(Departure::Datagram { path, payload });
                }
                Taken::Swallowed => {}
                Taken::Answered(reply) => {
                    self.cable.deliver(reply);
                    departures.push(Departure::Frame { bridge: BRIDGE, frame });
                }
                Taken::Other => departures.push(Departure::Frame { bridge: BRIDGE, frame }),
            }
        }
        has_sent
    }
}

impl Machine for BoardMachine {
    fn turn(
        &mut self,
        now: Instant,
        arrivals: &mut Vec<Arrival>,
        departures: &mut Vec<Departure>,
    ) -> Result<(), String> {
        let passed = embassy_time::Duration::from_micros(now.since(self.now).as_micros());
        self.now = now;
        MockDriver::get().advance(passed);
        for arrival in arrivals.drain(..) {
            self.take(arrival, departures);
        }
        for _ in 0..ROUNDS_MAX {
            self.order();
            let mut is_busy = self.configure(departures);
            is_busy |= self.runner.run()?;
            departures.append(&mut self.seen.borrow_mut().departures);
            is_busy |= self.carry(departures);
            is_busy |= self.compute(departures)?;
            if !is_busy {
                return Ok(());
            }
        }
        Err(format!("after {ROUNDS_MAX} rounds the board still has work"))
    }

    fn deadline(&self) -> Option<Instant> {
        self.seen.borrow().deadline
    }

    fn census(&self) -> Census {
        self.seen.borrow().census
    }

    fn drops(&self) -> DropCounters {
        self.seen.borrow().drops.clone()
    }

    fn buffers(&self) -> (usize, usize) {
        (self.pool.free(), self.pool.total - self.hoarded.len())
    }

    fn starved(&self) -> u64 {
        self.seen.borrow().no_buffer + self.cable.overruns() + self.in_pieces
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

/// A task of an executor that has only this one.
struct Task {
    future: Pin<Box<dyn Future<Output = String>>>,
    flag: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn new(future: impl Future<Output = String> + 'static) -> Self {
        Self { future: Box::pin(future), flag: Arc::new(Flag(AtomicBool::new(true))) }
    }

    fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::Relaxed)
    }

    /// Polls if it was woken, once; tells whether it was.
    fn run(&mut self) -> Result<bool, String> {
        if !self.flag.0.swap(false, Ordering::Relaxed) {
            return Ok(false);
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(why) => Err(why),
            Poll::Pending => Ok(true),
        }
    }
}

fn settings_of(std: &StdSettings) -> Result<Settings, String> {
    let [hub] = &std.hubs[..] else { return Err("a board has one hub".into()) };
    if hub.secure_nat.is_some() {
        return Err("a board has no SecureNAT".into());
    }
    let IpAddr::V4(address) = SERVER_IP else { return Err("a board speaks IPv4".into()) };
    let ipsec = &std.ipsec;
    let mut settings = Settings::default();
    settings.policy = ipsec.policy;
    settings.encapsulation = ipsec.encapsulation;
    let addressing = Addressing::Static { address, prefix_len: 24, gateway: Some(ROUTER_IP) };
    let told = settings.set_psk(&ipsec.psk).and_then(|()| settings.set_hub(&hub.name));
    let told = told.and_then(|()| settings.set_addressing(addressing));
    let told = hub.users.iter().fold(told, |told, user| {
        let most = user.max_sessions.map_or(0, |most| u8::try_from(most).unwrap_or(u8::MAX));
        told.and_then(|()| settings.add_user_hash(&user.name, user.nt_hash, most))
    });
    told.map_err(|why| why.text().to_owned())?;
    Ok(settings)
}

type ClockGuard = MutexGuard<'static, ()>;

/// The right to the mock clock: a process has one board at a time.
#[expect(clippy::disallowed_types, reason = "embassy's mock clock is one for all threads")]
fn clock() -> ClockGuard {
    static CLOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hub's way to the LAN.
const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };
/// More rounds than any number of arrivals can take.
const ROUNDS_MAX: usize = 100_000;
