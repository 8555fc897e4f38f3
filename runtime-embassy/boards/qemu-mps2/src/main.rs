//! Kumihimo on QEMU's MPS2 boards (AN385, AN386, AN500): the firmware that a stock client dials
//! in `conformance/run boards`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "the hardware's own folder")]
mod sys;

use embassy_executor::Spawner;
use embassy_net::{Config, StackResources};
use embassy_time::{Instant, Timer};
use static_cell::StaticCell;

use crate::sys::lan9118::Lan9118;
use crate::sys::{clock, executor, interrupts, retained, stack, uart, watchdog};

#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::sys::uart::LastWords, $($words)*);
    }};
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(mut peripherals) = cortex_m::Peripherals::take() else { panic!("started twice") };
    interrupts::init(&mut peripherals);
    clock::start(peripherals.SYST);
    uart::start();
    if let Some(reason) = retained::take() {
        say!("reset by {:?}: {}", reason.cause, reason.text());
    }
    say!("{:?}", stack::ram());
    let packets = executor::packets();
    start(packets.spawner());
    packets.start();
    watchdog::start();
    executor::run_thread(|_| {})
}

fn start(spawner: Spawner) {
    let device = match Lan9118::start() {
        Ok(device) => device,
        Err(why) => panic!("no LAN9118: {why:?}"),
    };
    static RESOURCES: StaticCell<StackResources<4>> = StaticCell::new();
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) =
        embassy_net::new(device, Config::dhcpv4(Default::default()), resources, 1);
    spawner.spawn(net(runner).unwrap());
    spawner.spawn(report(stack).unwrap());
    spawner.spawn(feed().unwrap());
}

#[embassy_executor::task]
async fn net(mut runner: embassy_net::Runner<'static, Lan9118>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn report(stack: embassy_net::Stack<'static>) {
    loop {
        stack.wait_config_up().await;
        if let Some(config) = stack.config_v4() {
            say!("{} us: address {}", Instant::now().as_micros(), config.address);
        }
        stack.wait_config_down().await;
        say!("{} us: address gone", Instant::now().as_micros());
    }
}

#[embassy_executor::task]
async fn feed() {
    loop {
        watchdog::feed();
        Timer::after_secs(1).await;
    }
}
