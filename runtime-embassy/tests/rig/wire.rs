//! The cable between the board and its LAN, and the device at the board's end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_time::{Duration, MockDriver};

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Board,
    Host(usize),
}

#[derive(Clone)]
pub struct Wire(Rc<RefCell<State>>);

struct State {
    to_board: VecDeque<Vec<u8>>,
    from_board: VecDeque<Vec<u8>>,
    is_up: bool,
    /// Frames that the device takes before somebody fetches them.
    room: usize,
    waker: Option<Waker>,
    /// Everything that went over the wire.
    seen: Vec<(Port, Vec<u8>)>,
    lost: usize,
    /// What comes whenever nothing else does, and how long the board works on each frame.
    flood: Option<(Vec<u8>, u64)>,
}

impl Wire {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            to_board: VecDeque::new(),
            from_board: VecDeque::new(),
            is_up: true,
            room: 4,
            waker: None,
            seen: Vec::new(),
            lost: 0,
            flood: None,
        })))
    }

    pub fn device(&self, mac: [u8; 6]) -> Device {
        Device { state: Rc::clone(&self.0), mac }
    }

    /// Puts a frame on the wire towards the board.
    pub fn deliver(&self, frame: Vec<u8>) {
        let state = &mut *self.0.borrow_mut();
        if !state.is_up || state.to_board.len() == RX_QUEUE {
            state.lost += 1;
            return;
        }
        state.to_board.push_back(frame);
        state.waker.take().into_iter().for_each(Waker::wake);
    }

    /// From now on frames come faster than the board works: it takes so many microseconds for each.
    pub fn flood(&self, flood: Option<(Vec<u8>, u64)>) {
        let state = &mut *self.0.borrow_mut();
        state.flood = flood;
        state.waker.take().into_iter().for_each(Waker::wake);
    }

    pub fn take_sent(&self) -> Vec<Vec<u8>> {
        let state = &mut *self.0.borrow_mut();
        let sent: Vec<_> = state.from_board.drain(..).collect();
        if !sent.is_empty() {
            state.waker.take().into_iter().for_each(Waker::wake);
        }
        sent
    }

    pub fn note(&self, from: Port, frame: &[u8]) {
        self.0.borrow_mut().seen.push((from, frame.to_vec()));
    }

    /// What went over the wire since the last question.
    pub fn take_seen(&self) -> Vec<(Port, Vec<u8>)> {
        std::mem::take(&mut self.0.borrow_mut().seen)
    }

    /// Pulls the plug, or puts it back.
    pub fn set_link(&self, is_up: bool) {
        let state = &mut *self.0.borrow_mut();
        state.is_up = is_up;
        state.to_board.clear();
        state.waker.take().into_iter().for_each(Waker::wake);
    }

    /// How many frames the device takes before somebody fetches them.
    pub fn set_room(&self, room: usize) {
        let state = &mut *self.0.borrow_mut();
        state.room = room;
        state.waker.take().into_iter().for_each(Waker::wake);
    }
}

pub struct Device {
    state: Rc<RefCell<State>>,
    mac: [u8; 6],
}

pub struct Rx(Vec<u8>);
pub struct Tx<'a>(&'a RefCell<State>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, take: F) -> R {
        take(&mut self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        assert!(len <= 1514, "a frame fits the wire");
        let mut frame = vec![0xee; len];
        let result = write(&mut frame);
        self.0.borrow_mut().from_board.push_back(frame);
        result
    }
}

impl Device {
    fn has_room(&self) -> bool {
        let state = self.state.borrow();
        state.is_up && state.from_board.len() < state.room
    }
}

impl Driver for Device {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Rx, Tx<'_>)> {
        self.state.borrow_mut().waker = Some(cx.waker().clone());
        if !self.has_room() {
            return None;
        }
        let frame = {
            let state = &mut *self.state.borrow_mut();
            let (flood, cost_us) = state.flood.clone().unzip();
            MockDriver::get().advance(Duration::from_micros(cost_us.unwrap_or(0)));
            state.to_board.pop_front().or(flood)?
        };
        Some((Rx(frame), Tx(&self.state)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Tx<'_>> {
        self.state.borrow_mut().waker = Some(cx.waker().clone());
        self.has_room().then_some(Tx(&self.state))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.state.borrow_mut().waker = Some(cx.waker().clone());
        if self.state.borrow().is_up { LinkState::Up } else { LinkState::Down }
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

/// Frames that wait in the device.
const RX_QUEUE: usize = 64;
