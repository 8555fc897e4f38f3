//! What the packet thread knows of its own sleep, and of what its sockets lost.

use std::net::UdpSocket;

use super::*;

fn io_on(ip: &str) -> (LinuxIo, SocketAddr) {
    let wanted = SocketAddr::new(ip.parse().unwrap(), 0);
    let fd = crate::sys::socket::open(Outer::Udp, wanted).unwrap();
    let address = crate::sys::socket::local_address(fd.as_fd()).unwrap();
    let service = Service { outer: Outer::Udp, address };
    let opened = vec![Socket { service, fd }];
    let change = Change { opened, services: vec![service], ..Change::default() };
    (LinuxIo::new(change, Arc::new(Waker::new().unwrap())), address)
}

fn lost(io: &mut LinuxIo) -> Vec<Loss> {
    let mut losses = Vec::new();
    io.losses(&mut |loss| losses.push(loss));
    losses
}

#[test]
fn datagrams_that_a_socket_had_no_room_for_are_counted_at_its_address() {
    let (mut io, address) = io_on("127.0.0.1");
    let socket = |count| vec![Loss::Socket { outer: Outer::Udp, address, count }];
    assert_eq!(lost(&mut io), socket(0));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sent = (1..100_000_u64).find(|_| {
        client.send_to(&[0; 1_400], address).unwrap();
        lost(&mut io) != socket(0)
    });
    assert_eq!(lost(&mut io), socket(1), "after {sent:?} datagrams");
    client.send_to(&[0; 1_400], address).unwrap();
    assert_eq!(lost(&mut io), socket(2));
}

#[test]
fn a_device_that_is_not_there_has_lost_nothing() {
    let kernel = Kernel::of_this_thread(Instant::from_micros(0));
    assert_eq!(kernel.device_drops("kumihimo-none"), None);
}

#[test]
fn the_thread_wakes_by_itself_ever_more_seldom_while_nothing_comes() {
    let ms = Span::from_millis;
    let at = |millis: u64| Instant::from_micros(millis * 1_000);
    let mut watch = Watch { received: 0, heard_at: at(0), overslept: Span::ZERO };
    assert_eq!(watch.beat(at(10), 0), ms(50));
    assert_eq!(watch.beat(at(60), 0), ms(60));
    assert_eq!(watch.beat(at(9_000), 0), ms(9_000));
    assert_eq!(watch.beat(at(9_000), 1), ms(50));
    assert_eq!(watch.beat(at(9_080), 1), ms(80));
}

#[test]
fn a_wait_without_a_deadline_ends_by_itself_while_packets_come() {
    let (mut io, _) = io_on("127.0.0.1");
    io.sockets[0].ready = false;
    let began = io.now();
    io.wait(None);
    assert!(io.now().since(began) >= Span::from_millis(40));
}

#[test]
fn a_wait_that_ends_in_time_was_no_pause() {
    let (mut io, _) = io_on("127.0.0.1");
    io.sockets[0].ready = false;
    let soon = io.now() + Span::from_millis(30);
    io.wait(Some(soon));
    let late = io.now().since(soon);
    assert!(io.overslept() <= late + Span::from_millis(10), "{:?} of {late:?}", io.overslept());
}

#[test]
fn the_counts_before_a_pause_are_looked_at_while_nothing_is_wrong() {
    let (mut io, _) = io_on("127.0.0.1");
    // As if it had been made long ago.
    io.start -= Duration::from_secs(1_000);
    io.coarse_start -= 1_000_000_000;
    let soon = io.now();
    io.wait(Some(soon));
    assert!(io.cause().over < Span::from_secs(900));
}
