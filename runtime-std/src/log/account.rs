//! The lines of the packet thread's own account: pauses, and what was lost because of them.

use kumihimo_core::addr::Outer;
use kumihimo_core::time::Duration;

use super::line::{Level, Line, Value, untrusted};
use crate::io::{Cause, Loss};
use crate::pause::Pause;

/// The line of a long pause.
pub(super) fn pause(pause: &Pause, cause: &Cause) -> Line {
    let Pause { length, phase, in_phase } = pause;
    let likely = likely_cause(pause, cause);
    let text = format!(
        "packets waited {} ms, {} ms of them with the packet thread {}; likely cause: {likely}; {}",
        length.as_millis(),
        in_phase.as_millis(),
        phase.doing(),
        counts(cause),
    );
    let mut line = Line::new(Level::Warn, "pause", text)
        .with("length-ms", number(*length))
        .with("phase", phase.name())
        .with("in-phase-ms", number(*in_phase))
        .with("likely-cause", likely)
        .with("counted-over-ms", number(cause.over));
    let [cpu, disk, memory] = cause.pressure;
    for (key, time) in [
        ("ran-ms", cause.ran),
        ("waited-for-processor-ms", cause.waited),
        ("machine-wants-processor-ms", cpu),
        ("machine-wants-disk-ms", disk),
        ("machine-wants-memory-ms", memory),
        ("stolen-ms", cause.stolen.map(|(stolen, _)| stolen)),
    ] {
        if let Some(time) = time {
            line.push(key, number(time));
        }
    }
    line.with("major-faults", Value::Number(cause.major_faults))
        .with("voluntary-switches", Value::Number(cause.voluntary))
        .with("involuntary-switches", Value::Number(cause.involuntary))
}

/// The line of the longest pause since the start.
pub(super) fn longest(pause: &Pause) -> Line {
    let (length, phase) = (pause.length, pause.phase);
    let text = format!("longest pause so far: {} ms, {}", length.as_millis(), phase.doing());
    Line::new(Level::Debug, "longest-pause", text)
        .with("length-ms", number(length))
        .with("phase", phase.name())
}

/// The line of what was lost at one place.
pub(super) fn loss(loss: &Loss) -> Line {
    let (name, place, what, count) = match loss {
        Loss::Socket { outer, address, count } => {
            let place = match outer {
                Outer::Udp => format!("UDP {address}"),
                Outer::Esp => format!("ESP {}", address.ip()),
            };
            ("socket-overflow", place, "datagrams", *count)
        }
        Loss::Tap { name, count } => {
            ("tap-overflow", format!("TAP device {}", untrusted(name)), "frames", *count)
        }
    };
    let text = format!("{place}: {count} {what} lost so far, which it had no room for");
    Line::new(Level::Warn, name, text).with("place", place).with("count", Value::Number(count))
}

/// What the counts say for the most of a pause.
fn likely_cause(pause: &Pause, cause: &Cause) -> &'static str {
    let most = |time: Option<Duration>| {
        time.is_some_and(|time| time.as_micros() * 2 >= pause.length.as_micros())
    };
    let [_, disk, memory] = cause.pressure;
    if most(cause.waited) {
        "other threads had the processors"
    } else if most(cause.stolen.map(|(stolen, _)| stolen)) {
        "the host of this virtual machine had its processors elsewhere"
    } else if most(cause.ran) {
        "it was at work all the time"
    } else if cause.major_faults > 0 && (most(disk) || most(memory)) {
        "pages of the program had to be read from a busy disk"
    } else if cause.ran.is_none() {
        "not known, for the kernel counts nothing"
    } else if cause.major_faults > 0 {
        "pages of the program had to be read from disk"
    } else {
        "it neither ran nor wanted to: stopped by a signal, frozen, or held in a system call"
    }
}

fn counts(cause: &Cause) -> String {
    let mut text = format!("the kernel counted in the last {} ms:", cause.over.as_millis());
    for (time, what) in [(cause.ran, "running"), (cause.waited, "waiting for a processor")] {
        if let Some(time) = time {
            text.push_str(&format!(" {} ms {what},", time.as_millis()));
        }
    }
    text.push_str(&format!(
        " {} pages read from disk, {} switches of its own and {} forced ones",
        cause.major_faults, cause.voluntary, cause.involuntary
    ));
    let whole = ["a processor", "a disk", "memory"];
    for (time, what) in cause.pressure.into_iter().zip(whole) {
        if let Some(time) = time.filter(|time| time.as_millis() > 0) {
            text.push_str(&format!(", the machine {} ms short of {what}", time.as_millis()));
        }
    }
    if let Some((stolen, over)) = cause.stolen.filter(|(stolen, _)| stolen.as_millis() > 0) {
        let (stolen, over) = (stolen.as_millis(), over.as_millis());
        text.push_str(&format!(", {stolen} ms of processors taken by the host in {over} ms"));
    }
    text
}

fn number(time: Duration) -> Value {
    Value::Number(time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pause::Phase;
    use kumihimo_core::event::name_of;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sending() -> Pause {
        Pause { length: ms(312), phase: Phase::Sending, in_phase: ms(300) }
    }

    #[test]
    fn a_pause_is_told_with_all_that_the_kernel_counted() {
        let cause = Cause {
            over: ms(900),
            ran: Some(ms(12)),
            waited: Some(ms(298)),
            major_faults: 1,
            voluntary: 2,
            involuntary: 3,
            pressure: [Some(ms(310)), Some(ms(40)), Some(ms(0))],
            stolen: Some((ms(20), ms(5_000))),
        };
        let line = pause(&sending(), &cause);
        assert_eq!(
            line.text,
            "packets waited 312 ms, 300 ms of them with the packet thread sending; likely cause: \
             other threads had the processors; the kernel counted in the last 900 ms: 12 ms \
             running, 298 ms waiting for a processor, 1 pages read from disk, 2 switches of its \
             own and 3 forced ones, the machine 310 ms short of a processor, the machine 40 ms \
             short of a disk, 20 ms of processors taken by the host in 5000 ms"
        );
        let json = line.render(crate::log::Format::Json, std::time::Duration::ZERO);
        let fields = "\"length-ms\":312,\"phase\":\"sending\",\"in-phase-ms\":300,\
             \"likely-cause\":\"other threads had the processors\",\"counted-over-ms\":900,\
             \"ran-ms\":12,\"waited-for-processor-ms\":298,\"machine-wants-processor-ms\":310,\
             \"machine-wants-disk-ms\":40,\"machine-wants-memory-ms\":0,\"stolen-ms\":20,\
             \"major-faults\":1,\"voluntary-switches\":2,\"involuntary-switches\":3";
        assert!(json.contains(fields), "{json}");
    }

    #[test]
    fn what_took_half_of_a_pause_is_its_cause() {
        let idle = Cause { ran: Some(ms(1)), waited: Some(ms(1)), ..Cause::default() };
        let causes = [
            (Cause { waited: Some(ms(156)), ..idle }, "other threads had the processors"),
            (Cause { waited: Some(ms(155)), ..idle }, "it neither ran nor wanted to"),
            (Cause { stolen: Some((ms(156), ms(999))), ..idle }, "the host of this virtual"),
            (Cause { ran: Some(ms(156)), ..idle }, "it was at work all the time"),
            (
                Cause { major_faults: 1, pressure: [None, Some(ms(200)), None], ..idle },
                "pages of the program had to be read from a busy disk",
            ),
            (Cause { major_faults: 1, ..idle }, "pages of the program had to be read from disk"),
            (Cause { pressure: [None, Some(ms(200)), None], ..idle }, "it neither ran nor wanted"),
            (Cause::default(), "not known, for the kernel counts nothing"),
        ];
        for (cause, expected) in causes {
            let likely = likely_cause(&sending(), &cause);
            assert!(likely.starts_with(expected), "{cause:?}: {likely}");
        }
    }

    #[test]
    fn a_loss_names_its_place() {
        let address = "[2001:db8::1]:4500".parse().unwrap();
        let socket = |outer| loss(&Loss::Socket { outer, address, count: 7 }).text;
        let lost = "datagrams lost so far, which it had no room for";
        assert_eq!(socket(Outer::Udp), format!("UDP [2001:db8::1]:4500: 7 {lost}"));
        assert_eq!(socket(Outer::Esp), format!("ESP 2001:db8::1: 7 {lost}"));
        let tap = loss(&Loss::Tap { name: name_of(b"vpn0"), count: 9 });
        assert_eq!(tap.text, "TAP device vpn0: 9 frames lost so far, which it had no room for");
        let json = tap.render(crate::log::Format::Json, std::time::Duration::ZERO);
        let fields = "\"event\":\"tap-overflow\",\"place\":\"TAP device vpn0\",\"count\":9";
        assert!(json.contains(fields), "{json}");
        assert_eq!(longest(&sending()).text, "longest pause so far: 312 ms, sending");
    }
}
