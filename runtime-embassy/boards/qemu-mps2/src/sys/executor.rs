//! Two executors: packets in a software interrupt, everything that may take long in thread mode.
//!
//! embassy's own thread executor sleeps with WFE, which QEMU runs as no instruction at all, so a
//! board that idles would keep a core of the host busy. This one sleeps with WFI.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use cortex_m::peripheral::NVIC;
use embassy_executor::Spawner;
use embassy_executor::raw::Executor;
use static_cell::StaticCell;

use crate::sys::clock;
use crate::sys::interrupts::{self, Line};
use crate::sys::map::irq;

/// The executor in the software interrupt, not running yet.
#[derive(Clone, Copy)]
pub struct PacketExecutor {
    executor: &'static Executor,
}

/// Makes the packet executor. To be called once.
pub fn packets() -> PacketExecutor {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    let context = ptr::without_provenance_mut(PACKETS);
    PacketExecutor { executor: EXECUTOR.init(Executor::new(context)) }
}

impl PacketExecutor {
    /// Spawns on it, before it starts.
    pub fn spawner(self) -> Spawner {
        self.executor.spawner()
    }

    /// Lets it run whenever one of its tasks is woken. Thread mode has let go of what the tasks
    /// own: they were moved into them.
    pub fn start(self) {
        RUNNING.store(ptr::from_ref(self.executor).cast_mut(), Ordering::Release);
        // It was woken by what was spawned; nobody else kept it waiting.
        WOKEN_AT.store(0, Ordering::Relaxed);
        interrupts::enable(irq::PACKETS);
    }
}

/// The executor of thread mode, not running yet.
#[derive(Clone, Copy)]
pub struct ThreadExecutor {
    executor: &'static Executor,
}

/// Makes the executor of thread mode. To be called once.
pub fn thread() -> ThreadExecutor {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    let context = ptr::without_provenance_mut(THREAD);
    ThreadExecutor { executor: EXECUTOR.init(Executor::new(context)) }
}

impl ThreadExecutor {
    /// Spawns on it, before it runs.
    pub fn spawner(self) -> Spawner {
        self.executor.spawner()
    }

    /// Runs it for ever. To be called once, and not from a task.
    pub fn run(self) -> ! {
        loop {
            THREAD_WOKEN.store(false, Ordering::SeqCst);
            // SAFETY: this is the executor's only caller, and it does not call itself.
            unsafe { self.executor.poll() };
            // With interrupts masked WFI still ends when one is pending: none is lost between the
            // look at the flag and the sleep.
            cortex_m::interrupt::disable();
            if !THREAD_WOKEN.load(Ordering::SeqCst) {
                sleep();
            }
            // SAFETY: they were on before.
            unsafe { cortex_m::interrupt::enable() };
        }
    }
}

/// Cycles slept since the start.
pub fn slept() -> u64 {
    critical_section::with(|section| *SLEPT.borrow_ref(section))
}

/// The longest that the packet executor had to wait for the processor so far, in cycles.
pub fn longest_wait() -> u32 {
    LONGEST_WAIT.load(Ordering::Relaxed)
}

/// Whether the packet executor runs, or was interrupted.
pub fn is_in_packets() -> bool {
    IN_PACKETS.load(Ordering::Relaxed)
}

/// The handler of the software interrupt.
pub extern "C" fn on_packets() {
    let woken = WOKEN_AT.swap(0, Ordering::Relaxed);
    if woken != 0 {
        let waited = (clock::cycles() as u32).wrapping_sub(woken);
        LONGEST_WAIT.fetch_max(waited, Ordering::Relaxed);
    }
    let executor = RUNNING.load(Ordering::Acquire);
    // SAFETY: the pointer is null or that of the static executor, and its only caller is this
    // handler, which cannot interrupt itself.
    if let Some(executor) = unsafe { executor.as_ref() } {
        IN_PACKETS.store(true, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { executor.poll() };
        IN_PACKETS.store(false, Ordering::Relaxed);
    }
}

fn sleep() {
    let from = clock::cycles();
    cortex_m::asm::wfi();
    let slept = clock::cycles() - from;
    critical_section::with(|section| *SLEPT.borrow_ref_mut(section) += slept);
}

#[unsafe(export_name = "__pender")]
fn pender(context: *mut ()) {
    if context.addr() == THREAD {
        THREAD_WOKEN.store(true, Ordering::SeqCst);
        return;
    }
    // What comes while it runs waits for itself, not for the processor.
    if WOKEN_AT.load(Ordering::Relaxed) == 0 && !is_in_packets() {
        WOKEN_AT.store((clock::cycles() as u32).max(1), Ordering::Relaxed);
    }
    NVIC::pend(Line(irq::PACKETS));
}

/// The contexts that tell the executors apart.
const THREAD: usize = 0;
const PACKETS: usize = 1;

static THREAD_WOKEN: AtomicBool = AtomicBool::new(false);
static IN_PACKETS: AtomicBool = AtomicBool::new(false);
static RUNNING: AtomicPtr<Executor> = AtomicPtr::new(ptr::null_mut());
/// When the packet executor was first pended since it last ran; 0 when it was not.
static WOKEN_AT: AtomicU32 = AtomicU32::new(0);
static LONGEST_WAIT: AtomicU32 = AtomicU32::new(0);
static SLEPT: critical_section::Mutex<core::cell::RefCell<u64>> =
    critical_section::Mutex::new(core::cell::RefCell::new(0));
