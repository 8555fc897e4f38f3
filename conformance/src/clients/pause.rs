//! The server tells when it stood still, for how long, and what was lost meanwhile.

use std::thread;
use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::lab::account::{LONGEST, PAUSE};
use crate::lab::{
    Case, Client, Guest, Lab, Outcome, Profile, ROUTER, Server, Settings, Site, Weight, account,
    ping,
};
use crate::{expect, fail};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "pause",
    shows: "stopped, a server tells for how long and what its TAP device lost, a guest its tick",
    limit: Duration::from_secs(120),
    weight: Weight::Light,
    run: pause,
}];

fn pause(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let mut client = Client::start(guest, Profile::new(&site, seat))?;
    client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 5)?;
    server.process().signal("STOP")?;
    // More than the device's queue holds, at once, and nobody answers; ping says so by its status.
    let _ = site.server.run("ping", &["-b", "-q", "-l", FRAMES, "-c", FRAMES, "-W", "1", EVERYONE]);
    thread::sleep(STOPPED);
    server.process().signal("CONT")?;
    ping(&mut client, ROUTER, 5)?;
    let pause = server.process().wait_for_output(PAUSE, LIMIT)?;
    let lost = server.process().wait_for_output(LOST, LIMIT)?;
    let told = account::longest_pause_ms(&server.log());
    expect!(told >= Some(TOLD_MS), "{told:?} ms are too few: {pause}");
    client.guest.stand_still(STOPPED_GUEST)?;
    ping(&mut client, ROUTER, 5)?;
    server.terminate(LIMIT)?;
    let accounts = account::of(lab.folder());
    let guest = accounts.iter().find(|line| line.starts_with("guest client stood still for "));
    expect!(guest.is_some(), "the guest did not say that it stood still: {accounts:?}");
    let log = server.log();
    let Some(account) = log.lines().rfind(|line| line.contains(LONGEST)) else {
        fail!("no account in the end: {log}")
    };
    Ok(format!("{}; {}", account::message(account), account::message(&lost)))
}

const LOST: &str = "TAP device vpn0: ";
const STOPPED: Duration = Duration::from_millis(300);
/// It wakes every 50 ms while packets come, and its clock may be 10 ms behind.
const TOLD_MS: u64 = 240;
/// A tick of a guest is told from 200 ms on.
const STOPPED_GUEST: Duration = Duration::from_millis(600);
const FRAMES: &str = "3000";
const EVERYONE: &str = "192.168.30.255";
const LIMIT: Duration = Duration::from_secs(5);
