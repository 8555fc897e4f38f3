//! What happened, as a hash and, if asked for, as a record from which the reports are made.
//!
//! Two runs of one tape must have one hash. The record takes memory and time, so that a long run
//! does without; since a run can be made again, it can be recorded then.

use kumihimo_core::time::Instant;

use crate::net::{Captured, PortId};
use crate::observe::{Happening, Loss, Packet, Place, State, fact_as};
use crate::peer::{EspKey, IkeKey};
use crate::world::NodeId;

/// A hash of 64 bits that depends on nothing but the octets (after `FxHash`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    /// Adds octets, and their number.
    pub fn add(&mut self, octets: &[u8]) {
        self.add_number(octets.len() as u64);
        let mut words = octets.chunks_exact(8);
        for word in words.by_ref() {
            self.add_number(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        self.add_number(u64::from_le_bytes(last));
    }

    /// The hash of `octets` alone.
    pub fn of(octets: &[u8]) -> u64 {
        let mut hash = Self::default();
        hash.add(octets);
        hash.value()
    }

    /// Adds a number.
    pub const fn add_number(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.0 ^= self.0 >> 29;
    }

    /// The hash of all that was added.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// What happened in a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Hash,
    count: u64,
    record: Option<Record>,
}

/// The record of a run.
#[derive(Debug, Default)]
pub struct Record {
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// Datagrams and frames as the links carried them, in order.
    pub captured: Vec<Captured>,
    /// Keys that nodes gave away, to read the captures with.
    pub keys: Vec<Key>,
    /// Entries that were left out because there were too many: old ones, but no states and scenes.
    pub skipped: usize,
}

impl Record {
    fn add(&mut self, entry: Entry) {
        if self.entries.len() >= ENTRIES_MAX {
            let half = self.entries.len() / 2;
            let mut index = 0;
            self.entries.retain(|entry| {
                index += 1;
                index > half || matches!(entry.what, What::State { .. } | What::Scene)
            });
            self.skipped += index - self.entries.len();
        }
        self.entries.push(entry);
    }

    /// Adds what links carried. The oldest go if there are too many.
    pub(crate) fn capture(&mut self, captured: &mut Vec<Captured>) {
        self.captured.append(captured);
        if self.captured.len() > CAPTURED_MAX {
            self.captured.drain(..CAPTURED_MAX / 2);
        }
    }

    /// Adds a key, unless it was given just before.
    pub(crate) fn key(&mut self, key: Key) {
        if !self.keys.iter().rev().take(KEYS_COMPARED).any(|known| *known == key) {
            self.keys.push(key);
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, by the world's clock.
    pub at: Instant,
    /// What kind of thing.
    pub what: What,
    /// In words.
    pub text: String,
}

/// The kinds of things that happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of `Happening`")]
pub enum What {
    Sent { node: NodeId, packet: u64, len: usize },
    Delivered { node: NodeId, packet: u64 },
    Lost { place: Place, why: Loss, packet: u64, sender: NodeId },
    FrameSent { node: NodeId, port: PortId },
    FrameDelivered { node: NodeId, port: PortId },
    FrameLost { port: PortId, why: Loss },
    State { node: NodeId, state: &'static str },
    Fact { node: NodeId },
    Scene,
}

/// Key material that a node gives away so that captures can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// That of an IKE SA.
    Ike(IkeKey),
    /// That of an IPsec SA.
    Esp(EspKey),
}

impl Trace {
    /// A trace that keeps a record.
    pub fn recording() -> Self {
        Self { record: Some(Record::default()), ..Self::default() }
    }

    /// The hash of everything so far.
    pub const fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// How many things happened.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The record, if one is kept.
    pub const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub(crate) fn into_record(self) -> Option<Record> {
        self.record
    }

    /// The record, if one is kept, to add to it.
    pub(crate) const fn record_mut(&mut self) -> Option<&mut Record> {
        self.record.as_mut()
    }

    pub(crate) fn add(&mut self, at: Instant, happening: &Happening<'_>) {
        self.count += 1;
        self.hash.add_number(at.as_micros());
        self.add_to_hash(happening);
        if let Some(record) = &mut self.record {
            let (what, text) = describe(happening);
            record.add(Entry { at, what, text });
        }
    }

    fn add_to_hash(&mut self, happening: &Happening<'_>) {
        let hash = &mut self.hash;
        let mut packet = |kind: u64, node: usize, packet: &Packet| {
            hash.add_number(kind << 32 | node as u64);
            hash.add_number(packet.id);
            hash.add(&packet.datagram.payload);
        };
        match happening {
            Happening::Sent { node, packet: it } => packet(1, node.index(), it),
            Happening::Delivered { node, packet: it } => packet(2, node.index(), it),
            Happening::Lost { why, packet: it, .. } => packet(3, *why as usize, it),
            Happening::FrameSent { port, frame, .. } => {
                hash.add_number(4 << 32 | port.index() as u64);
                hash.add(frame);
            }
            Happening::FrameDelivered { port, frame, .. } => {
                hash.add_number(5 << 32 | port.index() as u64);
                hash.add(frame);
            }
            Happening::FrameLost { port, why, .. } => {
                hash.add_number(6 << 32 | (*why as u64) << 24 | port.index() as u64);
            }
            Happening::Fact { node, fact } => {
                hash.add_number(7 << 32 | node.index() as u64);
                match fact_as::<State>(*fact) {
                    Some(State(name)) => hash.add(name.as_bytes()),
                    None => hash.add(fact.to_string().as_bytes()),
                }
            }
            Happening::Scene { text } => {
                hash.add_number(8 << 32);
                hash.add(text.as_bytes());
            }
        }
    }
}

fn describe(happening: &Happening<'_>) -> (What, String) {
    match *happening {
        Happening::Sent { node, packet } => (
            What::Sent { node, packet: packet.id, len: packet.datagram.payload.len() },
            packet.datagram.to_string(),
        ),
        Happening::Delivered { node, packet } => {
            (What::Delivered { node, packet: packet.id }, packet.datagram.to_string())
        }
        Happening::Lost { place, why, packet } => (
            What::Lost { place, why, packet: packet.id, sender: packet.sender },
            packet.datagram.to_string(),
        ),
        Happening::FrameSent { node, port, frame } => {
            (What::FrameSent { node, port }, crate::net::describe_frame(frame))
        }
        Happening::FrameDelivered { node, port, frame } => {
            (What::FrameDelivered { node, port }, crate::net::describe_frame(frame))
        }
        Happening::FrameLost { port, why, frame } => {
            (What::FrameLost { port, why }, crate::net::describe_frame(frame))
        }
        Happening::Fact { node, fact } => match fact_as::<State>(fact) {
            Some(&State(state)) => (What::State { node, state }, state.into()),
            None => (What::Fact { node }, fact.to_string()),
        },
        Happening::Scene { text } => (What::Scene, text.into()),
    }
}

/// Entries that a record keeps; states and scenes may be more.
const ENTRIES_MAX: usize = 400_000;
/// Packets that a record keeps.
const CAPTURED_MAX: usize = 300_000;
/// Nodes give the same few keys away again and again.
const KEYS_COMPARED: usize = 16;
