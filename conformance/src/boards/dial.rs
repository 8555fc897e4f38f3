//! A stock client dials into firmware.

use std::time::{Duration, Instant};

use crate::boards::machine::{AN385, AN386, AN500, Machine, Model, READY, START_LIMIT};
use crate::boards::office::{Office, ROUTER};
use crate::lab::{
    Case, Client, Dialled, Failure, Guest, Lab, Outcome, Process, Profile, Weight, ping,
};
use crate::{expect, fail};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "dial",
        shows: "dial, an address of the LAN's DHCP server, ping into the LAN, 10 MB of TCP",
        limit: Duration::from_secs(150),
        weight: Weight::Heavy,
        run: dial,
    },
    Case {
        name: "dial-an385",
        shows: "dial and ping on a Cortex-M3",
        limit: Duration::from_secs(150),
        weight: Weight::Light,
        run: |lab| short_dial(lab, AN385),
    },
    Case {
        name: "dial-an500",
        shows: "dial and ping on a Cortex-M7",
        limit: Duration::from_secs(150),
        weight: Weight::Light,
        run: |lab| short_dial(lab, AN500),
    },
    Case {
        name: "power-cut",
        shows: "the board loses its power, then the client its own: each dials again",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: power_cut,
    },
];

/// How long a dial may take; the firmware is emulated.
pub(crate) const DIAL_LIMIT: Duration = Duration::from_secs(30);
const MEGABYTES: u32 = 5;
const TRANSFER_LIMIT: Duration = Duration::from_secs(45);

fn dial(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    let mut client = client(lab, &office, 0)?;
    let Dialled { address, total_s, .. } = client.dial(DIAL_LIMIT)?;
    office.leased(&address)?;
    let round_trip_ms = ping(&mut client, ROUTER, 10)?;
    let mut listener = Listener::start(lab, &office)?;
    let up = listener.transfer(&mut client, "")?;
    let down = listener.transfer(&mut client, "-R")?;
    client.hang_up()?;
    board.wait_for("session-down", Duration::from_secs(10))?;
    board.still_well()?;
    Ok(format!(
        "{address} after {total_s:.1} s, ping {round_trip_ms:.1} ms, 10 MB of TCP at {up:.1} up, \
         {down:.1} down Mbit/s"
    ))
}

fn short_dial(lab: &Lab<'_>, model: Model) -> Outcome<String> {
    if !lab.program().join(model.firmware).is_file() {
        return Err(Failure::Skipped(format!("{} is not built; --all does", model.firmware)));
    }
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, model)?;
    let mut client = client(lab, &office, 0)?;
    let Dialled { address, total_s, .. } = client.dial(DIAL_LIMIT)?;
    office.leased(&address)?;
    let round_trip_ms = ping(&mut client, ROUTER, 10)?;
    board.still_well()?;
    Ok(format!("{address} after {total_s:.1} s, ping {round_trip_ms:.1} ms"))
}

fn power_cut(lab: &Lab<'_>) -> Outcome<String> {
    let office = Office::open(lab, 1)?;
    let mut board = Machine::install(lab, &office, AN386)?;
    let mut client = client(lab, &office, 0)?;
    client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 3)?;
    drop(board);
    // The settings are in its flash.
    board = Machine::plug_in(lab, &office, AN386, &[])?;
    board.wait_for(READY, START_LIMIT)?;
    client.die()?;
    client.start_daemons()?;
    let board_s = client.dial(DIAL_LIMIT)?.total_s;
    ping(&mut client, ROUTER, 3)?;
    client.die()?;
    client.start_daemons()?;
    let died = Instant::now();
    let again = client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 3)?;
    // The dead client's session is found out.
    board.wait_for("session-down", Duration::from_secs(60))?;
    board.still_well()?;
    Ok(format!(
        "up after {board_s:.1} s and {:.1} s; the dead session gone {:.0} s after the dial",
        again.total_s,
        died.elapsed().as_secs_f32()
    ))
}

/// A listener of iperf3 on the office's router.
pub(crate) struct Listener {
    _process: Process,
}

impl Listener {
    pub(crate) fn start(lab: &Lab<'_>, office: &Office) -> Outcome<Self> {
        let mut command = office.site.server.command("iperf3");
        command.args(["-s", "--forceflush"]);
        let mut process = Process::start(&mut command, &lab.folder().join("iperf3.log"))?;
        process.wait_for_output("listening", Duration::from_secs(5))?;
        Ok(Self { _process: process })
    }

    /// Sends 5 MB through the tunnel; Mbit/s.
    pub(crate) fn transfer(&mut self, client: &mut Client, flag: &str) -> Outcome<f64> {
        let script = format!(
            "timeout {} iperf3 -c {ROUTER} -n {MEGABYTES}M -f m --connect-timeout 5000 {flag}",
            TRANSFER_LIMIT.as_secs()
        );
        let output = client.guest.run(&script, TRANSFER_LIMIT + Duration::from_secs(5))?;
        let line = output.lines().find(|line| line.contains("receiver")).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let before = |unit| words.windows(2).find(|pair| pair[1] == unit)?[0].parse::<f64>().ok();
        let (Some(megabytes), Some(rate)) = (before("MBytes"), before("Mbits/sec")) else {
            fail!("iperf3 not understood: {output}")
        };
        expect!(megabytes > f64::from(MEGABYTES) * 0.9, "only {megabytes} MB came: {line}");
        Ok(rate)
    }
}

/// Boots a guest on a seat of the office, configured to dial the board.
pub(crate) fn client(lab: &Lab<'_>, office: &Office, seat: usize) -> Outcome<Client> {
    let site = &office.site;
    let seat = &site.seats[seat];
    let guest = Guest::boot(lab, &format!("client-{}", seat.tap), seat)?;
    Client::start(guest, Profile { network: ROUTER, ..Profile::new(site, seat) })
}
