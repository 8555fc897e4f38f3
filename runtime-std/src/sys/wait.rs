//! Waiting for descriptors, and being woken by another thread.
#![allow(unsafe_code, reason = "ppoll and eventfd")]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::checked;

/// Wakes a thread that waits in [`PollSet::wait`].
#[derive(Debug)]
pub struct Waker(File);

impl Waker {
    /// A waker that nobody has used yet.
    ///
    /// # Errors
    /// What the system says: too many descriptors.
    pub fn new() -> io::Result<Self> {
        let flags = libc::EFD_NONBLOCK | libc::EFD_CLOEXEC;
        // SAFETY: no pointers are passed; the new descriptor is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(checked(libc::eventfd(0, flags))?) };
        Ok(Self(fd.into()))
    }

    /// Makes the descriptor readable.
    pub fn wake(&self) {
        // It fails only where the counter is full, and then it is readable.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable again.
    pub fn reset(&self) {
        // It fails only where nobody has woken it.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Descriptors to wait for.
#[derive(Debug, Default)]
pub struct PollSet(Vec<libc::pollfd>);

/// The place of a descriptor in a [`PollSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(usize);

impl PollSet {
    /// No descriptors.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a descriptor to be waited for until it can be read.
    ///
    /// The set does not own it: whoever closes it rebuilds the set.
    pub fn add(&mut self, fd: BorrowedFd<'_>) -> Entry {
        self.0.push(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        Entry(self.0.len() - 1)
    }

    /// Blocks until a descriptor can be read, or `timeout` is over; `None` waits for ever.
    ///
    /// # Errors
    /// What the system says. A signal is none: the wait then ends early.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let spec = timeout.map(|timeout| libc::timespec {
            tv_sec: timeout.as_secs().min(MAX_WAIT_SECS) as libc::time_t,
            tv_nsec: timeout.subsec_nanos() as _,
        });
        let spec = spec.as_ref().map_or(ptr::null(), ptr::from_ref);
        let (fds, count) = (self.0.as_mut_ptr(), self.0.len() as libc::nfds_t);
        // SAFETY: the array is as long as `count` says, and it and the time outlive the call.
        let result = checked(unsafe { libc::ppoll(fds, count, spec, ptr::null()) });
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.0.iter_mut().for_each(|fd| fd.revents = 0);
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Whether the descriptor could be read, or has failed, when [`PollSet::wait`] returned.
    pub fn is_ready(&self, entry: Entry) -> bool {
        self.0.get(entry.0).is_some_and(|fd| fd.revents != 0)
    }
}

const MAX_WAIT_SECS: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_ends_the_wait_and_can_be_reset() {
        let waker = Waker::new().unwrap();
        let mut set = PollSet::default();
        let entry = set.add(waker.as_fd());
        set.wait(Some(Duration::ZERO)).unwrap();
        assert!(!set.is_ready(entry));
        waker.wake();
        waker.wake();
        set.wait(None).unwrap();
        assert!(set.is_ready(entry));
        waker.reset();
        set.wait(Some(Duration::from_millis(1))).unwrap();
        assert!(!set.is_ready(entry));
    }
}
