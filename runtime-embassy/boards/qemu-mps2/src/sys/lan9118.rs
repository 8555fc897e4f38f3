//! SMSC's (Microchip's) LAN9118 as an embassy Ethernet driver, without DMA.
//!
//! The chip raises one interrupt when a frame waits. The handler masks it and wakes the driver,
//! which takes frames until there is none and lets the chip interrupt again. The MAC accepts
//! every frame of the wire: the hub needs those for its clients' addresses.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use static_cell::ConstStaticCell;

use crate::sys::interrupts;
use crate::sys::map::{ETHERNET, irq};
use crate::sys::register::Registers;

/// The network interface.
#[derive(Debug)]
pub struct Lan9118 {
    mac: [u8; 6],
    is_link_up: bool,
    received: &'static mut Frame,
    to_send: &'static mut Frame,
}

/// Frames that the chip itself reported broken, and frames it had no room for, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lost {
    /// Bad checksum, bad length, cut off.
    pub broken: u32,
    /// The receive FIFO was full.
    pub overrun: u32,
}

/// Why the chip cannot be used.
#[derive(Debug)]
#[allow(dead_code, reason = "printed by the derived Debug")]
pub enum Absent {
    /// The register with a known value reads so.
    ByteTest(u32),
    /// Another chip.
    Identity(u32),
    /// It did not end its reset, or did not answer for a register of its MAC or PHY.
    Stuck,
}

impl Lan9118 {
    /// Resets the chip and starts it. To be called once.
    pub fn start() -> Result<Self, Absent> {
        match REGISTERS.read(BYTE_TEST) {
            0x8765_4321 => {}
            other => return Err(Absent::ByteTest(other)),
        }
        match REGISTERS.read(ID_REV) >> 16 {
            0x0115..=0x0118 | 0x9215..=0x9221 => {}
            other => return Err(Absent::Identity(other)),
        }
        REGISTERS.write(HW_CFG, HW_CFG_RESET);
        until(|| REGISTERS.read(HW_CFG) & HW_CFG_RESET == 0)?;
        // Store and forward, 5 KiB of the memory for sending.
        REGISTERS.write(HW_CFG, 0x0015_0000);
        let mac = station_address()?;
        REGISTERS.write(INT_EN, 0);
        REGISTERS.write(INT_STS, !0);
        REGISTERS.write(IRQ_CFG, IRQ_ENABLE | IRQ_ACTIVE_HIGH | IRQ_PUSH_PULL);
        REGISTERS.write(FIFO_INT, 0);
        REGISTERS.write(RX_CFG, 0);
        // Statuses of sent frames are not read; they may overrun.
        REGISTERS.write(TX_CFG, TX_CFG_ON | TX_CFG_STATUS_OVERRUN);
        write_mac(MAC_CR, MAC_RX_ON | MAC_TX_ON | MAC_FULL_DUPLEX | MAC_PROMISCUOUS)?;
        write_phy(PHY_INTERRUPT_MASK, PHY_NEGOTIATED | PHY_LINK_LOST)?;
        write_phy(PHY_CONTROL, PHY_NEGOTIATE)?;
        interrupts::enable(irq::ETHERNET);
        REGISTERS.write(INT_EN, INT_RX | INT_PHY);
        let (received, to_send) = (RECEIVED.take(), TO_SEND.take());
        Ok(Self { mac, is_link_up: false, received, to_send })
    }

    /// What the chip lost so far.
    pub fn lost() -> Lost {
        critical_section::with(|section| {
            let mut lost = LOST.borrow_ref_mut(section);
            lost.overrun = lost.overrun.wrapping_add(REGISTERS.read(RX_DROP));
            *lost
        })
    }

    /// Whether a frame waits; lets the chip interrupt when none does.
    fn frame_waits(&self, cx: &Context<'_>) -> bool {
        if waiting() > 0 {
            return true;
        }
        WAKER.register(cx.waker());
        REGISTERS.write(INT_STS, INT_RX);
        REGISTERS.write(INT_EN, INT_RX | INT_PHY);
        // One may have come before the interrupt was on.
        waiting() > 0
    }

    /// Takes the next frame out of the FIFO; `None` when it is none to use.
    fn take(&mut self) -> Option<usize> {
        let status = REGISTERS.read(RX_STATUS);
        let len = (status >> 16 & 0x3fff) as usize;
        let words = len.div_ceil(4);
        if status & RX_STATUS_ERROR != 0 || !(FRAME_LEN_MIN..=FRAME_LEN_MAX).contains(&len) {
            discard(words);
            critical_section::with(|section| LOST.borrow_ref_mut(section).broken += 1);
            return None;
        }
        for word in self.received.0.iter_mut().take(words) {
            *word = REGISTERS.read(RX_DATA);
        }
        Some(len - CHECKSUM_LEN)
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, ToSend<'_>)> {
        if !has_room() {
            // Whoever receives may answer at once.
            cx.waker().wake_by_ref();
            return None;
        }
        if !self.frame_waits(cx) {
            return None;
        }
        let Some(len) = self.take() else {
            // Broken frames may come as fast as they are dropped: others go first.
            cx.waker().wake_by_ref();
            return None;
        };
        let received = Received { frame: &mut *self.received, len };
        Some((received, ToSend { frame: &mut *self.to_send }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<ToSend<'_>> {
        if has_room() {
            return Some(ToSend { frame: &mut *self.to_send });
        }
        // The FIFO drains at the wire's speed: it is there at the next look.
        cx.waker().wake_by_ref();
        None
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        WAKER.register(cx.waker());
        if LINK_CHANGED.swap(false, Ordering::Relaxed) {
            // Asking for the cause clears it; the status tells the past first, then the present.
            let status = read_phy(PHY_INTERRUPT_SOURCE)
                .and_then(|_| read_phy(PHY_STATUS))
                .and_then(|_| read_phy(PHY_STATUS));
            self.is_link_up = status.is_ok_and(|status| status & PHY_LINK_UP != 0);
        }
        if self.is_link_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

/// A received frame.
pub struct Received<'a> {
    frame: &'a mut Frame,
    len: usize,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(&mut self.frame.octets()[..self.len])
    }
}

/// Room for a frame in the chip.
pub struct ToSend<'a> {
    frame: &'a mut Frame,
}

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let result = f(&mut self.frame.octets()[..len]);
        REGISTERS.write(TX_DATA, TX_FIRST | TX_LAST | len as u32);
        REGISTERS.write(TX_DATA, len as u32);
        for word in self.frame.0.iter().take(len.div_ceil(4)) {
            REGISTERS.write(TX_DATA, *word);
        }
        result
    }
}

/// A frame as the chip's data port wants it.
#[derive(Debug)]
struct Frame([u32; WORDS]);

impl Frame {
    fn octets(&mut self) -> &mut [u8] {
        // SAFETY: words are octets, four times as many, and any octet will do for a word.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), WORDS * 4) }
    }
}

/// Interrupt: a frame waits, or the link changed. Masks both until the driver has looked.
pub extern "C" fn on_interrupt() {
    if REGISTERS.read(INT_STS) & INT_PHY != 0 {
        LINK_CHANGED.store(true, Ordering::Relaxed);
    }
    REGISTERS.write(INT_EN, 0);
    WAKER.wake();
}

fn waiting() -> u32 {
    REGISTERS.read(RX_FIFO_INF) >> 16 & 0xff
}

fn has_room() -> bool {
    REGISTERS.read(TX_FIFO_INF) & 0xffff >= FRAME_LEN_MAX as u32 + 16
}

/// Drops the frame whose status was just read. The chip's fast forward is for four words or more.
fn discard(words: usize) {
    if words < 4 {
        for _ in 0..words {
            REGISTERS.read(RX_DATA);
        }
        return;
    }
    REGISTERS.write(RX_DP_CTRL, RX_FAST_FORWARD);
    // The chip needs a few bus cycles; there is nothing to do about one that does not come back.
    let _ = until(|| REGISTERS.read(RX_DP_CTRL) & RX_FAST_FORWARD == 0);
}

/// The address that the chip loaded from its EEPROM.
fn station_address() -> Result<[u8; 6], Absent> {
    let (low, high) = (read_mac(MAC_ADDRESS_LOW)?, read_mac(MAC_ADDRESS_HIGH)?);
    let ([a, b, c, d], [e, f, ..]) = (low.to_le_bytes(), high.to_le_bytes());
    let mac = [a, b, c, d, e, f];
    if a & 1 == 0 && mac != [0; 6] {
        return Ok(mac);
    }
    write_mac(MAC_ADDRESS_LOW, u32::from_le_bytes([0x02, 0, 0, 0]))?;
    write_mac(MAC_ADDRESS_HIGH, u32::from_le_bytes([0, 1, 0, 0]))?;
    Ok([0x02, 0, 0, 0, 0, 1])
}

fn read_mac(register: u32) -> Result<u32, Absent> {
    mac_idle()?;
    REGISTERS.write(MAC_CSR_CMD, MAC_CSR_BUSY | MAC_CSR_READ | register);
    mac_idle()?;
    Ok(REGISTERS.read(MAC_CSR_DATA))
}

fn write_mac(register: u32, value: u32) -> Result<(), Absent> {
    mac_idle()?;
    REGISTERS.write(MAC_CSR_DATA, value);
    REGISTERS.write(MAC_CSR_CMD, MAC_CSR_BUSY | register);
    mac_idle()
}

fn mac_idle() -> Result<(), Absent> {
    until(|| REGISTERS.read(MAC_CSR_CMD) & MAC_CSR_BUSY == 0)
}

fn read_phy(register: u32) -> Result<u32, Absent> {
    phy(register, 0)?;
    read_mac(MAC_MII_DATA)
}

fn write_phy(register: u32, value: u32) -> Result<(), Absent> {
    write_mac(MAC_MII_DATA, value)?;
    phy(register, MII_WRITE)
}

fn phy(register: u32, flags: u32) -> Result<(), Absent> {
    write_mac(MAC_MII_ACCESS, INTERNAL_PHY << 11 | register << 6 | flags | MII_BUSY)?;
    for _ in 0..PATIENCE {
        if read_mac(MAC_MII_ACCESS)? & MII_BUSY == 0 {
            return Ok(());
        }
    }
    Err(Absent::Stuck)
}

fn until(ready: impl Fn() -> bool) -> Result<(), Absent> {
    for _ in 0..PATIENCE {
        if ready() {
            return Ok(());
        }
    }
    Err(Absent::Stuck)
}

static RECEIVED: ConstStaticCell<Frame> = ConstStaticCell::new(Frame([0; WORDS]));
static TO_SEND: ConstStaticCell<Frame> = ConstStaticCell::new(Frame([0; WORDS]));
static WAKER: AtomicWaker = AtomicWaker::new();
/// Whether the PHY is to be asked; at the start it is.
static LINK_CHANGED: AtomicBool = AtomicBool::new(true);
static LOST: critical_section::Mutex<core::cell::RefCell<Lost>> =
    critical_section::Mutex::new(core::cell::RefCell::new(Lost { broken: 0, overrun: 0 }));

// SAFETY: the chip is there on all three boards, and it does no DMA.
const REGISTERS: Registers = unsafe { Registers::at(ETHERNET) };

/// Looks at a flag before the chip counts as stuck.
const PATIENCE: u32 = 100_000;
const CHECKSUM_LEN: usize = 4;
/// A runt may be any length with a header; 802.1Q adds four octets to the longest frame.
const FRAME_LEN_MIN: usize = 14 + CHECKSUM_LEN;
const FRAME_LEN_MAX: usize = 1518 + CHECKSUM_LEN;
const WORDS: usize = FRAME_LEN_MAX.div_ceil(4);

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const ID_REV: usize = 0x50;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const RX_CFG: usize = 0x6c;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_DP_CTRL: usize = 0x78;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const RX_DROP: usize = 0xa0;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

const IRQ_ENABLE: u32 = 1 << 8;
const IRQ_ACTIVE_HIGH: u32 = 1 << 4;
const IRQ_PUSH_PULL: u32 = 1 << 0;
const INT_RX: u32 = 1 << 3;
const INT_PHY: u32 = 1 << 18;
const HW_CFG_RESET: u32 = 1 << 0;
const TX_CFG_ON: u32 = 1 << 1;
const TX_CFG_STATUS_OVERRUN: u32 = 1 << 2;
const RX_STATUS_ERROR: u32 = 1 << 15;
const RX_FAST_FORWARD: u32 = 1 << 31;
const TX_FIRST: u32 = 1 << 13;
const TX_LAST: u32 = 1 << 12;

const MAC_CSR_BUSY: u32 = 1 << 31;
const MAC_CSR_READ: u32 = 1 << 30;
const MAC_CR: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;
const MAC_MII_ACCESS: u32 = 6;
const MAC_MII_DATA: u32 = 7;
const MAC_RX_ON: u32 = 1 << 2;
const MAC_TX_ON: u32 = 1 << 3;
const MAC_PROMISCUOUS: u32 = 1 << 18;
const MAC_FULL_DUPLEX: u32 = 1 << 20;

const MII_BUSY: u32 = 1 << 0;
const MII_WRITE: u32 = 1 << 1;
const INTERNAL_PHY: u32 = 1;
const PHY_CONTROL: u32 = 0;
const PHY_STATUS: u32 = 1;
const PHY_INTERRUPT_SOURCE: u32 = 29;
const PHY_INTERRUPT_MASK: u32 = 30;
const PHY_LINK_LOST: u32 = 1 << 4;
const PHY_NEGOTIATED: u32 = 1 << 6;
/// 100 Mbit/s, negotiation on and begun.
const PHY_NEGOTIATE: u32 = 1 << 13 | 1 << 12 | 1 << 9;
const PHY_LINK_UP: u32 = 1 << 2;
