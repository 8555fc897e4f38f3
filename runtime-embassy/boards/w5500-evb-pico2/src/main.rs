//! Kumihimo on WIZnet's W5500-EVB-Pico2: an RP2350 and a W5500 on one board.
//!
//! The console is a serial port over the board's USB connector.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;
mod flash;
#[allow(unsafe_code, reason = "the hardware's own folder")]
mod sys;
mod usb;
mod w5500;

use core::fmt::Write as _;

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_futures::select::{Either, select};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0, TRNG, USB};
use embassy_rp::spi::{self, Spi};
use embassy_rp::trng::{self, Trng};
use embassy_rp::{Peri, bind_interrupts, dma, otp};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Delay, Duration, Timer, with_timeout};
use embedded_hal_bus::spi::ExclusiveDevice;
use embedded_io_async::Write as _;
use kumihimo_core::limits::Limits;
use kumihimo_core::static_tables;
use kumihimo_embassy::{
    Buffer, BufferPool, Buffers, Console, Handle, NetMemory, Resources, Settings, Shared,
    StartError, Store, watch,
};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::Pico2;
use crate::flash::{SETTINGS_LEN, SettingsFlash};

bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
    USBCTRL_IRQ => embassy_rp::usb::InterruptHandler<USB>;
});

type Bus = ExclusiveDevice<Spi<'static, SPI0, spi::Async>, Output<'static>, Delay>;
type Started = Result<Handle<'static>, &'static [u8]>;
type Pico2Console = Console<'static, usb::Input, usb::Output, SettingsFlash, Pico2>;

static_tables! {
    /// Everything that the server knows about its clients.
    struct Tables<Buffer>, Limits::board(CLIENTS);
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_rp::init(Default::default());
    let board: &'static Pico2 = BOARD.init(Pico2::start(p.WATCHDOG));
    let (bus, console) = usb::start(embassy_rp::usb::Driver::new(p.USB, Irqs), serial_number());
    spawner.spawn(made(usb_bus(bus)));
    let flash = SettingsFlash::new(p.FLASH);
    let Ok(mut store) = Store::new(flash, 0..SETTINGS_LEN) else { panic!("no flash") };
    let (settings, origin) = store.load(IMAGE_RECORD).await;

    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let (clock, mosi, miso) = (p.PIN_18, p.PIN_19, p.PIN_16);
    let spi = Spi::new(p.SPI0, clock, mosi, miso, p.DMA_CH0, p.DMA_CH1, Irqs, config);
    let (select, reset) = (Output::new(p.PIN_17, Level::High), Output::new(p.PIN_20, Level::High));
    let interrupt = Input::new(p.PIN_21, Pull::Up);
    let Ok(spi) = ExclusiveDevice::new(spi, select, Delay);
    let mac = settings.mac.unwrap_or_else(own_mac);
    let resources = Resources {
        storage: TABLES.take().lend(),
        limits: Tables::LIMITS,
        pool: BUFFERS.take().pool(),
        net: NET.take(),
    };
    let entropy = entropy(p.TRNG).await;
    let parts = Parts { spi, interrupt, reset, mac, resources, settings, entropy };
    sys::packets().spawn(made(packets(parts)));
    match STARTED.wait().await {
        Ok(handle) => {
            spawner.spawn(made(exchanges(handle)));
            spawner.spawn(made(feed(board, handle)));
            let halves = (console.receiver, console.sender);
            let console = Console::new(handle, halves, store, board, origin);
            spawner.spawn(made(attend(console)));
        }
        Err(why) => refuse(console, why).await,
    }
}

/// What the packet task is made of. Both ends of the Ethernet device stay with that task: the
/// channel between them is for one executor.
struct Parts {
    spi: Bus,
    interrupt: Input<'static>,
    reset: Output<'static>,
    mac: [u8; 6],
    resources: Resources<'static, BufferPool>,
    settings: Settings,
    entropy: Option<[u8; 32]>,
}

#[embassy_executor::task]
async fn packets(parts: Parts) {
    let Parts { spi, interrupt, reset, mac, resources, settings, entropy } = parts;
    let started = w5500::start(mac, FRAMES.take(), spi, interrupt, reset).await;
    let Ok((device, frames)) = started else {
        return STARTED.signal(Err(b"no server: no W5500 answers on SPI\r\n"));
    };
    match kumihimo_embassy::new(&SHARED, resources, device, settings, entropy) {
        Ok((handle, runner)) => {
            STARTED.signal(Ok(handle));
            match select(frames.run(), runner.run()).await {
                Either::First(never) => never,
                Either::Second(Err(why)) => panic!("{why:?}"),
            }
        }
        Err(StartError::NoEntropy) => {
            STARTED.signal(Err(b"no server: the random number generator gives nothing\r\n"));
        }
        Err(_) => STARTED.signal(Err(b"no server: this image does not fit its settings\r\n")),
    }
}

#[embassy_executor::task]
async fn exchanges(handle: Handle<'static>) {
    handle.offload().run().await
}

#[embassy_executor::task]
async fn feed(board: &'static Pico2, handle: Handle<'static>) {
    watch(board, handle).await
}

#[embassy_executor::task]
async fn attend(mut console: Pico2Console) {
    console.run().await
}

#[embassy_executor::task]
async fn usb_bus(mut bus: usb::Bus) -> ! {
    bus.run().await
}

/// Says why there is no server until the watchdog starts the board anew: what was wrong may pass.
async fn refuse(mut console: usb::Console, why: &[u8]) {
    loop {
        let Ok(()) = console.sender.write_all(why).await;
        Timer::after_secs(1).await;
    }
}

/// Each task is spawned once, and for that its memory is there.
fn made<S>(task: Result<SpawnToken<S>, SpawnError>) -> SpawnToken<S> {
    match task {
        Ok(token) => token,
        Err(_) => panic!("a task twice"),
    }
}

/// 32 octets of the true random number generator; none if it gives none, as its own tests let
/// nothing through.
async fn entropy(peripheral: Peri<'static, TRNG>) -> Option<[u8; 32]> {
    let mut generator = Trng::new(peripheral, Irqs, trng::Config::default());
    let mut octets = [0; 32];
    with_timeout(PATIENCE, generator.fill_bytes(&mut octets)).await.ok()?;
    Some(octets)
}

/// An address of this chip's own, from its serial number.
fn own_mac() -> [u8; 6] {
    kumihimo_embassy::mac_of(&chip_id().to_be_bytes())
}

fn serial_number() -> &'static str {
    let mut text = heapless::String::new();
    // Sixteen digits, for which there is room.
    let _ = write!(text, "{:016X}", chip_id());
    SERIAL.init(text)
}

/// What the factory wrote into the chip; every chip's is another.
fn chip_id() -> u64 {
    otp::get_chipid().unwrap_or_default()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    board::panic()
}

const CLIENTS: usize = 4;
/// The settings of the `kumihimo.toml` that lay beside the manifest when this was built, if any.
const IMAGE_RECORD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kumihimo.record"));
/// The fastest that the divider gives below what the W5500 is known to stand, 37.5 MHz.
const SPI_HZ: u32 = 40_000_000;
const PATIENCE: Duration = Duration::from_secs(2);

/// How the packet task's start went.
static STARTED: Signal<CriticalSectionRawMutex, Started> = Signal::new();
static BOARD: StaticCell<Pico2> = StaticCell::new();
static SERIAL: StaticCell<heapless::String<16>> = StaticCell::new();
static SHARED: Shared = Shared::new();
static TABLES: ConstStaticCell<Tables> = ConstStaticCell::new(Tables::new());
static BUFFERS: ConstStaticCell<Buffers<16>> = ConstStaticCell::new(Buffers::new());
static NET: ConstStaticCell<NetMemory> = ConstStaticCell::new(NetMemory::new());
static FRAMES: ConstStaticCell<w5500::State<2, 2>> = ConstStaticCell::new(w5500::State::new());
