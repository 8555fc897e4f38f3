//! The server's sockets on embassy-net: UDP 500, 4500 and, if built in, 1701; bare ESP.
//!
//! They are looked at, not waited for: whatever makes one readable runs in the same task just
//! before. Waiting would wake the stack, and the stack this task, for ever.

use core::net::{IpAddr, SocketAddr};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::raw::{IpProtocol, IpVersion, RawSocket};
use embassy_net::udp::{self, UdpMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack, raw};
#[cfg(feature = "l2tp-raw")]
use kumihimo_core::addr::L2TP_PORT;
use kumihimo_core::addr::{IKE_PORT, NATT_PORT, Outer, Path};
use kumihimo_core::buf::{Frame, Pool};
use kumihimo_core::wire::ipv4;

/// The memory of the IP stack and its sockets.
pub struct NetMemory {
    pub(crate) stack: embassy_net::StackResources<SOCKETS>,
    pub(crate) sockets: SocketMemory,
}

pub(crate) struct SocketMemory {
    ike: UdpMemory<RX_LEN, IKE_TX_LEN>,
    natt: UdpMemory<RX_LEN, TX_LEN>,
    #[cfg(feature = "l2tp-raw")]
    l2tp: UdpMemory<RX_LEN, TX_LEN>,
    esp: [u8; RX_LEN],
}

struct UdpMemory<const RX: usize, const TX: usize> {
    rx: [u8; RX],
    tx: [u8; TX],
}

impl<const RX: usize, const TX: usize> UdpMemory<RX, TX> {
    const fn new() -> Self {
        Self { rx: [0; RX], tx: [0; TX] }
    }
}

/// Where packets begin in the sockets' memory. Apart, because it does not begin as zeros.
pub(crate) struct PacketMeta {
    ike: UdpMeta,
    natt: UdpMeta,
    #[cfg(feature = "l2tp-raw")]
    l2tp: UdpMeta,
    esp: [raw::PacketMetadata; QUEUE],
}

struct UdpMeta {
    rx: [udp::PacketMetadata; QUEUE],
    tx: [udp::PacketMetadata; 1],
}

impl UdpMeta {
    const fn new() -> Self {
        Self { rx: [udp::PacketMetadata::EMPTY; QUEUE], tx: [udp::PacketMetadata::EMPTY; 1] }
    }
}

impl PacketMeta {
    pub(crate) const fn new() -> Self {
        Self {
            ike: UdpMeta::new(),
            natt: UdpMeta::new(),
            #[cfg(feature = "l2tp-raw")]
            l2tp: UdpMeta::new(),
            esp: [raw::PacketMetadata::EMPTY; QUEUE],
        }
    }
}

fn socket<'d, const RX: usize, const TX: usize>(
    stack: Stack<'d>,
    port: u16,
    memory: &'d mut UdpMemory<RX, TX>,
    meta: &'d mut UdpMeta,
) -> UdpSocket<'d> {
    let rx = (&mut meta.rx, &mut memory.rx);
    let tx = (&mut meta.tx, &mut memory.tx);
    let mut socket = UdpSocket::new(stack, rx.0, rx.1, tx.0, tx.1);
    // Only an open socket or port 0 is refused.
    let _ = socket.bind(port);
    socket
}

impl NetMemory {
    /// Zeros: a static that holds it takes no room in flash.
    pub const fn new() -> Self {
        Self {
            stack: embassy_net::StackResources::new(),
            sockets: SocketMemory {
                ike: UdpMemory::new(),
                natt: UdpMemory::new(),
                #[cfg(feature = "l2tp-raw")]
                l2tp: UdpMemory::new(),
                esp: [0; RX_LEN],
            },
        }
    }
}

impl Default for NetMemory {
    fn default() -> Self {
        Self::new()
    }
}

/// The sockets, and whose turn it is.
pub(crate) struct Sockets<'d> {
    udp: [Option<UdpSocket<'d>>; 3],
    esp: RawSocket<'d>,
    next: usize,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Every packet buffer is in use.
    NoBuffer,
    /// Not from an IPv4 address, or not a packet at all.
    Bad,
}

/// A datagram and its way, or why there is none.
pub(crate) type Received<B> = Result<(Path, Frame<B>), Lost>;

impl<'d> Sockets<'d> {
    pub(crate) fn new(
        stack: Stack<'d>,
        memory: &'d mut SocketMemory,
        meta: &'d mut PacketMeta,
    ) -> Self {
        #[cfg(feature = "l2tp-raw")]
        let l2tp = Some(socket(stack, L2TP_PORT, &mut memory.l2tp, &mut meta.l2tp));
        #[cfg(not(feature = "l2tp-raw"))]
        let l2tp = None;
        let (version, protocol) = (Some(IpVersion::Ipv4), Some(IpProtocol::IpSecEsp));
        let (esp_meta, room) = (&mut meta.esp, &mut memory.esp);
        let esp = RawSocket::new(stack, version, protocol, esp_meta, room, &mut [], &mut []);
        let natt = Some(socket(stack, NATT_PORT, &mut memory.natt, &mut meta.natt));
        let ike = Some(socket(stack, IKE_PORT, &mut memory.ike, &mut meta.ike));
        Self { udp: [natt, ike, l2tp], esp, next: 0 }
    }

    /// The next datagram on UDP, the sockets taking turns.
    pub(crate) fn next_udp<P: Pool>(
        &mut self,
        cx: &mut Context<'_>,
        pool: &mut P,
    ) -> Option<Received<P::Buf>> {
        for _ in 0..self.udp.len() {
            let at = self.next;
            self.next = (self.next + 1) % self.udp.len();
            let socket = self.udp.get_mut(at).and_then(Option::as_mut);
            let Some(socket) = socket.filter(|socket| socket.may_recv()) else { continue };
            let port = socket.endpoint().port;
            let take = |bytes: &[u8], meta: UdpMetadata| {
                let path = path_of(port, &meta).ok_or(Lost::Bad)?;
                let frame = Frame::copy_of(pool, bytes).map_err(|_| Lost::NoBuffer)?;
                Ok((path, frame))
            };
            return match pin!(socket.recv_from_with(take)).poll(cx) {
                Poll::Ready(received) => Some(received),
                Poll::Pending => None,
            };
        }
        None
    }

    /// The next ESP packet without UDP. To be asked only when one may have come.
    pub(crate) fn next_esp<P: Pool>(
        &mut self,
        cx: &mut Context<'_>,
        pool: &mut P,
    ) -> Option<Received<P::Buf>> {
        if self.esp.poll_recv_ready(cx).is_pending() {
            return None;
        }
        let Some(mut frame) = pool.take().and_then(|buf| Frame::received(buf, MTU).ok()) else {
            // Away with it, or it would stand before all that follow.
            let _ = self.esp.poll_recv(&mut [0; 1], cx);
            return Some(Err(Lost::NoBuffer));
        };
        match self.esp.poll_recv(frame.bytes_mut(), cx) {
            Poll::Ready(Ok(len)) => {
                frame.truncate(len);
                Some(open_ipv4(frame).ok_or(Lost::Bad))
            }
            Poll::Ready(Err(_)) => Some(Err(Lost::Bad)),
            Poll::Pending => None,
        }
    }

    /// Sends a datagram whose way only the IP stack can find, or that must be cut in fragments.
    ///
    /// Tells whether the socket took it: it waits for nothing, since a peer that ARP does not
    /// find would hold up the others.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>, path: &Path, bytes: &[u8]) -> bool {
        let (SocketAddr::V4(local), SocketAddr::V4(remote)) = (path.local, path.remote) else {
            return false;
        };
        let port = local.port();
        let mut sockets = self.udp.iter().flatten();
        let Some(socket) = sockets.find(|socket| socket.endpoint().port == port) else {
            return false;
        };
        let endpoint = IpEndpoint::new((*remote.ip()).into(), remote.port());
        let local_address = Some((*local.ip()).into());
        let meta = UdpMetadata { endpoint, local_address, meta: Default::default() };
        matches!(socket.poll_send_to(bytes, meta, cx), Poll::Ready(Ok(())))
    }
}

fn path_of(port: u16, meta: &UdpMetadata) -> Option<Path> {
    let local: IpAddr = meta.local_address?.into();
    let remote: IpAddr = meta.endpoint.addr.into();
    Some(Path {
        local: SocketAddr::new(local, port),
        remote: SocketAddr::new(remote, meta.endpoint.port),
        outer: Outer::Udp,
    })
}

/// Takes the IPv4 header off a packet with ESP.
fn open_ipv4<B: AsRef<[u8]> + AsMut<[u8]>>(mut frame: Frame<B>) -> Option<(Path, Frame<B>)> {
    let packet = ipv4::Packet::parse(frame.bytes()).ok()?;
    let (header, header_len, len) = (packet.header, packet.header_len, packet.payload.len());
    frame.strip(header_len).ok()?;
    frame.truncate(len);
    let local = SocketAddr::new(header.destination.into(), 0);
    let remote = SocketAddr::new(header.source.into(), 0);
    Some((Path { local, remote, outer: Outer::Esp }, frame))
}

/// Three for UDP, one for ESP, one for DHCP.
pub(crate) const SOCKETS: usize = 5;
/// Datagrams that wait in a socket. The engine empties it before more frames are let in.
pub(crate) const QUEUE: usize = 2;
/// Octets of the longest IP packet in a frame.
const MTU: usize = 1500;
/// Octets that wait in a socket.
const RX_LEN: usize = QUEUE * 1504;
/// Octets of the longest datagram that goes out in fragments.
const TX_LEN: usize = 2020;
/// The same of IKE, whose longest message answers quick mode with MODP 4096.
const IKE_TX_LEN: usize = 1280;
