//! What a component wants done: a bounded list of actions and the octets they carry.
//!
//! A component never calls its siblings. It puts actions into the outbox that the server lent
//! it, and the server carries them out in order before it touches anything else.

use crate::buf::Writer;

/// Octets in an [`Outbox`], to be resolved with [`Outbox::bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Number of octets.
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Up to `N` actions and up to `BYTES` octets for them.
///
/// They are the most that one call of the component can push. What does not fit is refused and
/// remembered.
#[derive(Debug)]
pub struct Outbox<T, const N: usize, const BYTES: usize> {
    actions: heapless::Deque<T, N>,
    bytes: [u8; BYTES],
    used: u16,
    overflowed: bool,
}

impl<T, const N: usize, const BYTES: usize> Default for Outbox<T, N, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize, const BYTES: usize> Outbox<T, N, BYTES> {
    /// An empty outbox.
    pub const fn new() -> Self {
        const { assert!(BYTES <= u16::MAX as usize, "a span fits") };
        let actions = heapless::Deque::new();
        Self { actions, bytes: [0; BYTES], used: 0, overflowed: false }
    }

    /// Adds `action` at the end.
    pub fn push(&mut self, action: T) {
        if self.actions.push_back(action).is_err() {
            debug_assert!(false, "an outbox is sized for the most one call can push");
            self.overflowed = true;
        }
    }

    /// Lends the free octets to `write` and keeps what it wrote.
    ///
    /// `None` if it did not fit.
    pub fn emit(&mut self, write: impl FnOnce(&mut Writer<'_>)) -> Option<Span> {
        let room = self.bytes.get_mut(usize::from(self.used)..).unwrap_or_default();
        let mut writer = Writer::new(room);
        write(&mut writer);
        let Ok(len) = writer.finish() else {
            self.overflowed = true;
            return None;
        };
        let start = self.used;
        self.used += len as u16;
        Some(Span { start, end: self.used })
    }

    /// The octets of `span`.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.bytes.get(usize::from(span.start)..usize::from(span.end)).unwrap_or_default()
    }

    /// The octets of `span`, to be edited.
    pub fn bytes_mut(&mut self, span: Span) -> &mut [u8] {
        self.bytes.get_mut(usize::from(span.start)..usize::from(span.end)).unwrap_or_default()
    }

    /// Takes the first action.
    pub fn pop(&mut self) -> Option<T> {
        self.actions.pop_front()
    }

    /// The actions in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.actions.iter()
    }

    /// Forgets all actions and octets: the outbox is as new, without the cost of a new one.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.used = 0;
        self.overflowed = false;
    }

    /// Whether there is no action.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether something did not fit since the outbox was made.
    pub const fn overflowed(&self) -> bool {
        self.overflowed
    }
}
