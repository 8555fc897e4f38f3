//! The driver: it waits, hands in and polls, and checks the contract while it does.

use std::format;
use std::vec::Vec;

use super::super::checks::check_at_rest;
use super::super::dialer::Dialer;
use super::super::pool::Buffer;
use super::{DELAY_US, Hop, World, instant, path_to};
use crate::addr::Path;
use crate::buf::Frame;
use crate::server::{Answer, Cx, Input, Output, Request};
use crate::time::Instant;

impl World {
    /// Lets the next thing happen; `false` if there is none until `end`.
    pub(super) fn step(&mut self, end: u64) -> bool {
        let queued = self.queue.keys().next().map(|&(at, _)| at);
        let clients = self.clients.iter().map(Dialer::deadline).min();
        let next = [queued, clients, self.deadline].into_iter().flatten().min();
        let Some(next) = next.filter(|&next| next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        self.hand_in_batch();
        for client in 0..self.clients.len() {
            if self.clients[client].deadline() <= self.now {
                self.with_client(client, Dialer::handle_timeout);
                assert!(self.clients[client].deadline() > self.now, "a client moves on");
            }
        }
        true
    }

    /// Hands in what has arrived, as much at once as the setup says.
    fn hand_in_batch(&mut self) {
        // A timer that comes early is harmless.
        let is_due = self.deadline.is_some_and(|at| at <= self.now);
        if is_due || self.random.below(8) == 0 {
            self.handle(Input::Timer);
        }
        let mut count = 0;
        while count < self.setup.batch.max(1) {
            let Some(entry) = self.queue.first_entry() else { break };
            if entry.key().0 > self.now {
                break;
            }
            let hop = entry.remove();
            count += 1;
            self.hand_in(hop);
        }
        self.drain();
    }

    pub(super) fn hand_in(&mut self, hop: Hop) {
        match hop {
            Hop::ToServer { path, payload } => {
                self.ledger.note_in(&path, &payload);
                // Without a buffer nothing can be received: that equals loss.
                if let Ok(payload) = Frame::copy_of(&mut self.pool, &payload) {
                    self.handle(Input::Datagram { path, payload });
                }
            }
            Hop::FromBridge { bridge, frame } => {
                if let Ok(frame) = Frame::copy_of(&mut self.pool, &frame) {
                    self.handle(Input::Frame { bridge, frame });
                }
            }
            Hop::ToStation { station, frame } => {
                let bridge = self.stations[station].bridge;
                for frame in self.stations[station].handle(&frame) {
                    self.send_frame(bridge, frame);
                }
            }
            Hop::Answer { id, answer } => {
                let mut cx = Cx { now: instant(self.now), pool: &mut self.pool };
                self.server.handle_answer(&mut cx, id, &answer);
            }
            Hop::ToClient { client, port, payload } => {
                self.with_client(client, |dialer, now| dialer.handle(now, port, &payload));
            }
        }
    }

    pub(super) fn handle(&mut self, input: Input<Buffer>) {
        let mut cx = Cx { now: instant(self.now), pool: &mut self.pool };
        self.server.handle(&mut cx, input);
    }

    /// Polls until the server waits, and checks that it really does.
    pub(in super::super) fn drain(&mut self) {
        for polls in 0.. {
            assert!(polls < 1_000_000, "the server comes to rest");
            match self.poll() {
                Output::Wait(at) => {
                    let Output::Wait(again) = self.poll() else { panic!("it said Wait") };
                    assert_eq!(at, again, "Wait is said again");
                    assert!(at.is_none_or(|at| at > instant(self.now)), "Wait lies ahead");
                    self.deadline = at.map(Instant::as_micros);
                    check_at_rest(&self.server, &self.pool, &self.setup.limits);
                    break;
                }
                output => self.carry_out(output),
            }
        }
    }

    fn poll(&mut self) -> Output<Buffer> {
        let mut cx = Cx { now: instant(self.now), pool: &mut self.pool };
        self.server.poll(&mut cx)
    }

    fn carry_out(&mut self, output: Output<Buffer>) {
        self.trace.add(&self.now.to_be_bytes());
        match output {
            Output::Transmit { path, payload } => {
                self.trace.add(format!("{path:?}").as_bytes());
                self.trace.add(payload.bytes());
                self.ledger.note_out(&path, payload.bytes());
                self.transmitted += 1;
                self.longest_sent = self.longest_sent.max(payload.len());
                self.deliver(path, payload.bytes().to_vec());
            }
            Output::Frame { bridge, frame } => {
                self.trace.add(format!("{bridge:?}").as_bytes());
                self.trace.add(frame.bytes());
                self.bridged.push((bridge, frame.bytes().to_vec()));
                for station in 0..self.stations.len() {
                    if self.stations[station].bridge == bridge {
                        let frame = frame.bytes().to_vec();
                        self.after(DELAY_US, Hop::ToStation { station, frame });
                    }
                }
            }
            Output::Event(event) => {
                self.trace.add(format!("{event:?}").as_bytes());
                self.events.push(event);
            }
            Output::Request(id) => {
                self.trace.add(format!("{id:?}").as_bytes());
                self.requests += 1;
                let Some(Request::Dh(job)) = self.server.take_request(id) else {
                    panic!("a request can be taken");
                };
                assert!(self.server.take_request(id).is_none(), "once");
                let answer = Answer::Dh(job.run()).into();
                self.after(2_000, Hop::Answer { id, answer });
            }
            Output::Wait(_) => unreachable!("handled by drain"),
        }
    }

    fn deliver(&mut self, path: Path, payload: Vec<u8>) {
        assert_eq!(path.local.ip(), path_to(0, path.remote).local.ip(), "the address asked for");
        let port = path.local.port();
        let is_it = |client: &Dialer| client.address_towards(port) == path.remote;
        match self.clients.iter().rposition(is_it) {
            Some(client) => {
                self.transmit(|| Hop::ToClient { client, port, payload: payload.clone() });
            }
            None => self.strays.push((path, payload)),
        }
    }

    pub(super) fn transmit(&mut self, hop: impl Fn() -> Hop) {
        if self.random.below(100) < self.setup.loss {
            return;
        }
        let copies = 1 + usize::from(self.random.below(100) < self.setup.copies);
        for _ in 0..copies {
            let late = self.random.below(100) < self.setup.late;
            let more = if late { self.random.below(60_000) as u64 } else { 0 };
            self.after(DELAY_US + more, hop());
        }
    }

    pub(super) fn after(&mut self, delay_us: u64, hop: Hop) {
        self.hops += 1;
        self.queue.insert((self.now + delay_us, self.hops), hop);
    }
}
