//! What the system counts for the calling thread, and its cheap clock.
#![allow(unsafe_code, reason = "getrusage and clock_gettime write through pointers")]

/// Counts of a thread since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How often it had to wait for a page to be read.
    pub major_faults: u64,
    /// How often it gave its processor away.
    pub voluntary: u64,
    /// How often it lost its processor.
    pub involuntary: u64,
}

/// The counts of the calling thread.
pub fn usage() -> Usage {
    // SAFETY: a rusage is integers, for which zero is valid; it outlives the call, which writes
    // nothing else.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage
    };
    Usage {
        major_faults: usage.ru_majflt as u64,
        voluntary: usage.ru_nvcsw as u64,
        involuntary: usage.ru_nivcsw as u64,
    }
}

/// The clock of [`std::time::Instant`] in microseconds, exactly.
pub fn clock() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// The same clock as of its last tick, without a look at the hardware.
pub fn coarse_clock() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call, which writes nothing else; both clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheap_clock_is_the_other_one_as_of_a_moment_ago() {
        let coarse = coarse_clock();
        assert!(coarse <= clock());
        std::thread::sleep(std::time::Duration::from_millis(25));
        assert!(coarse_clock() > coarse);
    }

    #[test]
    fn a_thread_that_sleeps_gives_its_processor_away() {
        let before = usage().voluntary;
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(usage().voluntary > before);
    }
}
