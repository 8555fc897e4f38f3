//! What stands in files of `/proc`: lines of a name, a colon and a value, and what the kernel
//! counts of a process.

use std::fmt;
use std::fs;

/// The value of the first line with this name.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (other, value) = line.split_once(':')?;
        (other.trim() == name).then(|| value.trim())
    })
}

/// The number in that value, without its unit, which is KiB where it is one of memory.
pub fn number(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split(' ').next()?.parse().ok()
}

/// What the first thread of a process did so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    ran_ns: u64,
    waited_ns: u64,
    major_faults: u64,
}

impl Work {
    /// That of this process, where the kernel counts it.
    pub fn of(pid: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        Self::parse(&read("schedstat")?, &read("stat")?)
    }

    fn parse(schedstat: &str, stat: &str) -> Option<Self> {
        let mut times = schedstat.split_whitespace().map(str::parse);
        let (ran_ns, waited_ns) = (times.next()?.ok()?, times.next()?.ok()?);
        // The name in brackets may hold anything; the state follows it.
        let major_faults = stat.rsplit_once(')')?.1.split_whitespace().nth(9)?.parse().ok()?;
        Some(Self { ran_ns, waited_ns, major_faults })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let (ran, waited) = (seconds(self.ran_ns), seconds(self.waited_ns));
        write!(f, "ran {ran:.1} s, waited {waited:.1} s for a processor, ")?;
        write!(f, "and {} times for a page from disk", self.major_faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_the_whole_name_counts() {
        let text =
            "model\t\t: 2\nmodel name\t: A: B\nVmRSS:\t  1234 kB\nmodel name\t: C\nbugs\t\t:\n";
        assert_eq!(field(text, "model"), Some("2"));
        assert_eq!(field(text, "model name"), Some("A: B"));
        assert_eq!(field(text, "bugs"), Some(""));
        assert_eq!(field(text, "name"), None);
        assert_eq!(number(text, "VmRSS"), Some(1_234));
        assert_eq!(number(text, "model name"), None);
    }

    #[test]
    fn work_is_read_from_two_files() {
        let stat = "71 (a) b) S 1 2 3 4 5 6 7 8 9 10 11";
        let work = Work::parse("1500000000 240000000 7\n", stat);
        let expected = Work { ran_ns: 1_500_000_000, waited_ns: 240_000_000, major_faults: 9 };
        assert_eq!(work, Some(expected));
        assert_eq!(Work::parse("", stat), None);
        assert_eq!(
            expected.to_string(),
            "ran 1.5 s, waited 0.2 s for a processor, and 9 times for a page from disk"
        );
    }
}
