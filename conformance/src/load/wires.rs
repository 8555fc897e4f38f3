//! The sockets of all lines: few, each with many local addresses.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use kumihimo::pool::BufferPool;
use kumihimo::sys::mmsg::{BATCH, Messages};
use kumihimo::sys::socket;
use kumihimo::sys::wait::PollSet;
use kumihimo_core::addr::Outer;

/// A datagram, or a packet of protocol 50, that waits to leave.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Which socket it leaves by.
    pub(super) socket: usize,
    pub(super) local: IpAddr,
    pub(super) remote: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// Open sockets and what waits to leave by them.
pub(super) struct Wires {
    sockets: Vec<(Outer, OwnedFd)>,
    messages: Messages,
    pool: BufferPool,
    waiting: Vec<Waiting>,
}

/// Of lines with bare ESP, the socket for that; IKE has [`IKE`].
pub(super) const BARE: usize = 1;
/// Of lines with bare ESP, the socket of UDP 500.
pub(super) const IKE: usize = 0;

impl Wires {
    /// `count` sockets of UDP with ports that nobody else has.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn of_udp(server: IpAddr, count: usize) -> Result<Self, String> {
        let any = SocketAddr::new(any(server), 0);
        Self::open(&vec![(Outer::Udp, any); count])
    }

    /// Port 500 and protocol 50, as a client without a NAT has them.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn of_esp(server: IpAddr) -> Result<Self, String> {
        let at = |port| SocketAddr::new(any(server), port);
        Self::open(&[(Outer::Udp, at(500)), (Outer::Esp, at(0))])
    }

    fn open(which: &[(Outer, SocketAddr)]) -> Result<Self, String> {
        let open = |&(outer, at): &(Outer, SocketAddr)| {
            let socket = socket::open(outer, at);
            socket.map(|fd| (outer, fd)).map_err(|error| format!("{outer:?} {at}: {error}"))
        };
        Ok(Self {
            sockets: which.iter().map(open).collect::<Result<_, _>>()?,
            messages: Messages::new(),
            pool: BufferPool::new(4 * BATCH),
            waiting: Vec::new(),
        })
    }

    /// Puts something behind what waits.
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) {
        let mut rest = &self.waiting[..];
        while let Some(first) = rest.first() {
            let end = rest.iter().position(|it| it.socket != first.socket).unwrap_or(rest.len());
            let datagrams =
                rest[..end.min(BATCH)].iter().map(|it| (it.local, it.remote, &it.bytes[..]));
            let (outer, socket) = &self.sockets[first.socket];
            let sent = match self.messages.send(socket.as_fd(), *outer == Outer::Udp, datagrams) {
                Ok(sent) => sent.max(1),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_micros(100));
                    continue;
                }
                // A refusal that came back by ICMP, most likely; this one is lost.
                Err(_) => 1,
            };
            rest = &rest[sent..];
        }
        self.waiting.clear();
    }

    /// Hands out what has arrived, with its socket and local address: of each socket a batch.
    pub(super) fn receive(&mut self, mut sink: impl FnMut(usize, IpAddr, SocketAddr, Vec<u8>)) {
        let Self { sockets, messages, pool, .. } = self;
        for (at, (outer, socket)) in sockets.iter().enumerate() {
            // Nothing there is no error here, and another one comes again.
            let _ = messages.receive(socket.as_fd(), BATCH, pool, |datagram| {
                let octets = datagram.frame.bytes();
                let has_header = *outer == Outer::Esp && datagram.local.is_ipv4();
                let from = if has_header { usize::from(octets[0] & 0x0f) * 4 } else { 0 };
                if let Some(octets) = octets.get(from..) {
                    sink(at, datagram.local, datagram.remote, octets.to_vec());
                }
            });
        }
    }

    /// Waits until something arrives, at most for `wait`.
    pub(super) fn wait(&self, wait: Duration) {
        let mut set = PollSet::default();
        for (_, socket) in &self.sockets {
            set.add(socket.as_fd());
        }
        let _ = set.wait(Some(wait));
    }
}

fn any(server: IpAddr) -> IpAddr {
    match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => [0_u16; 8].into(),
    }
}
