//! What the server takes of a small board: memory, time, instructions. Ceilings, not hopes.

use std::time::Duration;

use crate::boards::dial::{DIAL_LIMIT, client};
use crate::boards::elf::sizes;
use crate::boards::machine::{AN386, Machine, READY, START_LIMIT};
use crate::boards::office::{Office, ROUTER};
use crate::lab::{Case, Lab, Outcome, Weight};
use crate::{expect, fail};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "memory",
        shows: "flash and statics for 4 clients and for each further one; no heap",
        limit: Duration::from_secs(30),
        weight: Weight::Light,
        run: memory,
    },
    Case {
        name: "time",
        shows: "at 125 MHz: a dial's time, the packets' wait for DH, RAM, instructions per packet",
        limit: Duration::from_secs(180),
        weight: Weight::Alone,
        run: time,
    },
];

const FLASH_MAX: u64 = 384 * 1024;
const RAM_MAX: u64 = 192 * 1024;
const RAM_PER_CLIENT_MAX: u64 = 8 * 1024;
const DIAL_MAX_S: f64 = 8.0;
const WAIT_MAX_US: u64 = 5_000;
/// One instruction is eight nanoseconds of the emulated clock, which counts 25 MHz.
pub(crate) const ICOUNT: &[&str] = &["-icount", "shift=3,sleep=on"];
const INSTRUCTIONS_PER_CYCLE: u64 = 5;
pub(crate) const CYCLES_PER_S: f64 = 25e6;
const PINGS: u64 = 200;

fn memory(lab: &Lab<'_>) -> Outcome<String> {
    let four = sizes(&lab.program().join("an386.elf"))?;
    let eight = sizes(&lab.program().join("an386-clients-8.elf"))?;
    let per_client = eight.ram.saturating_sub(four.ram).div_ceil(4);
    let figure = format!(
        "flash {} of {} KiB, statics {} KiB, {per_client} of {RAM_PER_CLIENT_MAX} octets for each \
         further client",
        four.flash.div_ceil(1024),
        FLASH_MAX / 1024,
        four.ram.div_ceil(1024),
    );
    expect!(per_client <= RAM_PER_CLIENT_MAX, "{figure}");
    expect!(per_client > 0, "further clients cost nothing: {figure}");
    expect!(!four.has_heap, "there is an allocator");
    expect!(four.flash <= FLASH_MAX, "{figure}");
    Ok(figure)
}

fn time(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    drop(Machine::install(lab, &office, AN386)?);
    let mut board = Machine::plug_in(lab, &office, AN386, ICOUNT)?;
    board.wait_for(READY, START_LIMIT)?;
    let mut client = client(lab, &office, 0)?;
    client.dial(DIAL_LIMIT)?;
    let asked_s = seconds(&board.wait_for("dial from=", Duration::from_secs(1))?)?;
    let up_s = seconds(&board.wait_for("session-up", Duration::from_secs(5))?)?;
    let dial_s = up_s - asked_s;
    let (packets_before, before) = (board.datagrams()?, board.figures()?);
    let script = format!("ping -n -q -i 0.04 -c {PINGS} -s 1200 -W 2 {ROUTER}");
    client.guest.run(&script, Duration::from_secs(30))?;
    let (packets_after, after) = (board.datagrams()?, board.figures()?);
    client.hang_up()?;
    let cycles = after.of("busy")?.saturating_sub(before.of("busy")?);
    let packets = packets_after.saturating_sub(packets_before);
    // A busy machine loses some in front of the board; enough are left to divide by.
    expect!(packets >= PINGS, "only {packets} datagrams for {PINGS} echoes");
    let wait_us = after.of("wait-us")?;
    let (statics, stack) = (after.of("statics")?, after.of("stack")?);
    let ram = statics + stack;
    board.still_well()?;
    let figure = format!(
        "dial {dial_s:.2} of {DIAL_MAX_S} s, wait for DH at most {wait_us} of {WAIT_MAX_US} us, \
         RAM {} of {} KiB ({} static, {} stack), {} instructions for a packet of 1,2 kB",
        ram.div_ceil(1024),
        RAM_MAX / 1024,
        statics.div_ceil(1024),
        stack.div_ceil(1024),
        cycles * INSTRUCTIONS_PER_CYCLE / packets,
    );
    expect!(dial_s > 0.0 && dial_s <= DIAL_MAX_S, "{figure}");
    expect!(wait_us > 0 && wait_us <= WAIT_MAX_US, "{figure}");
    expect!((after.of("cycles")? as f64) / CYCLES_PER_S >= dial_s, "the clock stands: {figure}");
    expect!(ram <= RAM_MAX, "{figure}");
    Ok(figure)
}

/// The time in front of a line of the firmware's log.
fn seconds(line: &str) -> Outcome<f64> {
    // The console puts the line in the place of its prompt.
    let line = line.rsplit("\u{1b}[K").next().unwrap_or(line);
    match line.split(' ').next().and_then(|time| time.parse().ok()) {
        Some(seconds) => Ok(seconds),
        None => fail!("no time in front of: {line}"),
    }
}
