//! System calls: the only unsafe code of the runtime, one kind of thing per file.
//!
//! What leaves this module is safe: owned descriptors, addresses of `std`, frames of the core.

pub mod allocations;
pub mod ifaddrs;
pub mod mmsg;
mod name;
mod pktinfo;
pub mod socket;
pub mod tap;
pub mod thread;
pub mod wait;
pub mod xfrm;

use std::io;

/// The result of a system call that says -1 for an error.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
