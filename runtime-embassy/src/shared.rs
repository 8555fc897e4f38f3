//! What the packet task shares with the tasks below it: questions, orders, log lines, figures.
//!
//! Everything goes through short critical sections, since the packet task interrupts the others.

use core::cell::RefCell;
use core::fmt;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex as Raw;
use embassy_sync::channel::Channel;
use embassy_sync::pipe::Pipe;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{Answer, Command, Request};

use crate::settings::{Refused, Settings};

/// The meeting point of all tasks, for a static.
pub struct Shared {
    /// One at a time is computed, one waits; the others wait inside the core.
    pub(crate) jobs: Channel<Raw, (RequestId, Request), 1>,
    pub(crate) answers: Channel<Raw, (RequestId, Answer), 1>,
    pub(crate) orders: Channel<Raw, Order, 2>,
    /// What became of [`Order::Configure`].
    pub(crate) verdicts: Channel<Raw, Result<(), Refused>, 1>,
    wanted: Mutex<Raw, RefCell<Place>>,
    settings: Mutex<Raw, RefCell<Place>>,
    pub(crate) lines: Pipe<Raw, LINES_LEN>,
    status: Mutex<Raw, RefCell<Status>>,
    /// Whether a key exchange is being computed.
    is_computing: AtomicBool,
}

/// None or one. An `Option` would be no zeros, and so take as much flash as RAM.
type Place = heapless::Vec<Settings, 1>;

fn put(place: &mut Place, settings: Settings) -> Option<Settings> {
    let old = place.pop();
    // It is empty now.
    let _ = place.push(settings);
    old
}

/// What the administrator wants of the packet task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Takes the settings that lie ready.
    Configure,
    /// An order to the core.
    Command(Command),
}

/// Where a board and its server stand.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Turns of the packet task so far: whoever sees this stand still knows that it hangs.
    pub beats: u32,
    /// Whether the Ethernet link is up.
    pub is_link_up: bool,
    /// The board's MAC address.
    pub mac: [u8; 6],
    /// The board's own address, while it has one.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Sessions, those included that are being opened.
    pub sessions: usize,
    /// What the core dropped, by reason.
    pub drops: DropCounters,
    /// Frames and datagrams, and what was lost of them outside the core.
    pub traffic: Traffic,
}

/// What went through the runtime since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames from the wire.
    pub frames_in: u32,
    /// Frames from the hub to the wire.
    pub frames_out: u32,
    /// Datagrams from clients.
    pub datagrams_in: u32,
    /// Datagrams to clients.
    pub datagrams_out: u32,
    /// Frames from the wire that are none: too short, too long, or from our own address.
    pub bad_frames: u32,
    /// Lost because every packet buffer was in use.
    pub no_buffer: u32,
    /// Lost because a queue between hub and wire was full.
    pub queue_full: u32,
    /// Frames that are longer than the device takes.
    pub too_long: u32,
    /// Datagrams that could not be sent: no address, no route, or a peer that ARP does not find.
    pub unsent: u32,
    /// Log lines for which the console had no room.
    pub lost_lines: u32,
    /// Times the link went down.
    pub link_losses: u32,
    /// Times the board lost its address.
    pub address_losses: u32,
    /// Times the packet task rested, since packets came faster than it works.
    pub rests: u32,
}

impl Shared {
    /// Nothing said yet.
    pub const fn new() -> Self {
        Self {
            jobs: Channel::new(),
            answers: Channel::new(),
            orders: Channel::new(),
            verdicts: Channel::new(),
            wanted: Mutex::new(RefCell::new(Place::new())),
            settings: Mutex::new(RefCell::new(Place::new())),
            lines: Pipe::new(),
            status: Mutex::new(RefCell::new(Status::new())),
            is_computing: AtomicBool::new(false),
        }
    }

    /// The way to the server.
    pub const fn handle(&self) -> Handle<'_> {
        Handle::new(self)
    }

    pub(crate) fn with_status<R>(&self, look: impl FnOnce(&mut Status) -> R) -> R {
        self.status.lock(|status| look(&mut status.borrow_mut()))
    }

    pub(crate) fn is_computing(&self) -> bool {
        self.is_computing.load(Ordering::Relaxed)
    }

    /// Lays settings ready for the start, or for [`Order::Configure`].
    pub(crate) fn put_wanted(&self, settings: Settings) {
        self.wanted.lock(|place| put(&mut place.borrow_mut(), settings));
    }

    /// Takes the settings that lie ready.
    pub(crate) fn take_wanted(&self) -> Option<Settings> {
        self.wanted.lock(|place| place.borrow_mut().pop())
    }

    /// Notes the settings in force; gives those before.
    pub(crate) fn put_settings(&self, settings: Settings) -> Option<Settings> {
        self.settings.lock(|place| put(&mut place.borrow_mut(), settings))
    }
}

/// The way to the server for the tasks below it.
#[derive(Clone, Copy, Debug)]
pub struct Handle<'d> {
    shared: &'d Shared,
}

impl<'d> Handle<'d> {
    pub(crate) const fn new(shared: &'d Shared) -> Self {
        Self { shared }
    }

    /// Where the server stands.
    pub fn status(&self) -> Status {
        self.shared.with_status(|status| status.clone())
    }

    /// [`Status::beats`] alone.
    pub fn beats(&self) -> u32 {
        self.shared.with_status(|status| status.beats)
    }

    /// The settings in force; none before the runner runs.
    pub fn settings(&self) -> Option<Settings> {
        self.shared.settings.lock(|place| place.borrow().first().cloned())
    }

    /// Puts new settings in force. Sessions that they do not touch stay up; addresses of the
    /// board itself change at once.
    ///
    /// # Errors
    /// Why they are refused; the old ones then stay in force.
    pub async fn configure(&self, settings: Settings) -> Result<(), Refused> {
        self.shared.put_wanted(settings);
        self.shared.orders.send(Order::Configure).await;
        self.shared.verdicts.receive().await
    }

    /// Gives an order to the core.
    pub async fn command(&self, command: Command) {
        self.shared.orders.send(Order::Command(command)).await;
    }

    /// Waits for log text and moves it to `room`; gives its length, which is not 0.
    pub async fn read_log(&self, room: &mut [u8]) -> usize {
        self.shared.lines.read(room).await
    }

    /// The one who computes key exchanges.
    pub const fn offload(&self) -> Offload<'d> {
        Offload { shared: self.shared }
    }
}

/// Computes key exchanges, where the packet task can interrupt it.
#[derive(Debug)]
pub struct Offload<'d> {
    shared: &'d Shared,
}

impl Offload<'_> {
    /// Runs for ever. One exchange takes up to a second on a small core, and 14 KB of stack.
    pub async fn run(&self) -> ! {
        loop {
            self.run_once().await;
            // The next question may be there already; whoever is beside this one goes first.
            yield_now().await;
        }
    }

    /// Waits for one exchange and computes it.
    pub async fn run_once(&self) {
        let (id, Request::Dh(job)) = self.shared.jobs.receive().await;
        self.shared.is_computing.store(true, Ordering::Relaxed);
        let answer = Answer::Dh(job.run());
        self.shared.is_computing.store(false, Ordering::Relaxed);
        self.shared.answers.send((id, answer)).await;
    }
}

impl Status {
    const fn new() -> Self {
        Self {
            beats: 0,
            is_link_up: false,
            mac: [0; 6],
            address: None,
            sessions: 0,
            drops: DropCounters::new(),
            traffic: Traffic::new(),
        }
    }
}

impl Traffic {
    /// What was lost outside the core, by name.
    pub const fn losses(&self) -> [(&'static str, u32); LOSSES] {
        [
            ("bad-frames", self.bad_frames),
            ("no-packet-buffer", self.no_buffer),
            ("bridge-queue-full", self.queue_full),
            ("frames-too-long", self.too_long),
            ("unsent-datagrams", self.unsent),
            ("log-lines", self.lost_lines),
        ]
    }

    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            frames_in: 0,
            frames_out: 0,
            datagrams_in: 0,
            datagrams_out: 0,
            bad_frames: 0,
            no_buffer: 0,
            queue_full: 0,
            too_long: 0,
            unsent: 0,
            lost_lines: 0,
            link_losses: 0,
            address_losses: 0,
            rests: 0,
        }
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// Reasons for losses outside the core.
pub(crate) const LOSSES: usize = 6;
/// Octets of log that the console may be behind.
const LINES_LEN: usize = 2048;
