//! Rekeying of both phases under traffic: by the client, and by the server.

use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::expect;
use crate::lab::{
    Case, Client, Guest, Lab, Outcome, Profile, ROUTER, Server, Settings, Site, Weight, ping,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "rekey-client",
        shows: "lifetimes of 60 s and 30 s by the client, two minutes of ping, nothing lost",
        limit: Duration::from_secs(240),
        weight: Weight::Light,
        run: by_client,
    },
    Case {
        name: "rekey-server",
        shows: "the same with lifetimes of the server: it starts the rekeys",
        limit: Duration::from_secs(240),
        weight: Weight::Light,
        run: by_server,
    },
];

/// Five a second: two minutes.
const PINGS: u32 = 600;

fn by_client(lab: &Lab<'_>) -> Outcome<String> {
    ping_through(lab, "", ("60s", "30s"), |client| {
        // With a margin of 9 s strongSwan renews ESP after 21 s and IKE after 51 s.
        let ike = client.charon_logged("initiating Main Mode")?;
        let esp = client.charon_logged("generating QUICK_MODE request")? / 2;
        expect!(ike >= 3 && esp >= 5, "only {ike} IKE and {esp} ESP negotiations by the client");
        Ok(format!("{ike} IKE and {esp} ESP negotiations by the client"))
    })
}

fn by_server(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let short = "ike-lifetime = \"60s\"\nesp-lifetime = \"30s\"";
    ping_through(lab, short, ("3h", "1h"), |client| {
        let ike = client.charon_logged("is initiating a Main Mode")?;
        let esp = client.charon_logged("generating QUICK_MODE response")?;
        expect!(ike >= 1 && esp >= 3, "only {ike} IKE and {esp} ESP negotiations by the server");
        Ok(format!("{ike} IKE and {esp} ESP negotiations by the server"))
    })
}

fn ping_through(
    lab: &Lab<'_>,
    ipsec: &'static str,
    lifetimes: (&'static str, &'static str),
    negotiations: impl Fn(&mut Client) -> Outcome<String>,
) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings { ipsec })?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let mut client = Client::start(guest, Profile { lifetimes, ..Profile::new(&site, seat) })?;
    client.dial(DIAL_LIMIT)?;
    let round_trip_ms = ping(&mut client, ROUTER, PINGS)?;
    let negotiations = negotiations(&mut client)?;
    server.still_well()?;
    Ok(format!("{PINGS} pings, 0 lost, mean {round_trip_ms:.1} ms, {negotiations}"))
}
