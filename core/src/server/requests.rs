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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Group, Rng};

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn open(requests: &mut Requests<'_>, secs: u64) -> Result<RequestId, Full> {
        let job = DhJob::new(Group::Modp1024, &mut Rng::from_seed([1; 32]), None);
        requests.open(at(secs), DhToken::of_nobody(), job.expect("a group that is built in"))
    }

    #[test]
    fn a_job_is_taken_once_and_answered_once() {
        let mut requests = Requests::new(Backing::allocate(2));
        let id = open(&mut requests, 0).expect("room");
        assert!(requests.take(id).is_some() && requests.take(id).is_none());
        assert!(requests.close(id).is_some() && requests.close(id).is_none());
        assert_eq!(requests.len(), 0);
    }

    #[test]
    fn only_a_full_table_forgets_and_only_what_nobody_waits_for() {
        let mut requests = Requests::new(Backing::allocate(2));
        let first = open(&mut requests, 0).expect("room");
        let second = open(&mut requests, 61).expect("room");
        // There was room: the first, though old, is still waited for.
        assert!(requests.take(first).is_some());
        assert!(open(&mut requests, 61).is_ok(), "it takes the place of the first");
        assert!(requests.close(first).is_none());
        assert!((62..=121).all(|secs| open(&mut requests, secs).is_err()), "all are young");
        assert!(requests.take(second).is_some());
    }

    #[test]
    fn one_place_after_the_other_is_looked_at() {
        let mut requests = Requests::new(Backing::allocate(2));
        let old = [(); 2].map(|()| open(&mut requests, 0).expect("room"));
        for (secs, forgotten) in [(61, old[0]), (62, old[1])] {
            assert!(open(&mut requests, secs).is_ok());
            assert!(requests.take(forgotten).is_none());
        }
        assert!(open(&mut requests, 63).is_err() && open(&mut requests, 64).is_err());
        assert!(open(&mut requests, 122).is_ok() && open(&mut requests, 123).is_ok());
    }
}
