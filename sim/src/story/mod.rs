//! Stories: worlds with a plot, named after what they show.

pub mod basic;
pub mod plot;
pub mod town;

use crate::scenario::Scenario;

/// All stories.
pub const STORIES: &[Scenario] = &[basic::DIAL, basic::PROFILES];

#[cfg(test)]
mod tests {
    use super::STORIES;
    use crate::choice::Choices;
    use crate::scenario::NodeKind;
    use crate::trace::Trace;
    use crate::world::World;

    #[test]
    fn every_story_has_a_good_end() {
        for story in STORIES {
            for kind in [NodeKind::Core, NodeKind::Std] {
                let mut world = World::new(Choices::seeded(7), Trace::default());
                let played = (story.play)(&mut world, kind);
                assert_eq!(played, Ok(()), "{} on {}", story.name, kind.name());
            }
        }
    }
}
