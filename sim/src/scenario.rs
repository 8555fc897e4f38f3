//! What can be played in a world, and where to find it.

mod echo;
mod speed;

use crate::observe::Failure;
use crate::story;
use crate::workload;
use crate::world::World;

/// What drives the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeKind {
    /// The bare core.
    #[default]
    Core,
    /// The engine of `runtime-std` over simulated packets and time.
    Std,
    /// The runner of `runtime-embassy` over simulated drivers.
    Embassy,
}

impl NodeKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Core, Self::Std, Self::Embassy];

    /// Its name on the command line and on tapes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Std => "std",
            Self::Embassy => "embassy",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something that can be played: a story, or the swarm.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line and on tapes.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Builds the world and plays in it. What a check says comes out of `World::run_*`.
    pub play: fn(&mut World, NodeKind) -> Result<(), Failure>,
}

/// The stories: what `sim story all` plays and what has to pass.
pub fn stories() -> impl Iterator<Item = Scenario> {
    story::STORIES.iter().copied()
}

/// Everything that can be played.
pub fn all() -> impl Iterator<Item = Scenario> {
    stories()
        .chain([workload::SWARM, workload::UPHEAVAL])
        .chain(speed::SCENARIOS)
        .chain(echo::SCENARIOS)
}

/// What is played with a seed if nothing else is said.
pub const SWARM: &str = workload::SWARM.name;

/// The scenario of this name.
pub fn named(name: &str) -> Option<Scenario> {
    all().find(|scenario| scenario.name == name)
}
