//! What is measured: the server's process, and times.

use std::fs;

use crate::proc;

/// What a process used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    /// Of all its threads, those that ended included.
    pub(super) cpu_seconds: f64,
    /// Resident memory.
    pub(super) rss_kib: u64,
}

impl Usage {
    /// Reads it; `None` if the process is gone.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Self::parse(&stat, &status)
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if fields.first() == Some(&"Z") {
            return None;
        }
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let rss_kib = proc::number(status, "VmRSS")?;
        Some(Self { cpu_seconds: ticks as f64 / TICKS_PER_SECOND, rss_kib })
    }
}

/// Processor time of this process and another one, in seconds.
pub(super) fn with_own(other: Option<u32>) -> f64 {
    let of = |pid| Usage::of(pid).map_or(0.0, |usage| usage.cpu_seconds);
    of(std::process::id()) + other.map_or(0.0, of)
}

/// `USER_HZ`, which is 100 on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Times in microseconds, counted in steps of an eighth of a power of two.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    steps: [u64; 256],
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { steps: [0; 256], count: 0 }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, micros: u64) {
        let micros = micros.max(8);
        let power = micros.ilog2();
        let eighth = (micros >> (power - 3)) & 7;
        self.steps[(power * 8 + eighth as u32).min(255) as usize] += 1;
        self.count += 1;
    }

    /// The time that so many percent stay below, at the upper end of its step.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (step, count) in self.steps.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                let (power, eighth) = (step as u32 / 8, step as u64 % 8);
                return (9 + eighth) << (power.max(3) - 3);
            }
        }
        0
    }

    /// As words, to be read by [`Self::parse`].
    pub(super) fn emit(&self) -> String {
        let filled = self.steps.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(step, count)| format!("{step}:{count}")).collect::<Vec<_>>().join(",")
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut histogram = Self::default();
        for (step, count) in text.split(',').filter_map(|pair| pair.split_once(':')) {
            if let (Ok(step), Ok(count)) = (step.parse::<usize>(), count.parse::<u64>())
                && let Some(slot) = histogram.steps.get_mut(step)
            {
                *slot += count;
                histogram.count += count;
            }
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 9 9 20 0 3 0 100";
        let status = "Name:\ta\nVmPeak:\t 99 kB\nVmRSS:\t  1234 kB\n";
        assert_eq!(Usage::parse(stat, status), Some(Usage { cpu_seconds: 3.0, rss_kib: 1_234 }));
        assert_eq!(Usage::parse(&stat.replace(" S ", " Z "), status), None);
        assert!(Usage::of(std::process::id()).is_some_and(|usage| usage.rss_kib > 100));
        assert_eq!(Usage::of(0), None);
    }

    #[test]
    fn percentiles_are_within_an_eighth() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|micros| histogram.add(micros * 10));
        let copy = Histogram::parse(&histogram.emit());
        for (percent, expected) in [(50, 5_000), (99, 9_900), (100, 10_000)] {
            let found = copy.percentile(percent);
            assert!((expected..=expected * 9 / 8 + 1).contains(&found), "{percent}: {found}");
        }
        assert_eq!(Histogram::default().percentile(50), 0);
    }
}
