//! What becomes one group, and what the kernel does with it.

use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::time::Duration;

use kumihimo_core::addr::Outer;

use super::*;
use crate::sys::socket;

/// A socket to send from, one to receive with, and its address.
fn pair(ip: &str) -> (std::os::fd::OwnedFd, UdpSocket, SocketAddr) {
    let ours = socket::open(Outer::Udp, SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
    let peer = UdpSocket::bind((ip, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = peer.local_addr().unwrap();
    (ours, peer, address)
}

/// Payloads of these lengths, each filled with its number.
fn payloads(lens: &[usize]) -> Vec<Vec<u8>> {
    (0_u8..).zip(lens).map(|(number, &len)| vec![number; len]).collect()
}

fn to(
    remote: SocketAddr,
    payloads: &[Vec<u8>],
) -> impl Iterator<Item = (IpAddr, SocketAddr, &[u8])> + Clone {
    payloads.iter().map(move |payload| (remote.ip(), remote, payload.as_slice()))
}

/// The datagrams of each message that was handed to the kernel last.
fn counts(messages: &Messages) -> Vec<usize> {
    messages.groups.iter().map(|group| group.count).collect()
}

fn expect(peer: &UdpSocket, payloads: &[Vec<u8>]) {
    let mut octets = [0; 4_096];
    for payload in payloads {
        let len = peer.recv(&mut octets).unwrap();
        assert_eq!(&octets[..len], &payload[..]);
    }
}

#[test]
fn datagrams_of_one_length_and_a_shorter_one_are_a_group() {
    let (ours, peer, remote) = pair("127.0.0.1");
    let mut messages = Messages::new();
    for (lens, groups) in [
        (&[100, 100, 100][..], &[3][..]),
        (&[100, 100, 40], &[3]),
        (&[100, 40, 40], &[2, 1]),
        (&[100, 40, 100], &[2, 1]),
        (&[40, 100, 100], &[1, 2]),
        (&[100, 0, 0], &[1, 1, 1]),
        (&[0, 100, 100], &[1, 2]),
    ] {
        let sent = payloads(lens);
        assert_eq!(messages.send(ours.as_fd(), true, to(remote, &sent)).unwrap(), lens.len());
        assert_eq!(counts(&messages), groups, "{lens:?}");
        expect(&peer, &sent);
    }
    assert_eq!(messages.send(ours.as_fd(), true, to(remote, &[])).unwrap(), 0);
}

#[test]
fn a_group_has_no_more_octets_than_a_datagram_may_have() {
    let (ours, peer, remote) = pair("127.0.0.1");
    let mut messages = Messages::new();
    let sent = payloads(&[1_300; 60]);
    assert_eq!(messages.send(ours.as_fd(), true, to(remote, &sent)).unwrap(), 60);
    assert_eq!(counts(&messages), [50, 10], "50 times 1300 octets are 65 000");
    expect(&peer, &sent);
}

#[test]
fn one_call_takes_a_batch_at_most() {
    let (ours, peer, remote) = pair("127.0.0.1");
    let mut messages = Messages::new();
    let sent = payloads(&[7; BATCH + 5]);
    for udp in [true, false] {
        assert_eq!(messages.send(ours.as_fd(), udp, to(remote, &sent)).unwrap(), BATCH);
        expect(&peer, &sent[..BATCH]);
    }
}

#[test]
fn a_group_has_one_destination_and_one_source() {
    let remote = |text: &str| text.parse().unwrap();
    let local = |text: &str| text.parse().unwrap();
    let (us, them) = (local("192.0.2.1"), remote("198.51.100.1:4500"));
    let group = Group::new(us, them, 0, 100);
    assert!(group.takes(us, them, 100) && group.takes(us, them, 1));
    assert!(!group.takes(us, remote("198.51.100.1:4501"), 100), "another port");
    assert!(!group.takes(us, remote("198.51.100.2:4500"), 100), "another address");
    assert!(!group.takes(local("192.0.2.2"), them, 100), "from another address");
    assert!(!group.takes(us, them, 101) && !group.takes(us, them, 0));
    let closed = Group { count: 2, octets: 150, ..group };
    assert!(!closed.takes(us, them, 50), "a shorter one was the last");
    let segment = GROUP_LEN / 2;
    let half = Group { segment, octets: segment, ..group };
    assert!(half.takes(us, them, segment));
    let full = Group { segment: segment + 1, octets: segment + 1, ..group };
    assert!(!full.takes(us, them, segment));
    assert!(!group.is_several() && closed.is_several());
}

/// As on an old kernel, or above the MTU of a path: without checksums the kernel cuts nothing.
#[test]
fn datagrams_of_a_group_that_is_refused_are_sent_one_by_one() {
    let (ours, peer, remote) = pair("127.0.0.1");
    socket::refuse_groups(&ours);
    let mut messages = Messages::new();
    let sent = payloads(&[200; 20]);
    // The second time nothing is tried that would be refused again.
    for _ in 0..2 {
        assert_eq!(messages.send(ours.as_fd(), true, to(remote, &sent)).unwrap(), 20);
        assert_eq!(counts(&messages), [1; 20]);
        expect(&peer, &sent);
    }
    // With one that leaves alone in front the refusal comes with the next call.
    messages.alone = 0;
    let sent = payloads(&[100, 200, 200]);
    assert_eq!(messages.send(ours.as_fd(), true, to(remote, &sent)).unwrap(), 1);
    assert_eq!(messages.send(ours.as_fd(), true, to(remote, &sent[1..])).unwrap(), 2);
    expect(&peer, &sent);
}

#[test]
fn groups_are_tried_again_after_some_time() {
    let (ours, peer, remote) = pair("127.0.0.1");
    let mut messages = Messages::new();
    let sent = payloads(&[200; 20]);
    messages.alone = 30;
    for groups in [&[1; 20][..], &[1; 20], &[20], &[20]] {
        assert_eq!(messages.send(ours.as_fd(), true, to(remote, &sent)).unwrap(), 20);
        assert_eq!(counts(&messages), groups);
        expect(&peer, &sent);
    }
    socket::refuse_groups(&ours);
    messages.send(ours.as_fd(), true, to(remote, &sent)).unwrap();
    assert!(messages.alone > 1_000, "a refusal is expensive: not at once again");
}

#[test]
fn what_the_kernel_refuses_altogether_is_an_error_of_the_first() {
    let (ours, peer, remote) = pair("127.0.0.1");
    let mut messages = Messages::new();
    let nowhere = SocketAddr::new(remote.ip(), 0);
    let sent = payloads(&[50, 50, 50]);
    for count in [1, 2] {
        let error = messages.send(ours.as_fd(), true, to(nowhere, &sent[..count])).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
    }
    // What stands before it has left.
    messages.alone = 0;
    let mixed = to(remote, &sent[..2]).chain(to(nowhere, &sent[2..]));
    assert_eq!(messages.send(ours.as_fd(), true, mixed).unwrap(), 2);
    expect(&peer, &sent[..2]);
}

#[test]
fn groups_of_other_protocols_than_udp_are_not_tried() {
    let (ours, peer, remote) = pair("::1");
    let mut messages = Messages::new();
    let sent = payloads(&[80; 3]);
    assert_eq!(messages.send(ours.as_fd(), false, to(remote, &sent)).unwrap(), 3);
    assert_eq!(counts(&messages), [1; 3]);
    expect(&peer, &sent);
}

#[test]
fn buffers_that_no_datagram_filled_serve_the_next_call() {
    let (ours, peer, _) = pair("127.0.0.1");
    let mut messages = Messages::new();
    let mut pool = BufferPool::new(4);
    let address = socket::local_address(ours.as_fd()).unwrap();
    let mut receive = |pool: &mut BufferPool, most| {
        let mut came = Vec::new();
        let count = messages.receive(ours.as_fd(), most, pool, |datagram| came.push(datagram));
        count.map(|count| (count, came))
    };
    let error = receive(&mut pool, 3).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(pool.free(), 1, "three lie ready");
    peer.send_to(b"x", address).unwrap();
    let (count, came) = loop {
        match receive(&mut pool, 2) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            other => break other.unwrap(),
        }
    };
    assert_eq!((count, came.len(), pool.free()), (1, 1, 1));
    assert_eq!((came[0].remote, came[0].local), (peer.local_addr().unwrap(), address.ip()));
    // None is left, however many are asked for.
    let held = [(); 1].map(|()| pool.take().unwrap());
    let mut none = Messages::new();
    let error = none.receive(ours.as_fd(), 3, &mut pool, |_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    drop((held, came));
}
