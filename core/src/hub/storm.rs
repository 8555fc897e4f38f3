//! Limits on what a port makes the hub multiply.
//!
//! A broadcast costs one copy for each port of the hub, so a loop or a broken host behind one
//! port can occupy all others. Each port has three budgets: broadcasts (ARP, DHCP), multicasts
//! (mDNS, router advertisements, IPTV), and unicasts to addresses that no one has learned. They
//! are far above what a healthy client or network sends; the excess is dropped and counted as
//! [`crate::discard::DropReason::BroadcastLimit`].

use crate::time::{Duration, Instant};

/// A rate and what may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Frames per second in the long run; at least 1.
    pub per_second: u32,
    /// Frames at once after a pause; at least 1.
    pub burst: u32,
}

/// What one port may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLimits {
    /// MAC addresses learned behind it.
    pub macs: u32,
    /// Broadcasts.
    pub broadcast: Rate,
    /// Multicasts.
    pub multicast: Rate,
    /// Unicasts to unknown addresses.
    pub unknown: Rate,
}

impl PortLimits {
    /// A single host behind a PPP link.
    pub const HOST: Self = Self {
        macs: 1,
        broadcast: Rate { per_second: 64, burst: 256 },
        multicast: Rate { per_second: 256, burst: 512 },
        unknown: Rate { per_second: 1_000, burst: 2_000 },
    };

    /// A network behind a bridge, and the virtual router, which answers many.
    pub const NETWORK: Self = Self {
        macs: 4_096,
        broadcast: Rate { per_second: 1_000, burst: 4_000 },
        multicast: Rate { per_second: 4_000, burst: 8_000 },
        unknown: Rate { per_second: 20_000, burst: 40_000 },
    };
}

/// Which budget a frame draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    Broadcast,
    Multicast,
    Unknown,
}

/// The budgets of one port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Storm {
    broadcast: Bucket,
    multicast: Bucket,
    unknown: Bucket,
}

impl Storm {
    /// Takes one frame from a budget; tells whether there was one left.
    pub(super) fn take(&mut self, now: Instant, limits: &PortLimits, budget: Budget) -> bool {
        match budget {
            Budget::Broadcast => self.broadcast.take(now, limits.broadcast),
            Budget::Multicast => self.multicast.take(now, limits.multicast),
            Budget::Unknown => self.unknown.take(now, limits.unknown),
        }
    }
}

/// A token bucket, kept as the time at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Instant);

impl Bucket {
    fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let interval = Duration::from_secs(1).over(u64::from(rate.per_second));
        let full_at = self.0.max(now) + interval;
        let is_left = full_at.since(now) <= interval.times(u64::from(rate.burst));
        if is_left {
            self.0 = full_at;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_its_rate_for_ever() {
        let rate = Rate { per_second: 10, burst: 5 };
        let mut bucket = Bucket::default();
        let mut taken = |from_ms: u64, to_ms: u64| {
            let at = |ms| Instant::from_micros(ms * 1_000);
            (from_ms..to_ms).filter(|&ms| bucket.take(at(ms), rate)).count()
        };
        assert_eq!(taken(0, 50), 5);
        assert_eq!(taken(50, 1_050), 10);
        assert_eq!(taken(11_050, 11_060), 5);
    }
}
