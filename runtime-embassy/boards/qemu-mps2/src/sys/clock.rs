//! A counter of the board as embassy's clock: microseconds, alarms to the next millisecond.
//!
//! `SysTick` only wakes. It cannot count: on a busy host QEMU runs its interrupt once for several
//! milliseconds, and such a clock falls behind the watchdog's. The counter wraps after 171 s.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::sys::map::{CPU_HZ, TIMER};
use crate::sys::register::Registers;

/// Starts the clock at zero.
pub fn start(mut tick: SYST) {
    COUNTER.write(RELOAD, u32::MAX);
    COUNTER.write(VALUE, u32::MAX);
    COUNTER.write(CONTROL, ENABLE);
    tick.set_clock_source(SystClkSource::Core);
    tick.set_reload(CPU_HZ / 1000 - 1);
    tick.clear_current();
    tick.enable_interrupt();
    tick.enable_counter();
}

/// Processor cycles since the start.
pub fn cycles() -> u64 {
    critical_section::with(|section| CLOCK.cycles(section))
}

struct Clock {
    passed: Mutex<Cell<Passed>>,
    alarms: Mutex<RefCell<Alarms>>,
}

#[derive(Clone, Copy)]
struct Passed {
    cycles: u64,
    /// The counter when they were counted.
    left: u32,
}

struct Alarms {
    /// When the next one is due, in microseconds.
    due: u64,
    queue: Queue,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    passed: Mutex::new(Cell::new(Passed { cycles: 0, left: u32::MAX })),
    alarms: Mutex::new(RefCell::new(Alarms { due: u64::MAX, queue: Queue::new() })),
});

impl Clock {
    fn cycles(&self, section: CriticalSection<'_>) -> u64 {
        let passed = self.passed.borrow(section);
        let Passed { cycles, left: before } = passed.get();
        let left = COUNTER.read(VALUE);
        let since = before.wrapping_sub(left);
        if since > u32::MAX / 2 {
            // Back by a cycle: the emulated counter is computed, and may be rounded.
            return cycles;
        }
        let cycles = cycles + u64::from(since);
        passed.set(Passed { cycles, left });
        cycles
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
        let now = CLOCK.now(section);
        let mut alarms = CLOCK.alarms.borrow_ref_mut(section);
        if now >= alarms.due {
            // Wakes what is due.
            alarms.due = alarms.queue.next_expiration(now);
        }
    });
}

// SAFETY: the CMSDK timer is there on all three boards, and nobody else uses it.
const COUNTER: Registers = unsafe { Registers::at(TIMER) };

const CYCLES_PER_US: u64 = (CPU_HZ / 1_000_000) as u64;

const CONTROL: usize = 0x00;
const VALUE: usize = 0x04;
const RELOAD: usize = 0x08;
const ENABLE: u32 = 1 << 0;
