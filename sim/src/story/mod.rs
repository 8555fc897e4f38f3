//! Stories: worlds with a plot, named after what they show.

pub mod town;
