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
    /// Processors that the server kept busy meanwhile, upwards.
    CoresUp,
    /// The same, downwards.
    CoresDown,
    /// CPU-seconds of the server's process for 10^9 octets of IP packets, at a fixed rate.
    CpuUp,
    /// The same, downwards.
    CpuDown,
    /// The time that 99 of 100 packets stay below at that rate, upwards, in milliseconds.
    LateUp,
    /// The same, downwards.
    LateDown,
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

/// All metrics with name, unit, and whether more is better; `None` where neither is.
pub const METRICS: &[(Metric, &str, &str, Option<bool>)] = &[
    (Metric::Up, "throughput up", "Mbit/s", Some(true)),
    (Metric::Down, "throughput down", "Mbit/s", Some(true)),
    (Metric::CoresUp, "server's processors meanwhile, up", "", None),
    (Metric::CoresDown, "server's processors meanwhile, down", "", None),
    (Metric::CpuUp, "CPU up", "s/GB", Some(false)),
    (Metric::CpuDown, "CPU down", "s/GB", Some(false)),
    (Metric::LateUp, "99 of 100 within, at 100 Mbit/s, up", "ms", Some(false)),
    (Metric::LateDown, "99 of 100 within, at 100 Mbit/s, down", "ms", Some(false)),
    (Metric::LossUp, "loss at twice what fits, up", "%", Some(false)),
    (Metric::LossDown, "loss at twice what fits, down", "%", Some(false)),
    (Metric::Dials, "dials per server CPU-second", "1/s", Some(true)),
    (Metric::Rss10, "RSS, 10 idle sessions", "MiB", Some(false)),
    (Metric::Rss100, "RSS, 100 idle sessions", "MiB", Some(false)),
    (Metric::Rss1000, "RSS, 1 000 idle sessions", "MiB", Some(false)),
];

/// Everything that was measured, round by round.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    values: BTreeMap<(Peer, Metric), Vec<Value>>,
    /// Rounds that were played.
    pub rounds: usize,
    /// What went wrong, and for whom.
    pub remarks: Vec<String>,
}

/// How many clients were up, and how many were wanted.
pub type Share = (u32, u32);

#[derive(Debug, Clone, Copy)]
struct Value {
    value: f64,
    share: Share,
}

/// What several rounds gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The lowest and the highest.
    pub range: (f64, f64),
    /// In how many rounds.
    pub count: usize,
    /// With how many clients where that is fewer than were wanted: then it is one value, that
    /// with the most.
    pub partial: Option<Share>,
}

impl Figures {
    /// Notes a value that was measured with `share`; what is no number is left out.
    pub fn note(&mut self, peer: Peer, metric: Metric, value: f64, share: Share) {
        if value.is_finite() {
            self.values.entry((peer, metric)).or_default().push(Value { value, share });
        }
    }

    /// What the rounds gave, if any gave something.
    pub fn summary(&self, peer: Peer, metric: Metric) -> Option<Summary> {
        let values = self.values.get(&(peer, metric))?;
        let is_full = |it: &&Value| it.share.0 >= it.share.1;
        let mut full: Vec<f64> = values.iter().filter(is_full).map(|it| it.value).collect();
        full.sort_by(f64::total_cmp);
        let (Some(first), Some(last)) = (full.first(), full.last()) else {
            let best = values.iter().max_by_key(|it| it.share.0)?;
            return Some(Summary {
                median: best.value,
                range: (best.value, best.value),
                count: 1,
                partial: Some(best.share),
            });
        };
        let (lower, upper) = (full[(full.len() - 1) / 2], full[full.len() / 2]);
        Some(Summary {
            median: f64::midpoint(lower, upper),
            range: (*first, *last),
            count: full.len(),
            partial: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Share = (4, 4);

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_two() {
        let mut figures = Figures::default();
        for value in [5.0, 1.0, 2.0, 4.0] {
            figures.note(Peer::Floor, Metric::Up, value, ALL);
        }
        let summary = figures.summary(Peer::Floor, Metric::Up).unwrap();
        let expected = Summary { median: 3.0, range: (1.0, 5.0), count: 4, partial: None };
        assert_eq!(summary, expected);
        figures.note(Peer::Floor, Metric::Up, 9.0, ALL);
        assert_eq!(figures.summary(Peer::Floor, Metric::Up).unwrap().median, 4.0);
        figures.note(Peer::Floor, Metric::Down, f64::NAN, ALL);
        assert_eq!(figures.summary(Peer::Floor, Metric::Down), None);
    }

    #[test]
    fn what_few_clients_gave_counts_only_where_there_is_nothing_else() {
        let mut figures = Figures::default();
        figures.note(Peer::SoftEther, Metric::Rss1000, 50.0, (20, 1_000));
        figures.note(Peer::SoftEther, Metric::Rss1000, 90.0, (200, 1_000));
        let summary = figures.summary(Peer::SoftEther, Metric::Rss1000).unwrap();
        assert_eq!((summary.median, summary.partial), (90.0, Some((200, 1_000))));
        figures.note(Peer::SoftEther, Metric::Rss1000, 400.0, (1_000, 1_000));
        let summary = figures.summary(Peer::SoftEther, Metric::Rss1000).unwrap();
        assert_eq!((summary.median, summary.count, summary.partial), (400.0, 1, None));
    }
}
