//! A server on a clock that stands still unless moved, and what comes out of it.

use std::net::Ipv4Addr;

use kumihimo_core::addr::{MacAddr, Path};
use kumihimo_core::buf::Frame;
use kumihimo_core::config::{
    Config, EncapsulationPolicy, HubConfig, IpsecConfig, Policy, SecureNatConfig, UserConfig,
};
use kumihimo_core::crypto::mschap;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Answer, BridgeId, Cx, Input, Output, Request, Server, Storage};
use kumihimo_core::time::{Duration, Instant};

use crate::counted;
use crate::pool::{Buffer, BufferPool};

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) server: Server<'static, BufferPool>,
    pub(crate) pool: BufferPool,
    pub(crate) deadline: Option<Instant>,
}

/// What left the server.
pub(crate) enum Left {
    Datagram(Path, Vec<u8>),
    Frame(Vec<u8>),
}

impl World {
    pub(crate) fn new(sessions: usize) -> Self {
        let limits = Limits { users: 16, ..Limits::server(sessions) };
        let storage = Storage::allocate(&limits);
        let server = Server::new(storage, &limits, &config(), [7; 32]).unwrap();
        let pool = BufferPool::new(512);
        Self { now: Instant::from_micros(1_000_000_000), server, pool, deadline: None }
    }

    /// Hands in a datagram and returns what comes of it.
    pub(crate) fn datagram(&mut self, path: Path, payload: &[u8]) -> Vec<Left> {
        let payload = Frame::copy_of(&mut self.pool, payload).unwrap();
        self.handle(Input::Datagram { path, payload });
        self.poll()
    }

    /// Hands in a frame from the bridge and returns what comes of it.
    pub(crate) fn frame(&mut self, frame: &[u8]) -> Vec<Left> {
        let frame = Frame::copy_of(&mut self.pool, frame).unwrap();
        self.handle(Input::Frame { bridge: BRIDGE, frame });
        self.poll()
    }

    fn handle(&mut self, input: Input<Buffer>) {
        let mut cx = Cx { now: self.now, pool: &mut self.pool };
        self.server.handle(&mut cx, input);
    }

    fn poll(&mut self) -> Vec<Left> {
        let mut left = Vec::new();
        loop {
            let mut cx = Cx { now: self.now, pool: &mut self.pool };
            match self.server.poll(&mut cx) {
                Output::Wait(at) => {
                    self.deadline = at;
                    return left;
                }
                Output::Transmit { path, payload } => {
                    left.push(Left::Datagram(path, payload.bytes().to_vec()));
                }
                Output::Frame { frame, .. } => left.push(Left::Frame(frame.bytes().to_vec())),
                Output::Request(id) => {
                    let Some(Request::Dh(job)) = self.server.take_request(id) else { continue };
                    self.server.handle_answer(&mut cx, id, &Answer::Dh(job.run()));
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Hands in a batch as an engine does, and counts that and the polling; returns how many
    /// datagrams and frames left.
    pub(crate) fn count_batch(&mut self, inputs: Vec<Input<Buffer>>) -> u64 {
        let mut left = 0;
        let Self { now, server, pool, deadline } = self;
        counted(|| {
            let mut cx = Cx { now: *now, pool };
            for input in inputs {
                server.handle(&mut cx, input);
            }
            loop {
                match server.poll(&mut cx) {
                    Output::Wait(at) => {
                        *deadline = at;
                        break;
                    }
                    Output::Transmit { .. } | Output::Frame { .. } => left += 1,
                    Output::Request(_) | Output::Event(_) => {}
                }
            }
        });
        left
    }
}

fn config() -> Config<'static> {
    let users =
        vec![UserConfig { name: USER, nt_hash: mschap::nt_hash(PASSWORD), max_sessions: None }];
    let hub = HubConfig {
        name: "DEFAULT",
        secure_nat: Some(SecureNatConfig {
            mac: MacAddr([0x5e, 0, 0, 0, 0, 1]),
            address: Ipv4Addr::new(192, 168, 30, 1),
            prefix_len: 24,
            dhcp: true,
            pool: (Ipv4Addr::new(192, 168, 30, 10), Ipv4Addr::new(192, 168, 30, 40)),
            lease: Duration::from_secs(7_200),
            dns: &[],
            gateway: true,
        }),
        users: users.leak(),
        bridges: 1,
    };
    Config { ipsec: ipsec(), hubs: vec![hub].leak(), host_name: "kumihimo" }
}

/// Settings of IPsec.
pub(crate) fn ipsec() -> IpsecConfig<'static> {
    IpsecConfig {
        l2tp: true,
        l2tp_raw: true,
        psk: PSK,
        default_hub: "DEFAULT",
        policy: Policy::Compat,
        encapsulation: EncapsulationPolicy::Udp,
        ike_lifetime: Duration::from_secs(8 * 3_600),
        esp_lifetime: Duration::from_secs(3_600),
        dead_after: Duration::from_secs(120),
    }
}

pub(crate) const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };
pub(crate) const USER: &str = "jiro";
pub(crate) const PASSWORD: &str = "pass";
pub(crate) const PSK: &[u8] = b"a shared secret";
