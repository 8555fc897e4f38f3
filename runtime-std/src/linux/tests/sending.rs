//! By which socket, to whom, and what could not be sent.

use super::*;

fn datagram(
    pool: &mut BufferPool,
    (local, remote): (SocketAddr, SocketAddr),
    octets: &[u8],
) -> Outgoing<Buffer> {
    let path = Path { local, remote, outer: Outer::Udp };
    Outgoing::Datagram { path, payload: Frame::copy_of(pool, octets).unwrap() }
}

/// What `peer` gets next, and from where.
fn next(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut octets = [0; 2_048];
    let (len, from) = peer.recv_from(&mut octets).unwrap();
    (octets[..len].to_vec(), from)
}

#[test]
fn an_answer_leaves_from_the_port_that_was_asked() {
    for ip in ["127.0.0.1", "::1", "0.0.0.0"] {
        let sockets = [(); 3].map(|()| ours(ip));
        let ports = sockets.each_ref().map(|(_, port)| *port);
        let mut io = io(sockets.into_iter().map(|(socket, _)| socket).collect());
        let mut pool = BufferPool::new(64);
        let home = if ip == "::1" { "::1" } else { "127.0.0.1" };
        let (client, _) = peer(home);
        for port in [ports[1], ports[0], ports[2]] {
            let asked = SocketAddr::new(home.parse().unwrap(), port);
            client.send_to(b"question", asked).unwrap();
            let (path, payload) = receive(&mut io, &mut pool, 1).remove(0);
            assert_eq!(path.local, asked);
            io.send_batch(&mut vec![Outgoing::Datagram { path, payload }]);
            assert_eq!(next(&client), (b"question".to_vec(), asked));
        }
        assert_eq!(io.unsent(), 0);
    }
}

/// A batch in which the answers of several sockets are mixed.
#[test]
fn answers_of_one_batch_leave_each_by_its_own_socket() {
    let sockets = [ours("127.0.0.1"), ours("127.0.0.1"), ours("127.0.0.2")];
    let locals = sockets.each_ref().map(|(socket, _)| socket.service.address);
    let mut io = io(sockets.into_iter().map(|(socket, _)| socket).collect());
    let mut pool = BufferPool::new(64);
    let (client, remote) = peer("127.0.0.1");
    let mut outgoing: Vec<_> = (0..30_u8)
        .map(|at| datagram(&mut pool, (locals[usize::from(at % 3)], remote), &[at]))
        .collect();
    io.send_batch(&mut outgoing);
    for _ in 0..30 {
        let (octets, from) = next(&client);
        assert_eq!(from, locals[usize::from(octets[0] % 3)]);
    }
    assert_eq!(io.unsent(), 0);
}

#[test]
fn the_socket_of_an_address_comes_before_the_one_of_all() {
    let source = |outer, address: &str| {
        let fd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
        Source::new(Socket { service: Service { outer, address: self::address(address) }, fd })
    };
    let sockets = [
        source(Outer::Udp, "0.0.0.0:500"),
        source(Outer::Udp, "[::]:500"),
        source(Outer::Udp, "0.0.0.0:4500"),
        source(Outer::Udp, "192.0.2.1:4500"),
        source(Outer::Udp, "[2001:db8::1]:4500"),
        source(Outer::Esp, "0.0.0.0:0"),
        source(Outer::Esp, "[::]:0"),
    ];
    let of = |outer, local: &str| {
        let path = Path { outer, local: address(local), remote: address("198.51.100.7:9") };
        socket_of(&sockets, &path)
    };
    assert_eq!(of(Outer::Udp, "192.0.2.1:500"), Some(0));
    assert_eq!(of(Outer::Udp, "[2001:db8::1]:500"), Some(1));
    assert_eq!(of(Outer::Udp, "192.0.2.2:4500"), Some(2));
    assert_eq!(of(Outer::Udp, "192.0.2.1:4500"), Some(3));
    assert_eq!(of(Outer::Udp, "[2001:db8::1]:4500"), Some(4));
    assert_eq!(of(Outer::Udp, "[2001:db8::2]:4500"), None);
    assert_eq!(of(Outer::Udp, "192.0.2.1:1701"), None);
    assert_eq!(of(Outer::Esp, "192.0.2.1:0"), Some(5));
    assert_eq!(of(Outer::Esp, "[2001:db8::1]:0"), Some(6));
}

/// Two clients behind one NAT have one address, and their datagrams may have one length.
#[test]
fn datagrams_of_one_length_go_each_to_its_own_port() {
    for ip in ["127.0.0.1", "::1"] {
        let (socket, _) = ours(ip);
        let local = socket.service.address;
        let (mut io, mut pool) = (io(vec![socket]), BufferPool::new(200));
        let peers = [(); 3].map(|()| peer(ip));
        // In turn, then all of one after all of another: both have a border.
        let turns = (0..60).map(|at| at % 3).chain((0..60).map(|at| at / 20));
        let wanted: Vec<(usize, u8)> = turns.zip(0..).collect();
        let mut outgoing: Vec<_> = wanted
            .iter()
            .map(|&(to, at)| datagram(&mut pool, (local, peers[to].1), &[at; 100]))
            .collect();
        io.send_batch(&mut outgoing);
        for (to, (socket, _)) in peers.iter().enumerate() {
            for &(_, at) in wanted.iter().filter(|(its, _)| *its == to) {
                assert_eq!(next(socket), (vec![at; 100], local));
            }
            socket.set_nonblocking(true).unwrap();
            assert!(socket.recv(&mut [0]).is_err(), "nothing that is not its own");
        }
        assert_eq!(io.unsent(), 0);
    }
}

/// Those who share an address, or only a port, at the border of a group.
#[test]
fn datagrams_of_one_length_go_each_to_and_from_its_own_address() {
    let (socket, port) = ours("0.0.0.0");
    let (mut io, mut pool) = (io(vec![socket]), BufferPool::new(64));
    let (one, remote) = peer("127.0.0.1");
    let two = UdpSocket::bind(("127.0.0.2", remote.port())).unwrap();
    two.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let remotes = [remote, two.local_addr().unwrap()];
    let locals = ["127.0.0.1", "127.0.0.3"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
    let paths = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)];
    let mut outgoing = Vec::new();
    for (at, (from, to)) in (0_u8..).zip(paths) {
        for number in [at, at] {
            outgoing.push(datagram(&mut pool, (locals[from], remotes[to]), &[number; 64]));
        }
    }
    io.send_batch(&mut outgoing);
    for (to, socket) in [one, two].iter().enumerate() {
        let due = (0_u8..).zip(paths).filter(|(_, path)| path.1 == to);
        let due: Vec<_> = due.flat_map(|(at, (from, _))| [(at, locals[from]); 2]).collect();
        let mut came: Vec<_> = due.iter().map(|_| next(socket)).collect();
        came.sort_unstable();
        let wanted = due.into_iter().map(|(at, from)| (vec![at; 64], from));
        assert_eq!(came, wanted.collect::<Vec<_>>());
    }
    assert_eq!(io.unsent(), 0);
}

#[test]
fn what_cannot_be_sent_is_counted_and_holds_nobody_up() {
    let (socket, _) = ours("127.0.0.1");
    let local = socket.service.address;
    let (mut io, mut pool) = (io(vec![socket]), BufferPool::new(64));
    let (client, remote) = peer("127.0.0.1");
    assert_eq!(io.unsent(), 0);
    let elsewhere = SocketAddr::new(local.ip(), local.port() ^ 1);
    let nowhere = SocketAddr::new(remote.ip(), 0);
    // Twice, for a count goes on.
    for round in 1..=2 {
        let mut outgoing = vec![
            datagram(&mut pool, (local, remote), b"first"),
            // No socket.
            datagram(&mut pool, (elsewhere, remote), b"a"),
            // The kernel refuses port 0: one by itself, then two that would be a group.
            datagram(&mut pool, (local, nowhere), b"b"),
            datagram(&mut pool, (local, remote), b"second"),
            datagram(&mut pool, (local, nowhere), b"bb"),
            datagram(&mut pool, (local, nowhere), b"bb"),
            // No device.
            Outgoing::Frame {
                bridge: BridgeId { hub: 0, bridge: 0 },
                frame: Frame::copy_of(&mut pool, &[9; 60]).unwrap(),
            },
            datagram(&mut pool, (local, remote), b"third"),
        ];
        io.send_batch(&mut outgoing);
        assert!(outgoing.is_empty());
        assert_eq!(io.unsent(), 5 * round);
        let arrived = [(); 3].map(|()| next(&client).0);
        assert_eq!(arrived, [&b"first"[..], b"second", b"third"]);
    }
    assert_eq!(pool.free(), pool.total());
}

#[test]
fn frames_go_to_the_device_of_their_bridge() {
    let ((one, one_kernel), (two, two_kernel)) = (tap("vpn0", 0), tap("vpn1", 1));
    let ids = [one.bridge, two.bridge];
    let bridges = vec![(one.bridge, one.name.clone()), (two.bridge, two.name.clone())];
    let change = Change { taps: vec![one, two], bridges, ..Change::default() };
    let mut io = LinuxIo::new(change, Arc::new(Waker::new().unwrap()));
    let mut pool = BufferPool::new(32);
    let frame = |pool: &mut BufferPool, bridge, number: u8| Outgoing::Frame {
        bridge,
        frame: Frame::copy_of(pool, &[number; 60]).unwrap(),
    };
    let mut outgoing = Vec::new();
    for number in [1, 4, 2, 5, 3] {
        // All of one flow, so that nothing but the bridge parts them.
        outgoing.push(frame(&mut pool, ids[usize::from(number > 3)], number));
    }
    outgoing.push(frame(&mut pool, BridgeId { hub: 0, bridge: 1 }, 6));
    io.send_batch(&mut outgoing);
    for (kernel, wanted) in [(&one_kernel, &[1, 2, 3][..]), (&two_kernel, &[4, 5])] {
        for &number in wanted {
            let mut octets = [0; 128];
            let len = kernel.recv(&mut octets).unwrap();
            assert_eq!((&octets[..MARK_LEN], len), (&[0; MARK_LEN][..], MARK_LEN + 60));
            assert_eq!(octets[MARK_LEN], number);
        }
        assert!(kernel.recv(&mut [0]).is_err());
    }
    assert_eq!(io.unsent(), 1, "the second bridge of the first hub has no device");
    // A device that takes nothing.
    drop(two_kernel);
    io.send_batch(&mut vec![frame(&mut pool, ids[1], 7), frame(&mut pool, ids[0], 8)]);
    assert_eq!(one_kernel.recv(&mut [0; 128]).unwrap(), MARK_LEN + 60);
    assert_eq!(io.unsent(), 2);
}

/// Segments that follow each other, but on different bridges, as a frame that is flooded does.
#[test]
fn frames_of_two_bridges_are_not_gathered() {
    let ((one, one_kernel), (two, two_kernel)) = (tap("vpn0", 0), tap("vpn1", 1));
    let ids = [one.bridge, two.bridge];
    let bridges = vec![(one.bridge, one.name.clone()), (two.bridge, two.name.clone())];
    let change = Change { taps: vec![one, two], bridges, ..Change::default() };
    let mut io = LinuxIo::new(change, Arc::new(Waker::new().unwrap()));
    let mut pool = BufferPool::new(8);
    let mut outgoing = Vec::new();
    let segment = |number: u16| {
        let sequence = u32::from(number) * 100;
        crate::gather::tests::frame(Some(0x10), number, sequence, &[7; 100])
    };
    // The last two go as one.
    for (number, bridge) in (0..).zip([ids[0], ids[1], ids[0], ids[0]]) {
        let frame = Frame::copy_of(&mut pool, &segment(number)).unwrap();
        outgoing.push(Outgoing::Frame { bridge, frame });
    }
    io.send_batch(&mut outgoing);
    let written = |kernel: &UnixDatagram| {
        let mut octets = [0; 512];
        kernel.recv(&mut octets).map(|len| octets[MARK_LEN..len].to_vec())
    };
    assert_eq!(written(&one_kernel).unwrap(), segment(0));
    assert_eq!(written(&one_kernel).unwrap().len(), segment(2).len() + 100);
    assert_eq!(written(&two_kernel).unwrap(), segment(1));
    assert!(written(&one_kernel).is_err() && written(&two_kernel).is_err());
    assert_eq!(io.unsent(), 0);
}
