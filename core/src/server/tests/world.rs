//! A server, its clients, and the network and the clock between them.

mod drive;

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::format;
use std::vec::Vec;

use super::checks::{Ledger, Trace};
use super::dialer::Dialer;
use super::ipsec::{BARE, Ipsec};
use super::pool::Counting;
use super::setup::Setup;
use super::station::Station;
use crate::addr::{Outer, Path};
use crate::config::{Config, ConfigError};
use crate::discard::DropReason;
use crate::event::Event;
use crate::ids::RequestId;
use crate::ike::tests::client::Client as Initiator;
use crate::ppp::tests::client::Habits;
use crate::server::{Answer, BridgeId, Command, Input, Server, Storage};
use crate::store::model::Random;
use crate::time::{Duration, Instant};

/// Runs `scenario` twice, on clean and on dirty buffers, and checks that the server does the same
/// both times, and that nothing is left of it in the end.
pub(super) fn play(setup: &Setup, scenario: impl Fn(&mut World)) {
    let [clean, dirty] = [0, 0xa5].map(|dirt| {
        let mut world = World::new(setup, dirt);
        scenario(&mut world);
        world.finish()
    });
    assert_eq!(clean, dirty, "the same inputs lead to the same outputs");
}

/// What is under way.
enum Hop {
    ToServer { path: Path, payload: Vec<u8> },
    ToClient { client: usize, port: u16, payload: Vec<u8> },
    FromBridge { bridge: BridgeId, frame: Vec<u8> },
    ToStation { station: usize, frame: Vec<u8> },
    Answer { id: RequestId, answer: std::boxed::Box<Answer> },
}

pub(super) struct World {
    /// Microseconds.
    pub(super) now: u64,
    pub(super) server: Server<'static, Counting>,
    pub(super) pool: Counting,
    pub(super) clients: Vec<Dialer>,
    /// Machines behind the bridges.
    pub(super) stations: Vec<Station>,
    /// Frames that came out of bridges, until a test takes them.
    pub(super) bridged: Vec<(BridgeId, Vec<u8>)>,
    pub(super) events: Vec<Event>,
    pub(super) ledger: Ledger,
    /// Datagrams that the server sent.
    pub(super) transmitted: u64,
    /// Questions that it asked.
    pub(super) requests: u64,
    /// Octets of the longest payload of them.
    pub(super) longest_sent: usize,
    /// Datagrams that no client takes, since its address is nobody's.
    pub(super) strays: Vec<(Path, Vec<u8>)>,
    /// What clients sent, with the port that it went to.
    pub(super) overheard: Vec<(u16, Vec<u8>)>,
    random: Random,
    pub(super) setup: Setup,
    queue: BTreeMap<(u64, u64), Hop>,
    hops: u64,
    deadline: Option<u64>,
    trace: Trace,
}

impl World {
    pub(super) fn new(setup: &Setup, dirt: u8) -> Self {
        let storage = Storage::allocate(&setup.limits);
        let seed = [setup.seed; 32];
        let server = Server::new(storage, &setup.limits, &setup.config, seed).expect("a config");
        let mut world = Self {
            now: 1_000_000_000,
            server,
            pool: Counting::new(setup.buffers, dirt),
            clients: Vec::new(),
            stations: Vec::new(),
            bridged: Vec::new(),
            events: Vec::new(),
            ledger: Ledger::default(),
            transmitted: 0,
            requests: 0,
            longest_sent: 0,
            strays: Vec::new(),
            overheard: Vec::new(),
            random: Random(u64::from(setup.seed) << 32 | 0x9e37_79b9),
            setup: setup.clone(),
            queue: BTreeMap::new(),
            hops: 0,
            deadline: None,
            trace: Trace::default(),
        };
        world.drain();
        world
    }

    /// Adds a client at an address of its own, which dials at once.
    pub(super) fn dial(&mut self, habits: Habits) -> usize {
        let number = self.clients.len() as u8;
        self.dial_from(([198, 51, 100, 10 + number], 1701).into(), habits)
    }

    pub(super) fn dial_from(&mut self, address: SocketAddr, habits: Habits) -> usize {
        let tunnel = 7 + self.clients.len() as u16;
        self.clients.push(Dialer::new(address, tunnel, habits));
        let client = self.clients.len() - 1;
        self.with_client(client, Dialer::dial);
        client
    }

    /// Adds a client that dials through IPsec, from `address` towards port 4500. Behind a NAT it
    /// has the next port towards 500.
    pub(super) fn dial_ipsec(&mut self, address: SocketAddr, habits: Habits) -> usize {
        self.dial_ipsec_as(address, habits, |_| {})
    }

    /// The same with an initiator that is changed before it says anything.
    pub(super) fn dial_ipsec_as(
        &mut self,
        address: SocketAddr,
        habits: Habits,
        change: impl FnOnce(&mut Initiator),
    ) -> usize {
        let number = self.clients.len() as u8;
        let mut dialer = Dialer::new(address, 7 + u16::from(number), habits);
        if address.port() != 4500 {
            dialer.ike_port = address.port() + 1;
        }
        dialer.ipsec = Some(Ipsec::new(number + 1, self.now, address.ip(), change));
        self.clients.push(dialer);
        self.with_client(usize::from(number), Dialer::dial);
        usize::from(number)
    }

    /// Adds a client and waits until it is up.
    pub(super) fn dial_up(&mut self, habits: Habits) -> usize {
        let client = self.dial(habits);
        assert!(self.run_until_up(client, 30_000), "{:?}", self.clients[client]);
        client
    }

    /// Whether `client` is up within `within_ms`.
    pub(super) fn run_until_up(&mut self, client: usize, within_ms: u64) -> bool {
        self.run_until(within_ms, |world| world.clients[client].is_up())
    }

    /// Session, tunnel, call, port of a session, and lease: how many there are of each.
    pub(super) fn census(&self) -> [usize; 5] {
        let state = self.server.hub_states.iter().flatten().next();
        let id = state.expect("a hub").id;
        let own = self.setup.config.hubs[0].bridges
            + usize::from(self.setup.config.hubs[0].secure_nat.is_some());
        [
            self.server.session_count(),
            self.server.lns.tunnel_count(),
            self.server.lns.call_count(),
            self.server.hubs.port_count(id) - own,
            self.server.dhcp.leases(instant(self.now), id).count(),
        ]
    }

    /// Whether `is_so` within `within_ms`.
    pub(super) fn run_until(&mut self, within_ms: u64, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + within_ms * 1_000;
        while !is_so(self) {
            if !self.step(end) {
                return is_so(self);
            }
        }
        true
    }

    pub(super) fn run_ms(&mut self, span_ms: u64) {
        let end = self.now + span_ms * 1_000;
        while self.step(end) {}
    }

    /// Lets a client do something and sends what it says.
    pub(super) fn with_client<R>(
        &mut self,
        client: usize,
        act: impl FnOnce(&mut Dialer, u64) -> R,
    ) -> R {
        let result = act(&mut self.clients[client], self.now);
        for (port, payload) in self.clients[client].take_sent() {
            let path = path_to(port, self.clients[client].address_towards(port));
            self.overheard.push((port, payload.clone()));
            self.transmit(|| Hop::ToServer { path, payload: payload.clone() });
        }
        result
    }

    /// Whether a ping from `client` to `to` is answered.
    pub(super) fn pings(&mut self, client: usize, to: [u8; 4]) -> bool {
        let id = self.random.next() as u16;
        self.with_client(client, |dialer, _| dialer.ping(to, id));
        self.run_until(3_000, |world| world.clients[client].has_pong(to, id))
    }

    /// Hands a datagram in now, past the network; returns how many drops that counted.
    pub(super) fn inject(&mut self, path: Path, payload: &[u8]) -> u64 {
        let before = self.server.drops().total();
        self.hand_over(path, payload);
        self.drain();
        self.server.drops().total() - before
    }

    /// Hands a datagram in now, and does not poll.
    pub(super) fn hand_over(&mut self, path: Path, payload: &[u8]) {
        self.hand_in(Hop::ToServer { path, payload: payload.to_vec() });
    }

    /// Puts a frame on a bridge; it arrives after the delay of the network.
    pub(super) fn send_frame(&mut self, bridge: BridgeId, frame: Vec<u8>) {
        self.after(DELAY_US, Hop::FromBridge { bridge, frame });
    }

    /// Adds a machine behind `bridge`.
    pub(super) fn add_station(&mut self, bridge: BridgeId) -> usize {
        let number = self.stations.len() as u8;
        self.stations.push(Station::new(bridge, number + 1));
        usize::from(number)
    }

    pub(super) fn command(&mut self, command: Command) {
        self.handle(Input::Command(command));
        self.drain();
    }

    pub(super) fn path_mtu(&mut self, path: Path, mtu: u16) {
        self.handle(Input::PathMtu { path, mtu });
        self.drain();
    }

    pub(super) fn configure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        let result = self.server.configure(config);
        self.drain();
        result
    }

    pub(super) fn drops(&self, reason: DropReason) -> u64 {
        self.server.drops().of(reason)
    }

    /// Shuts the server down and checks that nothing is left.
    fn finish(mut self) -> Trace {
        self.command(Command::Shutdown);
        assert_eq!(self.server.session_count(), 0);
        assert_eq!(self.pool.free(), self.pool.total, "every buffer came back");
        self.trace.add(format!("{:?}", self.server.drops()).as_bytes());
        self.trace
    }
}

/// From a client at `remote` to a port of the server.
pub(super) fn path_to(port: u16, remote: SocketAddr) -> Path {
    let local = match remote {
        SocketAddr::V4(_) => SocketAddr::from(([192, 0, 2, 1], port)),
        SocketAddr::V6(_) => SocketAddr::from((SERVER_V6, port)),
    };
    let outer = if port == BARE { Outer::Esp } else { Outer::Udp };
    Path { local, remote, outer }
}

pub(super) fn instant(micros: u64) -> Instant {
    Instant::ZERO + Duration::from_micros(micros)
}

/// The server's address over IPv6.
pub(super) const SERVER_V6: [u16; 8] = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1];
/// One way through the network.
const DELAY_US: u64 = 10_000;
