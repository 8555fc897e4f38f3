//! The server as a service: it says goodbye, comes back, and reloads its configuration.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::expect;
use crate::lab::{
    Case, Client, Guest, Lab, Outcome, PASSWORD, Profile, ROUTER, Server, Settings, Site, Weight,
    ping, write_config,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "goodbye",
        shows: "SIGTERM: the client hears Delete, CDN, StopCCN, exit 0 within 3 s; then a redial",
        limit: Duration::from_secs(120),
        weight: Weight::Light,
        run: goodbye,
    },
    Case {
        name: "reload",
        shows: "SIGHUP: a broken file changes nothing, a good one does; the session stays up",
        limit: Duration::from_secs(120),
        weight: Weight::Light,
        run: reload,
    },
];

const TERM_LIMIT: Duration = Duration::from_secs(3);

fn goodbye(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let site = Site::direct(lab)?;
    let settings = Settings::default();
    let mut server = Server::start(lab, &site, &settings)?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let mut client = Client::start(guest, Profile::new(&site, seat))?;
    client.dial(DIAL_LIMIT)?;
    let (status, seconds) = server.terminate(TERM_LIMIT)?;
    expect!(status.success(), "after SIGTERM: {status}");
    for (log, word) in [
        ("xl2tpd.log", "Connection closed"),
        ("charon.log", "received DELETE for ESP CHILD_SA"),
        ("charon.log", "received DELETE for IKE_SA"),
    ] {
        let heard = format!("wait_for 3 grep -F '{word}' /run/{log}");
        let heard = client.guest.step(&heard, Duration::from_secs(8))?;
        expect!(heard.status == 0, "the client's {log} has no {word:?}");
    }
    // pppd asks the peer that is gone to terminate, twice, three seconds apart.
    client.guest.run("wait_for 10 no_ppp && wait_for 3 no_xfrm", Duration::from_secs(20))?;
    drop(server);
    let mut server = Server::start(lab, &site, &settings)?;
    let again = client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 5)?;
    server.still_well()?;
    Ok(format!("exit 0 after {seconds:.2} s; after a restart up in {:.1} s", again.total_s))
}

fn reload(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let site = Site::direct(lab)?;
    let settings = Settings::default();
    let mut server = Server::start(lab, &site, &settings)?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let mut client = Client::start(guest, Profile::new(&site, seat))?;
    let first = client.dial(DIAL_LIMIT)?;

    let broken = settings.toml().replace("lease = \"2h\"", "lease = \"two hours\"");
    let file = write_config(lab, &broken)?;
    server.process().signal("HUP")?;
    let complaint = server.process().wait_for_output("lease", Duration::from_secs(5))?;
    let name = file.display().to_string();
    expect!(complaint.contains(&name), "the complaint does not name the file: {complaint}");
    ping(&mut client, ROUTER, 10)?;

    let changed = settings.toml().replace(PASSWORD, "new-password");
    fs::write(&file, changed)?;
    server.process().signal("HUP")?;
    // There is no promise of a line that says so; a moment is enough.
    thread::sleep(Duration::from_secs(1));
    ping(&mut client, ROUTER, 10)?;
    client.hang_up()?;
    client.dial_refused(DIAL_LIMIT).map_err(|e| e.during("the old password"))?;
    client.hang_up()?;
    client.set_password("new-password")?;
    let again = client.dial(DIAL_LIMIT)?;
    server.still_well()?;
    Ok(format!("{} stayed through two reloads, new password {}", first.address, again.address))
}
