//! Kumihimo on ST's NUCLEO-H753ZI (and, with feature `h743`, NUCLEO-H743ZI2).
//!
//! The Ethernet driver of `embassy-stm32` is used as it is: all it takes for a bridge is one bit of
//! the MAC, set after it (`every_frame`). The console is the ST-LINK's serial port (USART3).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;
#[allow(unsafe_code, reason = "the hardware's own folder")]
mod sys;

use core::pin::pin;

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::flash::Flash;
use embassy_stm32::peripherals::{ETH, ETH_SMA, RNG, USART3};
use embassy_stm32::usart::{self, BufferedUart, BufferedUartRx, BufferedUartTx};
use embassy_stm32::{Config, Peri, bind_interrupts, pac, rcc, rng};
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::Write as _;
use kumihimo_core::limits::Limits;
use kumihimo_core::static_tables;
use kumihimo_embassy::{
    Buffer, BufferPool, Buffers, Console, Handle, NetMemory, Resources, Runner, Shared, StartError,
    Store, watch,
};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::Nucleo;
use crate::sys::flash::{SETTINGS_LEN, SettingsFlash};

#[cfg(feature = "h753")]
bind_interrupts!(struct Irqs {
    ETH => eth::InterruptHandler;
    HASH_RNG => rng::InterruptHandler<RNG>;
    USART3 => usart::BufferedInterruptHandler<USART3>;
});
#[cfg(feature = "h743")]
bind_interrupts!(struct Irqs {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
    USART3 => usart::BufferedInterruptHandler<USART3>;
});

type Device = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;
type Terminal = (BufferedUartRx<'static>, BufferedUartTx<'static>);
type NucleoConsole =
    Console<'static, BufferedUartRx<'static>, BufferedUartTx<'static>, SettingsFlash, Nucleo>;

static_tables! {
    /// Everything that the server knows about its clients.
    struct Tables<Buffer>, Limits::board(CLIENTS);
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_stm32::init(clocks());
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SCB.enable_icache();
    }
    let board: &'static Nucleo = BOARD.init(Nucleo::start(p.IWDG1));
    let (tx_ring, rx_ring) = (TX_RING.take(), RX_RING.take());
    let uart =
        BufferedUart::new(p.USART3, p.PD9, p.PD8, tx_ring, rx_ring, Irqs, usart::Config::default());
    let Ok(uart) = uart else { panic!("no USART3") };
    let (tx, rx) = uart.split();
    let flash = SettingsFlash::new(Flash::new_blocking(p.FLASH));
    let Ok(mut store) = Store::new(flash, 0..SETTINGS_LEN) else { panic!("no flash") };
    let (settings, origin) = store.load(IMAGE_RECORD).await;
    let mac = settings.mac.unwrap_or_else(own_mac);
    let device = Ethernet::new(
        QUEUE.take(),
        p.ETH,
        Irqs,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PG13,
        p.PB13,
        p.PG11,
        mac,
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    every_frame();
    let resources = Resources {
        storage: TABLES.take().lend(),
        limits: Tables::LIMITS,
        pool: BUFFERS.take().pool(),
        net: NET.take(),
    };
    let entropy = entropy(p.RNG).await;
    match kumihimo_embassy::new(&SHARED, resources, device, settings, entropy) {
        Ok((handle, runner)) => {
            sys::executor::packets().spawn(made(packets(runner)));
            spawner.spawn(made(exchanges(handle)));
            spawner.spawn(made(feed(board, handle)));
            let console = Console::new(handle, (rx, tx), store, board, origin);
            spawner.spawn(made(attend(console)));
        }
        Err(why) => refuse((rx, tx), why).await,
    }
}

#[embassy_executor::task]
async fn packets(runner: Runner<'static, BufferPool, Device>) {
    // Pinned where it is made: what is awaited as it is, is moved over the stack first.
    let running = pin!(runner.run());
    let Err(why) = running.await;
    panic!("{why:?}");
}

#[embassy_executor::task]
async fn exchanges(handle: Handle<'static>) {
    handle.offload().run().await
}

#[embassy_executor::task]
async fn feed(board: &'static Nucleo, handle: Handle<'static>) {
    watch(board, handle).await
}

#[embassy_executor::task]
async fn attend(mut console: NucleoConsole) {
    console.run().await
}

/// Says why there is no server until the watchdog starts the board anew: what was wrong may pass.
async fn refuse((_, mut tx): Terminal, why: StartError) {
    let why: &[u8] = match why {
        StartError::NoEntropy => b"no server: the random number generator fails its tests\r\n",
        _ => b"no server: this image does not fit its settings\r\n",
    };
    loop {
        // Nothing is left to be done about a console that fails.
        let _ = tx.write_all(why).await;
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

/// 400 MHz from the internal oscillator, which the Ethernet does not depend on: its 50 MHz come
/// from the PHY.
fn clocks() -> Config {
    let mut config = Config::default();
    config.rcc.hsi = Some(rcc::HSIPrescaler::DIV1);
    config.rcc.hsi48 = Some(rcc::Hsi48Config::default());
    config.rcc.pll1 = Some(rcc::Pll {
        source: rcc::PllSource::HSI,
        prediv: rcc::PllPreDiv::DIV4,
        mul: rcc::PllMul::MUL50,
        divp: Some(rcc::PllDiv::DIV2),
        divq: Some(rcc::PllDiv::DIV8),
        divr: None,
        #[cfg(feature = "h743")]
        fracn: None,
    });
    config.rcc.sys = rcc::Sysclk::PLL1_P;
    config.rcc.ahb_pre = rcc::AHBPrescaler::DIV2;
    config.rcc.apb1_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb2_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb3_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb4_pre = rcc::APBPrescaler::DIV2;
    config.rcc.voltage_scale = rcc::VoltageScale::Scale1;
    config
}

/// Lets frames for all stations in, which the bridge behind is about: `PR` of the MAC's packet
/// filter (RM0433 §58.11.3). The driver passes those for the board and for groups.
fn every_frame() {
    pac::ETH.ethernet_mac().macpfr().modify(|w| w.set_pr(true));
}

/// 32 octets of the true random number generator; none if its own tests fail again and again.
async fn entropy(peripheral: Peri<'static, RNG>) -> Option<[u8; 32]> {
    let mut generator = rng::Rng::new(peripheral, Irqs);
    let mut octets = [0; 32];
    for _ in 0..TRIES {
        let filled = generator.async_fill_bytes(&mut octets);
        if let Ok(Ok(())) = with_timeout(PATIENCE, filled).await {
            return Some(octets);
        }
    }
    None
}

/// An address of this chip's own, from its serial number.
fn own_mac() -> [u8; 6] {
    kumihimo_embassy::mac_of(&embassy_stm32::uid::uid())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    board::panic()
}

const CLIENTS: usize = 4;
/// The settings of the `kumihimo.toml` that lay beside the manifest when this was built, if any.
const IMAGE_RECORD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kumihimo.record"));
const TRIES: usize = 8;
const PATIENCE: Duration = Duration::from_millis(100);

static BOARD: StaticCell<Nucleo> = StaticCell::new();
static TX_RING: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);
static RX_RING: ConstStaticCell<[u8; 256]> = ConstStaticCell::new([0; 256]);
static SHARED: Shared = Shared::new();
static TABLES: ConstStaticCell<Tables> = ConstStaticCell::new(Tables::new());
static BUFFERS: ConstStaticCell<Buffers<15>> = ConstStaticCell::new(Buffers::new());
static NET: ConstStaticCell<NetMemory> = ConstStaticCell::new(NetMemory::new());
static QUEUE: ConstStaticCell<PacketQueue<2, 4>> = ConstStaticCell::new(PacketQueue::new());
