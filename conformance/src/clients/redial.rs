//! A client that dies without a word and dials again at once.

use std::time::{Duration, Instant};

use crate::clients::dial::DIAL_LIMIT;
use crate::expect;
use crate::lab::{
    Case, Client, Guest, Kind, Lab, Outcome, Profile, ROUTER, Server, Settings, Site, Weight, ping,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "redial",
        shows: "a client dies without a word and dials again: up in under 5 s, old session gone",
        limit: Duration::from_secs(120),
        weight: Weight::Alone,
        run: direct,
    },
    Case {
        name: "redial-nat",
        shows: "the same behind a masquerade that gives the second dial other ports",
        limit: Duration::from_secs(120),
        weight: Weight::Alone,
        run: behind_nat,
    },
];

const UP_LIMIT_S: f64 = 5.0;

fn direct(lab: &Lab<'_>) -> Outcome<String> {
    let (first, again, figure) = die_and_redial(lab, &Site::direct(lab)?, "%any", |_| Ok(()))?;
    // The address follows user and session number: another one means that two sessions stand.
    expect!(first == again, "{first} became {again}: the old session stands");
    Ok(format!("{figure}; same address"))
}

fn behind_nat(lab: &Lab<'_>) -> Outcome<String> {
    // From other ports only INITIAL-CONTACT tells that it is the same client. For as long as the
    // server asks the old ports whether they live both sessions stand, so the address may differ.
    let site = Site::masqueraded(lab, 1)?;
    let (_, _, figure) = die_and_redial(lab, &site, site.address, Site::move_ports)?;
    Ok(figure)
}

fn die_and_redial(
    lab: &Lab<'_>,
    site: &Site,
    server_id: &str,
    between: impl Fn(&Site) -> Outcome<()>,
) -> Outcome<(String, String, String)> {
    let mut server = Server::start(lab, site, &Settings::default())?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let mut client = Client::start(
        guest,
        Profile { server_id: server_id.to_owned(), ..Profile::new(site, seat) },
    )?;
    let first = client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 5)?;
    client.die()?;
    let died = Instant::now();
    between(site)?;
    client.start_daemons()?;
    let dead_s = died.elapsed().as_secs_f32();
    let again = client.dial(DIAL_LIMIT)?;
    expect!(again.total_s < UP_LIMIT_S, "up only after {:.1} s", again.total_s);
    ping(&mut client, ROUTER, 10)?;
    old_session_gone(&mut server)?;
    server.still_well()?;
    let figure = format!("up after {:.2} s, {dead_s:.1} s after the death", again.total_s);
    Ok((first.address, again.address, figure))
}

fn old_session_gone(server: &mut Server) -> Outcome<()> {
    if server.kind() == Kind::Kumihimo {
        server.process().wait_for_output(": user jiro gone", Duration::from_secs(10))?;
    }
    Ok(())
}
