//! Many sources take turns.

use std::os::fd::BorrowedFd;

use super::*;

/// Waits until there is something to read.
fn await_readable(fd: BorrowedFd<'_>) {
    let mut set = PollSet::default();
    let entry = set.add(fd);
    set.wait(Some(Duration::from_secs(5))).unwrap();
    assert!(set.is_ready(entry));
}

/// One turn with room for one input.
fn turn(io: &mut LinuxIo, pool: &mut BufferPool) -> Vec<Input<Buffer>> {
    let now = io.now();
    io.wait(Some(now));
    let mut inputs = Vec::new();
    io.recv_batch(pool, 1, &mut inputs);
    inputs
}

#[test]
fn a_socket_that_never_runs_dry_starves_no_other() {
    for quiet_first in [false, true] {
        let ((busy, busy_port), (quiet, quiet_port)) = (ours("127.0.0.1"), ours("127.0.0.2"));
        let [busy_fd, quiet_fd] = [&busy, &quiet].map(|it| it.fd.try_clone().unwrap());
        let (tap, kernel) = tap("vpn0", 3);
        let sockets = if quiet_first { vec![quiet, busy] } else { vec![busy, quiet] };
        let mut io = io(sockets);
        let services = io.sockets.iter().map(|source| source.it.service).collect();
        let bridges = vec![(tap.bridge, tap.name.clone())];
        io.adopt(Change { services, taps: vec![tap], bridges, ..Change::default() });
        let mut pool = BufferPool::new(8);
        let (client, _) = peer("127.0.0.1");
        // Not only the first time.
        for round in 0..4 {
            client.send_to(b"quiet", ("127.0.0.2", quiet_port)).unwrap();
            await_readable(quiet_fd.as_fd());
            kernel.send(&marked(7)).unwrap();
            let (mut datagrams, mut frames) = (0, 0);
            // As many turns as there are sources: each is the first once.
            for _ in 0..3 {
                client.send_to(b"busy", ("127.0.0.1", busy_port)).unwrap();
                await_readable(busy_fd.as_fd());
                for input in turn(&mut io, &mut pool) {
                    match input {
                        Input::Datagram { payload, .. } if payload.bytes() == b"busy" => {}
                        Input::Datagram { .. } => datagrams += 1,
                        Input::Frame { .. } => frames += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!((datagrams, frames), (1, 1), "round {round}");
        }
    }
}

#[test]
fn room_that_one_source_leaves_is_for_the_next() {
    let ((one, one_port), (two, two_port)) = (ours("127.0.0.1"), ours("127.0.0.2"));
    let fds = [&one, &two].map(|it| it.fd.try_clone().unwrap());
    let (mut io, mut pool) = (io(vec![one, two]), BufferPool::new(16));
    let (client, _) = peer("127.0.0.1");
    for (ip, port) in [("127.0.0.1", one_port), ("127.0.0.2", two_port)] {
        client.send_to(b"x", (ip, port)).unwrap();
    }
    fds.iter().for_each(|fd| await_readable(fd.as_fd()));
    let mut inputs = vec![Input::Timer];
    io.recv_batch(&mut pool, 2, &mut inputs);
    assert_eq!(inputs.len(), 3, "what was there before takes no room");
}

#[test]
fn no_more_is_read_than_there_is_room_for() {
    let (socket, port) = ours("127.0.0.1");
    let (mut io, mut pool) = (io(vec![socket]), BufferPool::new(200));
    let (client, _) = peer("127.0.0.1");
    for number in 0..100_u8 {
        client.send_to(&[number], ("127.0.0.1", port)).unwrap();
    }
    let mut numbers = Vec::new();
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while numbers.len() < 100 {
        assert!(std::time::Instant::now() < end, "{numbers:?}");
        for most in [1, 70, 3] {
            let now = io.now();
            io.wait(Some(now));
            let mut inputs = Vec::new();
            io.recv_batch(&mut pool, most, &mut inputs);
            assert!(inputs.len() <= most, "{} of {most}", inputs.len());
            // Where there was no more room there may be more to read; only an empty socket says
            // that there is not. It has nothing to do with buffers.
            assert!(inputs.len() < most || io.sockets[0].ready);
            assert!(!io.starved);
            numbers.extend(inputs.iter().map(|input| match input {
                Input::Datagram { payload, .. } => payload.bytes()[0],
                other => panic!("{other:?}"),
            }));
        }
    }
    assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
    assert_eq!(io.received, 100);
}

/// Raw sockets need a privilege. What stands in their place hands out what it is sent.
#[test]
fn protocol_50_comes_without_its_ipv4_header_and_ipv6_has_none() {
    let packet = [&[0x45][..], &[0; 19], b"esp"].concat();
    let no_packet = [&[0x41][..], &[0; 19], b"esp"].concat();
    for (ip, outer, wanted) in [
        ("127.0.0.1", Outer::Esp, &[&b"esp"[..]][..]),
        ("::1", Outer::Esp, &[&no_packet, &packet]),
        ("127.0.0.1", Outer::Udp, &[&no_packet, &packet]),
        ("::1", Outer::Udp, &[&no_packet, &packet]),
    ] {
        let (mut socket, port) = ours(ip);
        socket.service.outer = outer;
        let (mut io, mut pool) = (io(vec![socket]), BufferPool::new(80));
        let (client, remote) = peer(ip);
        client.send_to(&no_packet, (ip, port)).unwrap();
        client.send_to(&packet, (ip, port)).unwrap();
        let received = receive(&mut io, &mut pool, wanted.len());
        for ((path, payload), wanted) in received.iter().zip(wanted) {
            assert_eq!((path.outer, path.remote, payload.bytes()), (outer, remote, *wanted));
        }
        assert_eq!(received.len(), wanted.len());
    }
}

#[test]
fn frames_of_a_device_come_from_its_bridge_without_their_mark() {
    let ((one, one_kernel), (two, two_kernel)) = (tap("vpn0", 0), tap("vpn1", 5));
    let bridges = vec![(one.bridge, one.name.clone()), (two.bridge, two.name.clone())];
    let change = Change { taps: vec![one, two], bridges, ..Change::default() };
    let mut io = LinuxIo::new(change, Arc::new(Waker::new().unwrap()));
    let mut pool = BufferPool::new(8);
    for _ in 0..2 {
        two_kernel.send(&marked(2)).unwrap();
        one_kernel.send(&marked(1)).unwrap();
        one_kernel.send(&marked(3)).unwrap();
        let mut frames = Vec::new();
        for _ in 0..2 {
            let now = io.now();
            io.wait(Some(now));
            let mut inputs = Vec::new();
            io.recv_batch(&mut pool, 8, &mut inputs);
            for input in inputs {
                let Input::Frame { bridge, frame } = input else { panic!("{input:?}") };
                assert_eq!(frame.headroom(), HEADROOM);
                assert_eq!(frame.bytes(), [frame.bytes()[0]; 60]);
                frames.push((bridge.hub, frame.bytes()[0]));
            }
        }
        frames.sort_unstable();
        assert_eq!(frames, [(0, 1), (0, 3), (5, 2)]);
        assert!(io.taps.iter().all(|tap| !tap.ready), "both are empty");
    }
    assert_eq!(pool.free(), pool.total());
}

#[test]
fn without_a_buffer_frames_wait_in_their_device() {
    let (device, kernel) = tap("vpn0", 0);
    let bridges = vec![(device.bridge, device.name.clone())];
    let change = Change { taps: vec![device], bridges, ..Change::default() };
    let mut io = LinuxIo::new(change, Arc::new(Waker::new().unwrap()));
    let mut pool = BufferPool::new(1);
    kernel.send(&marked(1)).unwrap();
    kernel.send(&marked(2)).unwrap();
    let held = {
        let mut inputs = Vec::new();
        io.recv_batch(&mut pool, 8, &mut inputs);
        inputs
    };
    assert!(io.starved && matches!(held[..], [Input::Frame { .. }]));
    assert!(turn(&mut io, &mut pool).is_empty());
    drop(held);
    let inputs = turn(&mut io, &mut pool);
    let [Input::Frame { frame, .. }] = &inputs[..] else { panic!("{inputs:?}") };
    assert_eq!(frame.bytes()[0], 2);
}

/// What a wait says of a source that was read until it was empty comes from the kernel.
#[test]
fn a_wait_finds_what_arrived_since() {
    let ((one, _), (two, two_port)) = (ours("127.0.0.1"), ours("127.0.0.2"));
    let (device, kernel) = tap("vpn0", 0);
    let mut io = io(vec![one, two]);
    let services = io.sockets.iter().map(|source| source.it.service).collect();
    let bridges = vec![(device.bridge, device.name.clone())];
    io.adopt(Change { services, taps: vec![device], bridges, ..Change::default() });
    let mut pool = BufferPool::new(32);
    let mut inputs = Vec::new();
    io.recv_batch(&mut pool, 8, &mut inputs);
    let ready = |io: &LinuxIo| (io.sockets[0].ready, io.sockets[1].ready, io.taps[0].ready);
    assert!(inputs.is_empty() && ready(&io) == (false, false, false));
    let (client, _) = peer("127.0.0.1");
    client.send_to(b"x", ("127.0.0.2", two_port)).unwrap();
    await_any(&mut io);
    assert_eq!(ready(&io), (false, true, false));
    io.recv_batch(&mut pool, 8, &mut inputs);
    kernel.send(&marked(1)).unwrap();
    await_any(&mut io);
    assert_eq!(ready(&io), (false, false, true));
    io.recv_batch(&mut pool, 8, &mut inputs);
    assert_eq!(inputs.len(), 2);
    // A letter is no packet, and wakes once.
    io.waker.wake();
    await_any(&mut io);
    assert_eq!(ready(&io), (false, false, false));
    let at = io.now() + kumihimo_core::time::Duration::from_millis(5);
    io.wait(Some(at));
    assert!(io.now() >= at, "the letter of before ends no other wait");
}
