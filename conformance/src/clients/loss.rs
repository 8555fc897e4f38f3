//! Dials over a wire that loses, doubles and reorders.

use std::thread;
use std::time::Duration;

use crate::fail;
use crate::lab::{
    Case, Client, Failure, Guest, Lab, Outcome, Profile, ROUTER, Server, Settings, Site, Weight,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "loss",
    shows: "10 % loss both ways, 5 % doubled and 10 % reordered on the way in: 10 of 10 dials",
    limit: Duration::from_secs(600),
    weight: Weight::Light,
    run,
}];

const GUESTS: u8 = 2;
const DIALS_EACH: usize = 5;
const LIMIT: Duration = Duration::from_secs(60);
/// Reordering lets one packet in ten overtake those of the last 50 ms.
const NETEM: &str = "tc qdisc add dev vec0 root netem \
    delay 50ms reorder 10% loss random 10% duplicate 5%";

fn run(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::lossy(lab, GUESTS)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let mut clients = Vec::new();
    for (n, seat) in site.seats.iter().enumerate() {
        let guest = Guest::boot(lab, &format!("client{n}"), seat)?;
        clients.push(Client::start(guest, Profile::new(&site, seat))?);
    }
    let seconds = thread::scope(|scope| {
        let dials: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(move || dials(client))).collect();
        let each = dials
            .into_iter()
            .map(|dials| dials.join().unwrap_or_else(|_| Err(Failure::failed("panicked"))))
            .collect::<Outcome<Vec<_>>>();
        each.map(|each| each.concat())
    })?;
    server.still_well()?;
    summary(seconds)
}

fn dials(client: &mut Client) -> Outcome<Vec<f64>> {
    client.guest.run(NETEM, Duration::from_secs(5))?;
    let mut seconds = Vec::new();
    for n in 1..=DIALS_EACH {
        let what = format!("dial {n} of {DIALS_EACH}");
        let dialled = client.dial_repeating(LIMIT, 1).map_err(|e| e.during(&what))?;
        answers(client).map_err(|e| e.during(&what))?;
        seconds.push(dialled.total_s);
        client.hang_up().map_err(|e| e.during(&what))?;
    }
    Ok(seconds)
}

/// Of twenty echo requests one in five is lost on average; none at all means a dead session.
fn answers(client: &mut Client) -> Outcome<()> {
    let script = format!("ping -n -i 0.2 -c 20 -W 2 {ROUTER}");
    let step = client.guest.step(&script, Duration::from_secs(20))?;
    let answered = step.output.lines().filter(|line| line.contains("bytes from")).count();
    if answered < 5 {
        fail!("only {answered} of 20 pings answered: {}", client.call_logs()?);
    }
    Ok(())
}

fn summary(mut seconds: Vec<f64>) -> Outcome<String> {
    seconds.sort_by(f64::total_cmp);
    let wanted = usize::from(GUESTS) * DIALS_EACH;
    match seconds[..] {
        [.., slowest] if seconds.len() == wanted => {
            let median = seconds[wanted / 2];
            Ok(format!("{wanted} of {wanted} up, median {median:.1} s, slowest {slowest:.1} s"))
        }
        _ => fail!("{} of {wanted} dials", seconds.len()),
    }
}
