mod channel;
mod dial;
mod hostile;
pub(crate) mod lac;
mod life;
mod limits;
mod line;
mod refuse;
mod repeat;

use core::net::SocketAddr;
use std::vec::Vec;

use super::*;
use crate::addr::{Outer, Path};
use crate::store::Key;
use crate::time::Duration;

/// An LNS with its clock and everything that it asked for.
struct Bench {
    lns: Lns<'static>,
    rng: Rng,
    now: Instant,
    sent: Vec<(Carrier, Vec<u8>)>,
    actions: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        Self::with(&limits())
    }

    fn with(limits: &Limits) -> Self {
        let mut rng = Rng::from_seed([7; 32]);
        let lns = Lns::new(Storage::allocate(limits), limits, "kumihimo", &mut rng);
        let now = Instant::from_micros(1_000_000_000);
        Self { lns, rng, now, sent: Vec::new(), actions: Vec::new() }
    }

    fn hear(&mut self, carrier: Carrier, bytes: &[u8]) -> Result<Received, DropReason> {
        let mut out = Out::new();
        let received = self.lns.handle_datagram(self.now, &mut self.rng, carrier, bytes, &mut out);
        self.collect(out);
        received
    }

    /// Runs the LNS alone for `secs` seconds and tells when it sent what, in milliseconds.
    fn wait(&mut self, secs: u64) -> Vec<(u64, Vec<u8>)> {
        let (start, end) = (self.now, self.now + Duration::from_secs(secs));
        let mut said = Vec::new();
        while let Some(at) = self.lns.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.run_timers();
            for (_, bytes) in self.sent.drain(..) {
                said.push((self.now.since(start).as_millis(), bytes));
            }
        }
        self.now = end;
        said
    }

    fn run_timers(&mut self) {
        for step in 0.. {
            assert!(step < 100_000, "timers come to an end");
            let mut out = Out::new();
            if !self.lns.handle_timeout(self.now, &mut out) {
                assert!(out.is_empty());
                break;
            }
            self.collect(out);
        }
        assert!(self.lns.deadline().is_none_or(|at| at > self.now), "what was due is done");
    }

    fn collect(&mut self, mut out: Out) {
        assert!(!out.overflowed());
        while let Some(action) = out.pop() {
            match action {
                Action::Send { carrier, message } => {
                    self.sent.push((carrier, out.bytes(message).to_vec()));
                }
                other => self.actions.push(other),
            }
        }
    }

    fn take_sent(&mut self) -> Vec<Vec<u8>> {
        self.sent.drain(..).map(|(_, bytes)| bytes).collect()
    }

    /// Lets `lac` talk to the LNS over a perfect line until both are quiet.
    fn talk(&mut self, carrier: Carrier, lac: &mut lac::Lac, first: Vec<u8>) {
        let mut waiting = std::vec![first];
        while !waiting.is_empty() {
            for bytes in core::mem::take(&mut waiting) {
                self.hear(carrier, &bytes).expect("a perfect line");
            }
            for bytes in self.take_sent() {
                waiting.extend(lac.hear(self.now.as_micros(), &bytes));
            }
        }
        self.now += Duration::from_millis(50);
        self.run_timers();
        for bytes in self.take_sent() {
            lac.hear(self.now.as_micros(), &bytes);
        }
    }

    /// A tunnel with `calls` calls.
    fn dialled(carrier: Carrier, calls: u16) -> (Self, lac::Lac) {
        let mut bench = Self::new();
        let lac = bench.dial(carrier, 7, calls);
        (bench, lac)
    }

    fn dial(&mut self, carrier: Carrier, tunnel: u16, calls: u16) -> lac::Lac {
        let mut lac = lac::Lac::new(tunnel, calls);
        let first = lac.dial(self.now.as_micros());
        self.talk(carrier, &mut lac, first);
        assert_eq!(lac.calls.len(), usize::from(calls));
        lac
    }
}

fn limits() -> Limits {
    Limits { tunnels: 8, calls: 16, calls_per_tunnel: 12, ..Limits::server(8) }
}

fn esp(peer: u32) -> Carrier {
    Carrier::Esp { peer: PeerId::from(Key { index: peer, generation: 0 }), port: 1701 }
}

fn udp(port: u16) -> Carrier {
    let local = SocketAddr::from(([192, 0, 2, 1], 1701));
    let remote = SocketAddr::from(([198, 51, 100, 9], port));
    Carrier::Udp(Path { local, remote, outer: Outer::Udp })
}

impl Bench {
    fn calls_up(&self) -> Vec<CallId> {
        let up = |action: &Action| match action {
            Action::CallUp { call, .. } => Some(*call),
            _ => None,
        };
        self.actions.iter().filter_map(up).collect()
    }
}
