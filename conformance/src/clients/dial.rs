//! Dial, address, traffic: over UDP 4500 and over bare ESP.

use std::time::Duration;

use crate::expect;
use crate::lab::{
    Case, Client, Dialled, Guest, Lab, Outcome, Profile, Server, Settings, Site, Weight, ping,
    tcp_both_ways,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "dial-udp",
        shows: "dial, ping the router, TCP both ways; ESP in UDP 4500",
        limit: Duration::from_secs(120),
        weight: Weight::Heavy,
        run: udp,
    },
    Case {
        name: "dial-esp",
        shows: "the same over bare ESP, with encapsulation = \"auto\"",
        limit: Duration::from_secs(120),
        weight: Weight::Heavy,
        run: esp,
    },
    Case {
        name: "dial-second-address",
        shows: "dial another address of the server: it answers from the one that was asked",
        limit: Duration::from_secs(120),
        weight: Weight::Heavy,
        run: second_address,
    },
];

/// How long a dial may take where nothing is lost.
pub(crate) const DIAL_LIMIT: Duration = Duration::from_secs(20);
const PINGS: u32 = 10;
const TCP_SECONDS: u32 = 3;

fn udp(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let figure = dial_and_talk(lab, &site, &Settings::default())?;
    let (natt, esp) = site.esp_counters()?;
    expect!(natt > 100 && esp == 0, "{natt} packets to UDP 4500, {esp} of bare ESP");
    Ok(figure)
}

fn esp(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let figure = dial_and_talk(lab, &site, &Settings { ipsec: "encapsulation = \"auto\"" })?;
    let (natt, esp) = site.esp_counters()?;
    expect!(natt == 0 && esp > 100, "{natt} packets to UDP 4500, {esp} of bare ESP");
    Ok(figure)
}

fn second_address(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::second_address(lab)?;
    dial_and_talk(lab, &site, &Settings::default())
}

fn dial_and_talk(lab: &Lab<'_>, site: &Site, settings: &Settings) -> Outcome<String> {
    let mut server = Server::start(lab, site, settings)?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let mut client = Client::start(guest, Profile::new(site, seat))?;
    let dialled = client.dial(DIAL_LIMIT)?;
    let figure = talk(lab, site, &mut client, &dialled, 5201)?;
    client.hang_up()?;
    server.still_well()?;
    Ok(figure)
}

/// Pings the router and sends TCP both ways; `port` tells apart what runs at once.
pub(crate) fn talk(
    lab: &Lab<'_>,
    site: &Site,
    client: &mut Client,
    dialled: &Dialled,
    port: u16,
) -> Outcome<String> {
    let in_pool = dialled.address.starts_with("192.168.30.");
    expect!(in_pool, "address {} is not the hub's", dialled.address);
    let round_trip_ms = ping(client, crate::lab::ROUTER, PINGS)?;
    let tcp = tcp_both_ways(lab, site, client, port, TCP_SECONDS)?;
    let Dialled { address, ipsec_s, total_s } = dialled;
    Ok(format!(
        "{address} after {total_s:.1} s (IPsec {ipsec_s:.1} s), ping {round_trip_ms:.1} ms, {tcp}"
    ))
}
