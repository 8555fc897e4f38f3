//! Questions that the outside answers.

use crate::crypto::dh::DhJob;
use crate::ids::RequestId;
use crate::ike::DhToken;
use crate::store::{Backing, Full, Slab, Slot};
use crate::time::{Duration, Instant};

/// A question that is open.
#[derive(Debug)]
pub struct Open {
    token: DhToken,
    /// Until a runtime takes it.
    job: Option<DhJob>,
    asked_at: Instant,
}

/// The questions that are open.
#[derive(Debug)]
pub(super) struct Requests<'a> {
    open: Slab<'a, RequestId, Open>,
    /// The slot that is looked at next when all are taken.
    hand: u32,
}

impl<'a> Requests<'a> {
    pub(super) fn new(slots: Backing<'a, Slot<Open>>) -> Self {
        Self { open: Slab::new(slots), hand: 0 }
    }

    /// Opens a question; when all places are taken, one that nobody answered for too long goes.
    ///
    /// # Errors
    /// [`Full`] if every place holds a young question.
    pub(super) fn open(
        &mut self,
        now: Instant,
        token: DhToken,
        job: DhJob,
    ) -> Result<RequestId, Full> {
        if self.open.len() == self.open.capacity() {
            self.forget_one(now);
        }
        self.open.insert(Open { token, job: Some(job), asked_at: now })
    }

    /// Number of open questions.
    pub(super) const fn len(&self) -> usize {
        self.open.len()
    }

    /// Hands out the job of an open question, once.
    pub(super) fn take(&mut self, id: RequestId) -> Option<DhJob> {
        self.open.find_mut(id)?.job.take()
    }

    /// Closes a question and tells whose it was.
    pub(super) fn close(&mut self, id: RequestId) -> Option<DhToken> {
        let token = self.open.find(id)?.token;
        self.open.remove(id);
        Some(token)
    }

    fn forget_one(&mut self, now: Instant) {
        let at = self.hand;
        self.hand = if (at as usize) + 1 < self.open.capacity() { at + 1 } else { 0 };
        let Some(id) = self.open.key_at(at) else { return };
        let asked_at = self.open.find(id).map_or(now, |open| open.asked_at);
        if now.since(asked_at) > PATIENCE {
            self.open.remove(id);
        }
    }
}

/// Longer than any exchange waits for its key.
const PATIENCE: Duration = Duration::from_secs(60);
