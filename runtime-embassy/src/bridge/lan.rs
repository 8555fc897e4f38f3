//! The queues between hub, wire and stack, and who is known to be where.

use core::net::IpAddr;

use heapless::Deque;
use kumihimo_core::addr::{MacAddr, Path};
use kumihimo_core::buf::{Frame, Pool};

use crate::outer::{Hops, is_esp, wrap};
use crate::shared::Traffic;
use crate::sockets;

use super::{Addresses, Route, from_hub, from_wire};

/// What the engine and the device under embassy-net share; both belong to one task.
pub(crate) struct Lan<P: Pool> {
    pub(crate) pool: P,
    pub(crate) traffic: Traffic,
    pub(super) own: MacAddr,
    /// Frames for the hub.
    to_hub: Queue<P::Buf>,
    /// Frames of the hub for the wire.
    pub(super) to_wire: Queue<P::Buf>,
    /// Frames of the hub for the board.
    pub(super) to_stack: Queue<P::Buf>,
    clients: Clients,
    hops: Hops,
    /// Identification of the next packet to a client.
    ident: u16,
    /// Frames for the board that may still lie in the stack's sockets.
    unheard: usize,
    /// Frames from the wire since the engine had its turn.
    taken: usize,
    /// A frame had to wait in the device.
    has_refused: bool,
    /// ESP came for the board, and lies in the stack's socket.
    has_esp: bool,
}

/// What became of a datagram to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Done,
    /// The device is behind.
    Full,
    /// Only the IP stack can send it: it is long, or nobody knows where to.
    NoWay,
}

type Queue<B> = Deque<Frame<B>, QUEUE>;

impl<P: Pool> Lan<P> {
    pub(crate) fn new(pool: P, own: [u8; 6]) -> Self {
        Self {
            pool,
            traffic: Traffic::new(),
            own: MacAddr(own),
            to_hub: Deque::new(),
            to_wire: Deque::new(),
            to_stack: Deque::new(),
            clients: Clients::default(),
            hops: Hops::new(),
            ident: 0,
            unheard: 0,
            taken: 0,
            has_refused: false,
            has_esp: false,
        }
    }

    /// The board's MAC address.
    pub(crate) const fn own(&self) -> [u8; 6] {
        self.own.0
    }

    pub(crate) const fn set_own(&mut self, own: [u8; 6]) {
        self.own = MacAddr(own);
    }

    /// The next frame for the hub.
    pub(crate) fn next_for_hub(&mut self) -> Option<Frame<P::Buf>> {
        self.to_hub.pop_front()
    }

    /// Whether ESP may have come since the last question.
    pub(crate) const fn take_esp(&mut self) -> bool {
        core::mem::replace(&mut self.has_esp, false)
    }

    /// Says that more ESP may be there.
    pub(crate) const fn put_esp_back(&mut self) {
        self.has_esp = true;
    }

    /// The engine has had its turn. `is_heard` says that the stack's sockets are empty.
    ///
    /// Tells whether frames were left in the device for which there is room now.
    pub(crate) fn end_turn(&mut self, is_heard: bool) -> bool {
        if is_heard {
            self.unheard = 0;
        }
        self.taken = 0;
        let is_waiting = self.has_refused && self.has_room();
        self.has_refused &= !is_waiting;
        is_waiting
    }

    /// Whether another frame may come in from the wire before the engine has its turn.
    pub(super) fn admits(&mut self) -> bool {
        let has_room = self.has_room();
        self.has_refused |= !has_room;
        has_room
    }

    fn has_room(&self) -> bool {
        !self.to_hub.is_full() && self.unheard < STACK_QUEUE && self.taken < TAKEN_MAX
    }

    /// Whether a frame waits for the wire; those are lost that the device does not take.
    pub(super) fn has_for_wire(&mut self, longest: usize) -> bool {
        while self.to_wire.front().is_some_and(|frame| frame.len() > longest) {
            self.to_wire.pop_front();
            self.traffic.too_long += 1;
        }
        !self.to_wire.is_empty()
    }

    /// Takes a frame that came from the wire; tells whether the stack gets it too.
    pub(super) fn handle_wire(&mut self, bytes: &[u8]) -> bool {
        self.traffic.frames_in = self.traffic.frames_in.wrapping_add(1);
        self.taken += 1;
        let route = Addresses::of(bytes).and_then(|addresses| from_wire(self.own, addresses));
        let Some(Route { hub, stack, .. }) = route.filter(|_| bytes.len() <= LONGEST) else {
            self.traffic.bad_frames += 1;
            return false;
        };
        if hub {
            self.copy_to_hub(bytes);
        }
        if stack && !hub {
            self.unheard += 1;
            self.hops.note(bytes);
            self.has_esp |= is_esp(bytes);
        }
        stack
    }

    /// Takes a frame that the stack puts on the wire.
    pub(super) fn handle_stack(&mut self, bytes: &[u8]) {
        let Some(Addresses { to, .. }) = Addresses::of(bytes) else { return };
        if to.is_group() || self.clients.has(to) {
            self.copy_to_hub(bytes);
        }
    }

    /// Takes a frame that came out of the hub.
    pub(crate) fn handle_hub(&mut self, frame: Frame<P::Buf>) {
        let Some(addresses) = Addresses::of(frame.bytes()) else { return };
        self.clients.note(addresses.from);
        match from_hub(self.own, addresses) {
            Route { stack: true, wire: true, .. } => {
                match Frame::copy_of(&mut self.pool, frame.bytes()) {
                    Ok(copy) => self.push_to_stack(copy),
                    Err(_) => self.traffic.no_buffer += 1,
                }
                self.push_to_wire(frame);
            }
            Route { stack: true, .. } => self.push_to_stack(frame),
            Route { .. } => self.push_to_wire(frame),
        }
    }

    /// Puts a datagram to a client on the wire, through whoever handed in that client's last one.
    pub(crate) fn send(&mut self, path: &Path, datagram: &mut Option<Frame<P::Buf>>) -> Sent {
        let IpAddr::V4(peer) = path.remote.ip() else { return Sent::NoWay };
        let Some(hop) = self.hops.to(peer) else { return Sent::NoWay };
        if self.to_wire.is_full() {
            return Sent::Full;
        }
        let Some(frame) = datagram else { return Sent::NoWay };
        if wrap(frame, path, self.ident, self.own, hop).is_err() {
            return Sent::NoWay;
        }
        self.ident = self.ident.wrapping_add(1);
        if let Some(frame) = datagram.take() {
            let _ = self.to_wire.push_back(frame);
        }
        Sent::Done
    }

    fn push_to_wire(&mut self, frame: Frame<P::Buf>) {
        self.traffic.frames_out = self.traffic.frames_out.wrapping_add(1);
        if self.to_wire.push_back(frame).is_err() {
            self.traffic.queue_full += 1;
        }
    }

    fn push_to_stack(&mut self, frame: Frame<P::Buf>) {
        if self.to_stack.push_back(frame).is_err() {
            self.traffic.queue_full += 1;
        }
    }

    fn copy_to_hub(&mut self, bytes: &[u8]) {
        match Frame::copy_of(&mut self.pool, bytes) {
            Ok(frame) => {
                let is_full = self.to_hub.push_back(frame).is_err();
                self.traffic.queue_full += u32::from(is_full);
            }
            Err(_) => self.traffic.no_buffer += 1,
        }
    }
}

/// The MAC addresses that frames came out of the hub from; the oldest one makes room.
#[derive(Default)]
struct Clients {
    addresses: [MacAddr; CLIENTS],
    next: usize,
}

impl Clients {
    fn has(&self, address: MacAddr) -> bool {
        self.addresses.contains(&address)
    }

    fn note(&mut self, address: MacAddr) {
        if self.has(address) {
            return;
        }
        if let Some(place) = self.addresses.get_mut(self.next) {
            *place = address;
        }
        self.next = (self.next + 1) % CLIENTS;
    }
}

/// Frames of each direction that wait for their turn.
const QUEUE: usize = 8;
/// Frames of one turn, those included that lead nowhere.
const TAKEN_MAX: usize = 16;
/// Datagrams that a socket holds.
const STACK_QUEUE: usize = sockets::QUEUE;
/// Clients' addresses that are known at once.
const CLIENTS: usize = 32;
/// Octets of the longest frame without FCS, with a VLAN tag.
const LONGEST: usize = 1518;
