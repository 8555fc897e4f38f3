//! Wrong passwords and wrong keys: refused with a reason, and no harm done to the next dial.

use std::thread;
use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::expect;
use crate::lab::{
    Case, Client, Guest, Kind, Lab, Outcome, PASSWORD, Profile, ROUTER, Server, Settings, Site,
    Weight, ping,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "wrong-password",
        shows: "three wrong passwords, then a right one at once; the idle server's processor time",
        limit: Duration::from_secs(150),
        weight: Weight::Light,
        run: wrong_password,
    },
    Case {
        name: "wrong-key",
        shows: "a wrong pre-shared key, then a right one; the log names error 789",
        limit: Duration::from_secs(120),
        weight: Weight::Light,
        run: wrong_key,
    },
];

const WRONG_DIALS: usize = 3;
/// A right dial after wrong ones must not wait for anything.
const AT_ONCE_S: f64 = 8.0;
const IDLE_S: u64 = 10;
const IDLE_LIMIT_PERCENT: f64 = 2.0;

fn wrong_password(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let profile = Profile { password: "not-this".to_owned(), ..Profile::new(&site, seat) };
    let mut client = Client::start(guest, profile)?;
    client.dial_refused(DIAL_LIMIT).map_err(|e| e.during("first wrong password"))?;
    client.hang_up()?;
    client.dial_refused(DIAL_LIMIT).map_err(|e| e.during("second wrong password"))?;
    // The third over the IPsec of the second; then the client dies without a word.
    client.dial_refused(DIAL_LIMIT).map_err(|e| e.during("third wrong password"))?;
    client.die()?;
    client.set_password(PASSWORD)?;
    client.start_daemons()?;
    let dialled = client.dial(DIAL_LIMIT)?;
    expect!(dialled.total_s < AT_ONCE_S, "the right dial took {:.1} s", dialled.total_s);
    ping(&mut client, ROUTER, 5)?;
    let before = server.process().cpu_seconds()?;
    thread::sleep(Duration::from_secs(IDLE_S));
    let used = server.process().cpu_seconds()? - before;
    let percent = used / IDLE_S as f64 * 100.0;
    expect!(percent < IDLE_LIMIT_PERCENT, "the idle server uses {percent:.1} % of a core");
    server.still_well()?;
    explained(&server, "691", WRONG_DIALS)?;
    Ok(format!(
        "{WRONG_DIALS} refused, right one after {:.1} s; idle {percent:.1} % of a core",
        dialled.total_s
    ))
}

fn wrong_key(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let profile = Profile { psk: "not-this".to_owned(), ..Profile::new(&site, seat) };
    let mut client = Client::start(guest, profile)?;
    let refused = client.guest.step("ipsec_up server 8", Duration::from_secs(15))?;
    expect!(refused.status != 0, "a wrong key was accepted");
    let right = Profile::new(&site, seat);
    client.set_key(&right.psk)?;
    let dialled = client.dial(DIAL_LIMIT)?;
    expect!(dialled.total_s < AT_ONCE_S, "the right dial took {:.1} s", dialled.total_s);
    ping(&mut client, ROUTER, 5)?;
    server.still_well()?;
    explained(&server, "789", 1)?;
    Ok(format!("refused, right one after {:.1} s", dialled.total_s))
}

/// The log has at least `times` lines that name this Windows error and the client.
fn explained(server: &Server, error: &str, times: usize) -> Outcome<()> {
    if server.kind() != Kind::Kumihimo {
        return Ok(());
    }
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains(error) && line.contains("10.9.0.2"));
    let found = lines.count();
    expect!(found >= times, "{found} log lines name error {error}, expected {times}");
    Ok(())
}
