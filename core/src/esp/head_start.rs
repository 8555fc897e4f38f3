//! Where the sequence numbers of new SAs begin: at the first one, unless a simulator wants to see
//! the end of them. Nobody lives long enough to send 2^32 packets.

/// The number before the first.
#[cfg(not(feature = "sim"))]
pub(super) const fn head_start() -> u32 {
    0
}

/// The number before the first.
#[cfg(feature = "sim")]
pub(super) fn head_start() -> u32 {
    HEAD_START.load(core::sync::atomic::Ordering::Relaxed)
}

/// SAs that are made from now on, by any server of this process, have sent so many packets.
#[cfg(feature = "sim")]
pub fn set_head_start(sent: u32) {
    HEAD_START.store(sent, core::sync::atomic::Ordering::Relaxed);
}

#[cfg(feature = "sim")]
static HEAD_START: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
