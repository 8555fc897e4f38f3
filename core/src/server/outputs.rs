//! The queue of outputs, in the order they must leave.
//!
//! ESP packets wait here unsealed until the batch of inputs is worked off, because CBC
//! encryption is fast only over several packets at once.

use crate::addr::Path;
use crate::buf::Frame;
use crate::discard::{DropCounters, DropReason};
use crate::esp::Esp;
use crate::event::Event;
use crate::ids::{RequestId, SaId};
use crate::store::{Backing, Place, Ring};

use super::io::{BridgeId, Output};

/// An output on its way out.
#[derive(Debug)]
pub struct Queued<B>(Entry<B>);

#[derive(Debug)]
pub(super) enum Entry<B> {
    /// A finished datagram.
    Datagram { path: Path, payload: Frame<B> },
    /// An ESP packet that is complete but for encryption and ICV.
    Unsealed { path: Path, sa: SaId, payload: Frame<B> },
    /// An Ethernet frame for a bridge.
    Frame { bridge: BridgeId, frame: Frame<B> },
    /// A question.
    Request(RequestId),
    /// The first fact that waits.
    Event,
    /// Was not fit to leave.
    Dropped,
}

/// The outputs that wait to be polled.
#[derive(Debug)]
pub(super) struct Outputs<'a, B> {
    queue: Ring<'a, Queued<B>>,
    /// The facts in the queue.
    events: Ring<'a, Event>,
    unsealed: usize,
}

impl<'a, B: AsRef<[u8]> + AsMut<[u8]>> Outputs<'a, B> {
    pub(super) fn new(
        places: Backing<'a, Place<Queued<B>>>,
        events: Backing<'a, Place<Event>>,
    ) -> Self {
        Self { queue: Ring::new(places), events: Ring::new(events), unsealed: 0 }
    }

    /// Adds an output; a full queue drops it, counted.
    pub(super) fn push(&mut self, entry: Entry<B>, drops: &mut DropCounters) {
        let unsealed = matches!(entry, Entry::Unsealed { .. });
        match self.queue.push(Queued(entry)) {
            Ok(()) => self.unsealed += usize::from(unsealed),
            Err(_) => drops.count(DropReason::OutputFull),
        }
    }

    /// Adds a fact; a full queue drops it, counted.
    pub(super) fn tell(&mut self, event: Event, drops: &mut DropCounters) {
        if self.queue.room() > 0 && self.events.push(event).is_ok() {
            self.push(Entry::Event, drops);
        } else {
            drops.count(DropReason::OutputFull);
        }
    }

    /// Whether what one more step of work can push still fits. An empty queue always has to do.
    pub(super) fn has_room(&self) -> bool {
        let is_roomy = self.queue.room() >= STEP_OUTPUTS && self.events.room() >= STEP_EVENTS;
        self.queue.is_empty() || is_roomy
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Number of outputs that wait.
    pub(super) const fn len(&self) -> usize {
        self.queue.len()
    }

    /// Number of facts that wait.
    pub(super) const fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Whether a packet waits to be sealed.
    pub(super) const fn needs_sealing(&self) -> bool {
        self.unsealed > 0
    }

    /// Seals the packets that wait for it, those of one SA together.
    pub(super) fn seal(&mut self, esp: &mut Esp<'_>, drops: &mut DropCounters) {
        while self.unsealed > 0 {
            let mut group = Group::new();
            let mut sa = None;
            for Queued(entry) in self.queue.iter_mut() {
                if let Entry::Unsealed { sa: its, .. } = entry
                    && *sa.get_or_insert(*its) == *its
                    && group.push(entry).is_err()
                {
                    break;
                }
            }
            let Some(sa) = sa else { break };
            self.unsealed = self.unsealed.saturating_sub(group.len());
            seal_group(esp, sa, group, drops);
        }
        self.unsealed = 0;
    }

    /// Takes the first output; nothing may wait to be sealed.
    pub(super) fn pop(&mut self) -> Option<Output<B>> {
        debug_assert!(!self.needs_sealing(), "outputs leave sealed");
        loop {
            return Some(match self.queue.pop()?.0 {
                Entry::Datagram { path, payload } => Output::Transmit { path, payload },
                Entry::Frame { bridge, frame } => Output::Frame { bridge, frame },
                Entry::Request(id) => Output::Request(id),
                Entry::Event => Output::Event(self.events.pop()?),
                // Plain text never leaves.
                Entry::Unsealed { .. } | Entry::Dropped => continue,
            });
        }
    }
}

type Group<'q, B> = heapless::Vec<&'q mut Entry<B>, LANES>;

/// Seals packets of one SA and makes datagrams of them.
fn seal_group<B: AsRef<[u8]> + AsMut<[u8]>>(
    esp: &mut Esp<'_>,
    sa: SaId,
    mut group: Group<'_, B>,
    drops: &mut DropCounters,
) {
    let sealed = {
        let mut packets = heapless::Vec::<&mut [u8], LANES>::new();
        packets.extend(group.iter_mut().filter_map(|entry| match entry {
            Entry::Unsealed { payload, .. } => Some(payload.bytes_mut()),
            _ => None,
        }));
        esp.seal(sa, &mut packets)
    };
    for entry in group {
        match (core::mem::replace(entry, Entry::Dropped), sealed) {
            (Entry::Unsealed { path, payload, .. }, Ok(())) => {
                *entry = Entry::Datagram { path, payload };
            }
            (_, Ok(())) => {}
            (_, Err(reason)) => drops.count(reason),
        }
    }
}

/// Packets that are sealed together.
const LANES: usize = 16;
/// Most outputs that one step of work pushes: the actions of one component call.
const STEP_OUTPUTS: usize = 32;
/// Most facts among them.
const STEP_EVENTS: usize = 12;
