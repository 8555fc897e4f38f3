use core::net::SocketAddrV4;

use super::*;
use crate::buf::Writer;
use crate::store::model::Random;
use crate::time::Duration;
use crate::wire::dhcpv4::{AddressList, Message, Op};
use crate::wire::ethernet::Header;

extern crate std;
use std::vec::Vec;

const MAC: MacAddr = MacAddr([0x4a, 1, 2, 3, 4, 5]);
const SERVER_MAC: MacAddr = MacAddr([0x5e, 0, 0, 0, 0, 1]);
const OTHER_MAC: MacAddr = MacAddr([0x02, 9, 9, 9, 9, 9]);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 10);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 20);

/// A host, its time and what it asked for.
struct Bench {
    host: Host,
    rng: Rng,
    now: Instant,
    frames: Vec<Vec<u8>>,
    actions: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        let (host, rng) = (Host::new(MAC, "jiro"), Rng::from_seed([1; 32]));
        Self { host, rng, now: Instant::ZERO, frames: Vec::new(), actions: Vec::new() }
    }

    /// A host that has its address; nothing is left to look at.
    fn leased() -> Self {
        let mut bench = Self::new();
        bench.start();
        bench.accept(MessageType::Offer);
        bench.accept(MessageType::Ack);
        assert!(matches!(bench.actions.first(), Some(Action::Leased(_))));
        bench.frames.clear();
        bench.actions.clear();
        bench
    }

    fn start(&mut self) {
        let mut out = Actions::new();
        self.host.start_dhcp(self.now, &mut self.rng, &mut out);
        self.keep(out);
    }

    fn keep(&mut self, mut out: Actions) {
        assert!(!out.overflowed());
        while let Some(action) = out.pop() {
            match action {
                Action::Frame(span) => self.frames.push(out.bytes(span).to_vec()),
                other => self.actions.push(other),
            }
        }
    }

    fn receive(&mut self, frame: &[u8]) -> Delivery {
        let mut out = Actions::new();
        let delivery = self.host.handle_frame(self.now, &mut self.rng, frame, &mut out);
        self.keep(out);
        delivery
    }

    fn route(&mut self, packet: &[u8]) -> Route {
        let mut out = Actions::new();
        let route = self.host.route(self.now, packet, &mut out);
        self.keep(out);
        route
    }

    /// Runs the next timer.
    fn wait(&mut self) -> Duration {
        let at = self.host.deadline().unwrap();
        let waited = at.since(self.now);
        self.now = at;
        let mut out = Actions::new();
        self.host.handle_timeout(self.now, &mut self.rng, &mut out);
        self.keep(out);
        waited
    }

    /// The server answers the last message.
    fn answer(&mut self, kind: MessageType) -> Delivery {
        self.answer_with(kind, |_| {})
    }

    fn accept(&mut self, kind: MessageType) {
        assert_eq!(self.answer(kind), Delivery::Consumed);
    }

    fn answer_with(
        &mut self,
        kind: MessageType,
        change: impl FnOnce(&mut Message<'_>),
    ) -> Delivery {
        let last = self.frames.iter().rev().find(|frame| is_dhcp(frame)).unwrap().clone();
        let request = Message::parse(&last[42..]).unwrap();
        let mut reply = request.reply(kind);
        reply.yiaddr = ADDRESS;
        reply.options.server = Some(SERVER);
        reply.options.lease_secs = Some(60);
        reply.options.subnet_mask = Some(Ipv4Addr::new(255, 255, 255, 0));
        reply.options.routers = AddressList::from_iter([SERVER]);
        reply.options.wins = AddressList::from_iter([OTHER]);
        change(&mut reply);
        let (to, mac) = (SocketAddrV4::new(ADDRESS, 68), MAC);
        self.receive(&dhcp_frame(SocketAddrV4::new(SERVER, 67), to, mac, &reply))
    }

    fn last_dhcp(&self) -> (Header, Message<'_>) {
        let frame = self.frames.iter().rev().find(|frame| is_dhcp(frame)).unwrap();
        (Header::parse(frame).unwrap().0, Message::parse(&frame[42..]).unwrap())
    }
}

fn is_dhcp(frame: &[u8]) -> bool {
    frame.len() > 42 && frame[23] == 17 && frame[36..38] == [0, 67]
}

fn frame(source: MacAddr, destination: MacAddr, kind: EtherType, payload: &[u8]) -> Vec<u8> {
    let header = Header { destination, source, ether_type: kind };
    [&header.to_bytes()[..], payload].concat()
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = [0; 2_000];
    let mut writer = Writer::new(&mut room);
    write(&mut writer);
    let len = writer.finish().unwrap();
    room[..len].to_vec()
}

fn dhcp_frame(
    from: SocketAddrV4,
    to: SocketAddrV4,
    destination: MacAddr,
    message: &Message<'_>,
) -> Vec<u8> {
    let packet = written(|writer| udp::emit(writer, from, to, |writer| message.emit(writer)));
    frame(SERVER_MAC, destination, EtherType::IPV4, &packet)
}

fn datagram(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (from, to) = (SocketAddrV4::new(from, ports.0), SocketAddrV4::new(to, ports.1));
    written(|writer| udp::emit(writer, from, to, |writer| writer.put(payload)))
}

fn arp(
    operation: arp_wire::Operation,
    sender: (MacAddr, Ipv4Addr),
    target_ip: Ipv4Addr,
) -> Vec<u8> {
    let packet = arp_wire::Packet {
        operation,
        sender_mac: sender.0,
        sender_ip: sender.1,
        target_mac: MacAddr::default(),
        target_ip,
    };
    let payload = written(|writer| packet.emit(writer));
    frame(sender.0, MacAddr::BROADCAST, EtherType::ARP, &payload)
}

#[test]
fn a_lease_is_asked_for_as_rfc_2131_says_and_announced() {
    let mut bench = Bench::new();
    bench.start();
    let (header, discover) = bench.last_dhcp();
    assert_eq!((header.source, header.destination), (MAC, MacAddr::BROADCAST));
    assert_eq!((discover.op, discover.hardware.mac()), (Op::Request, Some(MAC)));
    assert_eq!(discover.options.kind, Some(MessageType::Discover));
    assert_eq!(discover.options.client_id, [1, 0x4a, 1, 2, 3, 4, 5]);
    assert_eq!(discover.options.host_name, b"jiro");
    assert_eq!(discover.options.server, None);
    let xid = discover.xid;

    assert_eq!(bench.answer(MessageType::Offer), Delivery::Consumed);
    let (header, request) = bench.last_dhcp();
    assert_eq!((header.destination, request.xid), (MacAddr::BROADCAST, xid));
    assert_eq!(request.options.kind, Some(MessageType::Request));
    assert_eq!(request.options.requested_address, Some(ADDRESS));
    assert_eq!(request.options.server, Some(SERVER));
    assert_eq!(request.ciaddr, Ipv4Addr::UNSPECIFIED);

    assert_eq!(bench.answer(MessageType::Ack), Delivery::Consumed);
    let assignment = Ipv4Assignment {
        address: ADDRESS,
        prefix_len: 24,
        gateway: Some(SERVER),
        dns: [None, None],
        wins: [Some(OTHER), None],
        server: SERVER,
    };
    assert_eq!(bench.actions, [Action::Leased(assignment)]);
    assert_eq!(bench.host.assignment(), Some(&assignment));
    let announcement = bench.frames.last().unwrap();
    let operation = arp_wire::Operation::Request;
    assert_eq!(*announcement, arp(operation, (MAC, ADDRESS), ADDRESS));
}

#[test]
fn answers_that_are_not_ours_are_not_taken() {
    let mut bench = Bench::new();
    bench.start();
    let not_for_host = Delivery::Drop(DropReason::NotForHost);
    let other: dhcpv4::HardwareAddr = OTHER_MAC.into();
    let answer = bench.answer_with(MessageType::Offer, |reply| reply.hardware = other);
    assert_eq!(answer, not_for_host);
    let bad = Delivery::Drop(DropReason::BadDhcp);
    assert_eq!(bench.answer_with(MessageType::Offer, |reply| reply.xid ^= 1), bad);
    assert_eq!(bench.answer_with(MessageType::Offer, |reply| reply.op = Op::Request), bad);
    assert_eq!(bench.answer_with(MessageType::Offer, |reply| reply.options.server = None), bad);
    let broadcast = Ipv4Addr::BROADCAST;
    assert_eq!(bench.answer_with(MessageType::Offer, |reply| reply.yiaddr = broadcast), bad);
    assert_eq!(bench.answer(MessageType::Ack), bad);
    assert_eq!(bench.answer(MessageType::Offer), Delivery::Consumed);
    assert_eq!(bench.answer_with(MessageType::Ack, |reply| reply.yiaddr = OTHER), bad);
    let server = Some(OTHER);
    assert_eq!(bench.answer_with(MessageType::Ack, |reply| reply.options.server = server), bad);
    assert_eq!(bench.answer_with(MessageType::Nak, |reply| reply.options.server = server), bad);
    assert_eq!(bench.answer(MessageType::Ack), Delivery::Consumed);
    assert_eq!(bench.answer(MessageType::Nak), bad);
    assert!(bench.host.assignment().is_some());
}

#[test]
fn an_offer_that_is_refused_leads_to_a_new_search_and_an_end() {
    let mut bench = Bench::new();
    bench.start();
    let mut searches = 0;
    while bench.actions.is_empty() {
        bench.accept(MessageType::Offer);
        bench.accept(MessageType::Nak);
        assert!(bench.wait() >= Duration::from_millis(400));
        searches += 1;
        assert!(searches < 50);
    }
    assert_eq!(bench.actions, [Action::Refused]);
    assert!(bench.now.as_micros() < 20_000_000 && searches > 10);
    assert_eq!(bench.host.deadline(), None);
}

#[test]
fn a_server_that_never_grants_is_left_for_another() {
    let mut bench = Bench::new();
    bench.start();
    bench.accept(MessageType::Offer);
    let xid = bench.last_dhcp().1.xid;
    let mut kinds = Vec::new();
    while bench.actions.is_empty() {
        bench.wait();
        kinds.extend(bench.last_dhcp().1.options.kind);
    }
    assert_eq!(kinds[..3], [MessageType::Request, MessageType::Request, MessageType::Discover]);
    assert_ne!(bench.last_dhcp().1.xid, xid);
    assert_eq!(bench.actions, [Action::Refused]);
}

#[test]
fn times_of_a_server_that_make_no_sense_are_replaced() {
    for (renewal, rebinding) in [(Some(0), None), (Some(50), Some(40)), (None, Some(60))] {
        let mut bench = Bench::new();
        bench.start();
        bench.accept(MessageType::Offer);
        let _ = bench.answer_with(MessageType::Ack, |reply| {
            reply.options.renewal_secs = renewal;
            reply.options.rebinding_secs = rebinding;
        });
        let waited = bench.wait();
        assert!(waited <= Duration::from_secs(30) && waited > Duration::from_secs(27));
    }
    let mut bench = Bench::new();
    bench.start();
    bench.accept(MessageType::Offer);
    let _ = bench.answer_with(MessageType::Ack, |reply| reply.options.lease_secs = Some(u32::MAX));
    assert_eq!(bench.host.deadline(), None);
}

#[test]
fn hanging_up_releases_the_lease() {
    let mut bench = Bench::leased();
    let mut out = Actions::new();
    bench.host.release(bench.now, &mut bench.rng, &mut out);
    bench.keep(out);
    let (header, message) = bench.last_dhcp();
    assert_eq!(header.destination, SERVER_MAC);
    assert_eq!(message.options.kind, Some(MessageType::Release));
    assert_eq!((message.ciaddr, message.options.server), (ADDRESS, Some(SERVER)));
    assert_eq!((bench.host.deadline(), bench.host.assignment()), (None, None));
    let mut out = Actions::new();
    bench.host.release(bench.now, &mut bench.rng, &mut out);
    assert!(out.is_empty());
}

#[test]
fn a_client_sends_from_its_own_address_only() {
    let mut bench = Bench::leased();
    let payload = b"payload";
    let spoofed = Route::Drop(DropReason::SpoofedSource);
    for source in [OTHER, SERVER, Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(127, 0, 0, 1)] {
        assert_eq!(bench.route(&datagram(source, SERVER, (1, 2), payload)), spoofed);
    }
    let nowhere = Route::Drop(DropReason::NoNextHop);
    for target in [ADDRESS, Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(127, 0, 0, 1)] {
        assert_eq!(bench.route(&datagram(ADDRESS, target, (1, 2), payload)), nowhere);
    }
    let group = datagram(ADDRESS, Ipv4Addr::new(239, 255, 255, 250), (1, 1900), payload);
    let destination = MacAddr([0x01, 0, 0x5e, 0x7f, 0xff, 0xfa]);
    assert_eq!(bench.route(&group), Route::Frame { destination });
    let all = datagram(ADDRESS, Ipv4Addr::BROADCAST, (137, 137), payload);
    assert_eq!(bench.route(&all), Route::Frame { destination: MacAddr::BROADCAST });
    let mut damaged = datagram(ADDRESS, SERVER, (1, 2), payload);
    damaged[8] ^= 1;
    assert_eq!(bench.route(&damaged), Route::Drop(DropReason::BadChecksum));
    let long = datagram(ADDRESS, SERVER, (1, 2), &[0; 1_473]);
    assert_eq!(bench.route(&long), Route::Drop(DropReason::TooLong));
    assert!(bench.frames.is_empty());
}

#[test]
fn of_dhcp_only_inform_passes_from_a_client() {
    let mut bench = Bench::leased();
    let mut send = |kind, ciaddr| {
        let mut message = Message::request(kind, 7, OTHER_MAC);
        message.ciaddr = ciaddr;
        let payload = written(|writer| message.emit(writer));
        bench.route(&datagram(ADDRESS, Ipv4Addr::BROADCAST, (68, 67), &payload))
    };
    let passes = Route::Frame { destination: MacAddr::BROADCAST };
    assert_eq!(send(MessageType::Inform, ADDRESS), passes);
    let bad = Route::Drop(DropReason::BadDhcp);
    assert_eq!(send(MessageType::Inform, OTHER), bad);
    for kind in [MessageType::Discover, MessageType::Release, MessageType::Request] {
        assert_eq!(send(kind, ADDRESS), bad);
    }
    let offer = datagram(ADDRESS, Ipv4Addr::BROADCAST, (67, 68), b"anything");
    assert_eq!(bench.route(&offer), bad);
}

/// The answer to a client's INFORM reaches the client, though the host speaks DHCP itself.
#[test]
fn the_answer_to_an_inform_reaches_the_client() {
    let mut bench = Bench::leased();
    let inform = Message::request(MessageType::Inform, 7, OTHER_MAC);
    let reply = inform.reply(MessageType::Ack);
    let (from, to) = (SocketAddrV4::new(SERVER, 67), SocketAddrV4::new(ADDRESS, 68));
    let bytes = dhcp_frame(from, to, MAC, &reply);
    assert_eq!(bench.receive(&bytes), Delivery::ToClient { offset: 14, len: bytes.len() - 14 });
    let to_all = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);
    let bytes = dhcp_frame(from, to_all, MacAddr::BROADCAST, &reply);
    assert_eq!(bench.receive(&bytes), Delivery::Drop(DropReason::NotForHost));
}

#[test]
fn a_client_gets_what_is_for_its_address_without_padding() {
    let mut bench = Bench::leased();
    let padded = |destination, from, to| {
        let packet = datagram(from, to, (1, 2), b"x");
        let mut bytes = frame(OTHER_MAC, destination, EtherType::IPV4, &packet);
        bytes.resize(60, 0);
        bytes
    };
    let to_all = padded(MacAddr::BROADCAST, OTHER, Ipv4Addr::BROADCAST);
    let to_one = padded(MAC, OTHER, ADDRESS);
    let mut receive = |destination, from, to| bench.receive(&padded(destination, from, to));
    let to_client = Delivery::ToClient { offset: 14, len: 29 };
    let not_for_host = Delivery::Drop(DropReason::NotForHost);
    let subnet_broadcast = Ipv4Addr::new(192, 168, 30, 255);
    let group = Ipv4Addr::new(224, 0, 0, 251);
    assert_eq!(receive(MAC, OTHER, ADDRESS), to_client);
    assert_eq!(receive(MacAddr::BROADCAST, OTHER, Ipv4Addr::BROADCAST), to_client);
    assert_eq!(receive(MacAddr::BROADCAST, OTHER, subnet_broadcast), to_client);
    assert_eq!(receive(MacAddr([1, 0, 0x5e, 0, 0, 251]), OTHER, group), to_client);
    assert_eq!(receive(MAC, OTHER, SERVER), not_for_host);
    assert_eq!(receive(MAC, OTHER, group), not_for_host);
    assert_eq!(receive(OTHER_MAC, OTHER, ADDRESS), not_for_host);
    let spoofed = Delivery::Drop(DropReason::SpoofedSource);
    assert_eq!(receive(MAC, ADDRESS, ADDRESS), spoofed);
    bench.host.set_takes_groups(false);
    assert_eq!(bench.receive(&to_all), not_for_host);
    assert_eq!(bench.receive(&to_one), to_client);
    let ipv6 = frame(OTHER_MAC, MAC, EtherType::IPV6, &[0x60; 40]);
    assert_eq!(bench.receive(&ipv6), not_for_host);
}

#[test]
fn arp_is_answered_learned_and_defended() {
    let mut bench = Bench::leased();
    let request = |target| arp(arp_wire::Operation::Request, (OTHER_MAC, OTHER), target);
    assert_eq!(bench.receive(&request(SERVER)), Delivery::Consumed);
    assert!(bench.frames.is_empty());
    assert_eq!(bench.receive(&request(ADDRESS)), Delivery::Consumed);
    let expected = arp_wire::Packet {
        operation: arp_wire::Operation::Reply,
        sender_mac: MAC,
        sender_ip: ADDRESS,
        target_mac: OTHER_MAC,
        target_ip: OTHER,
    };
    let expected = frame(MAC, OTHER_MAC, EtherType::ARP, &written(|writer| expected.emit(writer)));
    assert_eq!(bench.frames, [expected]);
    // Who asked is known.
    let packet = datagram(ADDRESS, OTHER, (1, 2), b"x");
    assert_eq!(bench.route(&packet), Route::Frame { destination: OTHER_MAC });

    bench.frames.clear();
    let conflict = arp(arp_wire::Operation::Reply, (OTHER_MAC, ADDRESS), SERVER);
    for _ in 0..5 {
        assert_eq!(bench.receive(&conflict), Delivery::Consumed);
    }
    assert_eq!(bench.frames, [arp(arp_wire::Operation::Request, (MAC, ADDRESS), ADDRESS)]);
    bench.now += Duration::from_secs(10);
    assert_eq!(bench.receive(&conflict), Delivery::Consumed);
    assert_eq!(bench.frames.len(), 2);
    let group = arp(arp_wire::Operation::Reply, (MacAddr::BROADCAST, OTHER), ADDRESS);
    assert_eq!(bench.receive(&group), Delivery::Drop(DropReason::SpoofedSource));
}

#[test]
fn a_sender_of_long_packets_is_told_what_fits() {
    let mut bench = Bench::leased();
    bench.host.set_mtu(1_280);
    let packet = datagram(OTHER, ADDRESS, (1, 2), &[7; 1_300]);
    let too_long = Delivery::Drop(DropReason::TooLong);
    assert_eq!(bench.receive(&frame(OTHER_MAC, MAC, EtherType::IPV4, &packet)), too_long);
    let reply = bench.frames.pop().unwrap();
    assert_eq!(Header::parse(&reply).unwrap().0.destination, OTHER_MAC);
    let error = Packet::parse(&reply[14..]).unwrap();
    assert_eq!((error.header.source, error.header.destination), (ADDRESS, OTHER));
    let expected = icmpv4::Message::FragmentationNeeded { mtu: 1_280, packet: &packet[..28] };
    assert_eq!(icmpv4::Message::parse(error.payload), Ok(expected));

    // One that may be fragmented passes; no error answers an error.
    let packet = |protocol, dont_fragment| {
        let header = ipv4::Header { dont_fragment, ..ipv4::Header::new(protocol, OTHER, ADDRESS) };
        let packet = written(|writer| {
            header.emit(writer, |writer| {
                writer.u8(3);
                writer.zeros(1_399);
            });
        });
        frame(OTHER_MAC, MAC, EtherType::IPV4, &packet)
    };
    let passes = Delivery::ToClient { offset: 14, len: 1_420 };
    assert_eq!(bench.receive(&packet(Protocol::UDP, false)), passes);
    assert_eq!(bench.receive(&packet(Protocol::ICMP, true)), too_long);
    assert!(bench.frames.is_empty());
}

#[test]
fn garbage_never_panics_and_never_overflows() {
    let mut random = Random(9);
    let mut benches = [Bench::new(), Bench::leased()];
    benches[0].start();
    let mut seeds = std::vec![
        arp(arp_wire::Operation::Request, (OTHER_MAC, OTHER), ADDRESS),
        frame(OTHER_MAC, MAC, EtherType::IPV4, &datagram(OTHER, ADDRESS, (1, 2), b"hello")),
    ];
    seeds.push(benches[0].frames[0].clone());
    let routed = datagram(ADDRESS, OTHER, (68, 67), b"hello");
    for step in 0..30_000 {
        let bench = &mut benches[step % 2];
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(5) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(random.below(bytes.len() * 2).max(1));
        let _ = bench.receive(&bytes);
        let mut packet = routed.clone();
        let at = random.below(packet.len());
        packet[at] = random.next() as u8;
        let _ = bench.route(&packet[..random.below(packet.len() + 1)]);
        if random.below(20) == 0 && bench.host.deadline().is_some() {
            bench.wait();
        }
        bench.frames.clear();
        bench.actions.clear();
    }
}
