//! `SysTick` as embassy's clock: microseconds by the counter, alarms to the next millisecond.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::sys::map::CPU_HZ;

/// Starts the clock at zero.
pub fn start(mut counter: SYST) {
    counter.set_clock_source(SystClkSource::Core);
    counter.set_reload(RELOAD);
    counter.clear_current();
    counter.enable_interrupt();
    counter.enable_counter();
}

/// Processor cycles since the start.
pub fn cycles() -> u64 {
    critical_section::with(|section| CLOCK.cycles(section))
}

struct Clock {
    /// Wraps of the counter, one each millisecond.
    wraps: Mutex<Cell<u64>>,
    alarms: Mutex<RefCell<Alarms>>,
}

struct Alarms {
    /// When the next one is due, in microseconds.
    due: u64,
    queue: Queue,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    wraps: Mutex::new(Cell::new(0)),
    alarms: Mutex::new(RefCell::new(Alarms { due: u64::MAX, queue: Queue::new() })),
});

impl Clock {
    fn cycles(&self, section: CriticalSection<'_>) -> u64 {
        let before = SYST::get_current();
        let counted = self.wraps.borrow(section).get();
        // A wrap whose interrupt has not run yet; the counter is read again, behind the wrap.
        let (wraps, left) = if SCB::is_pendst_pending() {
            (counted + 1, SYST::get_current())
        } else {
            (counted, before)
        };
        wraps * u64::from(RELOAD + 1) + u64::from(RELOAD.saturating_sub(left))
    }

    fn now(&self, section: CriticalSection<'_>) -> u64 {
        self.cycles(section) / CYCLES_PER_US
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.now(section))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let mut alarms = self.alarms.borrow_ref_mut(section);
            if alarms.queue.schedule_wake(at, waker) {
                alarms.due = alarms.queue.next_expiration(self.now(section));
            }
        });
    }
}

#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|section| {
        let wraps = CLOCK.wraps.borrow(section);
        wraps.set(wraps.get() + 1);
        let now = wraps.get() * 1000;
        let mut alarms = CLOCK.alarms.borrow_ref_mut(section);
        if now >= alarms.due {
            // Wakes what is due.
            alarms.due = alarms.queue.next_expiration(now);
        }
    });
}

/// One wrap is a millisecond.
const RELOAD: u32 = CPU_HZ / 1000 - 1;
const CYCLES_PER_US: u64 = (CPU_HZ / 1_000_000) as u64;
