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
