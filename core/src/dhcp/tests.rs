use super::*;
use crate::buf::Writer;
use crate::discard::DropReason;
use crate::limits::Limits;
use crate::store::Key;
use crate::store::model::Random;
use crate::wire::dhcpv4::{Message, MessageType};
use crate::wire::ethernet::{EtherType, Header};
use crate::wire::udp;

mod other;
mod reload;

extern crate std;
use std::collections::BTreeMap;
use std::vec::Vec;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER_MAC: MacAddr = MacAddr([0x5e, 0, 0, 0, 0, 1]);

fn config(first: u8, last: u8) -> SecureNatConfig<'static> {
    SecureNatConfig {
        mac: SERVER_MAC,
        address: SERVER,
        prefix_len: 24,
        dhcp: true,
        pool: (Ipv4Addr::new(10, 0, 0, first), Ipv4Addr::new(10, 0, 0, last)),
        lease: Duration::from_secs(100),
        dns: &[SERVER],
        gateway: false,
    }
}

fn hub(number: u32) -> HubId {
    HubId::from(Key { index: number, generation: 7 })
}

fn servers(leases: usize) -> Dhcp<'static> {
    let storage = DhcpStorage::allocate(&Limits { hubs: 3, leases, ..Limits::server(1) });
    Dhcp::new(storage, [5; 16])
}

/// One server on hub 0, and a clock.
struct Bench {
    dhcp: Dhcp<'static>,
    now: Instant,
}

#[derive(Clone, Debug, PartialEq)]
struct Answer {
    kind: MessageType,
    address: Ipv4Addr,
    to: (MacAddr, Ipv4Addr),
    lease_secs: Option<u32>,
    /// T1 and T2.
    times: [Option<u32>; 2],
    routers: Vec<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
}

impl Bench {
    fn new(leases: usize, first: u8, last: u8) -> Self {
        let mut dhcp = servers(leases);
        dhcp.configure(hub(0), &config(first, last)).unwrap();
        Self { dhcp, now: Instant::ZERO }
    }

    fn wait(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
    }

    fn send(&mut self, hub: HubId, message: &Message<'_>) -> Result<Option<Answer>, DropReason> {
        let mut room = [0; 1_000];
        let mut writer = Writer::new(&mut room);
        message.emit(&mut writer);
        let from = message.hardware.mac().unwrap_or(mac(99));
        let mut out = Actions::new();
        let result = self.dhcp.handle_message(self.now, hub, from, writer.written(), &mut out);
        let Some(Action::Frame(span)) = out.pop() else { return result.map(|()| None) };
        assert_eq!(result, Ok(()));
        let frame = out.bytes(span).to_vec();
        let (header, payload) = Header::parse(&frame).unwrap();
        assert_eq!((header.source, header.ether_type), (SERVER_MAC, EtherType::IPV4));
        let packet = ipv4::Packet::parse(payload).unwrap();
        assert_eq!(packet.header.source, SERVER);
        let (from, to) = (packet.header.source, packet.header.destination);
        let datagram = udp::Datagram::parse(packet.payload, from, to).unwrap();
        assert_eq!((datagram.source, datagram.destination), (67, 68));
        let reply = Message::parse(datagram.payload).unwrap();
        assert_eq!((reply.xid, reply.hardware), (message.xid, message.hardware));
        assert_eq!(reply.options.server, Some(SERVER));
        Ok(Some(Answer {
            kind: reply.options.kind.unwrap(),
            address: reply.yiaddr,
            to: (header.destination, to),
            lease_secs: reply.options.lease_secs,
            times: [reply.options.renewal_secs, reply.options.rebinding_secs],
            routers: reply.options.routers.to_vec(),
            dns: reply.options.dns.to_vec(),
        }))
    }

    fn discover(&mut self, client: u8) -> Result<Ipv4Addr, DropReason> {
        self.discover_on(hub(0), client)
    }

    fn discover_on(&mut self, hub: HubId, client: u8) -> Result<Ipv4Addr, DropReason> {
        let answer = self.send(hub, &message(MessageType::Discover, client))?.unwrap();
        assert_eq!((answer.kind, answer.to), (MessageType::Offer, (mac(client), answer.address)));
        assert_eq!(answer.lease_secs, Some(100));
        Ok(answer.address)
    }

    fn request(&mut self, client: u8, address: Ipv4Addr) -> Result<MessageType, DropReason> {
        let mut request = message(MessageType::Request, client);
        request.options.requested_address = Some(address);
        request.options.server = Some(SERVER);
        Ok(self.send(hub(0), &request)?.unwrap().kind)
    }

    fn lease(&mut self, client: u8) -> Result<Ipv4Addr, DropReason> {
        let address = self.discover(client)?;
        assert_eq!(self.request(client, address), Ok(MessageType::Ack));
        Ok(address)
    }

    fn renew(&mut self, client: u8, address: Ipv4Addr) -> Result<MessageType, DropReason> {
        let mut request = message(MessageType::Request, client);
        request.ciaddr = address;
        let answer = self.send(hub(0), &request)?.unwrap();
        let to_client = (mac(client), address);
        let to_all = (MacAddr::BROADCAST, Ipv4Addr::BROADCAST);
        let expected = if answer.kind == MessageType::Nak { to_all } else { to_client };
        assert_eq!(answer.to, expected);
        Ok(answer.kind)
    }

    fn release(&mut self, client: u8, address: Ipv4Addr) -> Result<Option<Answer>, DropReason> {
        let mut release = message(MessageType::Release, client);
        release.ciaddr = address;
        release.options.server = Some(SERVER);
        self.send(hub(0), &release)
    }
}

fn mac(client: u8) -> MacAddr {
    MacAddr([0x4a, 0, 0, 0, 0, client])
}

fn message(kind: MessageType, client: u8) -> Message<'static> {
    Message::request(kind, 0x1000 + u32::from(client), mac(client))
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

#[test]
fn a_subnet_that_contradicts_itself_is_refused() {
    let mut dhcp = servers(4);
    let mut bad = config(20, 10);
    assert_eq!(dhcp.configure(hub(0), &bad), Err(ConfigError::BadSubnet));
    bad = config(10, 20);
    bad.prefix_len = 33;
    assert_eq!(dhcp.configure(hub(0), &bad), Err(ConfigError::BadSubnet));
    bad = config(10, 20);
    bad.pool.1 = Ipv4Addr::new(10, 0, 1, 20);
    assert_eq!(dhcp.configure(hub(0), &bad), Err(ConfigError::BadSubnet));
    assert_eq!(dhcp.configure(hub(3), &config(10, 20)), Err(ConfigError::TooMany));
    assert_eq!(dhcp.configure(hub(2), &config(10, 20)), Ok(()));
}

#[test]
fn network_router_and_broadcast_addresses_are_never_leased() {
    let mut bench = Bench::new(300, 0, 255);
    let mut leased = Vec::new();
    for client in 0..=255 {
        // The search gives up after some addresses and goes on with the next message.
        for _ in 0..8 {
            if let Ok(address) = bench.lease(client) {
                leased.push(address);
                break;
            }
        }
    }
    leased.sort_unstable();
    leased.dedup();
    assert_eq!(leased.len(), 253);
    assert!(![ip(0), ip(1), ip(255)].iter().any(|special| leased.contains(special)));
}

#[test]
fn a_client_keeps_its_address_and_others_get_others() {
    let mut bench = Bench::new(16, 10, 12);
    let first = bench.lease(1).unwrap();
    assert_eq!(bench.lease(1), Ok(first));
    let second = bench.lease(2).unwrap();
    let third = bench.lease(3).unwrap();
    assert_eq!(bench.discover(4), Err(DropReason::NoLease));
    assert_eq!([first, second, third], [ip(10), ip(11), ip(12)]);
    bench.wait(60);
    assert_eq!(bench.renew(1, first), Ok(MessageType::Ack));
    bench.wait(60);
    // The leases of 2 and 3 ran out; 2 comes back first and gets its own.
    assert_eq!(bench.discover(2), Ok(second));
    assert_eq!(bench.lease(4), Ok(third));
    assert_eq!(bench.renew(3, third), Ok(MessageType::Nak));
    assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 2);
}

#[test]
fn an_offer_is_kept_for_a_moment() {
    let mut bench = Bench::new(16, 10, 10);
    assert_eq!(bench.discover(1), Ok(ip(10)));
    assert_eq!(bench.discover(2), Err(DropReason::NoLease));
    bench.wait(14);
    assert_eq!(bench.discover(2), Err(DropReason::NoLease));
    assert_eq!(bench.request(2, ip(10)), Ok(MessageType::Nak));
    bench.wait(1);
    assert_eq!(bench.discover(2), Ok(ip(10)));
    assert_eq!(bench.request(1, ip(10)), Ok(MessageType::Nak));
    assert_eq!(bench.request(2, ip(10)), Ok(MessageType::Ack));
}

#[test]
fn an_offer_is_withdrawn_when_the_client_chooses_another_server() {
    let mut bench = Bench::new(16, 10, 10);
    assert_eq!(bench.discover(1), Ok(ip(10)));
    let mut request = message(MessageType::Request, 1);
    request.options.requested_address = Some(ip(77));
    request.options.server = Some(ip(2));
    assert_eq!(bench.send(hub(0), &request), Err(DropReason::NotForHost));
    assert_eq!(bench.discover(2), Ok(ip(10)));
}

#[test]
fn what_a_rebooted_client_claims_is_judged() {
    let mut bench = Bench::new(16, 10, 20);
    let own = bench.lease(1).unwrap();
    let mut claim = |client, address| {
        let mut request = message(MessageType::Request, client);
        request.options.requested_address = Some(address);
        bench.send(hub(0), &request).map(|answer| answer.unwrap().kind)
    };
    assert_eq!(claim(1, own), Ok(MessageType::Ack));
    assert_eq!(claim(1, ip(15)), Ok(MessageType::Nak));
    assert_eq!(claim(2, own), Ok(MessageType::Nak));
    assert_eq!(claim(2, Ipv4Addr::new(172, 16, 0, 1)), Ok(MessageType::Nak));
    // Perhaps another server's.
    assert_eq!(claim(2, ip(200)), Err(DropReason::BadDhcp));
    // Free: we may have forgotten it.
    assert_eq!(claim(2, ip(15)), Ok(MessageType::Ack));
    assert_eq!(bench.renew(3, ip(16)), Ok(MessageType::Ack));
    assert_eq!(bench.renew(4, Ipv4Addr::new(172, 16, 0, 1)), Err(DropReason::BadDhcp));
}

#[test]
fn a_released_address_is_free_at_once_but_remembered() {
    let mut bench = Bench::new(16, 10, 11);
    let own = bench.lease(1).unwrap();
    assert_eq!(bench.release(2, own), Err(DropReason::BadDhcp));
    assert_eq!(bench.release(1, ip(11)), Err(DropReason::BadDhcp));
    assert_eq!(bench.release(1, own), Ok(None));
    assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 0);
    assert_eq!(bench.lease(2), Ok(ip(11)));
    assert_eq!(bench.lease(1), Ok(own));
    assert_eq!(bench.release(1, own), Ok(None));
    assert_eq!(bench.lease(3), Ok(own));
    assert_eq!(bench.discover(1), Err(DropReason::NoLease));
}

#[test]
fn a_declined_address_is_kept_from_everyone_for_a_while() {
    let mut bench = Bench::new(16, 10, 10);
    let own = bench.lease(1).unwrap();
    let mut decline = message(MessageType::Decline, 2);
    decline.options.requested_address = Some(own);
    assert_eq!(bench.send(hub(0), &decline), Err(DropReason::BadDhcp));
    decline.hardware = mac(1).into();
    assert_eq!(bench.send(hub(0), &decline), Ok(None));
    assert_eq!(bench.discover(1), Err(DropReason::NoLease));
    assert_eq!(bench.discover(2), Err(DropReason::NoLease));
    bench.wait(600);
    assert_eq!(bench.discover(2), Ok(own));
}

#[test]
fn an_inform_is_answered_without_a_lease() {
    let mut bench = Bench::new(16, 10, 10);
    let mut inform = message(MessageType::Inform, 1);
    inform.ciaddr = ip(77);
    // A PPP client has no MAC address of its own: the answer goes where the frame came from.
    inform.hardware.len = 0;
    let expected = Answer {
        kind: MessageType::Ack,
        address: Ipv4Addr::UNSPECIFIED,
        to: (mac(99), ip(77)),
        lease_secs: None,
        times: [None; 2],
        routers: Vec::new(),
        dns: [SERVER].into(),
    };
    assert_eq!(bench.send(hub(0), &inform), Ok(Some(expected)));
    inform.ciaddr = Ipv4Addr::new(8, 8, 8, 8);
    assert_eq!(bench.send(hub(0), &inform), Err(DropReason::BadDhcp));
    assert_eq!(bench.dhcp.leases(bench.now, hub(0)).count(), 0);
}

#[test]
fn a_client_that_needs_broadcast_gets_it() {
    let mut bench = Bench::new(16, 10, 10);
    let mut discover = message(MessageType::Discover, 1);
    discover.broadcast = true;
    let answer = bench.send(hub(0), &discover).unwrap().unwrap();
    assert_eq!(answer.to, (MacAddr::BROADCAST, Ipv4Addr::BROADCAST));
}

#[test]
fn the_wanted_address_is_offered_if_it_is_free() {
    let mut bench = Bench::new(16, 10, 20);
    bench.lease(9).unwrap();
    for (client, wanted, expected) in [(1, 15, 15), (2, 15, 11), (3, 200, 12), (4, 1, 13)] {
        let mut discover = message(MessageType::Discover, client);
        discover.options.requested_address = Some(ip(wanted));
        let answer = bench.send(hub(0), &discover).unwrap().unwrap();
        assert_eq!(answer.address, ip(expected));
    }
}

#[test]
fn clients_are_told_apart_by_identifier_of_any_length() {
    let mut bench = Bench::new(16, 10, 20);
    let long = [[7; 100], [7; 100]].concat();
    let mut longer = long.clone();
    longer.push(8);
    let ids: [&[u8]; 4] = [&[1], &[1, 2], &long, &longer];
    let mut addresses = Vec::new();
    for round in 0..2 {
        for (id, number) in ids.iter().zip(0..) {
            let mut discover = message(MessageType::Discover, 50 + number + round * 10);
            discover.options.client_id = id;
            addresses.push(bench.send(hub(0), &discover).unwrap().unwrap().address);
        }
    }
    assert_eq!(addresses[..4], addresses[4..]);
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 4);
}

#[test]
fn hubs_share_the_table_and_nothing_else() {
    let mut bench = Bench::new(3, 10, 20);
    bench.dhcp.configure(hub(1), &config(10, 20)).unwrap();
    assert_eq!(bench.discover_on(hub(0), 1), Ok(ip(10)));
    assert_eq!(bench.discover_on(hub(1), 2), Ok(ip(10)));
    assert_eq!(bench.discover_on(hub(1), 3), Ok(ip(11)));
    assert_eq!(bench.discover_on(hub(0), 4), Err(DropReason::NoLease));
    assert_eq!(bench.discover_on(hub(2), 4), Err(DropReason::NotServed));
    // What another hub no longer uses makes room.
    bench.wait(15);
    assert_eq!(bench.discover_on(hub(1), 5), Ok(ip(12)));
    assert_eq!(bench.request(1, ip(10)), Ok(MessageType::Ack));
    bench.dhcp.remove(hub(1));
    assert_eq!(bench.discover_on(hub(1), 6), Err(DropReason::NotServed));
    assert!((6..8).all(|client| bench.discover_on(hub(0), client).is_ok()));
    assert_eq!(bench.discover_on(hub(0), 9), Err(DropReason::NoLease));
    // A new hub in the place of the old one.
    let successor = HubId::from(Key { index: 1, generation: 8 });
    bench.dhcp.configure(successor, &config(10, 20)).unwrap();
    assert_eq!(bench.dhcp.leases(bench.now, successor).count(), 0);
    bench.wait(15);
    assert_eq!(bench.discover_on(successor, 9).map(|_| ()), Ok(()));
}

#[test]
fn relays_replies_and_bootp_are_not_served() {
    let mut bench = Bench::new(4, 10, 20);
    let mut relayed = message(MessageType::Discover, 1);
    relayed.giaddr = ip(2);
    assert_eq!(bench.send(hub(0), &relayed), Err(DropReason::BadDhcp));
    for kind in [MessageType::Offer, MessageType::Ack, MessageType::Unknown(13)] {
        assert_eq!(bench.send(hub(0), &message(kind, 1)), Err(DropReason::BadDhcp));
    }
    let mut bootp = message(MessageType::Discover, 1);
    bootp.options.kind = None;
    assert_eq!(bench.send(hub(0), &bootp), Err(DropReason::BadDhcp));
    let reply = message(MessageType::Request, 1).reply(MessageType::Ack);
    assert_eq!(bench.send(hub(0), &reply), Err(DropReason::BadDhcp));
}

/// Whatever clients do, no address belongs to two of them, and what was granted stays granted.
#[test]
fn grants_equal_a_map_of_leases() {
    for seed in 1..60 {
        let mut random = Random(seed);
        // Sometimes the pool is the smaller one, sometimes the table.
        let places = 6 + random.below(20);
        let mut bench = Bench::new(places, 10, 20);
        let mut offered: BTreeMap<u8, Instant> = BTreeMap::new();
        let mut granted: BTreeMap<Ipv4Addr, (u8, Instant)> = BTreeMap::new();
        for _ in 0..2_000 {
            bench.wait(random.below(12) as u64);
            granted.retain(|_, (_, until)| *until > bench.now);
            offered.retain(|_, until| *until > bench.now);
            let client = random.below(20) as u8;
            let own = granted.iter().find(|(_, (owner, _))| *owner == client).map(|(a, _)| *a);
            let grant = match random.below(8) {
                0..4 => {
                    let leased = bench.lease(client);
                    assert!(own.is_none() || leased == own.ok_or(DropReason::NoLease));
                    let taken = granted.len() + offered.len();
                    assert!(leased.is_ok() || taken >= places.min(11), "seed {seed}");
                    leased.ok()
                }
                4 => own.filter(|&own| {
                    assert_eq!(bench.renew(client, own), Ok(MessageType::Ack));
                    true
                }),
                5 => {
                    let any = ip(10 + random.below(11) as u8);
                    let kind = bench.renew(client, any);
                    Some(any).filter(|_| kind == Ok(MessageType::Ack))
                }
                6 => {
                    if bench.discover(client).is_ok() {
                        offered.insert(client, bench.now + Duration::from_secs(15));
                    }
                    None
                }
                _ => {
                    if let Some(own) = own {
                        assert_eq!(bench.release(client, own), Ok(None));
                        granted.remove(&own);
                    }
                    None
                }
            };
            if let Some(address) = grant {
                let before =
                    granted.insert(address, (client, bench.now + Duration::from_secs(100)));
                assert!(before.is_none_or(|(owner, _)| owner == client), "seed {seed}");
            }
            let leases = bench.dhcp.leases(bench.now, hub(0));
            let leases: BTreeMap<_, _> =
                leases.map(|l| (l.address, (l.mac, l.expires_at))).collect();
            let expected =
                granted.iter().map(|(a, (owner, until))| (*a, (Some(mac(*owner)), *until)));
            assert!(expected.eq(leases), "seed {seed}");
        }
    }
}

#[test]
fn garbage_never_panics_and_never_fills_the_table_for_good() {
    let mut random = Random(12);
    let mut bench = Bench::new(8, 10, 100);
    let mut room = [0; 400];
    let mut writer = Writer::new(&mut room);
    let mut seed = message(MessageType::Request, 1);
    seed.options.requested_address = Some(ip(20));
    seed.emit(&mut writer);
    let seed = writer.written().to_vec();
    for step in 0..30_000 {
        let mut bytes = seed.clone();
        bytes[33] = random.next() as u8;
        bytes[242] = 1 + random.below(8) as u8;
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        let now = Instant::from_micros(step * 10_000);
        let mut out = Actions::new();
        let _ = bench.dhcp.handle_message(now, hub(0), mac(1), &bytes, &mut out);
    }
    bench.now = Instant::from_micros(30_000 * 10_000) + Duration::from_secs(700);
    for client in 0..8 {
        assert!(bench.lease(client).is_ok(), "client {client}");
    }
}
