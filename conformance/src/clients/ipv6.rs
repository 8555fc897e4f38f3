//! Dial over IPv6. xl2tpd speaks no IPv6, so a relay in the guest carries its UDP.

use std::time::Duration;

use crate::clients::dial::{DIAL_LIMIT, talk};
use crate::expect;
use crate::lab::{Case, Client, Guest, Lab, Outcome, Profile, Server, Settings, Site, Weight};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "dial-ipv6",
    shows: "strongSwan over IPv6, L2TP from [client]:1701 to [server]:1701",
    limit: Duration::from_secs(120),
    weight: Weight::Heavy,
    run,
}];

/// From xl2tpd on 127.0.0.1 through 127.0.0.2 to the server, from port 1701 on both ways.
const RELAY: &str = "socat UDP4-LISTEN:1701,bind=127.0.0.2 \
    UDP6:[fd09::1]:1701,bind=[fd09::2],sourceport=1701 >/run/relay.log 2>&1 &";

fn run(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let profile = Profile {
        server: "fd09::1".to_owned(),
        own: "fd09::2".to_owned(),
        lns: "127.0.0.2".to_owned(),
        listen: "127.0.0.1",
        ..Profile::new(&site, seat)
    };
    let mut client = Client::start(guest, profile)?;
    client.guest.run(RELAY, Duration::from_secs(5))?;
    let dialled = client.dial(DIAL_LIMIT)?;
    let figure = talk(lab, &site, &mut client, &dialled, 5201)?;
    client.hang_up()?;
    let (natt, esp) = site.esp_counters()?;
    expect!(natt + esp > 100, "{natt} packets to UDP 4500, {esp} of bare ESP");
    server.still_well()?;
    let how = if esp > natt { "bare ESP" } else { "UDP 4500" };
    Ok(format!("{how}, {figure}"))
}
