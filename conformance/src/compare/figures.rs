//! What was measured.

use std::collections::BTreeMap;

use super::Peer;

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Mbit/s of IP packets from clients to the TAP device, as much as fits.
    Up,
    /// The same, from the TAP device to clients.
    Down,
    /// CPU-seconds of the server's process for 10^9 octets of IP packets, at a fixed rate.
    CpuUp,
    /// The same, downwards.
    CpuDown,
    /// Loss in percent at twice the rate that fits, upwards.
    LossUp,
    /// The same, downwards.
    LossDown,
    /// Dials for each CPU-second of the server, up to the first ping.
    Dials,
    /// Resident memory in MiB with 10 idle sessions.
    Rss10,
    /// With 100.
    Rss100,
    /// With 1 000.
    Rss1000,
}

/// All metrics with name, unit, and whether more is better.
pub const METRICS: &[(Metric, &str, &str, bool)] = &[
    (Metric::Up, "throughput up", "Mbit/s", true),
    (Metric::Down, "throughput down", "Mbit/s", true),
    (Metric::CpuUp, "CPU up", "s/GB", false),
    (Metric::CpuDown, "CPU down", "s/GB", false),
    (Metric::LossUp, "loss at twice what fits, up", "%", false),
    (Metric::LossDown, "loss at twice what fits, down", "%", false),
    (Metric::Dials, "dials per server CPU-second", "1/s", true),
    (Metric::Rss10, "RSS, 10 idle sessions", "MiB", false),
    (Metric::Rss100, "RSS, 100 idle sessions", "MiB", false),
    (Metric::Rss1000, "RSS, 1 000 idle sessions", "MiB", false),
];

/// Everything that was measured, round by round.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    values: BTreeMap<(Peer, Metric), Vec<f64>>,
    /// What went wrong, and for whom.
    pub remarks: Vec<String>,
}

/// What several rounds gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The lowest and the highest.
    pub range: (f64, f64),
}

impl Figures {
    /// Notes a value; what is no number is left out.
    pub fn note(&mut self, peer: Peer, metric: Metric, value: f64) {
        if value.is_finite() {
            self.values.entry((peer, metric)).or_default().push(value);
        }
    }

    /// What the rounds gave, if any gave something.
    pub fn summary(&self, peer: Peer, metric: Metric) -> Option<Summary> {
        let mut values = self.values.get(&(peer, metric))?.clone();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let upper = values[values.len() / 2];
        let lower = values[(values.len() - 1) / 2];
        Some(Summary { median: f64::midpoint(lower, upper), range: (first, last) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_two() {
        let mut figures = Figures::default();
        for value in [5.0, 1.0, 2.0, 4.0] {
            figures.note(Peer::Floor, Metric::Up, value);
        }
        let summary = figures.summary(Peer::Floor, Metric::Up).unwrap();
        assert_eq!(summary, Summary { median: 3.0, range: (1.0, 5.0) });
        figures.note(Peer::Floor, Metric::Up, 9.0);
        assert_eq!(figures.summary(Peer::Floor, Metric::Up).unwrap().median, 4.0);
        figures.note(Peer::Floor, Metric::Down, f64::NAN);
        assert_eq!(figures.summary(Peer::Floor, Metric::Down), None);
    }
}
