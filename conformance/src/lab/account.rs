//! Who stood still while a case ran, and what was lost meanwhile: the server by its own account,
//! the guests by their ticks, the machine by its kernel's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::DIALS;
use super::guest::{LATE, WORK};

/// What the machine's tasks have waited for when a case began.
#[derive(Debug)]
pub(super) struct Machine {
    at: Instant,
    waited: Vec<(&'static str, Option<Duration>)>,
}

impl Machine {
    /// As of now.
    pub(super) fn now() -> Self {
        let waited = ["cpu", "io", "memory"].map(|what| (what, pressure(what)));
        Self { at: Instant::now(), waited: waited.into() }
    }

    /// One line: what they have waited for since then.
    pub(super) fn since(&self) -> String {
        let now = Self::now();
        let each = self.waited.iter().zip(&now.waited).filter_map(|((what, then), (_, now))| {
            Some(format!("{what} {:.1} s", now.as_ref()?.saturating_sub((*then)?).as_secs_f32()))
        });
        let each: Vec<_> = each.collect();
        let over = self.at.elapsed().as_secs_f32();
        if each.is_empty() {
            return "the machine's kernel counts no pressure".to_owned();
        }
        format!("in {over:.1} s some task of the machine waited for {}", each.join(", "))
    }
}

/// The lines of a case's folder.
pub(crate) fn of(folder: &Path) -> Vec<String> {
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into();
    let server: String = read(&folder.join("server.log"));
    let mut lines = of_server(&server);
    for (name, path) in files(folder, ".console") {
        let console: String = read(&path);
        lines.push(match longest_standstill(&console) {
            Some((at, late)) => {
                format!("guest {name} stood still for {late} ms at most, until {at} s after boot")
            }
            None => format!("guest {name} never stood still for more than 200 ms"),
        });
    }
    let work: String = read(&folder.join(WORK));
    lines.extend(work.lines().map(str::to_owned));
    for (name, path) in files(folder, "-tcpdump.log") {
        let said: String = read(&path);
        lines.push(match missed(&said) {
            Some(0) => continue,
            Some(count) => format!("{name}.pcap lacks {count} packets: tcpdump was too slow"),
            None => format!("{name}.pcap may lack packets: tcpdump did not say"),
        });
    }
    lines
}

/// The files of a folder whose names end so, with what stands before.
fn files(folder: &Path, end: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().strip_suffix(end)?.to_owned();
            Some((name, entry.path()))
        })
        .collect();
    files.sort();
    files
}

/// How many packets a capture missed, by what tcpdump said in its end.
fn missed(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_suffix(" packets dropped by kernel"));
    let line = line
        .or_else(|| said.lines().find_map(|line| line.strip_suffix(" packet dropped by kernel")));
    line?.trim().parse().ok()
}

/// How long the slowest dial of a case took.
pub(super) fn slowest_dial(folder: &Path) -> Option<Duration> {
    let dials = fs::read_to_string(folder.join(DIALS)).ok()?;
    let seconds = dials.lines().filter_map(|line| line.parse().ok());
    seconds.map(Duration::from_secs_f64).max()
}

/// Of a server's log: its longest pauses, and what each place lost in the end.
fn of_server(log: &str) -> Vec<String> {
    let mut pauses: Vec<&str> = log.lines().filter(|line| line.contains(PAUSE)).collect();
    let count = pauses.len();
    pauses.sort_by_key(|line| std::cmp::Reverse(number_after(line, PAUSE)));
    let mut lines: Vec<String> =
        pauses.into_iter().take(SHOWN).map(|line| format!("server: {line}")).collect();
    if count > SHOWN {
        lines.push(format!("server: {} more pauses", count - SHOWN));
    }
    let longest = log.lines().rfind(|line| line.contains(LONGEST));
    lines.push(match longest {
        Some(line) => format!("server: {}", message(line)),
        None => "server: no account of its longest pause".to_owned(),
    });
    let mut losses: Vec<(String, String)> = Vec::new();
    for line in log.lines().filter(|line| line.contains(LOST)) {
        let message = message(line);
        let place = message.split(": ").next().unwrap_or_default().to_owned();
        losses.retain(|(other, _)| *other != place);
        losses.push((place, message));
    }
    if losses.is_empty() && longest.is_some() {
        lines.push("server: neither socket nor TAP device lost anything".to_owned());
    }
    lines.extend(losses.into_iter().map(|(_, message)| format!("server: {message}")));
    lines
}

/// What a line of a server's log says, without its time and level.
pub(crate) fn message(line: &str) -> String {
    line.splitn(3, ' ').nth(2).unwrap_or(line).trim_start().to_owned()
}

/// The longest pause of which a server's log has a line, in ms.
pub(crate) fn longest_pause_ms(log: &str) -> Option<u64> {
    log.lines().filter_map(|line| number_after(line, PAUSE)).max()
}

/// Of a guest's console: the latest of its ticks in ms, and when it came.
fn longest_standstill(console: &str) -> Option<(&str, u64)> {
    let late = console
        .lines()
        .filter_map(|line| Some((line.split_whitespace().next()?, number_after(line, LATE)?)));
    late.max_by_key(|(_, late)| *late)
}

fn number_after(line: &str, words: &str) -> Option<u64> {
    line.split_once(words)?.1.split(' ').next()?.trim().parse().ok()
}

/// For how long some task has waited for this.
fn pressure(what: &str) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/pressure/{what}")).ok()?;
    let some = text.lines().find(|line| line.starts_with("some"))?;
    some.rsplit_once("total=")?.1.parse().ok().map(Duration::from_micros)
}

/// Begins what a server says of a pause; milliseconds follow.
pub(crate) const PAUSE: &str = "packets waited ";
/// Begins what it says of its longest pause.
pub(crate) const LONGEST: &str = "longest pause so far";
const LOST: &str = " lost so far, ";
/// Pauses that are shown whole.
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pauses_and_the_last_losses_of_a_server_are_told() {
        let line =
            |ms| format!("2026-01-02T03:04:05.678Z WARN  packets waited {ms} ms, 9 ms of them …\n");
        let mut log: String = [120, 5_000, 101, 300, 110].map(line).concat();
        log.push_str(
            "2026-01-02T03:04:06.000Z WARN  UDP 0.0.0.0:500: 1 datagrams lost so far, x\n",
        );
        log.push_str("2026-01-02T03:04:06.000Z WARN  TAP device vpn0: 4 frames lost so far, x\n");
        log.push_str(
            "2026-01-02T03:04:07.000Z WARN  UDP 0.0.0.0:500: 3 datagrams lost so far, x\n",
        );
        log.push_str("2026-01-02T03:04:08.000Z DEBUG longest pause so far: 5000 ms, sending\n");
        let told = of_server(&log);
        let beginnings = [
            "server: 2026-01-02T03:04:05.678Z WARN  packets waited 5000 ms",
            "server: 2026-01-02T03:04:05.678Z WARN  packets waited 300 ms",
            "server: 2026-01-02T03:04:05.678Z WARN  packets waited 120 ms",
            "server: 2 more pauses",
            "server: longest pause so far: 5000 ms, sending",
            "server: TAP device vpn0: 4 frames",
            "server: UDP 0.0.0.0:500: 3 datagrams",
        ];
        assert_eq!(told.len(), beginnings.len(), "{told:?}");
        for (told, beginning) in told.iter().zip(beginnings) {
            assert!(told.starts_with(beginning), "{told}");
        }
        assert_eq!(of_server(""), ["server: no account of its longest pause"]);
    }

    #[test]
    fn a_guest_stood_still_for_its_latest_tick() {
        let console = "   1.000 @@ ready 0\n  12.500 @@ late 250\n  13.250 half a l@@ late 1250\n\
             14.000 @@ late 900\n";
        assert_eq!(longest_standstill(console), Some(("13.250", 1_250)));
        assert_eq!(longest_standstill("   1.000 @@ 1 0\n"), None);
    }

    #[test]
    fn a_capture_says_what_it_missed() {
        let said = "tcpdump: listening on vpn0\n12 packets captured\n15 packets received by \
            filter\n3 packets dropped by kernel\n";
        assert_eq!(missed(said), Some(3));
        assert_eq!(missed("1 packet dropped by kernel"), Some(1));
        assert_eq!(missed("tcpdump: listening on vpn0\n"), None);
    }
}
