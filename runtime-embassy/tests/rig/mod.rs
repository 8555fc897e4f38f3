//! A board in a box: the real runner over a simulated device, a LAN around it, a clock that only
//! the test moves.
//!
//! embassy's mock clock is one for the whole process, so a rig holds a lock for as long as it
//! lives; tests of one file run one after the other.

#![allow(dead_code, reason = "each test file uses its part of the rig")]
#![allow(unreachable_pub, reason = "a module of tests has no outside")]

pub mod dialer;
pub mod host;
pub mod serial;
pub mod wire;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use embassy_time::MockDriver;
use kumihimo_core::event::Event;
use kumihimo_core::static_tables;
use kumihimo_embassy::settings::Addressing;
use kumihimo_embassy::{
    Buffer, BufferPool, Buffers, Handle, NetMemory, Resources, Settings, Shared,
};

use host::Host;
use wire::{Port, Wire};

static_tables! {
    /// The tables of the board under test.
    pub struct Tables<Buffer>, kumihimo_core::limits::Limits::board(4);
}

pub const BOARD: [u8; 4] = [192, 0, 2, 1];
pub const BOARD_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const PSK: &str = "correct horse battery staple";

/// Packet buffers of the board.
pub const BUFFERS: usize = 16;

/// The board, its LAN, and everything else that has to be moved on.
pub struct Rig {
    pub wire: Wire,
    pub handle: Handle<'static>,
    pub hosts: Vec<Box<dyn Host>>,
    pub events: Rc<RefCell<Vec<Event>>>,
    pub pool: BufferPool,
    pub log: String,
    /// Whether key exchanges are computed.
    pub computes: bool,
    /// Whether the packet task runs.
    pub runs: bool,
    /// Whether the rig reads the log, in the place of a console.
    pub keeps_log: bool,
    runner: Task,
    offload: Task,
    others: Vec<Task>,
    /// Microseconds.
    pub now: u64,
    _clock: MutexGuard<'static, ()>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
    is_done: bool,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn new(future: impl Future<Output = ()> + 'static) -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        Self { future: Box::pin(future), flag, is_done: false }
    }

    /// Polls until nobody wakes it; tells whether it was polled at all.
    fn run(&mut self) -> bool {
        for polls in 0.. {
            if self.is_done || !self.flag.0.swap(false, Ordering::Relaxed) {
                return polls > 0;
            }
            assert!(polls < 1_000, "the task comes to rest");
            let waker = Waker::from(Arc::clone(&self.flag));
            let poll = self.future.as_mut().poll(&mut Context::from_waker(&waker));
            self.is_done = matches!(poll, Poll::Ready(()));
        }
        unreachable!()
    }
}

/// Settings with a key, the users `jiro` and `hanako`, and the board's usual address.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.set_psk(PSK.as_bytes()).unwrap();
    settings.add_user("jiro", "pass").unwrap();
    settings.add_user("hanako", "hana").unwrap();
    let gateway = Some([192, 0, 2, 254].into());
    let addressing = Addressing::Static { address: BOARD.into(), prefix_len: 24, gateway };
    settings.set_addressing(addressing).unwrap();
    settings
}

/// The value of a future that waits for nothing.
pub fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

impl Rig {
    pub fn new(settings: Settings) -> Self {
        static CLOCK: Mutex<()> = Mutex::new(());
        let clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        MockDriver::get().reset();
        let shared: &'static Shared = Box::leak(Box::default());
        let wire = Wire::new();
        let pool = Box::leak(Box::new(Buffers::<BUFFERS>::new())).pool();
        let resources = Resources {
            storage: Box::leak(Box::new(Tables::new())).lend(),
            limits: Tables::LIMITS,
            pool,
            net: Box::leak(Box::new(NetMemory::new())),
        };
        let entropy = Some(core::array::from_fn(|at| at as u8));
        let device = wire.device(BOARD_MAC);
        let (handle, runner) =
            kumihimo_embassy::new(shared, resources, device, settings, entropy).unwrap();
        let events = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&events);
        let run = async move {
            let observer = move |_, event: &Event| seen.borrow_mut().push(event.clone());
            runner.run_with(observer).await.map(|_| ()).unwrap();
        };
        Self {
            wire,
            handle,
            hosts: Vec::new(),
            events,
            pool,
            log: String::new(),
            computes: true,
            runs: true,
            keeps_log: true,
            runner: Task::new(run),
            offload: Task::new(async move { handle.offload().run().await }),
            others: Vec::new(),
            now: 0,
            _clock: clock,
        }
    }

    /// Adds a task below the packet task.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.others.push(Task::new(future));
    }

    /// Lets everything happen for a while, in steps of a millisecond.
    pub fn run_ms(&mut self, span_ms: u64) {
        self.run_until(span_ms, |_| false);
    }

    /// Whether `is_so` within that time.
    pub fn run_until(&mut self, within_ms: u64, is_so: impl Fn(&mut Self) -> bool) -> bool {
        for _ in 0..within_ms {
            self.settle();
            if is_so(self) {
                return true;
            }
            MockDriver::get().advance(embassy_time::Duration::from_millis(1));
            self.now = embassy_time::Instant::now().as_micros();
        }
        self.settle();
        is_so(self)
    }

    /// Lets everything happen that needs no time.
    pub fn settle(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 10_000, "the LAN comes to rest");
            let mut busy = self.runs && self.runner.run();
            if self.computes {
                busy |= self.offload.run();
            }
            for task in &mut self.others {
                busy |= task.run();
            }
            busy |= self.carry();
            if self.keeps_log {
                self.read_log();
            }
            if !busy {
                return;
            }
        }
    }

    /// Carries frames between the board and the hosts.
    fn carry(&mut self) -> bool {
        let mut frames: Vec<(Port, Vec<u8>)> =
            self.wire.take_sent().into_iter().map(|frame| (Port::Board, frame)).collect();
        for (at, host) in self.hosts.iter_mut().enumerate() {
            frames.extend(host.poll(self.now).into_iter().map(|frame| (Port::Host(at), frame)));
        }
        let busy = !frames.is_empty();
        for (from, frame) in frames {
            self.wire.note(from, &frame);
            if from != Port::Board {
                self.wire.deliver(frame.clone());
            }
            for (at, host) in self.hosts.iter_mut().enumerate() {
                if from != Port::Host(at) {
                    host.handle(self.now, &frame);
                }
            }
        }
        busy
    }

    fn read_log(&mut self) {
        let handle = self.handle;
        let mut room = [0; 512];
        loop {
            let mut read = Box::pin(handle.read_log(&mut room));
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(len) = read.as_mut().poll(&mut cx) else { return };
            drop(read);
            self.log.push_str(&String::from_utf8_lossy(&room[..len]));
        }
    }

    /// A host as the type that it is.
    pub fn host<T: 'static>(&mut self, at: usize) -> &mut T {
        let host: &mut dyn std::any::Any = self.hosts[at].as_mut();
        host.downcast_mut().expect("that type of host")
    }

    pub fn add(&mut self, host: impl Host) -> usize {
        self.hosts.push(Box::new(host));
        self.hosts.len() - 1
    }
}
