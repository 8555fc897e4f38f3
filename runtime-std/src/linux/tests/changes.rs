//! A new configuration opens and closes.

use super::*;

/// What is served, by port.
fn ports(io: &LinuxIo) -> Vec<u16> {
    io.sockets.iter().map(|source| source.it.service.address.port()).collect()
}

fn own(number: u8) -> (Socket, u16) {
    ours(&own_ip(number).to_string())
}

#[test]
fn a_new_configuration_closes_what_it_does_not_name() {
    let ((kept, kept_port), (closed, closed_port)) = (own(1), own(1));
    let services = vec![kept.service];
    let mut io = io(vec![kept, closed]);
    assert!(UdpSocket::bind((own_ip(1), closed_port)).is_err());
    io.adopt(Change { services: services.clone(), ..Change::default() });
    assert_eq!(ports(&io), [kept_port]);
    assert!(UdpSocket::bind((own_ip(1), closed_port)).is_ok());
    assert!(UdpSocket::bind((own_ip(1), kept_port)).is_err());
    io.adopt(Change { services, ..Change::default() });
    assert_eq!(ports(&io), [kept_port], "a second time");
    io.adopt(Change::default());
    assert!(UdpSocket::bind((own_ip(1), kept_port)).is_ok());
}

#[test]
fn what_a_new_configuration_opened_is_read_beside_the_old() {
    let ((old, old_port), (new, new_port)) = (own(2), own(3));
    let services = vec![old.service, new.service];
    let (mut io, mut pool) = (io(vec![old]), BufferPool::new(32));
    let mut nothing = Vec::new();
    io.recv_batch(&mut pool, 8, &mut nothing);
    io.adopt(Change { opened: vec![new], services: services.clone(), ..Change::default() });
    assert_eq!(ports(&io), [old_port, new_port]);
    for _ in 0..2 {
        let (client, remote) = peer("127.0.0.1");
        client.send_to(b"new", (own_ip(3), new_port)).unwrap();
        client.send_to(b"old", (own_ip(2), old_port)).unwrap();
        let mut received = receive(&mut io, &mut pool, 2);
        received.sort_by_key(|(path, _)| path.local);
        for (at, (path, payload)) in received.into_iter().enumerate() {
            assert_eq!((path.local, path.remote), (services[at].address, remote));
            assert_eq!(payload.bytes(), [&b"old"[..], b"new"][at]);
            io.send_batch(&mut vec![Outgoing::Datagram { path, payload }]);
            assert_eq!(client.recv_from(&mut [0; 8]).unwrap().1, path.local);
        }
        // The second configuration opens nothing and closes nothing.
        io.adopt(Change { services: services.clone(), ..Change::default() });
    }
    assert_eq!(io.unsent(), 0);
}

/// The places in the set of descriptors move when a socket before them is closed.
#[test]
fn a_wait_ends_for_what_is_left_after_a_close() {
    let ((gone, _), (kept, kept_port)) = (own(4), own(5));
    let (device, kernel) = tap("vpn0", 0);
    let (bridges, services) = (vec![(device.bridge, "vpn0".to_owned())], vec![kept.service]);
    let (mut io, mut pool) = (io(vec![gone, kept]), BufferPool::new(32));
    let taps = vec![device];
    io.adopt(Change { services, taps, bridges, ..Change::default() });
    let mut inputs = Vec::new();
    io.recv_batch(&mut pool, 8, &mut inputs);
    assert!(inputs.is_empty());
    let (client, _) = peer("127.0.0.1");
    client.send_to(b"x", (own_ip(5), kept_port)).unwrap();
    await_any(&mut io);
    io.recv_batch(&mut pool, 8, &mut inputs);
    assert!(matches!(inputs[..], [Input::Datagram { .. }]));
    kernel.send(&marked(1)).unwrap();
    await_any(&mut io);
    io.recv_batch(&mut pool, 8, &mut inputs);
    assert!(matches!(inputs[..], [_, Input::Frame { .. }]));
    io.waker.wake();
    await_any(&mut io);
}

#[test]
fn devices_stay_go_and_come_and_follow_their_hub() {
    let ((one, one_kernel), (two, two_kernel)) = (tap("vpn0", 0), tap("vpn1", 1));
    let id = |hub| BridgeId { hub, bridge: 0 };
    let named = |names: &[(u16, &str)]| -> Vec<(BridgeId, String)> {
        names.iter().map(|&(hub, name)| (id(hub), name.to_owned())).collect()
    };
    let bridges = named(&[(0, "vpn0"), (1, "vpn1")]);
    let change = Change { taps: vec![one, two], bridges, ..Change::default() };
    let mut io = LinuxIo::new(change, Arc::new(Waker::new().unwrap()));
    let mut pool = BufferPool::new(8);
    // The first hub is gone, the second takes its place, and gets a bridge beside its own.
    let (three, three_kernel) = tap("vpn2", 1);
    let bridges = named(&[(0, "vpn1"), (1, "vpn2")]);
    io.adopt(Change { taps: vec![three], bridges: bridges.clone(), ..Change::default() });
    assert!(one_kernel.send(&marked(1)).is_err(), "its device is closed");
    for _ in 0..2 {
        two_kernel.send(&marked(2)).unwrap();
        three_kernel.send(&marked(3)).unwrap();
        let mut inputs = Vec::new();
        await_any(&mut io);
        io.recv_batch(&mut pool, 8, &mut inputs);
        let came: Vec<_> = inputs
            .iter()
            .map(|input| match input {
                Input::Frame { bridge, frame } => (bridge.hub, frame.bytes()[0]),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(came == [(0, 2), (1, 3)] || came == [(1, 3), (0, 2)], "{came:?}");
        for (hub, kernel) in [(0, &two_kernel), (1, &three_kernel)] {
            let frame = Frame::copy_of(&mut pool, &[7; 60]).unwrap();
            io.send_batch(&mut vec![Outgoing::Frame { bridge: id(hub), frame }]);
            assert_eq!(kernel.recv(&mut [0; 128]).unwrap(), MARK_LEN + 60);
        }
        // A second time nothing changes.
        io.adopt(Change { bridges: bridges.clone(), ..Change::default() });
    }
    assert_eq!(io.unsent(), 0);
}
