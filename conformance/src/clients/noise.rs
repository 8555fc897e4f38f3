//! Random datagrams on every port: dropped without growth, and never answered with more bytes.

use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::expect;
use crate::lab::{
    Case, Client, Guest, Lab, Outcome, Profile, ROUTER, Server, Settings, Site, Weight, ping,
};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[Case {
    name: "noise",
    shows: "random datagrams on UDP 500, 4500 and 1701: no growth, no amplification; then a dial",
    limit: Duration::from_secs(120),
    weight: Weight::Light,
    run,
}];

const SIZES: &[u32] = &[1, 4, 12, 28, 92, 380, 1400];
const DATAGRAMS: u32 = 300;
const GROWTH_LIMIT_KIB: u64 = 4096;

fn run(lab: &Lab<'_>) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let seat = &site.seats[0];
    let mut guest = Guest::boot(lab, "client", seat)?;
    // Once as a warm-up, so that what the server allocates once is not taken for growth.
    shout(&mut guest, site.address)?;
    let before_kib = server.process().resident_kib()?;
    shout(&mut guest, site.address)?;
    let growth_kib = server.process().resident_kib()?.saturating_sub(before_kib);
    let (asked, answered) = site.udp_bytes()?;
    let sent = SIZES.iter().sum::<u32>() * DATAGRAMS * 3 * 2;
    expect!(asked > u64::from(sent) / 2, "only {asked} of {sent} bytes reached the server");
    expect!(answered <= asked, "{asked} bytes asked, {answered} answered");
    expect!(growth_kib < GROWTH_LIMIT_KIB, "the server grew by {growth_kib} KiB");
    server.still_well()?;
    let mut client = Client::start(guest, Profile::new(&site, seat))?;
    let dialled = client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 5)?;
    Ok(format!(
        "{asked} bytes in, {answered} out, {growth_kib} KiB grown; dial after it {:.1} s",
        dialled.total_s
    ))
}

fn shout(guest: &mut Guest, address: &str) -> Outcome<()> {
    let mut script = String::new();
    for port in [500, 4500, 1701] {
        for size in SIZES {
            script += &format!(
                "head -c {} /dev/urandom | socat -u -b {size} - UDP4-SENDTO:{address}:{port}\n",
                size * DATAGRAMS
            );
        }
    }
    guest.run(&script, Duration::from_secs(40)).map(drop)
}
