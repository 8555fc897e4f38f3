//! What a node is, and what it can do while it is called.

use std::any::Any;

use kumihimo_core::time::Instant;

use super::Inner;
use crate::choice::{Choices, Lane};
use crate::net::{Datagram, PortId};
use crate::observe::{Fact, Failure, Happening, Note, State};
use crate::trace::Key;

/// A node of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// Its number, counted from 0.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A machine in the world: a server, a client, a host on a LAN.
///
/// It has no time, no chance and no network but those that come with [`NodeCx`].
pub trait Node: Any {
    /// Takes something from outside.
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus);

    /// When it wants [`Stimulus::Timer`], by its own clock. The timer comes then or later, once; a
    /// deadline that has passed means: right after what else happens at this time.
    fn deadline(&self) -> Option<Instant>;
}

/// Something that a node takes.
#[derive(Clone, Debug)]
pub enum Stimulus {
    /// It begins to live.
    Start,
    /// A datagram has come.
    Datagram(Datagram),
    /// An Ethernet frame has come.
    Frame {
        /// Where.
        port: PortId,
        /// From the destination address on, without FCS.
        frame: Vec<u8>,
    },
    /// The network says that a datagram of this node was too long (ICMP).
    TooBig {
        /// Which, with the addresses that it had there.
        datagram: Datagram,
        /// Octets of the longest IP packet that passes.
        mtu: u16,
    },
    /// Its deadline has come.
    Timer,
}

/// What a node can do while it is called.
pub struct NodeCx<'w> {
    pub(super) inner: &'w mut Inner,
    pub(super) me: NodeId,
}

impl NodeCx<'_> {
    /// Who is called.
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.names[self.me.0]
    }

    /// The time by its own clock.
    pub fn now(&self) -> Instant {
        self.inner.clocks[self.me.0].local(self.inner.now)
    }

    /// Sends a datagram.
    pub fn send(&mut self, datagram: Datagram) {
        self.inner.send(self.me, datagram);
    }

    /// Puts an Ethernet frame on the segment that a port leads to.
    pub fn send_frame(&mut self, port: PortId, frame: &[u8]) {
        self.inner.send_frame(self.me, port, frame);
    }

    /// The decisions, and the lane of this node.
    pub fn choices(&mut self) -> (&mut Choices, Lane) {
        (&mut self.inner.choices, self.inner.lanes[self.me.0])
    }

    /// Decides something: a number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.inner.choices.below(self.inner.lanes[self.me.0], bound)
    }

    /// Tells the observers something.
    pub fn fact(&mut self, fact: &dyn Fact) {
        self.inner.tell(&Happening::Fact { node: self.me, fact });
    }

    /// Tells the observers which state this node is in now; the timeline draws it.
    pub fn state(&mut self, name: &'static str) {
        self.fact(&State(name));
    }

    /// Tells the log something.
    pub fn note(&mut self, text: impl Into<String>) {
        self.fact(&Note(text.into()));
    }

    /// Whether a log is kept, so that a costly note is worth making. It must not depend on this
    /// what a node does, nor what it says with [`Self::fact`].
    pub const fn is_recorded(&self) -> bool {
        self.inner.trace.record().is_some()
    }

    /// Gives a key away, so that captures can be read. It may be given again and again.
    pub fn key(&mut self, key: Key) {
        if let Some(record) = self.inner.trace.record_mut() {
            record.key(key);
        }
    }

    /// Ends the run: `check` has failed.
    pub fn fail(&mut self, check: &str, text: impl Into<String>) {
        self.inner.fail(Failure::new(check, self.inner.now, text));
    }
}
