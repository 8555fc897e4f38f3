//! The Ethernet of a board: the device at its end of the cable, and the router to the Internet at
//! the other.
//!
//! The world's datagrams have no headers; here they get Ethernet, IPv4 and UDP around them, and in
//! fragments if they are long. The router answers ARP, and takes what is sent to it to the world.
//! All other frames belong to the LAN.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use kumihimo_core::addr::{MacAddr, Outer, Path};

use super::frame::{ARP, Arp, Ethernet, IPV4, Ip, UDP, checksum};

/// What an Ethernet takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CableLimits {
    /// Frames that have come and that nobody has fetched yet; more are lost.
    pub inbound: usize,
    /// Usual number of frames that the device takes before they are on the wire.
    pub outbound: usize,
    /// Octets of an IP packet's payload that the paths to the board carry in one fragment, a
    /// multiple of 8.
    pub piece_len: usize,
}

impl Default for CableLimits {
    fn default() -> Self {
        Self { inbound: usize::MAX, outbound: ROOM, piece_len: PIECE_LEN }
    }
}

/// The cable.
#[derive(Clone, Debug, Default)]
pub struct Cable(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    limits: CableLimits,
    /// Frames for which there was no place.
    overruns: u64,
    to_board: VecDeque<Vec<u8>>,
    from_board: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

impl Cable {
    /// A cable with these limits.
    pub fn new(limits: CableLimits) -> Self {
        Self(Rc::new(RefCell::new(State { limits, ..State::default() })))
    }

    /// Frames that were lost because nobody fetched those before them.
    pub fn overruns(&self) -> u64 {
        self.0.borrow().overruns
    }

    /// The board's end.
    pub fn device(&self) -> Device {
        Device(Rc::clone(&self.0))
    }

    /// Puts a frame on the cable towards the board.
    pub fn deliver(&self, frame: Vec<u8>) {
        let state = &mut *self.0.borrow_mut();
        if state.to_board.len() >= state.limits.inbound {
            state.overruns += 1;
            return;
        }
        state.to_board.push_back(frame);
        state.waker.take().into_iter().for_each(Waker::wake);
    }

    /// What the board has sent.
    pub fn take_sent(&self) -> Vec<Vec<u8>> {
        let state = &mut *self.0.borrow_mut();
        let sent: Vec<_> = state.from_board.drain(..).collect();
        if !sent.is_empty() {
            state.waker.take().into_iter().for_each(Waker::wake);
        }
        sent
    }
}

/// The board's Ethernet device.
#[derive(Debug)]
pub struct Device(Rc<RefCell<State>>);

/// A frame that the device has received.
#[derive(Debug)]
pub struct Rx(Vec<u8>);

/// Room for a frame that the device sends.
#[derive(Debug)]
pub struct Tx<'d>(&'d RefCell<State>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, take: F) -> R {
        take(&mut self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        assert!(len <= FRAME_MAX, "a frame of {len} octets does not fit the wire");
        let mut frame = vec![0xee; len];
        let result = write(&mut frame);
        self.0.borrow_mut().from_board.push_back(frame);
        result
    }
}

impl Device {
    fn has_room(&self) -> bool {
        let state = self.0.borrow();
        state.from_board.len() < state.limits.outbound
    }
}

impl Driver for Device {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Rx, Tx<'_>)> {
        self.0.borrow_mut().waker = Some(cx.waker().clone());
        if !self.has_room() {
            return None;
        }
        let frame = self.0.borrow_mut().to_board.pop_front()?;
        Some((Rx(frame), Tx(&self.0)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Tx<'_>> {
        self.0.borrow_mut().waker = Some(cx.waker().clone());
        self.has_room().then_some(Tx(&self.0))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.0.borrow_mut().waker = Some(cx.waker().clone());
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(BOARD_MAC.0)
    }
}

/// The router between the board and the Internet.
#[derive(Debug, Default)]
pub struct Router {
    ident: u16,
    /// The packet whose fragments come.
    parts: Option<Ip>,
}

/// Whose a frame of the board is.
#[derive(Debug)]
pub enum Taken {
    /// The Internet's.
    Datagram {
        /// Between which addresses.
        path: Path,
        /// Payload of UDP, or of IP protocol 50.
        payload: Vec<u8>,
    },
    /// The router's, which answers with this one; the LAN sees the question too.
    Answered(Vec<u8>),
    /// The router's, which does nothing with it.
    Swallowed,
    /// The LAN's.
    Other,
}

impl Router {
    /// A datagram for the board, as frames.
    pub fn wrap(&mut self, path: &Path, payload: &[u8], piece_len: usize) -> Vec<Vec<u8>> {
        let (IpAddr::V4(from), IpAddr::V4(to)) = (path.remote.ip(), path.local.ip()) else {
            return Vec::new();
        };
        let packet = match path.outer {
            Outer::Udp => Ip::udp((from, path.remote.port()), (to, path.local.port()), payload),
            Outer::Esp => Ip { from, to, protocol: ESP, payload: payload.into() },
        };
        self.ident = self.ident.wrapping_add(1);
        let pieces = packet.payload.chunks(piece_len).enumerate();
        let count = packet.payload.len().div_ceil(piece_len);
        let frames = pieces.map(|(at, piece)| {
            let mut bytes = Ip { payload: piece.into(), ..packet.clone() }.emit();
            let more = if at + 1 < count { MORE } else { 0 };
            let place = (at * piece_len / 8) as u16 | more;
            bytes[4..6].copy_from_slice(&self.ident.to_be_bytes());
            bytes[6..8].copy_from_slice(&place.to_be_bytes());
            bytes[10..12].fill(0);
            let sum = checksum(&bytes[..20]);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            Ethernet { to: BOARD_MAC, from: ROUTER_MAC, kind: IPV4, payload: bytes }.emit()
        });
        frames.collect()
    }

    /// Takes a frame that the board has sent.
    pub fn take(&mut self, frame: &[u8]) -> Taken {
        let Some(frame) = Ethernet::parse(frame) else { return Taken::Other };
        if frame.kind == ARP
            && let Some(arp) = Arp::parse(&frame.payload)
            && arp.is_request
            && arp.target.1 == ROUTER_IP
        {
            let sender = (ROUTER_MAC, ROUTER_IP);
            let reply = Arp { is_request: false, sender, target: arp.sender }.emit();
            let to = arp.sender.0;
            let reply = Ethernet { to, from: ROUTER_MAC, kind: ARP, payload: reply };
            return Taken::Answered(reply.emit());
        }
        if frame.to != ROUTER_MAC {
            return Taken::Other;
        }
        let whole = (frame.kind == IPV4).then(|| self.join(&frame.payload)).flatten();
        whole.and_then(|packet| unwrap(&packet)).unwrap_or(Taken::Swallowed)
    }

    /// Puts fragments together, which come in order.
    fn join(&mut self, bytes: &[u8]) -> Option<Ip> {
        let packet = Ip::parse(bytes)?;
        let place = u16::from_be_bytes([bytes[6], bytes[7]]);
        let (at, has_more) = (usize::from(place & 0x1fff) * 8, place & MORE != 0);
        let whole = match self.parts.take() {
            _ if at == 0 => packet,
            Some(mut first) if first.payload.len() == at && first.to == packet.to => {
                first.payload.extend(packet.payload);
                first
            }
            _ => return None,
        };
        if has_more {
            self.parts = Some(whole);
            return None;
        }
        Some(whole)
    }
}

/// What the world knows of a packet; `None` if it is neither UDP nor ESP.
fn unwrap(packet: &Ip) -> Option<Taken> {
    let (from, to, outer, payload) = match packet.protocol {
        UDP => {
            let (from, to, payload) = packet.as_udp()?;
            (from, to, Outer::Udp, payload)
        }
        ESP => (0, 0, Outer::Esp, &packet.payload[..]),
        _ => return None,
    };
    let local = SocketAddr::new(packet.from.into(), from);
    let path = Path { local, remote: SocketAddr::new(packet.to.into(), to), outer };
    Some(Taken::Datagram { path, payload: payload.into() })
}

/// The board's MAC address.
pub const BOARD_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0xb0, 1]);
/// The router's address on the board's side.
pub const ROUTER_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0xb0, 254]);
const ESP: u8 = 50;
/// Frames that the device takes before somebody fetches them.
const ROOM: usize = 4;
/// Octets of the longest frame.
const FRAME_MAX: usize = 1514;
/// Octets of a packet's payload that fit a frame.
const PIECE_LEN: usize = 1480;
/// Flag of a fragment that is not the last one.
const MORE: u16 = 0x2000;
