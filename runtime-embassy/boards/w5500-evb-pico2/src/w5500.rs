//! WIZnet's W5500 as an Ethernet device that keeps nothing back: a driver for `embassy-net`.
//!
//! Derived from `embassy-net-wiznet` 0.3.0 (Copyright (c) Embassy project contributors, MIT OR
//! Apache-2.0, which is the licence of this file too), reduced to the W5500. What is different:
//!
//! - the MAC filter is off, as a bridge needs: `MFEN`, bit 7 of `Sn_MR`, stays clear;
//! - a frame longer than a buffer is skipped, where upstream panics: without the filter the frames
//!   of a VLAN, which have 1518 octets, do come;
//! - what waits in the chip is read until nothing is left, so that a lost interrupt costs half a
//!   second and not the link, and a stream of arrivals does not hold up what is to be sent;
//! - a chip that takes nothing more, or tells lengths that cannot be, is reset.
//!
//! `upstream.patch` beside the manifest offers the first two to the Embassy project. Registers:
//! WIZnet, "W5500 Datasheet" version 1.1.0, sections 2.2 to 4.2.

use embassy_futures::select::{Either3, select3};
use embassy_net_driver_channel as ch;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_time::{Duration, Instant, Ticker, Timer};
use embedded_hal::digital::OutputPin;
use embedded_hal_async::digital::Wait;
use embedded_hal_async::spi::{Operation, SpiDevice};

/// Octets of the longest frame, without its check sequence.
pub const MTU: usize = 1514;

/// The device for the network stack.
pub type Device<'d> = ch::Device<'d, MTU>;

/// Frames on their way between chip and stack.
pub type State<const RX: usize, const TX: usize> = ch::State<MTU, RX, TX>;

/// Why there is no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The bus failed.
    Bus,
    /// Another chip, or none: this stands where the W5500 says 4.
    Version(u8),
}

/// Moves frames between chip and stack.
pub struct Runner<'d, SPI, INT, RST> {
    chip: Chip<SPI, RST>,
    channel: ch::Runner<'d, MTU>,
    interrupt: INT,
}

/// Resets the chip and opens it for all frames on the wire.
///
/// # Errors
/// [`StartError`].
pub async fn start<'d, SPI, INT, RST, const RX: usize, const TX: usize>(
    mac: [u8; 6],
    state: &'d mut State<RX, TX>,
    spi: SPI,
    interrupt: INT,
    reset: RST,
) -> Result<(Device<'d>, Runner<'d, SPI, INT, RST>), StartError>
where
    SPI: SpiDevice,
    INT: Wait,
    RST: OutputPin,
{
    let mut chip = Chip { spi, reset, mac };
    chip.restart().await?;
    let (channel, device) = ch::new(state, HardwareAddress::Ethernet(mac));
    Ok((device, Runner { chip, channel, interrupt }))
}

impl<SPI: SpiDevice, INT: Wait, RST: OutputPin> Runner<'_, SPI, INT, RST> {
    /// Moves frames for ever.
    pub async fn run(mut self) -> ! {
        loop {
            if let Err(Broken) = self.move_frames().await {
                self.channel.set_link_state(LinkState::Down);
                while self.chip.restart().await.is_err() {
                    // Its supply may need a while.
                    Timer::after_secs(1).await;
                }
            }
        }
    }

    /// Moves frames until the chip fails.
    async fn move_frames(&mut self) -> Result<(), Broken> {
        let Self { chip, channel, interrupt } = self;
        let (state, mut rx, mut tx) = channel.borrow_split();
        let mut tick = Ticker::every(LINK_INTERVAL);
        let mut may_be_more = true;
        loop {
            let arrival = async {
                if !may_be_more && interrupt.wait_for_low().await.is_err() {
                    // A pin that cannot be waited for: the tick looks instead.
                    core::future::pending::<()>().await;
                }
                rx.rx_buf().await
            };
            match select3(arrival, tx.tx_buf(), tick.next()).await {
                Either3::First(room) => {
                    let arrived = chip.read_frame(room).await?;
                    if let Arrived::Frame(len) = arrived {
                        rx.rx_done(len);
                    }
                    may_be_more = arrived != Arrived::Nothing;
                    if let Some(frame) = tx.try_tx_buf() {
                        chip.write_frame(frame).await?;
                        tx.tx_done();
                    }
                }
                Either3::Second(frame) => {
                    chip.write_frame(frame).await?;
                    tx.tx_done();
                }
                Either3::Third(()) => {
                    let is_up = chip.is_link_up().await?;
                    state.set_link_state(if is_up { LinkState::Up } else { LinkState::Down });
                    may_be_more = true;
                }
            }
        }
    }
}

/// The chip does not do what it should.
struct Broken;

#[derive(PartialEq, Eq)]
enum Arrived {
    Nothing,
    /// One that no buffer can hold.
    TooLong,
    Frame(usize),
}

struct Chip<SPI, RST> {
    spi: SPI,
    reset: RST,
    mac: [u8; 6],
}

impl<SPI: SpiDevice, RST: OutputPin> Chip<SPI, RST> {
    async fn restart(&mut self) -> Result<(), StartError> {
        // Pins of the processor itself do not fail.
        let _ = self.reset.set_low();
        Timer::after_millis(1).await;
        let _ = self.reset.set_high();
        // Until its clock stands.
        Timer::after_millis(100).await;
        let mut version = [0];
        self.read(VERSION, &mut version).await.map_err(|Broken| StartError::Bus)?;
        if version[0] != VERSION_W5500 {
            return Err(StartError::Version(version[0]));
        }
        self.open().await.map_err(|Broken| StartError::Bus)
    }

    /// All 32 KiB to socket 0, which passes every frame on the wire.
    async fn open(&mut self) -> Result<(), Broken> {
        let mac = self.mac;
        self.write(SOCKETS_INTERRUPT_MASK, &[1]).await?;
        self.write(INTERRUPT_MASK, &[RECEIVED]).await?;
        self.write(MAC, &mac).await?;
        self.write(TX_SIZE, &[BUFFER_KIB]).await?;
        self.write(RX_SIZE, &[BUFFER_KIB]).await?;
        self.write(MODE, &[MODE_MACRAW]).await?;
        self.write(COMMAND, &[OPEN]).await
    }

    async fn read_frame(&mut self, room: &mut [u8]) -> Result<Arrived, Broken> {
        // First, so that a frame that comes from here on raises it anew.
        self.write(INTERRUPT, &[RECEIVED]).await?;
        let waiting = self.waiting().await?;
        if waiting == 0 {
            return Ok(Arrived::Nothing);
        }
        let start = self.read_u16(RX_READ).await?;
        let len = self.read_u16(rx_buffer(start)).await?;
        if len < FRAME_HEADER + ETHERNET_HEADER || len > waiting {
            return Err(Broken);
        }
        let frame_len = usize::from(len - FRAME_HEADER);
        let arrived = match room.get_mut(..frame_len) {
            Some(room) => {
                self.read(rx_buffer(start.wrapping_add(FRAME_HEADER)), room).await?;
                Arrived::Frame(frame_len)
            }
            None => Arrived::TooLong,
        };
        self.write(RX_READ, &start.wrapping_add(len).to_be_bytes()).await?;
        self.write(COMMAND, &[RECEIVE]).await?;
        Ok(arrived)
    }

    async fn write_frame(&mut self, frame: &[u8]) -> Result<(), Broken> {
        let len = frame.len() as u16;
        let give_up = Instant::now() + SEND_LIMIT;
        while self.read_u16(TX_FREE).await? < len {
            if Instant::now() > give_up {
                // Without a link nothing leaves, and the frame is lost like any on a cut wire.
                return if self.is_link_up().await? { Err(Broken) } else { Ok(()) };
            }
        }
        let start = self.read_u16(TX_WRITE).await?;
        self.write((TX_BUFFER, start), frame).await?;
        self.write(TX_WRITE, &start.wrapping_add(len).to_be_bytes()).await?;
        self.write(COMMAND, &[SEND]).await
    }

    async fn is_link_up(&mut self) -> Result<bool, Broken> {
        let mut phy = [0];
        self.read(PHY, &mut phy).await?;
        Ok(phy[0] & 1 == 1)
    }

    /// Octets received; the chip may change them between their two octets.
    async fn waiting(&mut self) -> Result<u16, Broken> {
        for _ in 0..8 {
            let first = self.read_u16(RX_WAITING).await?;
            if first == self.read_u16(RX_WAITING).await? {
                return Ok(first);
            }
        }
        Err(Broken)
    }

    async fn read_u16(&mut self, from: Register) -> Result<u16, Broken> {
        let mut octets = [0; 2];
        self.read(from, &mut octets).await?;
        Ok(u16::from_be_bytes(octets))
    }

    async fn read(&mut self, (block, address): Register, octets: &mut [u8]) -> Result<(), Broken> {
        let [high, low] = address.to_be_bytes();
        let head = [high, low, block << 3];
        let steps = &mut [Operation::Write(&head), Operation::Read(octets)];
        self.spi.transaction(steps).await.map_err(|_| Broken)
    }

    async fn write(&mut self, (block, address): Register, octets: &[u8]) -> Result<(), Broken> {
        let [high, low] = address.to_be_bytes();
        let head = [high, low, block << 3 | WRITE];
        let steps = &mut [Operation::Write(&head), Operation::Write(octets)];
        self.spi.transaction(steps).await.map_err(|_| Broken)
    }
}

/// Block and address.
type Register = (u8, u16);

const fn rx_buffer(address: u16) -> Register {
    (RX_BUFFER, address)
}

const LINK_INTERVAL: Duration = Duration::from_millis(500);
/// A frame of 1514 octets takes 1.2 ms at 10 Mbit/s, and ten of them wait at most.
const SEND_LIMIT: Duration = Duration::from_millis(100);

const VERSION_W5500: u8 = 4;
const BUFFER_KIB: u8 = 16;
/// The length before each frame, which counts itself.
const FRAME_HEADER: u16 = 2;
const ETHERNET_HEADER: u16 = 14;

const COMMON: u8 = 0;
const SOCKET: u8 = 1;
const TX_BUFFER: u8 = 2;
const RX_BUFFER: u8 = 3;
const WRITE: u8 = 1 << 2;

const MAC: Register = (COMMON, 0x09);
const SOCKETS_INTERRUPT_MASK: Register = (COMMON, 0x18);
const PHY: Register = (COMMON, 0x2e);
const VERSION: Register = (COMMON, 0x39);

const MODE: Register = (SOCKET, 0x00);
const COMMAND: Register = (SOCKET, 0x01);
const INTERRUPT: Register = (SOCKET, 0x02);
const RX_SIZE: Register = (SOCKET, 0x1e);
const TX_SIZE: Register = (SOCKET, 0x1f);
const TX_FREE: Register = (SOCKET, 0x20);
const TX_WRITE: Register = (SOCKET, 0x24);
const RX_WAITING: Register = (SOCKET, 0x26);
const RX_READ: Register = (SOCKET, 0x28);
const INTERRUPT_MASK: Register = (SOCKET, 0x2c);

/// `MACRAW` without `MFEN`, the filter.
const MODE_MACRAW: u8 = 1 << 2;
const RECEIVED: u8 = 1 << 2;
const OPEN: u8 = 0x01;
const SEND: u8 = 0x20;
const RECEIVE: u8 = 0x40;
