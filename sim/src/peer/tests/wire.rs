//! A bare core, clients, and the wire between them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kumihimo_core::addr::{MacAddr, Outer, Path};
use kumihimo_core::buf::{BUFFER_LEN, Frame, Pool};
use kumihimo_core::config::{
    Config, EncapsulationPolicy, HubConfig, IpsecConfig, Policy, SecureNatConfig, UserConfig,
};
use kumihimo_core::crypto::mschap::nt_hash;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{self, Answer, Command, Cx, Request, Server, Storage};
use kumihimo_core::time::{Duration, Instant};

use crate::peer::ip::{Content, Ipv4, ping};
use crate::peer::random::Random;
use crate::peer::{Carrier, Client, Event, Input, Output, Setup};
use crate::profile::Profile;

pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DELAY: Duration = Duration::from_millis(10);

struct Heap;

impl Pool for Heap {
    type Buf = Vec<u8>;

    fn take(&mut self) -> Option<Vec<u8>> {
        Some(vec![0; BUFFER_LEN])
    }
}

enum Hop {
    ToServer(Path, Vec<u8>),
    ToClient(usize, Input),
    Answer(kumihimo_core::ids::RequestId, Box<Answer>),
}

/// What may differ between tests.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) policy: Policy,
    pub(super) encapsulation: EncapsulationPolicy,
    pub(super) esp_lifetime_secs: u64,
    pub(super) ike_lifetime_secs: u64,
    /// Percent of datagrams that are lost.
    pub(super) loss: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            policy: Policy::Compat,
            encapsulation: EncapsulationPolicy::Udp,
            esp_lifetime_secs: 3_600,
            ike_lifetime_secs: 8 * 3_600,
            loss: 0,
        }
    }
}

pub(super) struct Wire {
    pub(super) now: Instant,
    server: Server<'static, Heap>,
    deadline: Option<Instant>,
    pub(super) clients: Vec<Client>,
    pub(super) events: Vec<Vec<Event>>,
    pub(super) packets: Vec<Vec<Vec<u8>>>,
    pub(super) core_events: Vec<kumihimo_core::event::Event>,
    /// ESP without UDP that clients sent.
    pub(super) bare_count: usize,
    /// What clients sent: a hash.
    pub(super) transcript: u64,
    queue: BTreeMap<(Instant, u64), Hop>,
    count: u64,
    random: Random,
    terms: Terms,
}

impl Wire {
    pub(super) fn new(terms: Terms) -> Self {
        let limits = Limits { half_open: 64, peers_per_address: 64, ..Limits::server(32) };
        let users = [UserConfig { name: "jiro", nt_hash: nt_hash("pass"), max_sessions: None }];
        let dns = [ROUTER];
        let secure_nat = SecureNatConfig {
            mac: MacAddr([0x5e, 0, 0, 0, 0, 1]),
            address: ROUTER,
            prefix_len: 24,
            dhcp: true,
            pool: (Ipv4Addr::new(192, 168, 30, 10), Ipv4Addr::new(192, 168, 30, 200)),
            lease: Duration::from_secs(7_200),
            dns: &dns,
            gateway: true,
        };
        let hubs = [HubConfig {
            name: "DEFAULT",
            secure_nat: Some(secure_nat),
            users: &users,
            bridges: 0,
        }];
        let config = Config {
            ipsec: IpsecConfig {
                l2tp: true,
                l2tp_raw: true,
                psk: b"a shared secret",
                default_hub: "DEFAULT",
                policy: terms.policy,
                encapsulation: terms.encapsulation,
                ike_lifetime: Duration::from_secs(terms.ike_lifetime_secs),
                esp_lifetime: Duration::from_secs(terms.esp_lifetime_secs),
                dead_after: Duration::from_secs(120),
            },
            hubs: &hubs,
            host_name: "kumihimo",
        };
        let server = Server::new(Storage::allocate(&limits), &limits, &config, [1; 32]);
        Self {
            now: Instant::from_micros(1_000_000),
            server: server.expect("a configuration"),
            deadline: None,
            clients: Vec::new(),
            events: Vec::new(),
            packets: Vec::new(),
            core_events: Vec::new(),
            bare_count: 0,
            transcript: 0,
            queue: BTreeMap::new(),
            count: 0,
            random: Random::new(7),
            terms,
        }
    }

    /// Adds a client at an address of its own; it dials at once.
    pub(super) fn dial(&mut self, profile: &'static Profile, carrier: Carrier) -> usize {
        self.dial_with(profile, |setup| setup.carrier = carrier)
    }

    pub(super) fn dial_with(
        &mut self,
        profile: &'static Profile,
        adjust: impl FnOnce(&mut Setup),
    ) -> usize {
        let index = self.clients.len();
        let local = IpAddr::from([198, 51, 100, 10 + index as u8]);
        let mut setup = Setup::new(SERVER.into(), local, "a shared secret", "jiro", "pass");
        adjust(&mut setup);
        self.clients.push(Client::new(profile, setup, 1 + index as u64));
        self.events.push(Vec::new());
        self.packets.push(Vec::new());
        self.tell(index, Input::Dial);
        index
    }

    pub(super) fn tell(&mut self, client: usize, input: Input) {
        self.clients[client].handle(self.now, input);
        self.drain_client(client);
    }

    pub(super) fn command(&mut self, command: Command) {
        self.feed(server::Input::Command(command));
        self.drain_server();
    }

    pub(super) fn drops(&self) -> String {
        format!("{:?}", self.server.drops())
    }

    fn later(&mut self, hop: Hop) {
        self.count += 1;
        self.queue.insert((self.now + DELAY, self.count), hop);
    }

    fn is_lost(&mut self) -> bool {
        self.random.u64() % 100 < self.terms.loss
    }

    fn drain_client(&mut self, client: usize) {
        while let Some(output) = self.clients[client].poll(self.now) {
            for octet in format!("{:?} {output:?}", self.now).bytes() {
                let mixed = self.transcript.wrapping_mul(0x0100_0000_01b3);
                self.transcript = mixed ^ u64::from(octet);
            }
            match output {
                Output::Datagram { local, remote, bytes } => {
                    let path = Path { local: remote, remote: local, outer: Outer::Udp };
                    if !self.is_lost() {
                        self.later(Hop::ToServer(path, bytes));
                    }
                }
                Output::Esp { local, remote, bytes } => {
                    self.bare_count += 1;
                    let (local, remote) = (SocketAddr::new(remote, 0), SocketAddr::new(local, 0));
                    let path = Path { local, remote, outer: Outer::Esp };
                    if !self.is_lost() {
                        self.later(Hop::ToServer(path, bytes));
                    }
                }
                Output::Packet(packet) => self.packets[client].push(packet),
                Output::Event(event) => self.events[client].push(event),
            }
        }
        let at = self.clients[client].deadline();
        assert!(at.is_none_or(|at| at > self.now), "the next deadline lies ahead");
    }

    fn feed(&mut self, input: server::Input<Vec<u8>>) {
        self.server.handle(&mut Cx { now: self.now, pool: &mut Heap }, input);
    }

    fn drain_server(&mut self) {
        loop {
            match self.server.poll(&mut Cx { now: self.now, pool: &mut Heap }) {
                server::Output::Transmit { path, payload } => {
                    let bytes = payload.bytes().to_vec();
                    let to =
                        self.clients.iter().position(|it| it.setup().local == path.remote.ip());
                    let Some(client) = to.filter(|_| !self.is_lost()) else { continue };
                    let (local, remote) = (path.remote, path.local);
                    let input = match path.outer {
                        Outer::Udp => Input::Datagram { local, remote, bytes },
                        Outer::Esp => Input::Esp { local: local.ip(), remote: remote.ip(), bytes },
                    };
                    self.later(Hop::ToClient(client, input));
                }
                server::Output::Frame { .. } => {}
                server::Output::Request(id) => {
                    if let Some(Request::Dh(job)) = self.server.take_request(id) {
                        self.later(Hop::Answer(id, Box::new(Answer::Dh(job.run()))));
                    }
                }
                server::Output::Event(event) => self.core_events.push(event),
                server::Output::Wait(at) => {
                    self.deadline = at;
                    return;
                }
            }
        }
    }

    /// Lets the next thing happen, unless it lies behind `end`.
    fn step(&mut self, end: Instant) -> bool {
        let queued = self.queue.keys().next().map(|key| key.0);
        let clients = self.clients.iter().filter_map(Client::deadline).min();
        let next = [queued, clients, self.deadline].into_iter().flatten().min();
        let Some(next) = next.filter(|&next| next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        if self.deadline.is_some_and(|at| at <= self.now) {
            self.feed(server::Input::Timer);
            self.drain_server();
        }
        for client in 0..self.clients.len() {
            if self.clients[client].deadline().is_some_and(|at| at <= self.now) {
                self.tell(client, Input::Tick);
            }
        }
        while let Some(entry) = self.queue.first_entry().filter(|it| it.key().0 <= self.now) {
            match entry.remove() {
                Hop::ToServer(path, bytes) => {
                    let payload = Frame::copy_of(&mut Heap, &bytes).expect("a buffer");
                    self.feed(server::Input::Datagram { path, payload });
                    self.drain_server();
                }
                Hop::ToClient(client, input) => self.tell(client, input),
                Hop::Answer(id, answer) => {
                    let mut cx = Cx { now: self.now, pool: &mut Heap };
                    self.server.handle_answer(&mut cx, id, &answer);
                    self.drain_server();
                }
            }
        }
        true
    }

    pub(super) fn run_secs(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        while self.step(end) {}
    }

    /// Whether `is_so` within `secs`.
    pub(super) fn run_until(&mut self, secs: u64, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + Duration::from_secs(secs);
        while !is_so(self) {
            if !self.step(end) {
                return is_so(self);
            }
        }
        true
    }

    pub(super) fn is_up(&self, client: usize) -> bool {
        self.clients[client].address().is_some()
    }

    /// Whether a ping from `client` to `to` is answered within 3 s.
    pub(super) fn pings(&mut self, client: usize, to: Ipv4Addr) -> bool {
        let Some(from) = self.clients[client].address() else { return false };
        let id = self.random.id16();
        self.packets[client].clear();
        self.tell(client, Input::Packet(ping(from, to, id, 1, b"are you there")));
        self.run_until(3, |wire| {
            wire.packets[client].iter().any(|packet| {
                let parsed = Ipv4::parse(packet);
                parsed.is_some_and(|it| {
                    matches!(it.content, Content::Echo { is_request: false, id: n, .. } if n == id)
                })
            })
        })
    }
}
