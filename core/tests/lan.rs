//! Hosts, a router and its DHCP server on one hub, in virtual time, over a lossy segment: the
//! components together, wired as a server wires them.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use kumihimo_core::addr::{Ipv4Assignment, MacAddr};
use kumihimo_core::config::SecureNatConfig;
use kumihimo_core::crypto::Rng;
use kumihimo_core::dhcp::{self, Dhcp, DhcpStorage};
use kumihimo_core::discard::DropReason;
use kumihimo_core::host::{self, Host, Route, mac_of};
use kumihimo_core::hub::{Decision, HubStorage, Hubs, PortKind, PortOwner};
use kumihimo_core::ids::{HubId, PortId};
use kumihimo_core::limits::Limits;
use kumihimo_core::nat::{self, Gateway};
use kumihimo_core::time::{Duration, Instant};
use kumihimo_core::wire::dhcpv4::{Message, MessageType};
use kumihimo_core::wire::ethernet::{EtherType, Header};
use kumihimo_core::wire::{icmpv4, ipv4, udp};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const ROUTER_MAC: MacAddr = MacAddr([0x5e, 0, 0, 0, 0, 1]);
const DNS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 168, 30, 1), Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(8, 8, 8, 8)];

fn config(pool_len: u8, lease_secs: u64) -> SecureNatConfig<'static> {
    SecureNatConfig {
        mac: ROUTER_MAC,
        address: ROUTER,
        prefix_len: 24,
        dhcp: true,
        pool: (Ipv4Addr::new(192, 168, 30, 10), Ipv4Addr::new(192, 168, 30, 9 + pool_len)),
        lease: Duration::from_secs(lease_secs),
        dns: &DNS,
        gateway: true,
    }
}

/// What a host told its session.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Leased(Ipv4Assignment),
    LeaseLost,
    NoOffer,
    Refused,
    Resolved(Ipv4Addr),
    ResolveFailed(Ipv4Addr),
    Packet(Vec<u8>),
}

struct Client {
    host: Host,
    port: PortId,
    told: Vec<Told>,
}

struct Lan {
    now: Instant,
    rng: Rng,
    hubs: Hubs<'static>,
    hub: HubId,
    dhcp: Dhcp<'static>,
    gateway: Gateway,
    gateway_port: PortId,
    /// The router does not run.
    router_is_off: bool,
    clients: Vec<Client>,
    /// Of 256 frames, this many are lost.
    loss: u8,
    /// Frames that a host sent, all of them.
    sent: Vec<Vec<u8>>,
}

fn storage(limits: &Limits) -> DhcpStorage<'static> {
    DhcpStorage::allocate(limits)
}

impl Lan {
    fn new(seed: u8, config: &SecureNatConfig<'_>) -> Self {
        let limits = Limits::server(100);
        let mut rng = Rng::from_seed([seed; 32]);
        let mut hubs = Hubs::new(HubStorage::allocate(&limits), rng.array());
        let hub = hubs.add().unwrap();
        let mut dhcp = Dhcp::new(storage(&limits), rng.array());
        dhcp.configure(hub, config).unwrap();
        let gateway = Gateway::new(config);
        let kind = PortKind::Host(gateway.mac());
        let gateway_port = hubs.attach(hub, kind, PortOwner::Gateway(hub)).unwrap();
        Self {
            now: Instant::ZERO,
            rng,
            hubs,
            hub,
            dhcp,
            gateway,
            gateway_port,
            router_is_off: false,
            clients: Vec::new(),
            loss: 0,
            sent: Vec::new(),
        }
    }

    fn join(&mut self, user: &str) -> usize {
        let mac = mac_of("DEFAULT", user, 1);
        let owner = PortOwner::Bridge { hub: 0, bridge: self.clients.len() as u16 };
        let port = self.hubs.attach(self.hub, PortKind::Host(mac), owner).unwrap();
        self.clients.push(Client { host: Host::new(mac, user), port, told: Vec::new() });
        self.clients.len() - 1
    }

    fn start(&mut self, client: usize) {
        let mut out = host::Actions::new();
        self.clients[client].host.start_dhcp(self.now, &mut self.rng, &mut out);
        self.carry_out(client, out);
    }

    fn release(&mut self, client: usize) {
        let mut out = host::Actions::new();
        self.clients[client].host.release(self.now, &mut self.rng, &mut out);
        self.carry_out(client, out);
    }

    fn route(&mut self, client: usize, packet: &[u8]) -> Route {
        let mut out = host::Actions::new();
        let route = self.clients[client].host.route(self.now, packet, &mut out);
        self.carry_out(client, out);
        if let Route::Frame { destination } = route {
            let source = self.clients[client].host.mac();
            let header = Header { destination, source, ether_type: EtherType::IPV4 };
            let frame = [&header.to_bytes()[..], packet].concat();
            self.transmit(self.clients[client].port, frame);
        }
        route
    }

    /// Lets time pass, timer by timer.
    fn run_for(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        loop {
            let due = self.clients.iter().enumerate();
            let due = due.filter_map(|(n, c)| c.host.deadline().map(|at| (at, n)));
            let Some((at, client)) = due.min().filter(|&(at, _)| at <= end) else { break };
            assert!(at >= self.now || self.clients[client].host.deadline().is_some());
            self.now = self.now.max(at);
            let mut out = host::Actions::new();
            self.clients[client].host.handle_timeout(self.now, &mut self.rng, &mut out);
            let deadline = self.clients[client].host.deadline();
            assert!(deadline.is_none_or(|at| at > self.now), "a timer that is due stays armed");
            self.carry_out(client, out);
        }
        self.now = end;
    }

    fn carry_out(&mut self, client: usize, mut out: host::Actions) {
        assert!(!out.overflowed());
        while let Some(action) = out.pop() {
            let told = match action {
                host::Action::Frame(span) => {
                    let frame = out.bytes(span).to_vec();
                    self.sent.push(frame.clone());
                    self.transmit(self.clients[client].port, frame);
                    continue;
                }
                host::Action::Leased(assignment) => Told::Leased(assignment),
                host::Action::LeaseLost => Told::LeaseLost,
                host::Action::NoOffer => Told::NoOffer,
                host::Action::Refused => Told::Refused,
                host::Action::Resolved { next_hop, .. } => Told::Resolved(next_hop),
                host::Action::ResolveFailed { next_hop } => Told::ResolveFailed(next_hop),
            };
            self.clients[client].told.push(told);
        }
    }

    fn transmit(&mut self, from: PortId, frame: Vec<u8>) {
        let mut queue = VecDeque::from([(from, frame)]);
        while let Some((from, frame)) = queue.pop_front() {
            let targets = match self.hubs.forward(self.now, from, &frame) {
                Decision::Port(port) => vec![port],
                Decision::Flood(mut cursor) => {
                    std::iter::from_fn(|| self.hubs.next_flood_target(&mut cursor)).collect()
                }
                Decision::Drop(_) => continue,
            };
            for target in targets {
                let [dice] = self.rng.array();
                if dice >= self.loss {
                    self.deliver(target, &frame, &mut queue);
                }
            }
        }
    }

    fn deliver(&mut self, to: PortId, frame: &[u8], queue: &mut VecDeque<(PortId, Vec<u8>)>) {
        if to == self.gateway_port {
            if !self.router_is_off {
                self.deliver_to_router(frame, queue);
            }
            return;
        }
        let client = self.clients.iter().position(|client| client.port == to).unwrap();
        let mut out = host::Actions::new();
        let host = &mut self.clients[client].host;
        let delivery = host.handle_frame(self.now, &mut self.rng, frame, &mut out);
        if let host::Delivery::ToClient { offset, len } = delivery {
            let packet = frame[offset..][..len].to_vec();
            self.clients[client].told.push(Told::Packet(packet));
        }
        self.carry_out(client, out);
    }

    fn deliver_to_router(&mut self, frame: &[u8], queue: &mut VecDeque<(PortId, Vec<u8>)>) {
        let mut out = nat::Actions::new();
        match self.gateway.handle_frame(frame, &mut out) {
            nat::Delivery::Dhcp { from, message } => {
                let mut out = dhcp::Actions::new();
                let _ = self.dhcp.handle_message(self.now, self.hub, from, message, &mut out);
                if let Some(dhcp::Action::Frame(span)) = out.pop() {
                    queue.push_back((self.gateway_port, out.bytes(span).to_vec()));
                }
            }
            nat::Delivery::Consumed => {
                let Some(nat::Action::Frame(span)) = out.pop() else { panic!("consumed") };
                queue.push_back((self.gateway_port, out.bytes(span).to_vec()));
            }
            nat::Delivery::Drop(_) => {}
        }
    }

    fn told(&mut self, client: usize) -> Vec<Told> {
        std::mem::take(&mut self.clients[client].told)
    }

    /// The address of a client, whose lease the server agrees with.
    fn address(&self, client: usize) -> Option<Ipv4Addr> {
        let host = &self.clients[client].host;
        let address = host.assignment()?.address;
        let mut leases = self.dhcp.leases(self.now, self.hub);
        let is_it = |lease: dhcp::LeaseStatus| lease.address == address;
        let lease = leases.find(|lease| is_it(*lease)).expect("the server knows the lease");
        assert_eq!(lease.mac, Some(host.mac()));
        Some(address)
    }
}

fn ping(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let echo = icmpv4::Echo { ident: 1, sequence: 2, data: b"are you there?" };
    let mut room = [0; 128];
    let mut writer = kumihimo_core::buf::Writer::new(&mut room);
    icmpv4::Message::EchoRequest(echo).emit(&mut writer, from, to);
    writer.written().to_vec()
}

fn dhcp_messages(frames: &[Vec<u8>]) -> Vec<(Header, Message<'_>)> {
    let parse = |frame| {
        let (header, payload) = Header::parse(frame).ok()?;
        let packet = ipv4::Packet::parse(payload).ok()?;
        let (from, to) = (packet.header.source, packet.header.destination);
        let datagram = udp::Datagram::parse(packet.payload, from, to).ok()?;
        Some((header, Message::parse(datagram.payload).ok()?))
    };
    frames.iter().filter_map(|frame| parse(frame)).collect()
}

#[test]
fn a_client_gets_its_address_and_pings_the_router() {
    let mut lan = Lan::new(1, &config(191, 7_200));
    let jiro = lan.join("jiro");
    lan.start(jiro);
    let expected = Ipv4Assignment {
        address: Ipv4Addr::new(192, 168, 30, 10),
        prefix_len: 24,
        gateway: Some(ROUTER),
        dns: [Some(DNS[0]), Some(DNS[1])],
        wins: [None, None],
        server: ROUTER,
    };
    assert_eq!(lan.told(jiro), [Told::Leased(expected)]);
    assert_eq!(lan.now, Instant::ZERO);

    let request = ping(expected.address, ROUTER);
    assert_eq!(lan.route(jiro, &request), Route::Resolving { next_hop: ROUTER });
    assert_eq!(lan.told(jiro), [Told::Resolved(ROUTER)]);
    assert_eq!(lan.route(jiro, &request), Route::Frame { destination: ROUTER_MAC });
    let [Told::Packet(reply)] = &lan.told(jiro)[..] else { panic!("no reply") };
    let reply = ipv4::Packet::parse(reply).unwrap();
    assert_eq!((reply.header.source, reply.header.destination), (ROUTER, expected.address));
    let echo = icmpv4::Echo { ident: 1, sequence: 2, data: b"are you there?" };
    assert_eq!(icmpv4::Message::parse(reply.payload), Ok(icmpv4::Message::EchoReply(echo)));
    // Beyond the router there is nothing yet.
    let outside = ping(expected.address, Ipv4Addr::new(1, 1, 1, 1));
    assert_eq!(lan.route(jiro, &outside), Route::Frame { destination: ROUTER_MAC });
    assert_eq!(lan.told(jiro), []);
}

#[test]
fn two_clients_reach_each_other() {
    let mut lan = Lan::new(2, &config(191, 7_200));
    let [one, two] = ["one", "two"].map(|user| {
        let client = lan.join(user);
        lan.start(client);
        client
    });
    let (from, to) = (lan.address(one).unwrap(), lan.address(two).unwrap());
    assert_ne!(from, to);
    let [_, _] = [lan.told(one), lan.told(two)];
    let packet = ping(from, to);
    assert_eq!(lan.route(one, &packet), Route::Resolving { next_hop: to });
    assert!(matches!(lan.route(one, &packet), Route::Frame { .. }));
    assert_eq!(lan.told(two), [Told::Packet(packet)]);
    // A broadcast reaches the other, a scan of an empty address ends.
    let broadcast = ping(from, Ipv4Addr::new(192, 168, 30, 255));
    assert_eq!(lan.route(one, &broadcast), Route::Frame { destination: MacAddr::BROADCAST });
    assert_eq!(lan.told(two), [Told::Packet(broadcast)]);
    let nobody = Ipv4Addr::new(192, 168, 30, 77);
    lan.told(one);
    assert_eq!(lan.route(one, &ping(from, nobody)), Route::Resolving { next_hop: nobody });
    lan.run_for(5);
    assert_eq!(lan.told(one), [Told::ResolveFailed(nobody)]);
}

#[test]
fn dials_come_up_under_loss_and_leases_hold() {
    let mut failed = 0;
    for seed in 0..100 {
        let mut lan = Lan::new(seed, &config(191, 60));
        lan.loss = 77;
        let client = lan.join("jiro");
        lan.start(client);
        lan.run_for(20);
        match lan.told(client).first() {
            Some(Told::Leased(_)) => {}
            Some(Told::NoOffer | Told::Refused) => failed += 1,
            other => panic!("{other:?}"),
        }
        if lan.address(client).is_some() {
            lan.loss = 26;
            for _ in 0..20 {
                lan.run_for(60);
                assert!(lan.address(client).is_some(), "seed {seed}");
            }
        }
    }
    // At 30 % loss each way an attempt needs four frames to pass: one of four does.
    assert!(failed <= 12, "{failed} of 100 dials failed");
}

#[test]
fn a_lease_of_a_minute_is_renewed_by_unicast_for_an_hour() {
    let mut lan = Lan::new(3, &config(191, 60));
    let client = lan.join("jiro");
    lan.start(client);
    lan.told(client);
    lan.sent.clear();
    lan.run_for(3_600);
    assert_eq!(lan.told(client), []);
    assert!(lan.address(client).is_some());
    let sent = std::mem::take(&mut lan.sent);
    let messages = dhcp_messages(&sent);
    assert!((120..=130).contains(&messages.len()), "{} renewals", messages.len());
    for (header, message) in messages {
        assert_eq!(header.destination, ROUTER_MAC);
        assert_eq!(message.options.kind, Some(MessageType::Request));
        assert_eq!((message.options.server, message.options.requested_address), (None, None));
    }
}

#[test]
fn a_server_that_comes_back_in_time_is_found_by_broadcast() {
    let mut lan = Lan::new(4, &config(191, 60));
    let client = lan.join("jiro");
    lan.start(client);
    let Told::Leased(assignment) = lan.told(client)[0].clone() else { panic!("no lease") };
    lan.router_is_off = true;
    lan.run_for(53);
    assert_eq!(lan.told(client), []);
    lan.sent.clear();
    // It forgot its leases.
    lan.dhcp = Dhcp::new(storage(&Limits::server(10)), [1; 16]);
    lan.dhcp.configure(lan.hub, &config(191, 60)).unwrap();
    lan.router_is_off = false;
    lan.run_for(6);
    assert_eq!(lan.told(client), []);
    assert_eq!(lan.address(client), Some(assignment.address));
    let sent = std::mem::take(&mut lan.sent);
    assert!(dhcp_messages(&sent).iter().all(|(header, _)| header.destination.is_group()));
}

#[test]
fn a_server_that_stays_away_costs_the_lease() {
    let mut lan = Lan::new(5, &config(191, 60));
    let client = lan.join("jiro");
    lan.start(client);
    lan.told(client);
    lan.router_is_off = true;
    lan.run_for(59);
    assert_eq!(lan.told(client), []);
    lan.run_for(2);
    assert_eq!(lan.told(client), [Told::LeaseLost]);
    assert_eq!(lan.clients[client].host.deadline(), None);
    let packet = ping(Ipv4Addr::new(192, 168, 30, 10), ROUTER);
    assert_eq!(lan.route(client, &packet), Route::Drop(DropReason::LinkDown));
}

#[test]
fn a_server_that_refuses_costs_the_lease_at_once() {
    let mut lan = Lan::new(6, &config(191, 60));
    let client = lan.join("jiro");
    lan.start(client);
    lan.told(client);
    let mut moved = config(191, 60);
    moved.pool = (Ipv4Addr::new(192, 168, 30, 210), Ipv4Addr::new(192, 168, 30, 220));
    lan.dhcp.configure(lan.hub, &moved).unwrap();
    lan.run_for(31);
    assert_eq!(lan.told(client), [Told::LeaseLost]);
    lan.start(client);
    assert_eq!(lan.address(client), Some(Ipv4Addr::new(192, 168, 30, 210)));
}

#[test]
fn no_server_and_a_full_pool_end_in_no_offer() {
    let mut lan = Lan::new(7, &config(2, 60));
    let clients = ["a", "b", "c"].map(|user| lan.join(user));
    lan.router_is_off = true;
    lan.start(clients[0]);
    lan.run_for(30);
    assert_eq!(lan.told(clients[0]), [Told::NoOffer]);
    assert_eq!(dhcp_messages(&lan.sent).len(), 5);
    lan.router_is_off = false;
    for client in clients {
        lan.start(client);
    }
    lan.run_for(20);
    assert_eq!(lan.told(clients[2]), [Told::NoOffer]);
    // One hangs up: its address is free at once.
    let freed = lan.address(clients[0]);
    lan.release(clients[0]);
    assert_eq!(lan.dhcp.leases(lan.now, lan.hub).count(), 1);
    lan.start(clients[2]);
    assert_eq!(lan.address(clients[2]), freed);
}

#[test]
fn who_dials_again_gets_the_same_address() {
    let mut lan = Lan::new(8, &config(191, 7_200));
    let jiro = lan.join("jiro");
    lan.start(jiro);
    let address = lan.address(jiro);
    let others: Vec<usize> = (0..50).map(|n| lan.join(&format!("user{n}"))).collect();
    lan.release(jiro);
    for &other in &others {
        lan.start(other);
    }
    let port = lan.clients[jiro].port;
    assert!(lan.hubs.detach(port));
    let again = lan.join("jiro");
    lan.start(again);
    assert_eq!(lan.address(again), address);
    let mut addresses: Vec<_> = (1..lan.clients.len()).map(|n| lan.address(n)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 51);
}
