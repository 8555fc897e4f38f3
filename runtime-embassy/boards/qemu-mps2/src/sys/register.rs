//! A block of 32-bit device registers.

/// The registers of one device, named by their offsets.
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    base: usize,
}

impl Registers {
    /// The device at `base`.
    ///
    /// # Safety
    ///
    /// A device's registers must be there, and reads and writes of them must not touch memory
    /// that the program uses.
    pub const unsafe fn at(base: usize) -> Self {
        Self { base }
    }

    /// Reads a register.
    #[inline(always)]
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: `at` was promised that registers are there.
        unsafe { ((self.base + offset) as *const u32).read_volatile() }
    }

    /// Writes a register.
    #[inline(always)]
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: `at` was promised that registers are there.
        unsafe { ((self.base + offset) as *mut u32).write_volatile(value) }
    }
}
