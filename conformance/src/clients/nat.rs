//! Address translators on the way: before the client, before the server, before several clients.

use std::thread;
use std::time::Duration;

use crate::clients::dial::{DIAL_LIMIT, talk};
use crate::expect;
use crate::lab::{
    Case, Client, Failure, Guest, Lab, Outcome, Profile, Server, Settings, Site, Weight,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "nat-client",
        shows: "the client behind a masquerade",
        limit: Duration::from_secs(120),
        weight: Weight::Heavy,
        run: client_behind,
    },
    Case {
        name: "nat-server",
        shows: "the server behind a forward of UDP 500 and 4500; a public and a NATed client",
        limit: Duration::from_secs(180),
        weight: Weight::Heavy,
        run: server_behind,
    },
    Case {
        name: "nat-two-clients",
        shows: "two clients behind one masquerade, both from port 1701, traffic on both at once",
        limit: Duration::from_secs(180),
        weight: Weight::Heavy,
        run: two_clients,
    },
    Case {
        name: "nat-two-homes",
        shows: "two homes whose clients have the same inner address, traffic on both at once",
        limit: Duration::from_secs(180),
        weight: Weight::Heavy,
        run: two_homes,
    },
];

fn client_behind(lab: &Lab<'_>) -> Outcome<String> {
    all_at_once(lab, &Site::masqueraded(lab, 1)?)
}

fn server_behind(lab: &Lab<'_>) -> Outcome<String> {
    all_at_once(lab, &Site::port_forwarded(lab)?)
}

fn two_clients(lab: &Lab<'_>) -> Outcome<String> {
    all_at_once(lab, &Site::masqueraded(lab, 2)?)
}

fn two_homes(lab: &Lab<'_>) -> Outcome<String> {
    all_at_once(lab, &Site::two_homes(lab)?)
}

/// Dials from every seat, and sends traffic only once all sessions stand.
fn all_at_once(lab: &Lab<'_>, site: &Site) -> Outcome<String> {
    let mut server = Server::start(lab, site, &Settings::default())?;
    let mut clients = Vec::new();
    for (n, seat) in site.seats.iter().enumerate() {
        let guest = Guest::boot(lab, &format!("client{n}"), seat)?;
        clients.push(Client::start(guest, Profile::new(site, seat))?);
    }
    let dials = clients.iter_mut().map(|client| client.dial(DIAL_LIMIT));
    let dialled = dials.collect::<Outcome<Vec<_>>>()?;
    for (n, one) in dialled.iter().enumerate() {
        let taken = dialled[..n].iter().any(|other| other.address == one.address);
        expect!(!taken, "two clients have the address {}", one.address);
    }
    let figures = thread::scope(|scope| {
        let talks: Vec<_> = clients
            .iter_mut()
            .zip(&dialled)
            .zip(5201..)
            .map(|((client, one), port)| scope.spawn(move || talk(lab, site, client, one, port)))
            .collect();
        talks
            .into_iter()
            .map(|talk| talk.join().unwrap_or_else(|_| Err(Failure::failed("a talk panicked"))))
            .collect::<Outcome<Vec<_>>>()
    })?;
    for client in &mut clients {
        client.hang_up()?;
    }
    let (natt, esp) = site.esp_counters()?;
    expect!(natt > 100 && esp == 0, "{natt} packets to UDP 4500, {esp} of bare ESP");
    server.still_well()?;
    Ok(figures.join("; "))
}
