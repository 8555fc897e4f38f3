//! The device that embassy-net gets: the board's own, with the bridge in between.

use core::cell::RefCell;
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use kumihimo_core::buf::{Frame, Pool};

use super::Lan;

/// A device and the bridge to the hub.
pub(crate) struct Bridge<'l, D, P: Pool> {
    device: D,
    lan: &'l RefCell<Lan<P>>,
}

impl<'l, D: Driver, P: Pool> Bridge<'l, D, P> {
    pub(crate) const fn new(device: D, lan: &'l RefCell<Lan<P>>) -> Self {
        Self { device, lan }
    }

    /// Puts what the hub sent on the wire, as far as the device takes it.
    fn pump(&mut self, cx: &mut Context<'_>) {
        let longest = self.device.capabilities().max_transmission_unit;
        while self.lan.borrow_mut().has_for_wire(longest) {
            let Some(token) = self.device.transmit(cx) else { return };
            let Some(frame) = self.lan.borrow_mut().to_wire.pop_front() else { return };
            token.consume(frame.len(), |room| room.copy_from_slice(frame.bytes()));
        }
    }
}

impl<D: Driver, P: Pool> Driver for Bridge<'_, D, P> {
    type RxToken<'a>
        = Received<'a, D::RxToken<'a>, P>
    where
        Self: 'a;
    type TxToken<'a>
        = Sending<'a, D::TxToken<'a>, P>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.pump(cx);
        let Self { device, lan } = self;
        if !lan.borrow().to_stack.is_empty() {
            let token = device.transmit(cx)?;
            let frame = lan.borrow_mut().to_stack.pop_front()?;
            return Some((Received::Hub(frame), Sending { token, lan }));
        }
        if !lan.borrow_mut().admits() {
            // The engine goes next, and comes back here; the rest waits in the device.
            return None;
        }
        let (rx, token) = device.receive(cx)?;
        Some((Received::Wire(rx, lan), Sending { token, lan }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.pump(cx);
        let Self { device, lan } = self;
        device.transmit(cx).map(|token| Sending { token, lan })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.device.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.lan.borrow().own.0)
    }
}

/// A frame for the stack, or one from the wire of which the stack may get a look.
pub(crate) enum Received<'l, T, P: Pool> {
    Hub(Frame<P::Buf>),
    Wire(T, &'l RefCell<Lan<P>>),
}

impl<T: RxToken, P: Pool> RxToken for Received<'_, T, P> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        match self {
            Self::Hub(mut frame) => take(frame.bytes_mut()),
            Self::Wire(token, lan) => token.consume(|bytes| {
                let is_for_stack = lan.borrow_mut().handle_wire(bytes);
                // An empty frame is what the stack ignores first of all.
                take(if is_for_stack { bytes } else { &mut [] })
            }),
        }
    }
}

/// Room for a frame that the stack sends, of which the hub may get a copy.
pub(crate) struct Sending<'l, T, P: Pool> {
    token: T,
    lan: &'l RefCell<Lan<P>>,
}

impl<T: TxToken, P: Pool> TxToken for Sending<'_, T, P> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let Self { token, lan } = self;
        token.consume(len, |room| {
            let result = write(room);
            lan.borrow_mut().handle_stack(room);
            result
        })
    }
}
