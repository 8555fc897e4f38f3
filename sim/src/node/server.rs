//! A server as a node of a world: a machine, and the workers that answer its questions.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use kumihimo::config_file::Settings;
use kumihimo_core::addr::Path;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::event::Event;
use kumihimo_core::ids::RequestId;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Answer, BridgeId, Census, Command, Request};
use kumihimo_core::time::{Duration, Instant};

use super::machine::{Arrival, Departure, Machine};
use super::setup::ServerSetup;
use crate::check::STARTED;
use crate::choice::Odds;
use crate::net::{Datagram, PortId};
use crate::scenario::NodeKind;
use crate::world::{Node, NodeCx, Stimulus};

/// A server.
pub struct ServerNode {
    kind: NodeKind,
    setup: ServerSetup,
    machine: Option<Box<dyn Machine>>,
    /// The ports of its bridges.
    bridges: Vec<(BridgeId, PortId)>,
    /// The names of those bridges, in the settings of the beginning.
    names: Vec<(String, PortId)>,
    arrivals: Vec<Arrival>,
    /// Whether something waits for the next turn.
    is_woken: bool,
    /// Answers that are being worked on, by the time when they are done.
    answers: BTreeMap<(Instant, u64), (RequestId, Box<Answer>)>,
    /// Settings that are handed in and not in force yet.
    wanted: VecDeque<Settings>,
    asked: u64,
    /// Questions that it asked and that nobody will ever answer.
    lost: usize,
    /// When the machine's own computation is done.
    computed_at: Option<Instant>,
    workers: Workers,
    turn: Turn,
}

/// What the workers that answer a server's questions are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// The least time that an answer takes.
    pub delay: Duration,
    /// Up to how much longer it takes.
    pub jitter: Duration,
    /// How often there is none.
    pub loss: Odds,
    /// How often it comes twice.
    pub twice: Odds,
}

impl Default for Workers {
    fn default() -> Self {
        let delay = Duration::from_millis(2);
        Self { delay, jitter: Duration::ZERO, loss: Odds::NEVER, twice: Odds::NEVER }
    }
}

/// What went through a server in its last turn, for those who check.
#[derive(Debug, Default)]
pub struct Turn {
    /// Counts the turns.
    pub number: u64,
    /// Datagrams that the machine took.
    pub taken: Vec<(Path, Vec<u8>)>,
    /// What had been dropped before it.
    pub drops_before: DropCounters,
    /// What had been dropped after it.
    pub drops: DropCounters,
    /// How full the tables were after it.
    pub census: Census,
    /// Buffers that were free after it, and all buffers.
    pub buffers: (usize, usize),
    /// Whether something could not be received for want of a buffer.
    pub is_starved: bool,
    /// When the server wants to be called again.
    pub deadline: Option<Instant>,
    /// The server's clock.
    pub now: Instant,
}

/// A fact of a server, as it tells it.
#[derive(Clone, Debug)]
pub struct ServerFact(pub Event);

impl fmt::Display for ServerFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A fact of a server: what became of a reload.
#[derive(Clone, Debug)]
pub struct Reloaded(pub Result<Box<Settings>, String>);

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(_) => f.write_str("new settings are in force"),
            Err(why) => write!(f, "new settings are refused: {why}"),
        }
    }
}

impl ServerNode {
    /// A server of this kind.
    pub fn new(kind: NodeKind, setup: ServerSetup) -> Self {
        Self {
            kind,
            setup,
            machine: None,
            bridges: Vec::new(),
            names: Vec::new(),
            arrivals: Vec::new(),
            is_woken: false,
            answers: BTreeMap::new(),
            wanted: VecDeque::new(),
            asked: 0,
            lost: 0,
            computed_at: None,
            workers: Workers::default(),
            turn: Turn::default(),
        }
    }

    /// Leads a bridge to a port of a LAN.
    pub fn bridge(&mut self, bridge: BridgeId, port: PortId) {
        self.bridges.push((bridge, port));
        let hub = self.setup.settings.hubs.get(usize::from(bridge.hub));
        let name = hub.and_then(|hub| hub.bridges.get(usize::from(bridge.bridge)));
        self.names.extend(name.map(|name| (name.clone(), port)));
    }

    /// Numbers the bridges as the settings in force do.
    fn number_bridges(&mut self) {
        let hubs = (0_u16..).zip(&self.setup.settings.hubs);
        let named = hubs.flat_map(|(hub, it)| {
            let bridges = (0_u16..).zip(&it.bridges);
            bridges.map(move |(bridge, name)| (BridgeId { hub, bridge }, name))
        });
        let with_port = |(bridge, name): (BridgeId, &String)| {
            let found = self.names.iter().find(|(known, _)| known == name);
            found.map(|&(_, port)| (bridge, port))
        };
        self.bridges = named.filter_map(with_port).collect();
    }

    /// The bridges of a server that takes this one's place.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut next = Self::new(self.kind, self.setup.clone());
        next.bridges.clone_from(&self.bridges);
        next.names.clone_from(&self.names);
        next.workers = self.workers;
        next
    }

    /// What it is made of.
    pub const fn setup(&self) -> &ServerSetup {
        &self.setup
    }

    /// Sizes of its tables.
    pub const fn limits(&self) -> &Limits {
        &self.setup.limits
    }

    /// Questions that nobody will ever answer.
    pub const fn lost(&self) -> usize {
        self.lost
    }

    /// What went through it in its last turn.
    pub const fn turn(&self) -> &Turn {
        &self.turn
    }

    /// What its workers are like, to change it.
    pub const fn workers_mut(&mut self) -> &mut Workers {
        &mut self.workers
    }

    /// Gives an order.
    pub fn command(&mut self, command: Command) {
        self.arrivals.push(Arrival::Command(command));
        self.is_woken = true;
    }

    /// Hands new settings in, as an administrator does.
    pub fn reload(&mut self, settings: Settings) {
        self.wanted.push_back(settings.clone());
        self.arrivals.push(Arrival::Settings(Box::new(settings)));
        self.is_woken = true;
    }

    /// What will be in force once all that was handed in is.
    pub fn settings(&self) -> &Settings {
        self.wanted.back().unwrap_or(&self.setup.settings)
    }

    /// Tells it what the outer network says about a path.
    pub fn tell_mtu(&mut self, path: Path, mtu: u16) {
        self.arrivals.push(Arrival::PathMtu { path, mtu });
        self.is_woken = true;
    }

    /// Takes so many free buffers away; none gives all back.
    pub fn hoard(&mut self, count: usize) {
        if let Some(machine) = &mut self.machine {
            machine.hoard(count);
            self.is_woken = true;
        }
    }

    fn start(&mut self, cx: &mut NodeCx<'_>) {
        // Two restarts at one time start it twice; the clock of boards is there only once.
        self.machine = None;
        self.computed_at = None;
        let (choices, lane) = cx.choices();
        match self.setup.build(self.kind, choices.octets(lane)) {
            Ok(machine) => self.machine = Some(machine),
            Err(why) => cx.fail("setup", why),
        }
        self.is_woken = true;
        cx.state(STARTED);
    }

    fn run(&mut self, cx: &mut NodeCx<'_>) {
        let now = cx.now();
        let Some(machine) = &mut self.machine else { return };
        self.is_woken = false;
        while let Some(entry) = self.answers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (id, answer) = entry.remove();
            self.arrivals.push(Arrival::Answer { id, answer });
        }
        if self.computed_at.take_if(|at| *at <= now).is_some() {
            self.arrivals.push(Arrival::Compute);
        }
        // Behind a reload other bridges may have their numbers: what comes then, comes later.
        let is_reload = |arrival: &Arrival| matches!(arrival, Arrival::Settings(_));
        let end = self.arrivals.iter().position(is_reload).map_or(self.arrivals.len(), |at| at + 1);
        let later = self.arrivals.split_off(end);
        let datagrams = self.arrivals.iter().filter_map(|arrival| match arrival {
            Arrival::Datagram { path, payload } => Some((*path, payload.clone())),
            _ => None,
        });
        self.turn.taken = datagrams.collect();
        self.turn.drops_before = machine.drops();
        let starved = machine.starved();
        let mut departures = Vec::new();
        if let Err(why) = machine.turn(now, &mut self.arrivals, &mut departures) {
            cx.fail("drive-contract", why);
        }
        self.turn.number += 1;
        self.turn.is_starved = machine.starved() != starved;
        self.turn.drops = machine.drops();
        self.turn.census = machine.census();
        self.turn.buffers = machine.buffers();
        self.turn.deadline = machine.deadline();
        self.turn.now = now;
        let before = self.bridges.clone();
        for departure in departures {
            self.depart(cx, now, departure);
        }
        self.is_woken = !later.is_empty();
        let later = later.into_iter().filter_map(|it| self.renumbered(&before, it));
        self.arrivals = later.collect();
    }

    /// A frame that came to a bridge, by the number that the bridge has now.
    fn renumbered(&self, before: &[(BridgeId, PortId)], arrival: Arrival) -> Option<Arrival> {
        let Arrival::Frame { bridge, frame } = arrival else { return Some(arrival) };
        let (_, port) = before.iter().find(|(known, _)| *known == bridge)?;
        let (bridge, _) = *self.bridges.iter().find(|(_, known)| known == port)?;
        Some(Arrival::Frame { bridge, frame })
    }

    fn depart(&mut self, cx: &mut NodeCx<'_>, now: Instant, departure: Departure) {
        match departure {
            Departure::Datagram { path, payload } => {
                let Path { local, remote, outer } = path;
                let label = "";
                cx.send(Datagram { outer, from: local, to: remote, payload, label });
            }
            Departure::Frame { bridge, frame } => {
                let port = self.bridges.iter().find(|(known, _)| *known == bridge);
                if let Some(&(_, port)) = port {
                    cx.send_frame(port, &frame);
                }
            }
            Departure::Event(event) => cx.fact(&ServerFact(event)),
            Departure::Configured(told) => self.configured(cx, told),
            Departure::Computation => self.compute(cx, now),
            Departure::Question { id, request } => self.ask(cx, now, id, &request),
        }
    }

    fn configured(&mut self, cx: &mut NodeCx<'_>, told: Result<(), String>) {
        let Some(settings) = self.wanted.pop_front() else { return };
        if told.is_ok() {
            self.setup.settings = settings.clone();
            self.number_bridges();
        }
        cx.fact(&Reloaded(told.map(|()| Box::new(settings))));
    }

    /// Those who compute on a board lose nothing; but other work may hold them up.
    fn compute(&mut self, cx: &mut NodeCx<'_>, now: Instant) {
        let Workers { delay, jitter, loss, .. } = self.workers;
        let (choices, lane) = cx.choices();
        let held_up = if choices.chance(lane, loss) { HELD_UP } else { Duration::ZERO };
        let more = choices.range(lane, 0, jitter.as_micros());
        self.computed_at = Some(now + delay + held_up + Duration::from_micros(more));
    }

    fn ask(&mut self, cx: &mut NodeCx<'_>, now: Instant, id: RequestId, request: &Request) {
        let Workers { delay, jitter, loss, twice } = self.workers;
        let (choices, lane) = cx.choices();
        if choices.chance(lane, loss) {
            self.lost += 1;
            return;
        }
        let copies = 1 + u64::from(choices.chance(lane, twice));
        for _ in 0..copies {
            let more = choices.range(lane, 0, jitter.as_micros());
            let at = now + delay + Duration::from_micros(more);
            let Request::Dh(job) = request;
            self.asked += 1;
            self.answers.insert((at, self.asked), (id, Box::new(Answer::Dh(job.run()))));
        }
    }
}

impl Node for ServerNode {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        self.is_woken = true;
        match stimulus {
            Stimulus::Start => self.start(cx),
            Stimulus::Datagram(datagram) => {
                let Datagram { outer, from, to, payload, .. } = datagram;
                let path = Path { local: to, remote: from, outer };
                self.arrivals.push(Arrival::Datagram { path, payload });
            }
            Stimulus::Frame { port, frame } => {
                let bridge = self.bridges.iter().find(|(_, known)| *known == port);
                if let Some(&(bridge, _)) = bridge {
                    self.arrivals.push(Arrival::Frame { bridge, frame });
                }
            }
            Stimulus::TooBig { datagram, mtu } => {
                let Datagram { outer, from, to, .. } = datagram;
                let path = Path { local: from, remote: to, outer };
                self.arrivals.push(Arrival::PathMtu { path, mtu });
            }
            Stimulus::Timer => self.run(cx),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        // What has come is worked on right after all that comes at the same time.
        let woken = self.is_woken.then_some(Instant::ZERO);
        let answer = self.answers.keys().next().map(|&(at, _)| at);
        let machine = self.machine.as_ref().and_then(|machine| machine.deadline());
        [woken, answer, self.computed_at, machine].into_iter().flatten().min()
    }
}

/// How long a board's computation waits when something else has to be done first.
const HELD_UP: Duration = Duration::from_secs(4);
