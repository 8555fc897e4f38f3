//! How much memory there is and how much was ever used.
//!
//! The start paints the whole stack; the first word without paint is the deepest that was used.
//! Both executors and all interrupts share the one stack.

/// Octets of RAM.
#[derive(Debug, Clone, Copy)]
pub struct Ram {
    /// Statics.
    pub statics: usize,
    /// The deepest use of the stack so far.
    pub stack: usize,
    /// The stack that there is.
    pub stack_there: usize,
}

/// What was used so far.
pub fn ram() -> Ram {
    let (start, end, top) =
        (RAM_START, (&raw const _stack_end).addr(), (&raw const _stack_start).addr());
    let words = (top - end) / 4;
    // SAFETY: the linker says that this is the stack's memory; what the program uses of it lies
    // behind the paint.
    let painted = (0..words)
        .take_while(|word| unsafe { (&raw const _stack_end).add(*word).read_volatile() == PAINT });
    Ram { statics: end - start, stack: top - end - painted.count() * 4, stack_there: top - end }
}

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

const RAM_START: usize = 0x2000_0000;
/// What cortex-m-rt paints with.
const PAINT: u32 = 0xcccc_cccc;
