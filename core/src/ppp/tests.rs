//! The link against a client of its own, over a network that loses, doubles and reorders.

mod anew;
mod bench;
pub(crate) mod client;
mod left_over;
mod link;
mod patience;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use std::vec::Vec;

use self::client::{Client, Habits};
use super::{Action, Link, LinkConfig, Out};
use crate::addr::Ipv4Assignment;
use crate::credentials::{Proof, Refusal, Verdict};
use crate::crypto::{Rng, mschap};
use crate::event::{DownCause, FailureCause, Stage};
use crate::store::model::Random;
use crate::time::{Duration, Instant};

const CONFIG: LinkConfig<'static> = LinkConfig {
    mru: 1400,
    server_name: "kumihimo",
    ms_chap_v2: true,
    pap: true,
    ipv6: false,
    dead_after: Duration::from_secs(120),
};

const ASSIGNMENT: Ipv4Assignment = Ipv4Assignment {
    address: Ipv4Addr::new(192, 168, 30, 10),
    prefix_len: 24,
    gateway: Some(Ipv4Addr::new(192, 168, 30, 1)),
    dns: [Some(Ipv4Addr::new(192, 168, 30, 1)), None],
    wins: [None, None],
    server: Ipv4Addr::new(192, 168, 30, 1),
};

/// What happens on the way, each in percent.
#[derive(Clone, Copy, Default)]
struct Faults {
    loss: usize,
    duplicates: usize,
    reorder: usize,
}

enum Event {
    ToServer(Vec<u8>),
    ToClient(Vec<u8>),
    Verdict(Verdict),
    Assignment,
}

/// A server's link, a client, and what lies between.
struct World {
    now: u64,
    random: Random,
    faults: Faults,
    rng: Rng,
    link: Link,
    client: Client,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    /// Milliseconds until a question is answered.
    verdict_ms: u64,
    assignment_ms: u64,
    questions: usize,
    ups: Vec<u16>,
    asked: Vec<Option<Ipv4Addr>>,
    down: Option<(DownCause, Option<(Stage, FailureCause)>)>,
}

impl World {
    fn new(habits: Habits, faults: Faults, seed: u64) -> Self {
        Self::with(CONFIG, habits, faults, seed)
    }

    fn with(config: LinkConfig<'_>, habits: Habits, faults: Faults, seed: u64) -> Self {
        let mut world = Self {
            now: 0,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            faults,
            rng: Rng::from_seed([seed as u8; 32]),
            link: Link::new(Instant::ZERO, &config),
            client: Client::new(habits),
            queue: BTreeMap::new(),
            events: 0,
            verdict_ms: 5,
            assignment_ms: 20,
            questions: 0,
            ups: Vec::new(),
            asked: Vec::new(),
            down: None,
        };
        let mut out = Out::new();
        world.link.start(world.instant(), &mut out);
        world.carry_out(out);
        world
    }

    fn instant(&self) -> Instant {
        Instant::ZERO + Duration::from_millis(self.now)
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.events += 1;
        self.queue.insert((self.now + delay_ms, self.events), event);
    }

    fn transmit(&mut self, make: impl Fn() -> Event) {
        if self.random.below(100) < self.faults.loss {
            return;
        }
        let copies = 1 + usize::from(self.random.below(100) < self.faults.duplicates);
        for _ in 0..copies {
            let late = self.random.below(100) < self.faults.reorder;
            let delay = 15 + if late { self.random.below(200) as u64 } else { 0 };
            self.after(delay, make());
        }
    }

    fn carry_out(&mut self, mut out: Out) {
        assert!(!out.overflowed());
        while let Some(action) = out.pop() {
            assert!(self.down.is_none(), "nothing follows Down");
            match action {
                Action::Send(span) => {
                    let frame = out.bytes(span).to_vec();
                    self.transmit(|| Event::ToClient(frame.clone()));
                }
                Action::Authenticate(question) => {
                    self.questions += 1;
                    let verdict = check(question.credentials(&out).proof, question.name(&out));
                    self.after(self.verdict_ms, Event::Verdict(verdict));
                }
                Action::WantAddress { asked } => {
                    self.asked.push(asked);
                    self.after(self.assignment_ms, Event::Assignment);
                }
                Action::Up { mtu } => self.ups.push(mtu),
                Action::Down { cause, failure } => self.down = Some((cause, failure)),
            }
        }
    }

    /// Lets the next thing happen; `false` if there is none within `until`.
    fn step(&mut self, until: u64) -> bool {
        let event = self.queue.keys().next().map(|&(at, _)| at);
        let link = self.link.deadline().map(|at| at.as_micros().div_ceil(1_000));
        let client = self.client.deadline();
        let next = [event, link, client].into_iter().flatten().min();
        let Some(next) = next.filter(|&next| next <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        let mut out = Out::new();
        let now = self.instant();
        if event == Some(next) {
            match self.queue.pop_first().unwrap().1 {
                Event::ToServer(frame) => {
                    let _ = self.link.handle_frame(now, &mut self.rng, &frame, &mut out);
                }
                Event::ToClient(frame) => self.client.handle(self.now, &frame),
                Event::Verdict(verdict) => {
                    self.link.handle_verdict(now, &mut self.rng, &verdict, &mut out);
                }
                Event::Assignment => {
                    self.link.handle_assignment(now, &mut self.rng, Ok(ASSIGNMENT), &mut out);
                }
            }
        } else if link == Some(next) {
            self.link.handle_timeout(now, &mut self.rng, &mut out);
            assert!(self.link.deadline().is_none_or(|at| at > now), "a timeout moves on");
        }
        self.carry_out(out);
        for frame in self.client.poll(self.now) {
            self.transmit(|| Event::ToServer(frame.clone()));
        }
        true
    }

    fn run(&mut self, until: u64) {
        while self.step(until) {}
    }

    /// Runs until both ends are up; tells when.
    fn run_until_up(&mut self, limit: u64) -> Option<u64> {
        while !(self.client.is_up() && self.is_up()) {
            if self.down.is_some() || !self.step(limit) {
                return None;
            }
        }
        Some(self.now)
    }

    fn is_up(&self) -> bool {
        self.link.data(&[0xff, 3, 0, 0x21, 0x45]).is_some()
    }
}

/// Knows `jiro` with the password `pass`.
fn check(proof: Proof<'_>, name: &[u8]) -> Verdict {
    if name != b"jiro" {
        return Verdict::Refuse(Refusal::UnknownUser);
    }
    let hash = mschap::nt_hash("pass");
    match proof {
        Proof::Pap { password: b"pass" } => Verdict::Accept { authenticator_response: None },
        Proof::MsChapV2 { authenticator_challenge: ours, peer_challenge: theirs, nt_response }
            if *nt_response == mschap::nt_response(ours, theirs, name, &hash) =>
        {
            let proof = mschap::authenticator_response(&hash, nt_response, theirs, ours, name);
            Verdict::Accept { authenticator_response: Some(proof) }
        }
        _ => Verdict::Refuse(Refusal::WrongPassword),
    }
}

#[test]
fn a_client_is_up_after_a_few_round_trips() {
    let mut world = World::new(Habits::default(), Faults::default(), 1);
    let took = world.run_until_up(10_000).expect("up");
    assert!(took < 400, "took {took} ms");
    assert_eq!(world.client.address(), Some([192, 168, 30, 10]));
    assert_eq!(world.ups, [1400]);
    assert_eq!(world.questions, 1);
    assert_eq!(world.asked, [None]);
    // DNS from the lease, no second one, and our end of the link.
    assert_eq!(
        world.client.ipcp.wishes.concat(),
        [3, 6, 192, 168, 30, 10, 129, 6, 192, 168, 30, 1]
    );
    assert_eq!(world.client.ipcp.theirs, [3, 6, 192, 168, 30, 1]);
}

#[test]
fn a_client_that_asks_for_pap_gets_it() {
    let habits = Habits { pap: true, ..Habits::default() };
    let mut world = World::new(habits, Faults::default(), 1);
    world.run_until_up(10_000).expect("up");
    let habits = Habits { pap: true, password: "wrong".into(), ..Habits::default() };
    let mut world = World::new(habits, Faults::default(), 1);
    assert_eq!(world.run_until_up(100_000), None);
    assert_eq!(world.client.failed.as_deref(), Some("PAP refused"));
}

#[test]
fn loss_duplicates_and_reordering_keep_nobody_out() {
    for pap in [false, true] {
        for seed in 1..400 {
            // Doubled Challenges are left out: ESP drops copies, and pppd keeps only its newest
            // response, so no server could make up for them.
            let faults = Faults { loss: 20, duplicates: 0, reorder: 20 };
            let mut world = World::new(Habits { pap, ..Habits::default() }, faults, seed);
            let took = world.run_until_up(60_000);
            assert!(took.is_some(), "seed {seed}, pap {pap}: {:?} {:?}", world.client, world.down);
            assert_eq!(world.client.address(), Some([192, 168, 30, 10]));
        }
    }
}

#[test]
fn a_lost_ack_takes_no_layer_down_again() {
    for pap in [false, true] {
        for seed in 1..400 {
            let faults = Faults { loss: 10, duplicates: 0, reorder: 0 };
            let mut world = World::new(Habits { pap, ..Habits::default() }, faults, seed);
            world.run_until_up(60_000).unwrap_or_else(|| panic!("seed {seed}, pap {pap}"));
            world.run(world.now + 10_000);
            assert_eq!(world.client.reopened, 0, "seed {seed}, pap {pap}");
        }
    }
}

#[test]
fn a_link_that_is_up_survives_every_late_copy() {
    for seed in 1..200 {
        let faults = Faults { loss: 0, duplicates: 30, reorder: 30 };
        let habits = Habits { pap: true, ..Habits::default() };
        let mut world = World::new(habits, faults, seed);
        world.run_until_up(60_000).unwrap_or_else(|| panic!("seed {seed}"));
        world.run(world.now + 100_000);
        assert!(world.is_up() && world.client.is_up(), "seed {seed}");
    }
}
