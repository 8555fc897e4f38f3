//! What is told, line by line: `dialled …`, `traffic …`, and at the end `result …`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::figures::Usage;
use super::tally::Tally;

/// How it all ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    /// Nothing ever came from the server.
    Silent,
    /// It answers, but not all clients came up; why most did not.
    Refused(String),
    /// Its process is gone, or it says nothing any more; when.
    Died(String),
}

impl Verdict {
    /// One word for the last line.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Silent => "silent",
            Self::Refused(_) => "refused",
            Self::Died(_) => "died",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("all went well"),
            Self::Silent => f.write_str("the server does not answer"),
            Self::Refused(why) => write!(f, "the server refuses: {why}"),
            Self::Died(when) => write!(f, "the server died: {when}"),
        }
    }
}

/// A step of dials.
#[derive(Debug, Clone, Default)]
pub(super) struct Dialled {
    /// How many were to be up.
    pub(super) clients: usize,
    pub(super) up: usize,
    /// Clients that needed another dial, each time counted.
    pub(super) again: usize,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) rss_kib: u64,
    /// Why dials failed, and how often.
    pub(super) reasons: BTreeMap<String, u32>,
}

impl Dialled {
    pub(super) fn line(&self) -> String {
        let Self { clients, up, again, seconds, cpu_seconds, rss_kib, .. } = self;
        let mut line = format!(
            "dialled clients={clients} up={up} failed={} again={again} seconds={seconds:.3} \
             cpu_seconds={cpu_seconds:.2} rss_kib={rss_kib}",
            clients - up
        );
        if *up > 0 {
            let _ = write!(line, " cpu_ms_per_dial={:.2}", cpu_seconds * 1e3 / *up as f64);
        }
        line
    }

    /// The most frequent reason.
    pub(super) fn main_reason(&self) -> String {
        let main = self.reasons.iter().max_by_key(|(_, count)| **count);
        main.map_or("no time left".to_owned(), |(why, _)| why.clone())
    }
}

/// A phase of traffic.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    /// Its number, from 1 on.
    pub(super) phase: usize,
    /// Clients that were up when it began.
    pub(super) clients: usize,
    /// Whether the server ended before anything was measured: then this is of the warming up.
    pub(super) is_warm: bool,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    /// Of the generator and the station.
    pub(super) own_cpu_seconds: f64,
    pub(super) usage: Usage,
    pub(super) up_sent: u64,
    pub(super) up: Tally,
    pub(super) down_sent: u64,
    pub(super) down: Tally,
}

impl Traffic {
    pub(super) fn line(&self) -> String {
        let mut line = format!(
            "traffic phase={} clients={} measured={} seconds={:.3} cpu_seconds={:.2} \
             own_cpu_seconds={:.2} rss_kib={}",
            self.phase,
            self.clients,
            u8::from(!self.is_warm),
            self.seconds,
            self.cpu_seconds,
            self.own_cpu_seconds,
            self.usage.rss_kib
        );
        let octets = self.up.octets + self.down.octets;
        if octets > 0 {
            let _ = write!(line, " cpu_s_per_gb={:.3}", self.cpu_seconds * 1e9 / octets as f64);
        }
        for (name, sent, tally) in
            [("up", self.up_sent, &self.up), ("down", self.down_sent, &self.down)]
        {
            let _ = write!(line, " {name}_sent={sent} {name}_got={}", tally.got);
            if sent == 0 {
                continue;
            }
            let mbps = tally.octets as f64 * 8.0 / 1e6 / self.seconds.max(1e-3);
            // The clocks of both ends are one, but counts are taken at two moments.
            let loss = 100.0 * (1.0 - tally.own as f64 / sent as f64).max(0.0);
            let _ = write!(line, " {name}_mbps={mbps:.2} {name}_loss_percent={loss:.3}");
            for percent in [50, 90, 99, 100] {
                let micros = tally.ages.percentile(percent);
                let _ = write!(line, " {name}_p{percent}_us={micros}");
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_divided_by_nothing() {
        let line = Traffic { up_sent: 10, ..Traffic::default() }.line();
        assert!(line.contains("up_loss_percent=100.000") && !line.contains("NaN"), "{line}");
        assert!(!line.contains("down_mbps") && !line.contains("cpu_s_per_gb"), "{line}");
        let line = Dialled { clients: 3, ..Dialled::default() }.line();
        assert!(line.contains("failed=3") && !line.contains("per_dial"), "{line}");
    }

    #[test]
    fn the_most_frequent_reason_is_told() {
        let mut dialled = Dialled::default();
        dialled.reasons.insert("slow".to_owned(), 1);
        dialled.reasons.insert("no".to_owned(), 2);
        assert_eq!(dialled.main_reason(), "no");
        assert_eq!(Verdict::Refused("no".to_owned()).to_string(), "the server refuses: no");
    }
}
