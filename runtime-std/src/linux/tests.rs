//! Real sockets on the loopback interface.

mod changes;
mod sending;
mod turns;

use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A socket of ours on a port that the system chose.
fn ours(ip: &str) -> (Socket, u16) {
    let wanted = SocketAddr::new(ip.parse().unwrap(), 0);
    let fd = crate::sys::socket::open(Outer::Udp, wanted).unwrap();
    let port = crate::sys::socket::local_address(fd.as_fd()).unwrap().port();
    let service = Service { outer: Outer::Udp, address: SocketAddr::new(wanted.ip(), port) };
    (Socket { service, fd }, port)
}

fn io(sockets: Vec<Socket>) -> LinuxIo {
    let services = sockets.iter().map(|socket| socket.service).collect();
    let change = Change { opened: sockets, services, ..Change::default() };
    LinuxIo::new(change, Arc::new(Waker::new().unwrap()))
}

/// An address of the loopback interface that no other process uses, unless it asks for all.
fn own_ip(number: u8) -> IpAddr {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    IpAddr::from([127, high, low, number])
}

/// Somebody who waits for datagrams to `ip`, and where.
fn peer(ip: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A TAP device whose other end, in the place of the kernel, is the second.
fn tap(name: &str, hub: u16) -> (Tap, UnixDatagram) {
    let (ours, kernel) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    kernel.set_nonblocking(true).unwrap();
    let device = Device::over(File::from(OwnedFd::from(ours)));
    (Tap { bridge: BridgeId { hub, bridge: 0 }, name: name.to_owned(), device }, kernel)
}

/// A frame of 60 octets between two stations, as the kernel hands it out.
fn marked(number: u8) -> Vec<u8> {
    let mut octets = vec![0; MARK_LEN + 60];
    octets[MARK_LEN..].fill(number);
    octets
}

/// Waits for whatever comes; what does not come ends the test, and not never.
fn await_any(io: &mut LinuxIo) {
    let at = io.now() + kumihimo_core::time::Duration::from_secs(5);
    io.wait(Some(at));
    assert!(io.now() < at, "nothing came");
}

/// Waits for `count` datagrams.
fn receive(io: &mut LinuxIo, pool: &mut BufferPool, count: usize) -> Vec<(Path, Frame<Buffer>)> {
    let mut inputs = Vec::new();
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while inputs.len() < count {
        assert!(std::time::Instant::now() < end, "{} of {count} came", inputs.len());
        let soon = io.now() + kumihimo_core::time::Duration::from_millis(50);
        io.wait(Some(soon));
        io.recv_batch(pool, 64, &mut inputs);
    }
    let datagrams = inputs.into_iter().map(|input| match input {
        Input::Datagram { path, payload } => (path, payload),
        other => panic!("{other:?}"),
    });
    datagrams.collect()
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    for (listen, asked) in [("0.0.0.0", "127.0.0.2"), ("127.0.0.2", "127.0.0.2"), ("::", "::1")] {
        let (socket, port) = ours(listen);
        let mut io = io(vec![socket]);
        let mut pool = BufferPool::new(64);
        let asked = SocketAddr::new(asked.parse().unwrap(), port);
        let client = UdpSocket::bind(SocketAddr::new(asked.ip(), 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.send_to(b"question", asked).unwrap();
        let (path, payload) = receive(&mut io, &mut pool, 1).remove(0);
        assert_eq!((path.local, path.remote), (asked, client.local_addr().unwrap()));
        assert_eq!(payload.bytes(), b"question");
        assert_eq!(payload.headroom(), HEADROOM);
        io.send_batch(&mut vec![Outgoing::Datagram { path, payload }]);
        let mut answer = [0; 16];
        let (len, from) = client.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..len], from), (&b"question"[..], asked));
        assert_eq!(io.unsent, 0);
    }
}

#[test]
fn the_source_is_chosen_even_where_the_route_would_choose_another() {
    let (socket, port) = ours("0.0.0.0");
    let mut io = io(vec![socket]);
    let mut pool = BufferPool::new(8);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let local = SocketAddr::new(address("127.0.0.3:0").ip(), port);
    let path = Path { local, remote: client.local_addr().unwrap(), outer: Outer::Udp };
    let payload = Frame::copy_of(&mut pool, b"x").unwrap();
    io.send_batch(&mut vec![Outgoing::Datagram { path, payload }]);
    assert_eq!(client.recv_from(&mut [0; 8]).unwrap().1, local);
}

#[test]
fn batches_keep_their_order_and_give_every_buffer_back() {
    let (one, one_port) = ours("127.0.0.1");
    let (two, two_port) = ours("127.0.0.2");
    let mut io = io(vec![one, two]);
    let mut pool = BufferPool::new(200);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let targets = [address("127.0.0.1:0"), address("127.0.0.2:0")];
    for number in 0..100_u8 {
        let ip = targets[usize::from(number % 2)].ip();
        let port = if number % 2 == 0 { one_port } else { two_port };
        client.send_to(&[number], SocketAddr::new(ip, port)).unwrap();
    }
    let received = receive(&mut io, &mut pool, 100);
    for parity in 0..2 {
        let numbers = received.iter().map(|(_, payload)| payload.bytes()[0]);
        let numbers: Vec<_> = numbers.filter(|number| number % 2 == parity).collect();
        assert_eq!(numbers, (0..50).map(|n| n * 2 + parity).collect::<Vec<_>>());
    }
    let mut outgoing: Vec<_> =
        received.into_iter().map(|(path, payload)| Outgoing::Datagram { path, payload }).collect();
    let order: Vec<u8> = outgoing
        .iter()
        .map(|outgoing| match outgoing {
            Outgoing::Datagram { payload, .. } => payload.bytes()[0],
            Outgoing::Frame { .. } => unreachable!(),
        })
        .collect();
    io.send_batch(&mut outgoing);
    let mut echo = [0; 4];
    for number in order {
        assert_eq!(client.recv_from(&mut echo).unwrap().0, 1);
        assert_eq!(echo[0], number);
    }
    drop(outgoing);
    drop(io);
    assert_eq!(pool.free(), pool.total());
}

#[test]
fn peers_whose_datagrams_are_mixed_each_get_theirs_in_order() {
    let (socket, port) = ours("127.0.0.1");
    let mut io = io(vec![socket]);
    let mut pool = BufferPool::new(400);
    let clients = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let remotes = clients.each_ref().map(|client| client.local_addr().unwrap());
    let local = SocketAddr::new(address("127.0.0.1:0").ip(), port);
    // More than a window, and not all of one length.
    let mut outgoing: Vec<_> = (0..300_usize)
        .map(|number| {
            let path = Path { local, remote: remotes[number % 3], outer: Outer::Udp };
            let octets = vec![(number / 3) as u8; 40 + number % 7 * 100];
            let payload = Frame::copy_of(&mut pool, &octets).unwrap();
            Outgoing::Datagram { path, payload }
        })
        .collect();
    io.send_batch(&mut outgoing);
    assert!(outgoing.is_empty() && io.unsent == 0);
    for (at, client) in clients.iter().enumerate() {
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for count in 0..100 {
            let mut octets = [0; 1_024];
            let len = client.recv_from(&mut octets).unwrap().0;
            let number = count * 3 + at;
            assert_eq!((usize::from(octets[0]), len), (count, 40 + number % 7 * 100));
        }
    }
    assert_eq!(pool.free(), pool.total());
}

#[test]
fn a_datagram_that_fits_no_buffer_is_discarded_whole() {
    let (socket, port) = ours("127.0.0.1");
    let mut io = io(vec![socket]);
    let mut pool = BufferPool::new(8);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let longest = BUFFER_LEN - HEADROOM - TAILROOM;
    for len in [longest + 1, 9_000, longest, 0] {
        client.send_to(&vec![7; len], ("127.0.0.1", port)).unwrap();
    }
    let received = receive(&mut io, &mut pool, 2);
    let lengths: Vec<_> = received.iter().map(|(_, payload)| payload.len()).collect();
    assert_eq!(lengths, [longest, 0]);
}

#[test]
fn without_a_buffer_datagrams_wait_in_their_socket() {
    let (socket, port) = ours("127.0.0.1");
    let mut io = io(vec![socket]);
    let mut pool = BufferPool::new(2);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..3_u8 {
        client.send_to(&[number], ("127.0.0.1", port)).unwrap();
    }
    let held = receive(&mut io, &mut pool, 2);
    let mut inputs = Vec::new();
    for _ in 0..3 {
        let now = io.now();
        io.wait(Some(now));
        assert!(!io.starved, "a wait gives the core time to give some back");
        io.recv_batch(&mut pool, 64, &mut inputs);
        // Else the next wait would end at once, again and again.
        assert!(inputs.is_empty() && io.starved && !io.sockets[0].ready);
    }
    drop(held);
    assert_eq!(receive(&mut io, &mut pool, 1)[0].1.bytes(), [2]);
}

#[test]
fn a_wait_ends_at_its_deadline_and_on_mail() {
    let mut io = io(Vec::new());
    let at = io.now() + kumihimo_core::time::Duration::from_millis(20);
    io.wait(Some(at));
    assert!(io.now() >= at);
    io.waker.wake();
    await_any(&mut io);
}

#[test]
fn the_ipv4_header_of_a_raw_packet_is_removed_with_its_options() {
    let mut pool = BufferPool::new(1);
    for (first, header_len, expected) in [(0x45, 20, true), (0x46, 24, true), (0x44, 20, false)] {
        let mut packet = vec![first];
        packet.resize(header_len, 0);
        packet.extend(b"esp");
        let mut frame = Frame::copy_of(&mut pool, &packet).unwrap();
        assert_eq!(strip_ipv4(&mut frame), expected);
        assert!(!expected || frame.bytes() == b"esp");
    }
    let mut short = Frame::copy_of(&mut pool, &[0x45; 10]).unwrap();
    assert!(!strip_ipv4(&mut short));
}

/// Datagrams of one length, then a shorter one and a longer one, arrive one by one as they were;
/// one that is too long for the path does not hold up the others.
#[test]
fn groups_are_cut_into_the_datagrams_they_were_made_of() {
    for ip in ["127.0.0.1", "::1"] {
        let (socket, port) = ours(ip);
        let mut io = io(vec![socket]);
        let mut pool = BufferPool::new(200);
        let ip: IpAddr = ip.parse().unwrap();
        let client = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let remote = client.local_addr().unwrap();
        let path = Path { local: SocketAddr::new(ip, port), remote, outer: Outer::Udp };
        let lens = [&[1_400; 70][..], &[600, 600, 1_000, 1_000, 1, 1_400, 1_400]].concat();
        let mut outgoing = Vec::new();
        for (number, &len) in (0_u8..).zip(&lens) {
            let payload = Frame::copy_of(&mut pool, &vec![number; len]).unwrap();
            outgoing.push(Outgoing::Datagram { path, payload });
        }
        io.send_batch(&mut outgoing);
        assert_eq!(io.unsent(), 0);
        let mut octets = [0; 2_048];
        for (number, &len) in (0_u8..).zip(&lens) {
            let (count, from) = client.recv_from(&mut octets).unwrap();
            assert_eq!((count, from), (len, path.local));
            assert!(octets[..len].iter().all(|&octet| octet == number));
        }
    }
}
