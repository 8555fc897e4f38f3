//! The packet task's share of the processor, so that a flood does not take all of it.
//!
//! The packet task interrupts everything below: console, key exchanges, and the one who feeds the
//! watchdog. While packets come faster than it works it would never end. So whoever has worked
//! for long enough without a pause rests for a moment; what comes meanwhile waits in the
//! device, which drops and counts what it has no room for. See docs/adr/0031-packets-rest.md.

use core::future::Future as _;
use core::pin::pin;
use core::task::Context;

use embassy_time::{Duration, Instant, Timer};

/// How much the packet task has worked lately.
pub(crate) struct Pace {
    worked: Duration,
    ended: Instant,
    rest_until: Instant,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { worked: Duration::MIN, ended: Instant::MIN, rest_until: Instant::MIN }
    }

    /// Whether the task has to rest; then it is woken at the end of its rest.
    #[inline(never)]
    pub(crate) fn rests(&self, cx: &mut Context<'_>) -> bool {
        Instant::now() < self.rest_until && pin!(Timer::at(self.rest_until)).poll(cx).is_pending()
    }

    /// Notes a turn from `began` to `now`; tells whether a rest follows. While
    /// somebody `is_computing` below, the rest is as long as the work was.
    #[inline(never)]
    pub(crate) fn note(&mut self, began: Instant, now: Instant, is_computing: bool) -> bool {
        let share = if is_computing { 1 } else { SHARE };
        let pause = began.saturating_duration_since(self.ended);
        // Shorter ones go by while the executor comes back to the task.
        if pause >= PAUSE_MIN {
            let repaid = pause.as_ticks().saturating_mul(u64::from(share));
            let left = self.worked.as_ticks().saturating_sub(repaid);
            self.worked = Duration::from_ticks(left);
        }
        self.worked += now.saturating_duration_since(began);
        self.ended = now;
        let must_rest = self.worked >= WORK_MAX;
        if must_rest {
            self.rest_until = now + self.worked / share;
            self.worked = Duration::MIN;
        }
        must_rest
    }
}

/// Work for one part of rest.
const SHARE: u32 = 7;
/// Work without a rest. Devices have room for what comes in a rest of a seventh.
const WORK_MAX: Duration = Duration::from_millis(14);
/// A pause that others can use.
const PAUSE_MIN: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of 1 ms without a pause for so long; milliseconds rested.
    fn rested(span_ms: u64, pause_us: u64, is_computing: bool) -> u64 {
        let (mut pace, mut now, mut rested) = (Pace::new(), Instant::MIN, 0);
        while now.as_millis() < span_ms {
            let began = now + Duration::from_micros(pause_us);
            now = began + Duration::from_millis(1);
            if pace.note(began, now, is_computing) {
                rested += (pace.rest_until - now).as_millis();
                now = pace.rest_until;
            }
        }
        rested
    }

    #[test]
    fn who_works_without_a_pause_rests_an_eighth_of_the_time() {
        assert_eq!(rested(1_600, 0, false), 200);
        assert_eq!(rested(1_600, 20, false), 196, "an executor's way is no pause");
    }

    #[test]
    fn a_key_exchange_gets_half_of_the_time() {
        assert_eq!(rested(1_400, 0, true), 700);
    }

    #[test]
    fn who_pauses_by_itself_need_not_rest() {
        assert_eq!(rested(1_600, 150, false), 0);
    }
}
