//! Calls to the host: files and entropy. Only QEMU answers them.

use core::arch::asm;
use core::ffi::CStr;

/// A file of the host.
#[derive(Debug)]
pub struct File(isize);

/// The host refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl File {
    /// Opens a file that is there, to read.
    pub fn open(name: &CStr) -> Result<Self, Refused> {
        Self::open_as(name, MODE_READ)
    }

    /// Opens a file that is there, to read and write.
    pub fn open_to_write(name: &CStr) -> Result<Self, Refused> {
        Self::open_as(name, MODE_UPDATE)
    }

    /// Makes an empty file, to read and write.
    pub fn create(name: &CStr) -> Result<Self, Refused> {
        Self::open_as(name, MODE_CREATE)
    }

    fn open_as(name: &CStr, mode: usize) -> Result<Self, Refused> {
        let block = [name.as_ptr().addr(), mode, name.count_bytes()];
        match call(SYS_OPEN, &block) {
            -1 => Err(Refused),
            handle => Ok(Self(handle)),
        }
    }

    /// Reads from `offset` until `octets` is full.
    pub fn read(&mut self, offset: usize, octets: &mut [u8]) -> Result<(), Refused> {
        self.seek(offset)?;
        let block = [self.0 as usize, octets.as_mut_ptr().expose_provenance(), octets.len()];
        done(call(SYS_READ, &block))
    }

    /// Writes at `offset`.
    pub fn write(&mut self, offset: usize, octets: &[u8]) -> Result<(), Refused> {
        self.seek(offset)?;
        let block = [self.0 as usize, octets.as_ptr().expose_provenance(), octets.len()];
        done(call(SYS_WRITE, &block))
    }

    /// The file's length.
    pub fn len(&self) -> Result<usize, Refused> {
        usize::try_from(call(SYS_FLEN, &[self.0 as usize])).map_err(|_| Refused)
    }

    fn seek(&self, offset: usize) -> Result<(), Refused> {
        done(call(SYS_SEEK, &[self.0 as usize, offset]))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        call(SYS_CLOSE, &[self.0 as usize]);
    }
}

/// 0 is success; anything else what was left undone.
fn done(left: isize) -> Result<(), Refused> {
    if left == 0 { Ok(()) } else { Err(Refused) }
}

/// Calls the host with a block of arguments.
fn call(operation: usize, block: &[usize]) -> isize {
    let result;
    // SAFETY: the host reads and writes only what the block names, and the callers above name
    // memory that they hold for as long as the call takes.
    unsafe {
        asm!(
            "bkpt 0xab",
            inlateout("r0") operation => result,
            in("r1") block.as_ptr(),
            options(nostack, preserves_flags),
        );
    }
    result
}

const SYS_OPEN: usize = 0x01;
const SYS_CLOSE: usize = 0x02;
const SYS_WRITE: usize = 0x05;
const SYS_READ: usize = 0x06;
const SYS_SEEK: usize = 0x0a;
const SYS_FLEN: usize = 0x0c;

/// As `fopen` counts them: `rb`, `r+b`, `w+b`.
const MODE_READ: usize = 1;
const MODE_UPDATE: usize = 3;
const MODE_CREATE: usize = 7;
