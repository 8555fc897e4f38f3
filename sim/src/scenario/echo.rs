//! Two machines, one of which asks until it is answered. They have nothing to do with a VPN; with
//! them the tools are tested, and `echo-canary` has a fault on purpose: tools that find nothing
//! wrong with it find nothing at all.

use std::net::{IpAddr, SocketAddr};

use kumihimo_core::time::{Duration, Instant};

use super::Scenario;
use crate::choice::Odds;
use crate::net::{Burst, Datagram, LinkConfig, Way};
use crate::observe::Failure;
use crate::world::{Node, NodeCx, Stimulus, World};

/// The scenarios of this module.
pub(super) const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "echo",
        about: "two machines, one asks until the other answers: a test of the tools",
        play: |world, _| play(world, false),
    },
    Scenario {
        name: "echo-canary",
        about: "the same with a fault on purpose: it must be found",
        play: |world, _| play(world, true),
    },
];

fn play(world: &mut World, has_fault: bool) -> Result<(), Failure> {
    let mut asker = Asker::new(has_fault);
    asker.rounds = 20 + world.below(200) as u32;
    let asker = world.add("asker", asker);
    let answerer = world.add("answerer", Answerer);
    let way = draw_way(world);
    let link = world.attach_public(asker, IpAddr::from(ASKER), LinkConfig::both(way));
    world.attach_public(answerer, IpAddr::from(ANSWERER), LinkConfig::perfect());
    for _ in 0..world.below(40) {
        match world.below(4) {
            0 => {}
            1 => {
                world.scene("the link is cut for a second");
                world.cut(link, true);
                world.run_for(Duration::from_secs(1))?;
                world.cut(link, false);
            }
            2 => {
                world.scene("the asker's clock jumps");
                world.jump_clock(asker, Duration::from_secs(3));
            }
            _ => {
                world.scene("the answerer sleeps");
                world.power(answerer, false);
                world.run_for(Duration::from_millis(300))?;
                world.power(answerer, true);
            }
        }
        let span = Duration::from_millis(10 + world.below(500));
        world.run_for(span)?;
    }
    world.heal();
    let is_done = |world: &World| world.node::<Asker>(asker).is_some_and(Asker::is_done);
    if !world.run_until(Duration::from_secs(120), is_done)? {
        world.fail("convergence", "the asker is not done");
    }
    world.run_for(Duration::ZERO)
}

fn draw_way(world: &mut World) -> Way {
    let (choices, lane) = world.choices();
    Way {
        loss: Odds::percent(*choices.pick(lane, &[0, 1, 10, 30])),
        duplicate: Odds::percent(*choices.pick(lane, &[0, 1, 10])),
        burst: (choices.below(lane, 2) == 1)
            .then_some(Burst { start: Odds::percent(2), longest: 5 }),
        jitter: Duration::from_millis(choices.below(lane, 10)),
        ..Way::default()
    }
}

/// Asks one question after the other.
struct Asker {
    rounds: u32,
    round: u32,
    answered: u32,
    tries: u32,
    has_fault: bool,
    ask_at: Option<Instant>,
}

impl Asker {
    const fn new(has_fault: bool) -> Self {
        Self { rounds: 0, round: 0, answered: 0, tries: 0, has_fault, ask_at: None }
    }

    const fn is_done(&self) -> bool {
        self.answered >= self.rounds
    }

    fn ask(&mut self, cx: &mut NodeCx<'_>) {
        if self.is_done() {
            self.ask_at = None;
            return cx.state("done");
        }
        cx.state(if self.tries == 0 { "asking" } else { "asking again" });
        let question = self.round.to_be_bytes().to_vec();
        let mut datagram = Datagram::udp(address(ASKER), address(ANSWERER), question);
        datagram.label = "question";
        cx.send(datagram);
        self.ask_at = Some(cx.now() + Duration::from_millis(100));
    }
}

impl Node for Asker {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Start => self.ask(cx),
            Stimulus::Timer => {
                self.tries += 1;
                self.ask(cx);
            }
            Stimulus::Datagram(datagram) if datagram.payload == self.round.to_be_bytes() => {
                if self.has_fault && self.tries >= 3 && self.round >= 5 {
                    return cx.fail("canary", "an answer after three tries was not counted");
                }
                self.answered += 1;
                self.round += 1;
                self.tries = 0;
                self.ask(cx);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.ask_at
    }
}

/// Sends everything back.
struct Answerer;

impl Node for Answerer {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Start => cx.state("listening"),
            Stimulus::Datagram(mut datagram) => {
                (datagram.from, datagram.to) = (datagram.to, datagram.from);
                datagram.label = "answer";
                cx.send(datagram);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

fn address(host: [u8; 4]) -> SocketAddr {
    (host, 7).into()
}

const ASKER: [u8; 4] = [198, 51, 100, 1];
const ANSWERER: [u8; 4] = [192, 0, 2, 1];
