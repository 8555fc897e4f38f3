//! What a person gets to see of a run: the log, the story, the captures with their keys, and the
//! timeline.

mod capture;
mod log;
mod story;
mod timeline;
mod wireshark;

use std::fs;
use std::io;
use std::path::Path;

use crate::observe::{Failure, Loss, Place};
use crate::run::{Cast, Outcome};
use crate::trace::Record;
use crate::world::seconds;

pub use story::{LENGTH as STORY_LENGTH, events, tell};

/// Writes everything about a recorded run into a folder, which is made:
/// `run.tape`, `log.txt`, `timeline.html`, a `.pcapng` for each link and LAN that was used, and
/// `wireshark/` with the keys.
///
/// # Errors
/// What the file system says.
pub fn write(folder: &Path, outcome: &Outcome) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("run.tape"), outcome.tape.emit())?;
    let Some(record) = &outcome.record else { return Ok(()) };
    let view = View { record, cast: &outcome.cast, failure: outcome.failure.as_ref() };
    fs::write(folder.join("log.txt"), log::text(&view))?;
    fs::write(folder.join("story.txt"), tell(outcome))?;
    fs::write(folder.join("timeline.html"), timeline::page(outcome, &view))?;
    capture::write(folder, &view)?;
    wireshark::write(&folder.join("wireshark"), &record.keys)
}

/// The log of a recorded run.
pub fn log(outcome: &Outcome) -> String {
    let Some(record) = &outcome.record else { return String::new() };
    log::text(&View { record, cast: &outcome.cast, failure: outcome.failure.as_ref() })
}

/// A record and what its numbers mean.
struct View<'v> {
    record: &'v Record,
    cast: &'v Cast,
    failure: Option<&'v Failure>,
}

impl View<'_> {
    fn node(&self, id: crate::world::NodeId) -> &str {
        self.cast.nodes.get(id.index()).map_or("?", String::as_str)
    }

    fn place(&self, place: Place) -> String {
        let name = |list: &[String], index: usize| {
            list.get(index).map_or_else(|| "?".to_owned(), Clone::clone)
        };
        match place {
            Place::Link(id) => format!("on link {}", name(&self.cast.links, id.index())),
            Place::Nat(id) => format!("in NAT box {}", name(&self.cast.nats, id.index())),
            Place::Zone => "between links".into(),
            Place::Node(id) => format!("at {}", self.node(id)),
        }
    }
}

/// Why something was lost, in words.
const fn reason(why: Loss) -> &'static str {
    match why {
        Loss::Chance => "by chance",
        Loss::Burst => "in a burst",
        Loss::Checksum => "its checksum is wrong",
        Loss::Cut => "the link is cut",
        Loss::Rule => "a rule says so",
        Loss::TooLong => "longer than the MTU",
        Loss::QueueFull => "the queue is full",
        Loss::NoRoute => "nobody has the address",
        Loss::NoMapping => "no mapping",
        Loss::NoPort => "no port left",
        Loss::Protocol => "the protocol does not pass",
        Loss::Off => "it is switched off",
    }
}

#[cfg(test)]
mod tests;
