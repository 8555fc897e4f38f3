//! The serial console over the board's USB connector: a modem, as its class calls it, that needs
//! no driver.

use embassy_rp::peripherals::USB;
use embassy_rp::usb::Driver;
use embassy_time::{Duration, with_timeout};
use embassy_usb::class::cdc_acm::{BufferedReceiver, CdcAcmClass, Sender, State};
use embassy_usb::{Builder, Config, UsbDevice};
use embedded_io_async::{ErrorType, Read, Write};
use static_cell::StaticCell;

/// The device on the bus, to be run by a task.
pub type Bus = UsbDevice<'static, Driver<'static, USB>>;

/// Makes the device. To be called once. `serial` tells boards apart at the host.
pub fn start(driver: Driver<'static, USB>, serial: &'static str) -> (Bus, Console) {
    let mut config = Config::new(VENDOR, PRODUCT);
    config.manufacturer = Some("Kumihimo");
    config.product = Some("Kumihimo VPN server");
    config.serial_number = Some(serial);
    config.max_power = 250;
    let descriptors = DESCRIPTORS.init([0; 256]);
    let control = CONTROL.init([0; 64]);
    let mut builder = Builder::new(driver, config, descriptors, &mut [], &mut [], control);
    let class = CdcAcmClass::new(&mut builder, STATE.init(State::new()), PACKET_LEN as u16);
    let (sender, receiver) = class.split();
    let receiver = receiver.into_buffered(RECEIVED.init([0; PACKET_LEN]));
    (builder.build(), Console { sender: Output(sender), receiver: Input(receiver) })
}

/// Both directions.
pub struct Console {
    /// To the host.
    pub sender: Output,
    /// From the host.
    pub receiver: Input,
}

/// What is written while no terminal is open goes nowhere.
pub struct Output(Sender<'static, Driver<'static, USB>>);

/// What is typed.
pub struct Input(BufferedReceiver<'static, Driver<'static, USB>>);

impl ErrorType for Output {
    type Error = core::convert::Infallible;
}

impl Write for Output {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, Self::Error> {
        // One less than a packet holds: a full one would need an empty one after it.
        let part = octets.get(..PACKET_LEN - 1).unwrap_or(octets);
        if self.0.dtr() {
            // A host that has stopped reading must not hold up the board's other tasks.
            let _ = with_timeout(PATIENCE, self.0.write_packet(part)).await;
        }
        Ok(part.len())
    }

    /// Nothing is kept back.
    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl ErrorType for Input {
    type Error = core::convert::Infallible;
}

impl Read for Input {
    async fn read(&mut self, octets: &mut [u8]) -> Result<usize, Self::Error> {
        loop {
            match self.0.read(octets).await {
                Ok(len) => return Ok(len),
                // The terminal was closed, or the cable pulled.
                Err(_) => self.0.wait_connection().await,
            }
        }
    }
}

/// What Raspberry Pi's own SDK gives a serial port on an RP2350.
const VENDOR: u16 = 0x2e8a;
const PRODUCT: u16 = 0x0009;
const PACKET_LEN: usize = 64;
const PATIENCE: Duration = Duration::from_millis(200);

static DESCRIPTORS: StaticCell<[u8; 256]> = StaticCell::new();
static CONTROL: StaticCell<[u8; 64]> = StaticCell::new();
static STATE: StaticCell<State<'static>> = StaticCell::new();
static RECEIVED: StaticCell<[u8; PACKET_LEN]> = StaticCell::new();
