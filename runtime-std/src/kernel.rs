//! What the kernel tells in `/proc` of the packet thread and of its machine.
//!
//! Files are opened once, by the thread that they are about, and read into memory of the stack. A
//! file that is not there tells nothing.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use kumihimo_core::time::{Duration, Instant};

use crate::io::Cause;
use crate::sys::thread::{self, Usage};

/// Counts as of a moment ago, and where they come from.
#[derive(Debug)]
pub(crate) struct Kernel {
    schedstat: Option<File>,
    pressure: [Option<File>; 3],
    stat: Option<File>,
    devices: Option<File>,
    before: Reading,
    /// Counts that cost the kernel more, as of a longer while ago.
    stolen_before: (Instant, Option<u64>),
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at: Instant,
    usage: Usage,
    /// Nanoseconds that the thread ran, and that it waited for a processor.
    ran_waited_ns: Option<(u64, u64)>,
    pressure_us: [Option<u64>; 3],
}

impl Kernel {
    /// Counts of the calling thread.
    pub(crate) fn of_this_thread(now: Instant) -> Self {
        let open = |path: &str| File::open(path).ok();
        let mut kernel = Self {
            schedstat: open("/proc/thread-self/schedstat"),
            pressure: PRESSURE.map(|(path, _)| open(path)),
            stat: open("/proc/stat"),
            devices: open("/proc/thread-self/net/dev"),
            before: Reading::default(),
            stolen_before: (now, None),
        };
        kernel.before = kernel.reading(now);
        kernel.stolen_before.1 = kernel.stolen_us();
        kernel
    }

    /// Looks at the counts, at most once a second, so that a pause can be told from what was
    /// before it.
    pub(crate) fn look(&mut self, now: Instant) {
        if now.since(self.before.at) >= FRESH {
            self.before = self.reading(now);
        }
    }

    /// What was counted since the last look.
    pub(crate) fn cause(&mut self, now: Instant) -> Cause {
        let (before, after) = (self.before, self.reading(now));
        self.before = after;
        let pair = before.ran_waited_ns.zip(after.ran_waited_ns);
        let us = |ns: u64| Duration::from_micros(ns / 1_000);
        let mut pressure = [None; 3];
        for (sum, (before, after)) in
            pressure.iter_mut().zip(before.pressure_us.iter().zip(after.pressure_us))
        {
            *sum = before.zip(after).map(|(b, a)| Duration::from_micros(a.saturating_sub(b)));
        }
        let more = |count: fn(&Usage) -> u64| count(&after.usage) - count(&before.usage);
        Cause {
            over: now.since(before.at),
            ran: pair.map(|(before, after)| us(after.0.saturating_sub(before.0))),
            waited: pair.map(|(before, after)| us(after.1.saturating_sub(before.1))),
            major_faults: more(|usage| usage.major_faults),
            voluntary: more(|usage| usage.voluntary),
            involuntary: more(|usage| usage.involuntary),
            pressure,
            stolen: self.stolen(now),
        }
    }

    /// How long the host took this machine's processors away since this was last asked.
    pub(crate) fn stolen(&mut self, now: Instant) -> Option<(Duration, Duration)> {
        let (since, before) = self.stolen_before;
        let after = self.stolen_us();
        self.stolen_before = (now, after);
        let stolen = after?.saturating_sub(before?);
        Some((Duration::from_micros(stolen), now.since(since)))
    }

    /// How many frames this network device had no room for on their way to who reads it.
    pub(crate) fn device_drops(&self, name: &str) -> Option<u64> {
        drops_in(self.devices.as_ref()?, name)
    }

    fn reading(&self, at: Instant) -> Reading {
        let mut pressure_us = [None; 3];
        for ((sum, file), (_, line)) in pressure_us.iter_mut().zip(&self.pressure).zip(PRESSURE) {
            *sum = read(file.as_ref(), |text| {
                let text = text.lines().find(|text| text.starts_with(line))?;
                text.rsplit_once("total=")?.1.parse().ok()
            });
        }
        let ran_waited_ns = read(self.schedstat.as_ref(), |text| {
            let mut numbers = text.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        Reading { at, usage: thread::usage(), ran_waited_ns, pressure_us }
    }

    /// Time of all processors that the host used otherwise.
    fn stolen_us(&self) -> Option<u64> {
        let ticks: u64 = read(self.stat.as_ref(), |text| {
            text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()
        })?;
        Some(ticks * TICK_US)
    }
}

/// Reads the beginning of a file, and of it what `parse` finds.
fn read<T>(file: Option<&File>, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut room = [0; 256];
    let len = file?.read_at(&mut room, 0).ok()?;
    // What is cut off at the end is of no interest.
    let text = room.get(..len)?.utf8_chunks().next()?.valid();
    parse(text)
}

/// What [`drops_of`] finds in a whole file.
fn drops_in(file: &File, name: &str) -> Option<u64> {
    let mut room = [0; DEVICES_LEN];
    let mut at = 0;
    loop {
        let len = file.read_at(&mut room, at).ok()?;
        let text = room.get(..len)?;
        // The last line may go on behind the room.
        let end = text.iter().rposition(|octet| *octet == b'\n')? + 1;
        let text = str::from_utf8(text.get(..end)?).ok()?;
        if let Some(count) = text.lines().find_map(|line| drops_of(line, name)) {
            return Some(count);
        }
        at += end as u64;
    }
}

/// Of a line of `/proc/net/dev`: what the device of this name dropped on its way out, which on a
/// TAP device is the way to its reader.
fn drops_of(line: &str, name: &str) -> Option<u64> {
    let (device, counts) = line.split_once(':')?;
    if device.trim() != name {
        return None;
    }
    // Eight numbers of receiving, then octets, packets, errors, drops of sending.
    counts.split_whitespace().nth(11)?.parse().ok()
}

/// Pressure of a processor, of disks, of memory, and which line counts: for a processor some tasks,
/// for it is never all of them.
const PRESSURE: [(&str, &str); 3] = [
    ("/proc/pressure/cpu", "some"),
    ("/proc/pressure/io", "full"),
    ("/proc/pressure/memory", "full"),
];
/// How old counts may be that a pause is told from.
const FRESH: Duration = Duration::from_secs(1);
const DEVICES_LEN: usize = 8_192;
/// Linux counts in 1/100 s towards programs.
const TICK_US: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_dropped_on_its_way_out_is_found_by_its_name() {
        let line = "  vpn0: 1042 13 1 2 3 4 5 6 9 8 7 77 5 4 3 2";
        assert_eq!(drops_of(line, "vpn0"), Some(77));
        assert_eq!(drops_of(line, "vpn"), None);
        assert_eq!(drops_of(" face |bytes    packets errs drop", "face"), None);
        assert_eq!(drops_of("vpn0: 1 2", "vpn0"), None);
    }

    #[test]
    fn every_device_of_the_machine_has_a_count_and_no_other() {
        let kernel = Kernel::of_this_thread(Instant::from_micros(0));
        assert!(kernel.device_drops("lo").is_some());
        assert_eq!(kernel.device_drops("no-such-device"), None);
    }

    #[test]
    fn a_machine_may_have_many_devices() {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("kumihimo-devices-{id}"));
        let line =
            |number| format!("  vpn{number}: 1 2 3 4 5 6 7 8 9 10 11 {number} 13 14 15 16\n");
        std::fs::write(&path, (0..1_000).map(line).collect::<String>()).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for number in [0, 170, 999] {
            assert_eq!(drops_in(&file, &format!("vpn{number}")), Some(number));
        }
        assert!((0..1_000).all(|number| drops_in(&file, &format!("vpn{number}")) == Some(number)));
        assert_eq!(drops_in(&file, "vpn1000"), None);
    }

    #[test]
    fn a_look_at_the_counts_stays_fresh_for_a_second() {
        let at = |millis: u64| Instant::from_micros(millis * 1_000);
        let over = |looks: &[u64], asked| {
            let mut kernel = Kernel::of_this_thread(at(0));
            looks.iter().for_each(|millis| kernel.look(at(*millis)));
            kernel.cause(at(asked)).over.as_millis()
        };
        assert_eq!(over(&[999], 1_500), 1_500);
        assert_eq!(over(&[1_000, 1_999], 2_100), 1_100);
        assert_eq!(over(&[1_000, 2_000], 2_100), 100);
        let mut kernel = Kernel::of_this_thread(at(0));
        kernel.cause(at(300));
        assert_eq!(kernel.cause(at(700)).over.as_millis(), 400);
        let stolen = kernel.stolen(at(900)).map(|(_, over)| over.as_millis());
        assert!(stolen.is_none_or(|over| over == 200), "{stolen:?}");
    }

    #[test]
    fn a_thread_that_works_ran_and_one_that_sleeps_did_not() {
        let mut kernel = Kernel::of_this_thread(Instant::from_micros(0));
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 30 {
            std::hint::black_box(thread::clock());
        }
        let cause = kernel.cause(Instant::from_micros(30_000));
        assert_eq!(cause.over, Duration::from_millis(30));
        let busy = cause.ran.zip(cause.waited);
        std::thread::sleep(std::time::Duration::from_millis(30));
        let cause = kernel.cause(Instant::from_micros(60_000));
        assert!(cause.voluntary > 0);
        let Some(((busy, starved), asleep)) = busy.zip(cause.ran) else { return };
        let all = busy.as_micros() + starved.as_micros();
        assert!(all >= 20_000, "it ran or waited for a processor: {busy:?}, {starved:?}");
        assert!(asleep.as_micros() < 20_000, "{asleep:?}");
    }
}
