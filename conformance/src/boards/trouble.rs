//! Bad input and bad days: counted, reported on the console, recovered from without a reboot;
//! what no code foresaw by the watchdog.

use std::fs;
use std::time::{Duration, Instant};

use crate::boards::budget::{CYCLES_PER_S, ICOUNT};
use crate::boards::dial::{DIAL_LIMIT, client};
use crate::boards::frames::{Noise, main_mode, send, udp};
use crate::boards::machine::{AN386, Machine, READY, START_LIMIT, flash};
use crate::boards::office::{BOARD, Office, ROUTER};
use crate::expect;
use crate::lab::{Case, Lab, Outcome, Process, Weight, ping};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "garbage",
        shows: "frames and datagrams without sense: counted, and the session carries on",
        limit: Duration::from_secs(150),
        weight: Weight::Light,
        run: garbage,
    },
    Case {
        name: "flood",
        shows: "packets faster than a board at 125 MHz, for longer than its watchdog waits",
        limit: Duration::from_secs(240),
        weight: Weight::Heavy,
        run: flood,
    },
    Case {
        name: "dhcp-gone",
        shows: "no DHCP server at the start nor at a dial; all is well when it comes back",
        limit: Duration::from_secs(240),
        weight: Weight::Light,
        run: dhcp_gone,
    },
    Case {
        name: "link",
        shows: "the cable is pulled and put back: the session stays",
        limit: Duration::from_secs(150),
        weight: Weight::Light,
        run: link,
    },
    Case {
        name: "record",
        shows: "settings in flash are damaged: reported, and typed in anew; kept over a reboot",
        limit: Duration::from_secs(150),
        weight: Weight::Light,
        run: record,
    },
    Case {
        name: "full",
        shows: "negotiations of strangers fill the tables: refused, counted, and a client gets in",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: full,
    },
    Case {
        name: "watchdog",
        shows: "packet task or thread hang, or a panic: reset, and the next start says why",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: watchdog,
    },
];

/// More than the tables have room for.
const STRANGERS: u64 = 60;
const STRANGERS_AT_ONCE: usize = 4;
/// The watchdog waits 8 s.
const FLOOD_S: f64 = 12.0;
const SOON: Duration = Duration::from_secs(10);

fn garbage(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    let mut client = client(lab, &office, 0)?;
    client.dial(DIAL_LIMIT)?;
    let mut noise = Noise(0x6b75_6d69_6869_6d6f);
    let mut sent = 0;
    for (len, count) in [(14, 300), (60, 1000), (300, 500), (1514, 300)] {
        let mut frames = vec![0; len * count];
        noise.fill(&mut frames);
        send(lab, &office, len, &frames)?;
        sent += count;
    }
    for port in [500, 4500, 68, 1701] {
        let mut frames = Vec::new();
        for _ in 0..200 {
            let mut payload = [0; 100];
            noise.fill(&mut payload);
            frames.extend(udp([10, 9, 0, 77], [10, 9, 0, 2], port, &payload)?);
        }
        send(lab, &office, frames.len() / 200, &frames)?;
        sent += 200;
    }
    ping(&mut client, ROUTER, 5)?;
    let lost = board.all_lost()?;
    expect!(lost > 100, "only {lost} of {sent} frames of garbage were counted as lost");
    client.hang_up()?;
    client.dial(DIAL_LIMIT)?;
    board.still_well()?;
    Ok(format!("{sent} frames, {lost} counted as lost"))
}

fn flood(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    drop(Machine::install(lab, &office, AN386)?);
    // The board is what is slow, however busy this machine is.
    let mut board = Machine::plug_in(lab, &office, AN386, ICOUNT)?;
    board.wait_for(READY, START_LIMIT)?;
    let mut client = client(lab, &office, 0)?;
    let dialled = client.dial(DIAL_LIMIT)?;
    // It is in the background once it listens.
    client.guest.run("iperf3 -s -D && sleep 1", SOON)?;
    let mut sender = office.site.server.command("iperf3");
    sender.args(["-c", &dialled.address, "-u", "-b", "20M", "-l", "1200", "-t", "150"]);
    let mut flood = Process::start(sender.arg("--forceflush"), &lab.folder().join("flood.log"))?;
    flood.wait_for_output("connected to", SOON)?;
    let (began, beginning) = (board.cycles()?, Instant::now());
    let mut answer_s: f32 = 0.0;
    let flooded_s = loop {
        let asked = Instant::now();
        let flooded_s = (board.cycles()? - began) as f64 / CYCLES_PER_S;
        answer_s = answer_s.max(asked.elapsed().as_secs_f32());
        if flooded_s > FLOOD_S {
            break flooded_s;
        }
        let took_s = beginning.elapsed().as_secs();
        expect!(took_s < 120, "{flooded_s:.1} s of the board took {took_s} s of ours");
    };
    let rests = board.rests()?;
    drop(flood);
    // One that always works rests 20 to 60 times a second, with turns of up to 30 ms.
    expect!(rests > FLOOD_S as u64 * 10, "only {rests} rests: that was no flood");
    ping(&mut client, ROUTER, 5)?;
    board.still_well()?;
    Ok(format!(
        "{flooded_s:.1} s of the board's time, {rests} rests, console answers in {answer_s:.1} s"
    ))
}

fn dhcp_gone(lab: &Lab<'_>) -> Outcome<String> {
    let mut office = Office::open(lab, 1)?;
    office.stop_dhcp();
    let mut board = Machine::plug_in(lab, &office, AN386, &[])?;
    board.wait_for("link up", START_LIMIT)?;
    board.set_up()?;
    let early = board.wait_for(READY, Duration::from_secs(5));
    expect!(early.is_err(), "an address without a DHCP server: {early:?}");
    office.start_dhcp()?;
    board.wait_for(READY, Duration::from_secs(60))?;
    let mut client = client(lab, &office, 0)?;
    office.stop_dhcp();
    let dialled = client.dial(Duration::from_secs(12));
    expect!(dialled.is_err(), "an address without a DHCP server: {dialled:?}");
    office.start_dhcp()?;
    client.hang_up()?;
    let dialled = client.dial(DIAL_LIMIT)?;
    office.leased(&dialled.address)?;
    ping(&mut client, ROUTER, 3)?;
    board.still_well()?;
    Ok(format!("{} once it was back", dialled.address))
}

fn link(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    let mut client = client(lab, &office, 0)?;
    let dialled = client.dial(DIAL_LIMIT)?;
    board.order("set_link lan off")?;
    board.wait_for("link down", SOON)?;
    let lost = client.guest.step(&format!("ping -n -c 2 -W 1 {ROUTER}"), SOON)?;
    expect!(lost.status != 0, "an echo without a cable");
    board.order("set_link lan on")?;
    board.wait_for("link up", SOON)?;
    board.wait_for(READY, Duration::from_secs(30))?;
    ping(&mut client, ROUTER, 5)?;
    board.still_well()?;
    Ok(format!("{} stayed", dialled.address))
}

fn record(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    board.say("reboot")?;
    board.wait_for("started by: command", START_LIMIT)?;
    board.wait_for("settings from flash", SOON)?;
    drop(board);
    let file = flash(lab);
    let mut octets = fs::read(&file)?;
    expect!(octets.iter().any(|octet| *octet != 0xff), "nothing was written to the flash");
    octets.iter_mut().for_each(|octet| *octet ^= 0x5a);
    fs::write(&file, octets)?;
    let mut board = Machine::plug_in(lab, &office, AN386, &[])?;
    board.wait_for("damaged", SOON)?;
    board.wait_for(READY, START_LIMIT)?;
    board.set_up()?;
    let mut client = client(lab, &office, 0)?;
    client.dial(DIAL_LIMIT)?;
    client.hang_up()?;
    drop(board);
    let mut board = Machine::plug_in(lab, &office, AN386, &[])?;
    board.wait_for("settings from flash", SOON)?;
    board.wait_for(READY, START_LIMIT)?;
    client.dial(DIAL_LIMIT)?;
    board.still_well()?;
    Ok("reported, typed in anew, kept".to_owned())
}

fn full(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    let mut client = client(lab, &office, 0)?;
    // A few at a time, so that they are not lost in front of the tables, and faster than places
    // become free.
    for first in (0..STRANGERS).step_by(STRANGERS_AT_ONCE) {
        let (mut frames, mut len) = (Vec::new(), 0);
        for n in first..first + STRANGERS_AT_ONCE as u64 {
            let from = [10, 9, 0, 20 + (n % 50) as u8];
            let frame = udp(from, [10, 9, 0, 2], 500, &main_mode(0x1000_0000 + n))?;
            len = frame.len();
            frames.extend(frame);
        }
        send(lab, &office, len, &frames)?;
    }
    board.wait_for("refused", SOON)?;
    let lost = board.all_lost()?;
    expect!(lost >= STRANGERS / 2, "only {lost} of {STRANGERS} strangers were refused");
    let dialled = client.dial_repeating(Duration::from_secs(100), 3)?;
    ping(&mut client, ROUTER, 3)?;
    board.still_well()?;
    Ok(format!("{lost} of {STRANGERS} refused, a client up {:.1} s after", dialled.total_s))
}

fn watchdog(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    for (order, words, reason) in [
        ("test hang packets", "last words: hung in packets", "watchdog"),
        ("test hang", "last words: hung in thread mode", "watchdog"),
        ("test panic", "ordered to", "panic"),
    ] {
        board.say(order)?;
        board.wait_for(words, Duration::from_secs(40)).map_err(|e| e.during(order))?;
        board.wait_for(&format!("started by: {reason}"), SOON).map_err(|e| e.during(order))?;
        board.wait_for(READY, START_LIMIT).map_err(|e| e.during(order))?;
    }
    office.site.server.run("ping", &["-n", "-c", "2", "-W", "2", BOARD])?;
    let mut client = client(lab, &office, 0)?;
    client.dial(DIAL_LIMIT)?;
    Ok("hung in packets, hung in thread mode, panic; then a dial".to_owned())
}
