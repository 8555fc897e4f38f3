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

mod board;

use core::ffi::CStr;
use core::fmt::{self, Write as _};
use core::pin::pin;

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_futures::block_on;
use embedded_storage_async::nor_flash::ReadNorFlash as _;
use kumihimo_core::limits::Limits;
use kumihimo_core::static_tables;
use kumihimo_embassy::{
    Buffer, BufferPool, Buffers, Console, Handle, NetMemory, Origin, Resources, Runner, Settings,
    Shared, Store, watch,
};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::Mps2;
use crate::sys::flash::HostFlash;
use crate::sys::lan9118::Lan9118;
use crate::sys::semihosting::File;
use crate::sys::uart::{LastWords, Serial};
use crate::sys::{clock, executor, interrupts, uart, watchdog};

/// Clients that can be connected at the same time.
const CLIENTS: usize = if cfg!(feature = "clients-8") { 8 } else { 4 };
/// Packets on their way at the same time.
const PACKETS: usize = 16;

static_tables! {
    /// The core's tables.
    struct Tables<Buffer>, Limits::board(CLIENTS);
}

static SHARED: Shared = Shared::new();
static TABLES: ConstStaticCell<Tables> = ConstStaticCell::new(Tables::new());
static BUFFERS: ConstStaticCell<Buffers<PACKETS>> = ConstStaticCell::new(Buffers::new());
static NET: ConstStaticCell<NetMemory> = ConstStaticCell::new(NetMemory::new());
static BOARD: StaticCell<Mps2> = StaticCell::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(mut peripherals) = cortex_m::Peripherals::take() else { panic!("started twice") };
    interrupts::init(&mut peripherals);
    clock::start(peripherals.SYST);
    uart::start();
    let board: &Mps2 = BOARD.init(Mps2::new());
    if let Some(words) = board.last_words() {
        say(format_args!("last words: {words}"));
    }
    let thread = executor::thread();
    start(board, &thread.spawner());
    thread.run()
}

/// Apart, since whatever lies on the stack below the executor of thread mode lies there for ever.
#[inline(never)]
fn start(board: &'static Mps2, thread: &Spawner) {
    let (settings, store, origin) = load();
    let (handle, runner) = make(settings);
    let packets = executor::packets();
    spawn(&packets.spawner(), serve(runner));
    spawn(&packets.spawner(), hang_there());
    spawn(thread, offload(handle));
    spawn(thread, console(handle, store, board, origin));
    spawn(thread, feed(handle, board));
    watchdog::start();
    packets.start();
}

fn load() -> (Settings, Store<HostFlash>, Origin) {
    let flash = match HostFlash::open() {
        Ok(flash) => flash,
        Err(why) => panic!("no flash: {why:?}"),
    };
    let range = 0..flash.capacity() as u32;
    let mut store = match Store::new(flash, range) {
        Ok(store) => store,
        Err(why) => panic!("no flash: {why:?}"),
    };
    // The host answers at once: this waits for nothing.
    let (settings, origin) = block_on(store.load(&[]));
    (settings, store, origin)
}

fn make(settings: Settings) -> (Handle<'static>, Runner<'static, BufferPool, Lan9118>) {
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
    match kumihimo_embassy::new(&SHARED, resources, device, settings, entropy()) {
        Ok(both) => both,
        Err(why) => panic!("no server: {why:?}"),
    }
}

/// 32 octets of the host's entropy. This board has no generator of its own.
fn entropy() -> Option<[u8; 32]> {
    say(format_args!("TEST ENTROPY"));
    let mut octets = [0; 32];
    File::open(HOST_ENTROPY).ok()?.read(0, &mut octets).ok()?;
    Some(octets)
}

#[embassy_executor::task]
async fn serve(runner: Runner<'static, BufferPool, Lan9118>) {
    // Pinned where it is made: what is awaited as it is, is moved over the stack first.
    let running = pin!(runner.run());
    let Err(why) = running.await;
    panic!("no server: {why:?}");
}

#[embassy_executor::task]
async fn hang_there() {
    board::hang_there().await;
}

#[embassy_executor::task]
async fn offload(handle: Handle<'static>) {
    handle.offload().run().await;
}

#[embassy_executor::task]
async fn console(
    handle: Handle<'static>,
    store: Store<HostFlash>,
    board: &'static Mps2,
    origin: Origin,
) {
    Console::new(handle, (Serial, Serial), store, board, origin).run().await;
}

#[embassy_executor::task]
async fn feed(handle: Handle<'static>, board: &'static Mps2) {
    watch(board, handle).await;
}

/// Each task is spawned once, so there is room for it.
fn spawn<S>(spawner: &Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(task) => spawner.spawn(task),
        Err(why) => panic!("no task: {why:?}"),
    }
}

/// A line, before the console runs.
fn say(words: fmt::Arguments<'_>) {
    // The console cannot fail.
    let _ = write!(LastWords, "{words}\r\n");
}

const HOST_ENTROPY: &CStr = c"/dev/urandom";
