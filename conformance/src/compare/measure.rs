//! The turns.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::load::{Load, SIZE, Said, load};
use super::peer::{Peer, Stand};
use super::{Figures, Metric};
use crate::lab::Outcome;
use crate::{expect, fail};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order of their turns.
    pub peers: Vec<Peer>,
    /// How often each has its turn.
    pub rounds: u32,
    /// Of each piece of traffic.
    pub seconds: u32,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where the logs go.
    pub logs: PathBuf,
    /// No turn begins after this.
    pub end: Instant,
}

/// Lets every peer have its turns; what went wrong stands among the remarks.
pub fn measure(plan: &Plan) -> Figures {
    let mut figures = Figures::default();
    for round in 1..=plan.rounds {
        for &peer in &plan.peers {
            let what = format!("{} traffic, round {round}", peer.title());
            take_turn(plan, &mut figures, peer, &what, &format!("{peer}-{round}"), traffic);
        }
    }
    for &peer in plan.peers.iter().filter(|peer| **peer != Peer::Floor) {
        for (sessions, metric) in
            [(10, Metric::Rss10), (100, Metric::Rss100), (1_000, Metric::Rss1000)]
        {
            let what = format!("{} with {sessions} sessions", peer.title());
            let folder = format!("{peer}-{sessions}-sessions");
            take_turn(plan, &mut figures, peer, &what, &folder, |plan, figures, peer, stand| {
                idle(plan, figures, peer, stand, sessions, metric)
            });
        }
    }
    figures
}

fn take_turn(
    plan: &Plan,
    figures: &mut Figures,
    peer: Peer,
    what: &str,
    folder: &str,
    turn: impl FnOnce(&Plan, &mut Figures, Peer, &mut Stand) -> Outcome<()>,
) {
    let begin = Instant::now();
    if begin > plan.end {
        figures.remarks.push(format!("{what}: no time left"));
        return;
    }
    let ended = peer
        .start(&plan.programs, &plan.logs.join(folder))
        .and_then(|mut stand| turn(plan, figures, peer, &mut stand));
    let secs = begin.elapsed().as_secs_f64();
    match ended {
        Ok(()) => eprintln!("compare: {what}: {secs:.0} s"),
        Err(why) => {
            eprintln!("compare: {what}: {why} ({secs:.0} s)");
            figures.remarks.push(format!("{what}: {why}"));
        }
    }
}

/// As much as fits, then a fixed rate, then twice what fits; upwards, then downwards.
fn traffic(plan: &Plan, figures: &mut Figures, peer: Peer, stand: &mut Stand) -> Outcome<()> {
    for (is_up, fits, cpu, loss) in [
        (true, Metric::Up, Metric::CpuUp, Metric::LossUp),
        (false, Metric::Down, Metric::CpuDown, Metric::LossDown),
    ] {
        let said = one_way(plan, peer, stand, is_up, None)?;
        let got = got(&said, is_up)?;
        let rate = got / said.number("seconds")?;
        figures.note(peer, fits, rate * f64::from(SIZE) * 8.0 / 1e6);

        let said = one_way(plan, peer, stand, is_up, Some(FIXED_RATE))?;
        let octets = self::got(&said, is_up)? * f64::from(SIZE);
        expect!(octets > 0.0, "nothing arrived");
        figures.note(peer, cpu, said.number("cpu_seconds")? / (octets / 1e9));

        let said = one_way(plan, peer, stand, is_up, Some((rate * 2.0) as u32))?;
        let sent = said.number(if is_up { "up_sent" } else { "down_sent" })?;
        expect!(sent > 0.0, "nothing was sent");
        figures.note(peer, loss, 100.0 * (1.0 - self::got(&said, is_up)? / sent));
    }
    Ok(())
}

fn one_way(
    plan: &Plan,
    peer: Peer,
    stand: &mut Stand,
    is_up: bool,
    rate: Option<u32>,
) -> Outcome<Said> {
    let (up, down) = if is_up { (rate, Some(0)) } else { (Some(0), rate) };
    let limit = Duration::from_secs(u64::from(plan.seconds) + 60);
    let floor = peer == Peer::Floor;
    let what = Load { clients: CLIENTS, seconds: plan.seconds, up, down, floor, limit };
    let mut said = load(stand, &plan.programs, &what)?;
    if said.number("seconds")? == 0.0 {
        // Nobody came up. A second try tells a mishap from an end.
        said = load(stand, &plan.programs, &what)?;
    }
    if let Some(status) = stand.process.ended()? {
        fail!("the server ended: {status}");
    }
    expect!(said.number("seconds")? > 0.0, "no client came up, twice");
    Ok(said)
}

fn got(said: &Said, is_up: bool) -> Outcome<f64> {
    said.number(if is_up { "up_got" } else { "down_got" })
}

/// Dials so many, and lets them be.
fn idle(
    plan: &Plan,
    figures: &mut Figures,
    peer: Peer,
    stand: &mut Stand,
    sessions: u32,
    metric: Metric,
) -> Outcome<()> {
    let limit = Duration::from_secs(90);
    let (up, down) = (Some(0), Some(0));
    let what = Load { clients: sessions, seconds: 1, up, down, floor: false, limit };
    let said = load(stand, &plan.programs, &what)?;
    let dialled = said.number("dialled")?;
    let cpu = said.number("dial_cpu_seconds")?;
    if cpu > 0.0 && dialled > 0.0 && sessions == 100 {
        figures.note(peer, Metric::Dials, dialled / cpu);
    }
    let rss = said.number("rss_kib")? / 1_024.0;
    let is_all = dialled >= f64::from(sessions);
    expect!(is_all, "only {dialled} of {sessions} sessions came up, with {rss:.0} MiB");
    figures.note(peer, metric, rss);
    Ok(())
}

/// Clients that share the traffic.
const CLIENTS: u32 = 4;
/// Packets in a second, for CPU-seconds: about 100 Mbit/s, which every peer carries.
const FIXED_RATE: u32 = 9_200;
