//! [`Io`] over the sockets and TAP devices of Linux, for one packet thread.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::buf::{BUFFER_LEN, Frame, HEADROOM, Pool as _, TAILROOM};
use kumihimo_core::event::name_of;
use kumihimo_core::server::{BridgeId, Input};
use kumihimo_core::time::{Duration as Span, Instant};

use crate::gather::MARK_LEN;
use crate::io::{Cause, Io, Loss, Outgoing};
use crate::kernel::Kernel;
use crate::order::{Order, WINDOW, key_of_frame, key_of_path};
use crate::pool::{Buffer, BufferPool};
use crate::sys::mmsg::{BATCH, Messages};
use crate::sys::tap::Device;
use crate::sys::thread;
use crate::sys::wait::{Entry, PollSet, Waker};

/// What one socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// UDP or protocol 50.
    pub outer: Outer,
    /// Where; the port is 0 for protocol 50.
    pub address: SocketAddr,
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    /// What it serves.
    pub service: Service,
    /// The descriptor.
    pub fd: OwnedFd,
}

/// An open TAP device.
#[derive(Debug)]
pub struct Tap {
    /// Which bridge of the core it is.
    pub bridge: BridgeId,
    /// Its name.
    pub name: String,
    /// The device.
    pub device: Device,
}

/// What changes with a configuration: everything that is open from then on.
#[derive(Debug, Default)]
pub struct Change {
    /// Sockets that are new.
    pub opened: Vec<Socket>,
    /// All services; sockets of others are closed.
    pub services: Vec<Service>,
    /// TAP devices that are new.
    pub taps: Vec<Tap>,
    /// All bridges and their devices; other devices are closed.
    pub bridges: Vec<(BridgeId, String)>,
}

/// The sockets and devices of a packet thread.
pub struct LinuxIo {
    start: std::time::Instant,
    waker: Arc<Waker>,
    sockets: Vec<Source<Socket>>,
    taps: Vec<Source<Tap>>,
    messages: Messages,
    order: Order,
    set: PollSet,
    waker_entry: Option<Entry>,
    /// Where the next round begins, so that a busy source does not starve the others.
    first: usize,
    /// Whether there was no buffer for what has arrived.
    starved: bool,
    unsent: u64,
    received: u64,
    /// What the cheap clock shows at `start`.
    coarse_start: u64,
    kernel: Kernel,
    watch: Watch,
}

/// What shows that a wait ended too late. With no deadline near, the thread wakes by itself now and
/// then: often while packets come, ever more seldom when none do.
#[derive(Debug)]
struct Watch {
    /// How much had been received at the last wait, and when that last grew.
    received: u64,
    heard_at: Instant,
    overslept: Span,
}

struct Source<T> {
    it: T,
    entry: Option<Entry>,
    /// Whether there may be more to read.
    ready: bool,
}

impl LinuxIo {
    /// Serves what `change` opened, on the calling thread; `waker` ends a wait.
    pub fn new(change: Change, waker: Arc<Waker>) -> Self {
        let beginning = Instant::from_micros(0);
        let mut io = Self {
            start: std::time::Instant::now(),
            waker,
            sockets: Vec::new(),
            taps: Vec::new(),
            messages: Messages::new(),
            order: Order::new(),
            set: PollSet::default(),
            waker_entry: None,
            first: 0,
            starved: false,
            unsent: 0,
            received: 0,
            coarse_start: thread::clock(),
            kernel: Kernel::of_this_thread(beginning),
            watch: Watch { received: 0, heard_at: beginning, overslept: Span::ZERO },
        };
        io.adopt(change);
        io
    }

    fn rebuild_set(&mut self) {
        self.set.clear();
        self.waker_entry = Some(self.set.add(self.waker.as_fd()));
        for source in &mut self.sockets {
            source.entry = Some(self.set.add(source.it.fd.as_fd()));
        }
        for source in &mut self.taps {
            source.entry = Some(self.set.add(source.it.device.as_fd()));
        }
    }

    fn recv_socket(
        &mut self,
        index: usize,
        pool: &mut BufferPool,
        most: usize,
        inputs: &mut Vec<Input<Buffer>>,
    ) {
        let Some(source) = self.sockets.get_mut(index) else { return };
        let Service { outer, address } = source.it.service;
        let mut room = most;
        while room > 0 {
            let received = self.messages.receive(source.it.fd.as_fd(), room, pool, |datagram| {
                let local = SocketAddr::new(datagram.local, address.port());
                let path = Path { local, remote: datagram.remote, outer };
                let mut payload = datagram.frame;
                if outer == Outer::Udp || !path.local.is_ipv4() || strip_ipv4(&mut payload) {
                    inputs.push(Input::Datagram { path, payload });
                }
            });
            match received {
                Ok(count) if count < room.min(BATCH) => {
                    source.ready = false;
                    return;
                }
                Ok(count) => room -= count.min(room),
                Err(error) => {
                    // With no buffer left the datagrams wait in the socket.
                    self.starved |= error.kind() == ErrorKind::OutOfMemory;
                    source.ready = error.kind() == ErrorKind::Interrupted;
                    return;
                }
            }
        }
    }

    fn recv_tap(
        &mut self,
        index: usize,
        pool: &mut BufferPool,
        most: usize,
        inputs: &mut Vec<Input<Buffer>>,
    ) {
        let Some(source) = self.taps.get_mut(index) else { return };
        for _ in 0..most {
            let Some(mut buffer) = pool.take() else {
                self.starved = true;
                source.ready = false;
                return;
            };
            let octets = &mut buffer.as_mut()[HEADROOM - MARK_LEN..BUFFER_LEN - TAILROOM];
            match source.it.device.read(octets) {
                Ok(len) => {
                    if let Ok(frame) = Frame::received(buffer, len) {
                        inputs.push(Input::Frame { bridge: source.it.bridge, frame });
                    }
                }
                Err(error) => {
                    source.ready = error.kind() == ErrorKind::Interrupted;
                    return;
                }
            }
        }
    }

    /// Sends at most [`WINDOW`] things, flow by flow.
    fn send_window(&mut self, window: &[Outgoing<Buffer>]) {
        let Self { sockets, taps, messages, order, unsent, .. } = self;
        let order = order.of(window.iter().map(|outgoing| match outgoing {
            Outgoing::Datagram { path, .. } => key_of_path(path),
            Outgoing::Frame { frame, .. } => key_of_frame(frame.bytes()),
        }));
        let mut rest = order.iter().map(|&at| &window[usize::from(at)]);
        while let Some(next) = rest.clone().next() {
            let sent = match next {
                Outgoing::Frame { bridge, .. } => send_frames(taps, *bridge, rest.clone()),
                Outgoing::Datagram { path, .. } => send_run(sockets, messages, path, rest.clone()),
            };
            *unsent += u64::from(sent.is_none());
            let sent = sent.unwrap_or(1);
            if sent > 0 {
                rest.nth(sent - 1);
            }
        }
    }
}

/// Writes the first frames of `run` that go together; returns their number, or `None` if the first
/// cannot be written.
fn send_frames<'o>(
    taps: &mut [Source<Tap>],
    bridge: BridgeId,
    run: impl Iterator<Item = &'o Outgoing<Buffer>> + Clone,
) -> Option<usize> {
    let frames = run.map_while(|outgoing| match outgoing {
        Outgoing::Frame { bridge: its, frame } if *its == bridge => Some(frame.bytes()),
        _ => None,
    });
    let tap = taps.iter_mut().find(|tap| tap.it.bridge == bridge)?;
    tap.it.device.write(frames).ok().map(|count| count.max(1))
}

/// Sends the first datagrams of `run` that leave by the socket of `path`; returns their number, or
/// `None` if the first cannot be sent.
fn send_run<'o>(
    sockets: &[Source<Socket>],
    messages: &mut Messages,
    path: &Path,
    run: impl Iterator<Item = &'o Outgoing<Buffer>> + Clone,
) -> Option<usize> {
    let index = socket_of(sockets, path)?;
    let datagrams = run.map_while(|outgoing| match outgoing {
        Outgoing::Datagram { path, payload } if socket_of(sockets, path) == Some(index) => {
            Some((path.local.ip(), path.remote, payload.bytes()))
        }
        _ => None,
    });
    let socket = &sockets[index].it;
    let udp = socket.service.outer == Outer::Udp;
    match messages.send(socket.fd.as_fd(), udp, datagrams) {
        Ok(count) => Some(count.max(1)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Some(0),
        Err(_) => None,
    }
}

impl Io for LinuxIo {
    type Pool = BufferPool;
    type Change = Change;

    fn now(&mut self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as u64)
    }

    fn glance(&mut self) -> Instant {
        Instant::from_micros(thread::coarse_clock().saturating_sub(self.coarse_start))
    }

    fn recv_batch(&mut self, pool: &mut BufferPool, most: usize, inputs: &mut Vec<Input<Buffer>>) {
        let sources = self.sockets.len() + self.taps.len();
        let end = inputs.len() + most;
        for turn in 0..sources {
            let room = end.saturating_sub(inputs.len());
            if room == 0 {
                break;
            }
            let index = (self.first + turn) % sources;
            match index.checked_sub(self.sockets.len()) {
                None if self.sockets[index].ready => self.recv_socket(index, pool, room, inputs),
                Some(index) if self.taps[index].ready => self.recv_tap(index, pool, room, inputs),
                _ => {}
            }
        }
        self.first = self.first.wrapping_add(1) % sources.max(1);
        self.received += inputs.len() as u64;
        #[cfg(feature = "count-allocations")]
        crate::sys::allocations::publish(self.received);
    }

    fn send_batch(&mut self, outgoing: &mut Vec<Outgoing<Buffer>>) {
        for window in outgoing.chunks(WINDOW) {
            self.send_window(window);
        }
        outgoing.clear();
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let began = self.glance();
        self.kernel.look(began);
        if std::mem::take(&mut self.starved) {
            // Buffers come back as the core sends or gives up what it holds; until then there
            // is nothing to read, and the sockets must not end the wait.
            std::thread::sleep(STARVED);
        }
        let busy = self.sockets.iter().any(|source| source.ready)
            || self.taps.iter().any(|source| source.ready);
        let beat = self.watch.beat(began, self.received);
        let timeout = if busy {
            Span::ZERO
        } else {
            let now = self.now();
            deadline.map_or(beat, |at| at.since(now).min(beat))
        };
        let waited = self.set.wait(Some(Duration::from_micros(timeout.as_micros())));
        self.watch.overslept = self.glance().since(began + timeout);
        if waited.is_err() {
            return;
        }
        if self.waker_entry.is_some_and(|entry| self.set.is_ready(entry)) {
            self.waker.reset();
        }
        let set = &self.set;
        let is_ready = |entry: Option<Entry>| entry.is_some_and(|entry| set.is_ready(entry));
        self.sockets.iter_mut().for_each(|source| source.ready |= is_ready(source.entry));
        self.taps.iter_mut().for_each(|source| source.ready |= is_ready(source.entry));
    }

    fn overslept(&self) -> Span {
        self.watch.overslept
    }

    fn adopt(&mut self, change: Change) {
        self.sockets.retain(|source| change.services.contains(&source.it.service));
        self.sockets.extend(change.opened.into_iter().map(Source::new));
        self.taps.retain(|source| change.bridges.iter().any(|(_, name)| *name == source.it.name));
        self.taps.extend(change.taps.into_iter().map(Source::new));
        for source in &mut self.taps {
            let place = change.bridges.iter().find(|(_, name)| *name == source.it.name);
            if let Some((bridge, _)) = place {
                source.it.bridge = *bridge;
            }
        }
        self.rebuild_set();
    }

    fn unsent(&self) -> u64 {
        self.unsent
    }

    fn losses(&mut self, tell: &mut dyn FnMut(Loss)) {
        for source in &self.sockets {
            let Service { outer, address } = source.it.service;
            let count = crate::sys::socket::drops(source.it.fd.as_fd()).map_or(0, u64::from);
            tell(Loss::Socket { outer, address, count });
        }
        for source in &self.taps {
            let count = self.kernel.device_drops(&source.it.name).unwrap_or_default();
            tell(Loss::Tap { name: name_of(source.it.name.as_bytes()), count });
        }
    }

    fn cause(&mut self) -> Cause {
        let now = self.now();
        self.kernel.cause(now)
    }
}

impl Watch {
    /// How long a wait may be: as long as nothing has come for, and at least [`BEAT`].
    fn beat(&mut self, now: Instant, received: u64) -> Span {
        if received != self.received {
            (self.received, self.heard_at) = (received, now);
        }
        now.since(self.heard_at).max(BEAT)
    }
}

impl<T> Source<T> {
    fn new(it: T) -> Self {
        Self { it, entry: None, ready: true }
    }
}

/// The socket that a datagram of `path` leaves by: that of its address, or the one of all.
fn socket_of(sockets: &[Source<Socket>], path: &Path) -> Option<usize> {
    let serves = |service: &Service, ip: IpAddr| {
        service.outer == path.outer
            && service.address.port() == path.local.port()
            && service.address.ip() == ip
    };
    let any: IpAddr = if path.local.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let exact = sockets.iter().position(|socket| serves(&socket.it.service, path.local.ip()));
    exact.or_else(|| sockets.iter().position(|socket| serves(&socket.it.service, any)))
}

/// Removes the IPv4 header that a raw socket hands out (`raw(7)`); `false` if it makes no sense.
fn strip_ipv4(packet: &mut Frame<Buffer>) -> bool {
    let header_len = packet.bytes().first().map_or(0, |first| usize::from(first & 0x0f) * 4);
    header_len >= 20 && packet.strip(header_len).is_ok()
}

/// The shortest time after which the thread wakes by itself.
const BEAT: Span = Span::from_millis(50);
const STARVED: Duration = Duration::from_millis(1);

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod tests;
