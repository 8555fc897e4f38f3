//! A board's server on this machine: the real runner on a TAP device, where a debugger reaches.
//!
//! ```text
//! cargo run -p kumihimo-embassy --example tap -- NAME kumihimo.toml
//! ```
//! Needs `CAP_NET_ADMIN`; a network namespace of one's own is the place for it
//! (`runtime-embassy/examples/tap.sh` makes one, with a LAN and a client). embassy's clock is the
//! mock one, as in the tests, and is moved on by the real one; key exchanges have a thread.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;
use std::{env, fs, thread};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_time::{Duration, MockDriver};
use kumihimo::gather::MARK_LEN;
use kumihimo::sys::tap;
use kumihimo_core::limits::Limits;
use kumihimo_core::static_tables;
use kumihimo_embassy::settings::{Settings, toml};
use kumihimo_embassy::{Buffer, Buffers, Handle, NetMemory, Resources, Shared};

static_tables! {
    struct Tables<Buffer>, Limits::board(4);
}

static SHARED: Shared = Shared::new();

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let result = match &words[..] {
        [name, file] => serve(name, file),
        _ => Err("usage: tap NAME kumihimo.toml".to_owned()),
    };
    let Err(text) = result;
    eprintln!("tap: {text}");
    ExitCode::FAILURE
}

fn serve(name: &str, file: &str) -> Result<core::convert::Infallible, String> {
    let device = Tap { device: tap::open(name).map_err(|error| format!("{name}: {error}"))? };
    let resources = Resources {
        storage: Box::leak(Box::new(Tables::new())).lend(),
        limits: Tables::LIMITS,
        pool: Box::leak(Box::new(Buffers::<16>::new())).pool(),
        net: Box::leak(Box::new(NetMemory::new())),
    };
    let mut entropy = [0; 32];
    let mut random = fs::File::open("/dev/urandom").map_err(|error| error.to_string())?;
    std::io::Read::read_exact(&mut random, &mut entropy).map_err(|error| error.to_string())?;
    let (handle, runner) =
        kumihimo_embassy::new(&SHARED, resources, device, settings(file)?, Some(entropy))
            .map_err(|error| format!("{error:?}"))?;
    thread::spawn(move || block_on(handle.offload().run()));
    thread::spawn(move || block_on(show_log(handle)));
    // The device has no waker: the task is polled each time the clock is moved on.
    let begin = Instant::now();
    let mut run = pin!(runner.run());
    let woken = Task::new();
    loop {
        woken.poll(run.as_mut());
        thread::park_timeout(std::time::Duration::from_micros(500));
        let passed = Duration::from_micros(begin.elapsed().as_micros() as u64);
        let known = Duration::from_micros(embassy_time::Instant::now().as_micros());
        MockDriver::get().advance(passed - known);
        woken.flag.woken.store(true, Ordering::Relaxed);
    }
}

fn settings(file: &str) -> Result<Settings, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    toml::parse(&text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("{file}: {}", lines.join("\n"))
    })
}

async fn show_log(handle: Handle<'static>) {
    let mut room = [0; 256];
    loop {
        let len = handle.read_log(&mut room).await;
        print!("{}", String::from_utf8_lossy(&room[..len]).replace('\r', ""));
    }
}

/// A task that is polled until nobody wakes it any more.
struct Task {
    flag: Arc<Flag>,
}

struct Flag {
    woken: AtomicBool,
    thread: thread::Thread,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

impl Task {
    fn new() -> Self {
        let flag = Flag { woken: AtomicBool::new(true), thread: thread::current() };
        Self { flag: Arc::new(flag) }
    }

    fn poll<F: Future>(&self, mut future: std::pin::Pin<&mut F>) {
        let waker = Waker::from(Arc::clone(&self.flag));
        while self.flag.woken.swap(false, Ordering::Relaxed) {
            let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(matches!(poll, Poll::Pending), "it runs for ever");
        }
    }
}

fn block_on<F: Future>(future: F) {
    let mut future = pin!(future);
    let task = Task::new();
    loop {
        task.poll(future.as_mut());
        thread::park();
    }
}

/// A TAP device as a driver.
struct Tap {
    device: tap::Device,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut tap::Device);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, take: F) -> R {
        take(&mut self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        // A frame that the kernel does not take is lost.
        let _ = self.0.write(std::iter::once(&frame[..]));
        result
    }
}

impl Driver for Tap {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Rx, Tx<'_>)> {
        let mut room = vec![0; 2_048];
        let len = self.device.read(&mut room).ok().filter(|&len| len > 0)?;
        let frame = room.get(MARK_LEN..MARK_LEN + len)?.to_vec();
        Some((Rx(frame), Tx(&mut self.device)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Tx<'_>> {
        Some(Tx(&mut self.device))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0x7a, 0x70])
    }
}
