//! Kumihimo on QEMU's MPS2 boards (AN385, AN386, AN500): the firmware that a stock client dials
//! in `conformance/run boards`.
//!
//! Nothing protects such a board: its entropy and its flash come from the host, by semihosting.
//! It says so at its start.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "the hardware's own folder")]
mod sys;

mod host;

use core::ffi::CStr;
use core::fmt::Write as _;

use embassy_executor::Spawner;
use embassy_futures::block_on;
use embedded_io_async::Write as _;
use embedded_storage_async::nor_flash::ReadNorFlash as _;
use kumihimo_core::limits::Limits;
use kumihimo_core::static_tables;
use kumihimo_embassy::{
    Buffer, BufferPool, Buffers, Handle, NetMemory, Origin, Resources, Runner, Settings, Shared,
    Store,
};
use static_cell::ConstStaticCell;

use crate::sys::flash::HostFlash;
use crate::sys::lan9118::Lan9118;
use crate::sys::semihosting::File;
use crate::sys::uart::{LastWords, Serial};
use crate::sys::{clock, executor, interrupts, retained, stack, uart, watchdog};

/// Clients that can be connected at the same time.
const CLIENTS: usize = if cfg!(feature = "clients-8") { 8 } else { 4 };

static_tables! {
    /// The core's tables.
    struct Tables<Buffer>, Limits::board(CLIENTS);
}

static SHARED: Shared = Shared::new();
static TABLES: ConstStaticCell<Tables> = ConstStaticCell::new(Tables::new());
static BUFFERS: ConstStaticCell<Buffers<24>> = ConstStaticCell::new(Buffers::new());
static NET: ConstStaticCell<NetMemory> = ConstStaticCell::new(NetMemory::new());

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(mut peripherals) = cortex_m::Peripherals::take() else { panic!("started twice") };
    interrupts::init(&mut peripherals);
    clock::start(peripherals.SYST);
    uart::start();
    if let Some(reason) = retained::take() {
        say(format_args!("reset by {:?}: {}", reason.cause, reason.text()));
    }
    say(format_args!("{:?}", stack::ram()));
    let packets = executor::packets();
    let handle = start(packets.spawner());
    packets.start();
    watchdog::start();
    executor::run_thread(|spawner| {
        spawn(&spawner, offload(handle));
        spawn(&spawner, log(handle));
        spawn(&spawner, feed(handle));
        spawn(&spawner, watched(handle));
    })
}

fn start(spawner: Spawner) -> Handle<'static> {
    let device = match Lan9118::start() {
        Ok(device) => device,
        Err(why) => panic!("no LAN9118: {why:?}"),
    };
    let resources = Resources {
        storage: TABLES.take().lend(),
        limits: Tables::LIMITS,
        pool: BUFFERS.take().pool(),
        net: NET.take(),
    };
    let settings = settings();
    let (handle, runner) =
        match kumihimo_embassy::new(&SHARED, resources, device, settings, entropy()) {
            Ok(both) => both,
            Err(why) => panic!("no server: {why:?}"),
        };
    spawn(&spawner, serve(runner));
    spawn(&spawner, hang_there());
    handle
}

/// The settings in flash, else those of the lab.
fn settings() -> Settings {
    let flash = match HostFlash::open() {
        Ok(flash) => flash,
        Err(why) => panic!("no flash: {why:?}"),
    };
    let range = 0..flash.capacity() as u32;
    let mut store = match Store::new(flash, range) {
        Ok(store) => store,
        Err(why) => panic!("no flash: {why:?}"),
    };
    let (mut settings, origin) = block_on(store.load(&[]));
    say(format_args!("settings: {origin:?}"));
    if origin == Origin::Nowhere {
        settings.set_psk(b"braid-8x").unwrap();
        settings.add_user("jiro", "obi-jime").unwrap();
    }
    settings
}

type Task<S> = Result<embassy_executor::SpawnToken<S>, embassy_executor::SpawnError>;

fn spawn<S>(spawner: &Spawner, task: Task<S>) {
    match task {
        Ok(task) => spawner.spawn(task),
        Err(why) => panic!("no task: {why:?}"),
    }
}

#[embassy_executor::task]
async fn serve(runner: Runner<'static, BufferPool, Lan9118>) {
    let Err(why) = runner.run().await;
    panic!("no server: {why:?}");
}

#[embassy_executor::task]
async fn offload(handle: Handle<'static>) {
    handle.offload().run().await;
}

#[embassy_executor::task]
async fn log(handle: Handle<'static>) {
    let mut room = [0; 128];
    loop {
        let len = handle.read_log(&mut room).await;
        let Ok(()) = Serial.write_all(&room[..len]).await;
    }
}

#[embassy_executor::task]
async fn feed(handle: Handle<'static>) {
    let mut beats = 0;
    loop {
        let now = handle.status().beats;
        if now != beats {
            watchdog::feed();
        }
        beats = now;
        embassy_time::Timer::after_secs(2).await;
    }
}

#[embassy_executor::task]
async fn watched(handle: Handle<'static>) {
    host::run(handle).await;
}

#[embassy_executor::task]
async fn hang_there() {
    host::hang_there().await;
}

/// 32 octets of the host's entropy. This board has no generator of its own.
fn entropy() -> Option<[u8; 32]> {
    say(format_args!("TEST ENTROPY"));
    let mut octets = [0; 32];
    File::open(HOST_ENTROPY).ok()?.read(0, &mut octets).ok()?;
    Some(octets)
}

/// A line, before the console runs.
fn say(words: core::fmt::Arguments<'_>) {
    // The console cannot fail.
    let _ = write!(LastWords, "{words}\r\n");
}

const HOST_ENTROPY: &CStr = c"/dev/urandom";
