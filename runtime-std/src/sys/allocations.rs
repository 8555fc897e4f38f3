//! Counts the allocations of each thread (feature `count-allocations`), to show that the packet
//! thread makes none.
#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every call is the system allocator's own; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Allocations of this thread so far.
pub fn of_this_thread() -> u64 {
    ALLOCATIONS.try_with(Cell::get).unwrap_or_default()
}

/// Publishes the figures of the packet thread; called by that thread.
pub fn publish(inputs: u64) {
    PACKET_THREAD.store(of_this_thread() as usize, Ordering::Relaxed);
    INPUTS.store(inputs as usize, Ordering::Relaxed);
}

/// The figures of the packet thread, as a line.
pub fn report() -> String {
    let allocations = PACKET_THREAD.load(Ordering::Relaxed);
    let inputs = INPUTS.load(Ordering::Relaxed);
    format!("packet-thread allocations: {allocations} packets: {inputs}")
}

fn count() {
    // While a thread ends its counter is gone, and nobody asks for it.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}
// Not every router's processor has an atomic of 64 bits.
static PACKET_THREAD: AtomicUsize = AtomicUsize::new(0);
static INPUTS: AtomicUsize = AtomicUsize::new(0);
