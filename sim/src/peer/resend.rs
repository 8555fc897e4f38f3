//! Saying something again until it is answered.

use kumihimo_core::time::{Duration, Instant};

use crate::profile::Retry;

/// A message that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Resend {
    message: Vec<u8>,
    at: Instant,
    delay: Duration,
    left: u32,
    retry: Retry,
}

/// What is to be done about a message that waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is not time yet.
    NotYet,
    /// Say this again.
    Again(Vec<u8>),
    /// It was said often enough.
    Never,
}

impl Resend {
    /// Notes that `message` was said now.
    pub(crate) const fn new(now: Instant, message: Vec<u8>, retry: Retry) -> Self {
        let delay = retry.first;
        let at = Instant::from_micros(now.as_micros().saturating_add(delay.as_micros()));
        Self { message, at, delay, left: retry.tries.saturating_sub(1), retry }
    }

    /// When it is time.
    pub(crate) const fn deadline(&self) -> Instant {
        self.at
    }

    /// What to do now.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if now < self.at {
            return Due::NotYet;
        }
        let Some(left) = self.left.checked_sub(1) else { return Due::Never };
        self.left = left;
        self.delay = self.delay.times(self.retry.factor).min(self.retry.cap);
        self.at = now + self.delay;
        Due::Again(self.message.clone())
    }

    /// The message.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_its_cap_and_then_it_ends() {
        let retry = Retry {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(4),
            tries: 5,
        };
        let mut now = Instant::ZERO;
        let mut resend = Resend::new(now, vec![1], retry);
        assert_eq!(resend.due(now), Due::NotYet);
        let mut waited = Vec::new();
        loop {
            let before = now;
            now = resend.deadline();
            waited.push(now.since(before).as_secs());
            match resend.due(now) {
                Due::Again(message) => assert_eq!(message, [1]),
                end => break assert_eq!(end, Due::Never),
            }
        }
        assert_eq!(waited, [1, 2, 4, 4, 4]);
    }
}
