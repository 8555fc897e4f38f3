//! Plays a scenario with given decisions, and tells how that went.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use kumihimo_core::time::Duration;

use crate::check::switched::why_off;
use crate::choice::{Choices, Tape};
use crate::net::LanId;
use crate::observe::Failure;
use crate::scenario::{NodeKind, Scenario, named};
use crate::trace::{Record, Trace};
use crate::world::World;

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// What failed.
    pub failure: Option<Failure>,
    /// What failed of checks that are switched off.
    pub excused: Vec<Failure>,
    /// Hash of all that happened.
    pub hash: u64,
    /// How many things happened.
    pub count: u64,
    /// How long it lasted, in the world's time.
    pub span: Duration,
    /// What was decided, with a head that says what was played.
    pub tape: Tape,
    /// The record, if one was asked for.
    pub record: Option<Record>,
    /// The names of those who took part.
    pub cast: Cast,
}

/// The names of those who take part in a run, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// Nodes.
    pub nodes: Vec<String>,
    /// Links.
    pub links: Vec<String>,
    /// NAT boxes.
    pub nats: Vec<String>,
    /// Ethernet segments.
    pub lans: Vec<String>,
}

/// What is played, and by what decisions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is played.
    pub scenario: Scenario,
    /// On which kind of node.
    pub kind: NodeKind,
    /// Most events of a run, after which it fails.
    pub budget: u64,
}

impl Plan {
    /// A plan with a budget that no sound run exceeds.
    pub const fn new(scenario: Scenario, kind: NodeKind) -> Self {
        Self { scenario, kind, budget: BUDGET }
    }

    /// What a tape says is to be played.
    ///
    /// # Errors
    /// What is unknown.
    pub fn of_tape(tape: &Tape) -> Result<Self, String> {
        let word = |name: &str| tape.head.get(name).map(String::as_str);
        let name = word("scenario").ok_or("the tape names no scenario")?;
        let scenario = named(name).ok_or_else(|| format!("there is no scenario `{name}`"))?;
        let kind = word("node").unwrap_or("core");
        let kind = NodeKind::named(kind).ok_or_else(|| format!("there is no node `{kind}`"))?;
        Ok(Self::new(scenario, kind))
    }

    /// Plays with the decisions of a seed.
    pub fn play_seed(&self, seed: u64, is_recorded: bool) -> Outcome {
        let mut outcome = self.play(Choices::seeded(seed), is_recorded);
        outcome.tape.head.insert("seed".into(), seed.to_string());
        outcome
    }

    /// Plays the decisions of a tape; one without lanes and with a seed stands for that seed.
    pub fn play_tape(&self, tape: &Tape, is_recorded: bool) -> Outcome {
        let seed = tape.head.get("seed").and_then(|word| word.parse().ok());
        match seed.filter(|_| tape.is_empty()) {
            Some(seed) => self.play_seed(seed, is_recorded),
            None => self.play(Choices::replay(tape), is_recorded),
        }
    }

    fn play(&self, choices: Choices, is_recorded: bool) -> Outcome {
        let trace = if is_recorded { Trace::recording() } else { Trace::default() };
        let mut world = World::new(choices, trace);
        world.set_budget(self.budget);
        hush();
        let played = catch_unwind(AssertUnwindSafe(|| (self.scenario.play)(&mut world, self.kind)));
        let mut failure = match played {
            Ok(Ok(())) => world.failure().cloned(),
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(panicked(&world)),
        };
        let mut excused = world.excused().to_vec();
        excused.extend(failure.take_if(|failure| why_off(&failure.check).is_some()));
        let mut tape = world.decisions().tape();
        tape.head.insert("scenario".into(), self.scenario.name.into());
        tape.head.insert("node".into(), self.kind.name().into());
        if let Some(failure) = &failure {
            tape.head.insert("check".into(), failure.check.clone());
        }
        Outcome {
            failure,
            excused,
            hash: world.trace().hash(),
            count: world.trace().count(),
            span: world.age(),
            tape,
            cast: Cast::of(&world),
            record: world.into_record(),
        }
    }
}

impl Cast {
    fn of(world: &World) -> Self {
        Self {
            nodes: world.nodes().map(|id| world.name(id).into()).collect(),
            links: world.links().map(|id| world.link_name(id).into()).collect(),
            nats: world.nats().map(|id| world.nat_name(id).into()).collect(),
            lans: (0..world.lan_count()).map(|id| world.lan_name(LanId(id)).into()).collect(),
        }
    }
}

thread_local! {
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// A panic is a finding like others: its text is kept for the report.
fn hush() {
    set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
        let place =
            info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        PANIC.set(Some((place, text.unwrap_or_default())));
    }));
}

fn panicked(world: &World) -> Failure {
    let (place, text) = PANIC.take().unwrap_or_default();
    Failure::new(&format!("panic {place}"), world.now(), text)
}

/// Events that no sound run exceeds.
const BUDGET: u64 = 200_000_000;
