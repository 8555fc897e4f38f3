//! The turns.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::load::{Line, SIZE, load};
use super::peer::{Peer, ROUTER, Stand};
use super::{Figures, Metric};
use crate::expect;
use crate::lab::Outcome;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order of their turns.
    pub peers: Vec<Peer>,
    /// How often each has its turn, if there is time.
    pub rounds: usize,
    /// Of each piece of traffic.
    pub seconds: u32,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where the logs go.
    pub logs: PathBuf,
    /// When all must be over.
    pub end: Instant,
}

/// Lets every peer have its turns, as often as there is time; what went wrong stands among the
/// remarks.
pub fn measure(plan: &Plan) -> Figures {
    let mut figures = Figures::default();
    loop {
        let begin = Instant::now();
        let round = figures.rounds + 1;
        for &peer in &plan.peers {
            let name = format!("{peer}-traffic-{round}");
            take_turn(plan, &mut figures, peer, &name, traffic);
        }
        for &peer in plan.peers.iter().filter(|peer| **peer != Peer::Floor) {
            take_turn(plan, &mut figures, peer, &format!("{peer}-dials-{round}"), dials);
        }
        figures.rounds = round;
        let took = begin.elapsed();
        if round == 1 {
            // Once is enough for what takes longest.
            for &peer in plan.peers.iter().filter(|peer| **peer != Peer::Floor) {
                take_turn(plan, &mut figures, peer, &format!("{peer}-thousand"), thousand);
            }
        }
        if round == plan.rounds || Instant::now() + took + took / 20 > plan.end {
            return figures;
        }
    }
}

fn take_turn(
    plan: &Plan,
    figures: &mut Figures,
    peer: Peer,
    name: &str,
    turn: impl FnOnce(&Plan, &mut Figures, Peer, &mut Stand) -> Outcome<()>,
) {
    let begin = Instant::now();
    if begin + LEAST > plan.end {
        figures.remarks.push(format!("{name}: no time left"));
        return;
    }
    let ended = peer
        .start(&plan.programs, &plan.logs.join(name))
        .and_then(|mut stand| turn(plan, figures, peer, &mut stand));
    let secs = begin.elapsed().as_secs_f64();
    match ended {
        Ok(()) => eprintln!("compare: {name}: {secs:.0} s"),
        Err(why) => {
            eprintln!("compare: {name}: {why} ({secs:.0} s)");
            figures.remarks.push(format!("{name}: {why}"));
        }
    }
}

/// As much as fits, then a fixed rate, then twice what fits; upwards, then downwards.
fn traffic(plan: &Plan, figures: &mut Figures, peer: Peer, stand: &mut Stand) -> Outcome<()> {
    let phases: Vec<String> = ["up", "down"]
        .iter()
        .flat_map(|way| {
            let rates = ["max".to_owned(), FIXED_RATE.to_string(), "2x".to_owned()];
            rates.map(|rate| format!("{way}={rate},seconds={}", plan.seconds))
        })
        .collect();
    let mut words = vec!["--clients", "4", "--tries", "5", "--dial-limit", "8"];
    phases.iter().for_each(|phase| words.extend(["--phase", phase]));
    if peer == Peer::Floor {
        words.push("--floor");
    }
    let end = plan.end.min(Instant::now() + TURN_MAX);
    let said = load(stand, &plan.programs, &words, end)?;
    let mut noted = 0;
    for line in said.lines("traffic") {
        note_traffic(figures, peer, line)?;
        noted += 1;
    }
    note_dials(figures, peer, &mut said.lines("dialled"))?;
    if let Some(status) = stand.process.ended()? {
        figures.remarks.push(format!("{}: the server ended: {status}", peer.title()));
    }
    let count = phases.len();
    expect!(noted == count, "{noted} of {count} phases of traffic");
    Ok(())
}

fn note_traffic(figures: &mut Figures, peer: Peer, line: &Line) -> Outcome<()> {
    let phase = line.number("phase")? as usize;
    let Some((way, [most, cores, cpu, late, loss])) = (match phase {
        1..=3 => Some(("up", UP)),
        4..=6 => Some(("down", DOWN)),
        _ => None,
    }) else {
        return Ok(());
    };
    let number = |name: &str| line.number(&format!("{way}_{name}"));
    if line.number("measured")? == 0.0 || number("sent")? == 0.0 {
        return Ok(());
    }
    let share = (line.number("clients")? as u32, CLIENTS);
    let mut note = |metric, value| figures.note(peer, metric, value, share);
    match phase {
        1 | 4 => {
            note(most, number("mbps")?);
            note(cores, line.number("cpu_seconds")? / line.number("seconds")?);
        }
        2 | 5 => {
            note(cpu, line.number("cpu_seconds")? * 1e9 / (number("got")? * f64::from(SIZE)));
            note(late, number("p99_us")? / 1e3);
        }
        _ => note(loss, number("loss_percent")?),
    }
    Ok(())
}

/// Says what dials had to be repeated or failed.
fn note_dials(
    figures: &mut Figures,
    peer: Peer,
    lines: &mut dyn Iterator<Item = &Line>,
) -> Outcome<()> {
    for line in lines {
        let (clients, up) = (line.number("clients")?, line.number("up")?);
        let again = line.number("again")?;
        if again > 0.0 || up < clients {
            let title = peer.title();
            let remark = format!("{title}: {up} of {clients} clients up, {again} dialled again");
            figures.remarks.push(remark);
        }
    }
    Ok(())
}

/// Ten idle sessions, then a hundred.
fn dials(plan: &Plan, figures: &mut Figures, peer: Peer, stand: &mut Stand) -> Outcome<()> {
    idle(plan, figures, peer, stand, "10,100", TURN_MAX)
}

/// A thousand.
fn thousand(plan: &Plan, figures: &mut Figures, peer: Peer, stand: &mut Stand) -> Outcome<()> {
    idle(plan, figures, peer, stand, "1000", THOUSAND_MAX)
}

fn idle(
    plan: &Plan,
    figures: &mut Figures,
    peer: Peer,
    stand: &mut Stand,
    steps: &str,
    limit: Duration,
) -> Outcome<()> {
    let time = limit.min(plan.end.saturating_duration_since(Instant::now())).as_secs();
    let time = time.saturating_sub(5).to_string();
    // The router, for the kernel of the station does not know a thousand neighbours.
    let mut words = vec!["--clients", steps, "--dials", "16", "--dial-rate", "100"];
    words.extend(["--ping", ROUTER]);
    words.extend(["--tries", "5", "--dial-limit", "8", "--dial-time", &time]);
    let said = load(stand, &plan.programs, &words, plan.end.min(Instant::now() + limit))?;
    note_dials(figures, peer, &mut said.lines("dialled"))?;
    for line in said.lines("dialled") {
        let (clients, up) = (line.number("clients")? as u32, line.number("up")? as u32);
        let metric = match clients {
            10 => Metric::Rss10,
            100 => Metric::Rss100,
            _ => Metric::Rss1000,
        };
        if up == 0 {
            continue;
        }
        figures.note(peer, metric, line.number("rss_kib")? / 1_024.0, (up, clients));
        let cpu = line.number("cpu_seconds")?;
        if clients == 100 && cpu > 0.0 {
            // Ten were up before this step.
            let dialled = up.saturating_sub(10);
            figures.note(peer, Metric::Dials, f64::from(dialled) / cpu, (up, clients));
        }
    }
    Ok(())
}

const UP: [Metric; 5] =
    [Metric::Up, Metric::CoresUp, Metric::CpuUp, Metric::LateUp, Metric::LossUp];
const DOWN: [Metric; 5] =
    [Metric::Down, Metric::CoresDown, Metric::CpuDown, Metric::LateDown, Metric::LossDown];
/// Clients that share the traffic.
const CLIENTS: u32 = 4;
/// Packets in a second, for CPU-seconds: about 100 Mbit/s, which every peer carries.
const FIXED_RATE: u32 = 9_200;
/// Without so much time a turn does not begin.
const LEAST: Duration = Duration::from_secs(20);
/// A turn of traffic, and one of a hundred dials, takes less.
const TURN_MAX: Duration = Duration::from_secs(100);
const THOUSAND_MAX: Duration = Duration::from_secs(90);
