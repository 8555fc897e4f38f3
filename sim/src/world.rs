//! The world: nodes, the networks between them, and the events to come.
//!
//! Events are handled one after the other, in the order of their times and, at one time, in the
//! order in which they were put in. Nothing else decides an order.

mod node;
mod queue;

use std::any::Any;
use std::net::IpAddr;

use kumihimo_core::time::{Duration, Instant};

use crate::check::switched::why_off;
use crate::choice::{Choices, Lane};
use crate::clock::Clock;
use crate::net::{
    Content, Datagram, Direction, End, Fate, INTERNET, LanId, Link, LinkConfig, LinkId, Nat,
    NatBox, NatConfig, NatId, Net, Port, PortId, Rule, RuleId, Step, Way, Wire, ZoneId,
};
use crate::observe::{Failure, Happening, Leapt, Loss, Observer, Packet, Place};
use crate::trace::{Record, Trace};

pub use node::{Node, NodeCx, NodeId, Stimulus};
use queue::Queue;

/// A world.
pub struct World {
    seats: Vec<Seat>,
    inner: Inner,
}

/// A node and what the world knows about it.
struct Seat {
    node: Box<dyn Node>,
    is_on: bool,
    /// When a timer event for it is in the queue; other timer events of it are stale.
    scheduled: Option<Instant>,
    /// Up to how much later than asked for its timers come.
    timer_lag: Duration,
    /// Timers at this very time, one after the other.
    spins: (Instant, u32),
}

/// All of a world but its nodes, so that a node can be called with the rest at hand.
struct Inner {
    now: Instant,
    queue: Queue<Event>,
    choices: Choices,
    world_lane: Lane,
    net: Net,
    steps: Vec<Step>,
    names: Vec<String>,
    lanes: Vec<Lane>,
    clocks: Vec<Clock>,
    packets: u64,
    /// Events that are left.
    budget: u64,
    trace: Trace,
    observers: Vec<Box<dyn Observer>>,
    failure: Option<Failure>,
    /// Failures of checks that are switched off.
    excused: Vec<Failure>,
}

enum Event {
    Start(NodeId),
    Timer(NodeId),
    /// A packet comes out of a link.
    Out {
        link: LinkId,
        direction: Direction,
        packet: Packet,
    },
    Deliver {
        node: NodeId,
        packet: Packet,
    },
    Frame {
        port: PortId,
        frame: Vec<u8>,
    },
    TooBig {
        node: NodeId,
        datagram: Datagram,
        mtu: u16,
    },
    Script(Box<dyn FnOnce(&mut World)>),
}

impl World {
    /// An empty world, decided by `choices`, at a time that is not 0.
    pub fn new(mut choices: Choices, trace: Trace) -> Self {
        let mut net = Net::new();
        net.captures = trace.record().map(|_| Vec::new());
        let inner = Inner {
            now: Instant::ZERO + START,
            queue: Queue::default(),
            world_lane: choices.lane("world"),
            choices,
            net,
            steps: Vec::new(),
            names: Vec::new(),
            lanes: Vec::new(),
            clocks: Vec::new(),
            packets: 0,
            budget: u64::MAX,
            trace,
            observers: Vec::new(),
            failure: None,
            excused: Vec::new(),
        };
        Self { seats: Vec::new(), inner }
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.inner.now
    }

    /// How long the world has existed.
    pub const fn age(&self) -> Duration {
        Duration::from_micros(self.inner.now.as_micros() - START.as_micros())
    }

    /// The decisions, and the lane of the scenario.
    pub const fn choices(&mut self) -> (&mut Choices, Lane) {
        (&mut self.inner.choices, self.inner.world_lane)
    }

    /// Decides something in the lane of the scenario: a number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.inner.choices.below(self.inner.world_lane, bound)
    }

    /// Adds a node, which gets [`Stimulus::Start`] when the world runs on. Its name is its own.
    ///
    /// # Panics
    /// If another node has the name.
    pub fn add(&mut self, name: &str, node: impl Node) -> NodeId {
        assert!(!self.inner.names.iter().any(|other| other == name), "two nodes named {name}");
        let id = NodeId(self.seats.len());
        self.seats.push(Seat {
            node: Box::new(node),
            is_on: true,
            scheduled: None,
            timer_lag: Duration::ZERO,
            spins: (Instant::ZERO, 0),
        });
        self.inner.names.push(name.into());
        let lane = self.inner.choices.lane(&format!("node/{name}"));
        self.inner.lanes.push(lane);
        self.inner.clocks.push(Clock::default());
        self.inner.queue.push(self.inner.now, Event::Start(id));
        id
    }

    /// Puts another node in the place of one, as a restart does. It gets [`Stimulus::Start`].
    pub fn replace(&mut self, id: NodeId, node: impl Node) {
        let seat = &mut self.seats[id.0];
        seat.node = Box::new(node);
        seat.is_on = true;
        seat.scheduled = None;
        self.inner.queue.push(self.inner.now, Event::Start(id));
    }

    /// Switches a node on or off. One that is off gets nothing, and keeps what it knows.
    pub fn power(&mut self, id: NodeId, is_on: bool) {
        self.seats[id.0].is_on = is_on;
        self.seats[id.0].scheduled = None;
        if is_on {
            self.reschedule(id);
        }
    }

    /// Sets a node's clock forward.
    pub fn jump_clock(&mut self, id: NodeId, by: Duration) {
        self.inner.clocks[id.0].jump(by);
        self.inner.tell(&Happening::Fact { node: id, fact: &Leapt(by) });
        self.seats[id.0].scheduled = None;
        self.reschedule(id);
    }

    /// Lets a node's timers come up to `lag` later than asked for.
    pub fn lag_timers(&mut self, id: NodeId, lag: Duration) {
        self.seats[id.0].timer_lag = lag;
    }

    /// The name of a node.
    pub fn name(&self, id: NodeId) -> &str {
        &self.inner.names[id.0]
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.seats.len()).map(NodeId)
    }

    /// A node, if it is a `T`.
    pub fn node<T: Node>(&self, id: NodeId) -> Option<&T> {
        (self.seats[id.0].node.as_ref() as &dyn Any).downcast_ref()
    }

    /// Lets a node, which is a `T`, do something.
    ///
    /// # Panics
    /// If it is something else.
    pub fn with<T: Node, R>(
        &mut self,
        id: NodeId,
        act: impl FnOnce(&mut T, &mut NodeCx<'_>) -> R,
    ) -> R {
        let seat = &mut self.seats[id.0];
        let mut cx = NodeCx { inner: &mut self.inner, me: id };
        let node = (seat.node.as_mut() as &mut dyn Any).downcast_mut();
        let result = act(node.expect("a node of another type"), &mut cx);
        self.settle(id);
        result
    }

    /// Attaches a node to a zone. A node may have several links; it sends on the one that has the
    /// source address.
    pub fn attach(
        &mut self,
        node: NodeId,
        zone: ZoneId,
        addresses: &[IpAddr],
        config: LinkConfig,
    ) -> LinkId {
        let Inner { net, names, choices, .. } = &mut self.inner;
        let count = net.links.iter().filter(|link| link.end == End::Node(node)).count();
        let name = match count {
            0 => names[node.0].clone(),
            more => format!("{}-{}", names[node.0], more + 1),
        };
        net.add_link(Link::new(&name, zone, End::Node(node), config, choices), addresses)
    }

    /// Attaches a node to the Internet.
    pub fn attach_public(&mut self, node: NodeId, address: IpAddr, config: LinkConfig) -> LinkId {
        self.attach(node, INTERNET, &[address], config)
    }

    /// Adds a NAT box with these public addresses, and a zone behind it.
    pub fn add_nat(
        &mut self,
        name: &str,
        zone: ZoneId,
        public: &[IpAddr],
        config: NatConfig,
        link: LinkConfig,
    ) -> NatBox {
        let Inner { net, choices, .. } = &mut self.inner;
        let nat = Nat::new(name, config, choices);
        let link = Link::new(name, zone, End::Nat(NatId(0)), link, choices);
        net.add_nat(nat, link, public)
    }

    /// Lets a NAT box forget its mappings, so that what goes on gets new ports.
    pub fn rebind(&mut self, nat: NatId) {
        self.inner.net.nats[nat.0].forget();
    }

    /// Changes what a NAT box is like. Mappings stay.
    pub fn nat_mut(&mut self, nat: NatId) -> &mut NatConfig {
        &mut self.inner.net.nats[nat.0].config
    }

    /// Gives the node or NAT box at the end of a link other addresses.
    pub fn readdress(&mut self, link: LinkId, addresses: &[IpAddr]) {
        self.inner.net.set_addresses(link, addresses);
    }

    /// One direction of a link, to change it.
    pub fn way_mut(&mut self, link: LinkId, direction: Direction) -> &mut Way {
        let link = &mut self.inner.net.links[link.0];
        match direction {
            Direction::Up => &mut link.up.way,
            Direction::Down => &mut link.down.way,
        }
    }

    /// Changes what both directions of a link are like.
    pub fn set_link(&mut self, link: LinkId, config: LinkConfig) {
        *self.way_mut(link, Direction::Up) = config.up;
        *self.way_mut(link, Direction::Down) = config.down;
    }

    /// Cuts a link both ways, or mends it.
    pub fn cut(&mut self, link: LinkId, is_cut: bool) {
        self.way_mut(link, Direction::Up).is_cut = is_cut;
        self.way_mut(link, Direction::Down).is_cut = is_cut;
    }

    /// The name of a link: that of its node or NAT box, with a number from the second on.
    pub fn link_name(&self, id: LinkId) -> &str {
        &self.inner.net.links[id.0].name
    }

    /// The name of a NAT box.
    pub fn nat_name(&self, id: NatId) -> &str {
        &self.inner.net.nats[id.0].name
    }

    /// All NAT boxes.
    pub fn nats(&self) -> impl Iterator<Item = NatId> + use<> {
        (0..self.inner.net.nats.len()).map(NatId)
    }

    /// How many Ethernet segments there are.
    pub const fn lan_count(&self) -> usize {
        self.inner.net.lans.len()
    }

    /// The name of an Ethernet segment.
    pub fn lan_name(&self, id: LanId) -> &str {
        &self.inner.net.lans[id.0]
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.inner.net.links.len()).map(LinkId)
    }

    /// Ends every fault of links and LANs, late timers and rules. Delays, MTUs, rates, clocks and
    /// NAT boxes stay as they are.
    pub fn heal(&mut self) {
        let Net { links, ports, rules, .. } = &mut self.inner.net;
        rules.clear();
        let ways = links.iter_mut().flat_map(|link| [&mut link.up, &mut link.down]);
        for state in ways.chain(ports.iter_mut().map(|port| &mut port.way)) {
            state.way = state.way.healed();
        }
        for seat in &mut self.seats {
            seat.timer_lag = Duration::ZERO;
        }
        self.scene("faults end");
    }

    /// Adds an Ethernet segment.
    pub fn add_lan(&mut self, name: &str) -> LanId {
        self.inner.net.lans.push(name.into());
        LanId(self.inner.net.lans.len() - 1)
    }

    /// Plugs a node into an Ethernet segment; frames come to it on `way`.
    pub fn plug(&mut self, node: NodeId, lan: LanId, way: Way) -> PortId {
        let Inner { net, choices, names, .. } = &mut self.inner;
        let lane = choices.lane(&format!("lan/{}/{}", net.lans[lan.0], names[node.0]));
        net.ports.push(Port::new(node, lan, way, lane));
        PortId(net.ports.len() - 1)
    }

    /// The way of frames to a port, to change it.
    pub fn port_mut(&mut self, port: PortId) -> &mut Way {
        &mut self.inner.net.ports[port.0].way.way
    }

    /// Adds a rule that sees every packet at every link.
    pub fn add_rule(&mut self, rule: Rule) -> RuleId {
        self.inner.net.add_rule(rule)
    }

    /// Takes a rule away.
    pub fn remove_rule(&mut self, id: RuleId) {
        self.inner.net.rules.retain(|(other, _)| *other != id);
    }

    /// Adds an observer, which sees all that happens from here on.
    pub fn observe(&mut self, observer: impl Observer) {
        self.inner.observers.push(Box::new(observer));
    }

    /// The observer of this type, if there is one.
    pub fn observer<T: Observer>(&self) -> Option<&T> {
        let mut all = self.inner.observers.iter();
        all.find_map(|observer| (observer.as_ref() as &dyn Any).downcast_ref())
    }

    /// The observer of this type, to change it.
    pub fn observer_mut<T: Observer>(&mut self) -> Option<&mut T> {
        let mut all = self.inner.observers.iter_mut();
        all.find_map(|observer| (observer.as_mut() as &mut dyn Any).downcast_mut())
    }

    /// Writes into the log what the scenario does.
    pub fn scene(&mut self, text: &str) {
        self.inner.tell(&Happening::Scene { text });
    }

    /// Ends the run: `check` has failed.
    pub fn fail(&mut self, check: &str, text: impl Into<String>) {
        self.inner.fail(Failure::new(check, self.inner.now, text));
    }

    /// Lets `script` change the world after `delay`.
    pub fn after(&mut self, delay: Duration, script: impl FnOnce(&mut Self) + 'static) {
        let at = self.inner.now + delay;
        self.inner.queue.push(at, Event::Script(Box::new(script)));
    }

    /// Runs for a span of time.
    ///
    /// # Errors
    /// The check that failed, now or before.
    pub fn run_for(&mut self, span: Duration) -> Result<(), Failure> {
        self.run_until(span, |_| false).map(|_| ())
    }

    /// Runs until `is_so`, or for `span`; tells whether it is so.
    ///
    /// # Errors
    /// The check that failed, now or before.
    pub fn run_until(
        &mut self,
        span: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Failure> {
        let end = self.inner.now + span;
        loop {
            if let Some(failure) = &self.inner.failure {
                return Err(failure.clone());
            }
            if is_so(self) {
                return Ok(true);
            }
            let Some((at, event)) = self.inner.queue.pop(end) else { break };
            self.inner.now = at;
            self.handle(event);
        }
        self.inner.now = end;
        Ok(is_so(self))
    }

    /// What happened so far.
    pub const fn trace(&self) -> &Trace {
        &self.inner.trace
    }

    /// What was decided so far.
    pub const fn decisions(&self) -> &Choices {
        &self.inner.choices
    }

    /// The failure that ended the run.
    pub const fn failure(&self) -> Option<&Failure> {
        self.inner.failure.as_ref()
    }

    /// Failures of checks that are switched off.
    pub fn excused(&self) -> &[Failure] {
        &self.inner.excused
    }

    /// What was recorded.
    pub fn into_record(self) -> Option<Record> {
        self.inner.trace.into_record()
    }

    /// Fails the run after so many events from here.
    pub const fn set_budget(&mut self, events: u64) {
        self.inner.budget = events;
    }

    fn handle(&mut self, event: Event) {
        match self.inner.budget.checked_sub(1) {
            Some(left) => self.inner.budget = left,
            None => return self.fail("endless", "more events than any sound run has"),
        }
        match event {
            Event::Start(id) => self.call(id, Stimulus::Start),
            Event::Timer(id) => self.on_timer(id),
            Event::Out { link, direction, packet } => {
                let Inner { net, choices, now, steps, .. } = &mut self.inner;
                net.come_out(*now, choices, link, direction, packet, steps);
                self.inner.follow();
            }
            Event::Deliver { node, packet } if !self.seats[node.0].is_on => {
                let place = Place::Node(node);
                self.inner.tell(&Happening::Lost { place, why: Loss::Off, packet: &packet });
            }
            Event::Deliver { node, packet } => {
                self.inner.tell(&Happening::Delivered { node, packet: &packet });
                self.call(node, Stimulus::Datagram(packet.datagram));
            }
            Event::Frame { port, frame } => {
                let node = self.inner.net.ports[port.0].node;
                let frame = &frame;
                if self.seats[node.0].is_on {
                    self.inner.tell(&Happening::FrameDelivered { node, port, frame });
                    self.call(node, Stimulus::Frame { port, frame: frame.clone() });
                } else {
                    self.inner.tell(&Happening::FrameLost { port, why: Loss::Off, frame });
                }
            }
            Event::TooBig { node, datagram, mtu } => {
                self.call(node, Stimulus::TooBig { datagram, mtu });
            }
            Event::Script(script) => script(self),
        }
    }

    fn on_timer(&mut self, id: NodeId) {
        let now = self.inner.now;
        let seat = &mut self.seats[id.0];
        if seat.scheduled != Some(now) {
            return;
        }
        seat.scheduled = None;
        let local = self.inner.clocks[id.0].local(now);
        if seat.node.deadline().is_none_or(|at| at > local) {
            return self.reschedule(id);
        }
        let (spun_at, spins) = seat.spins;
        seat.spins = if spun_at == now { (now, spins + 1) } else { (now, 0) };
        if spins > SPINS_MAX {
            let text = format!("{} wants its timer without end", self.inner.names[id.0]);
            return self.inner.fail(Failure::new("zero-delay-loop", now, text));
        }
        self.call(id, Stimulus::Timer);
    }

    fn call(&mut self, id: NodeId, stimulus: Stimulus) {
        let seat = &mut self.seats[id.0];
        if seat.is_on {
            let mut cx = NodeCx { inner: &mut self.inner, me: id };
            seat.node.handle(&mut cx, stimulus);
            self.settle(id);
        }
    }

    /// What follows every call of a node.
    fn settle(&mut self, id: NodeId) {
        let node = self.seats[id.0].node.as_ref();
        self.inner.watch(|observer, at| observer.after(at, id, node));
        self.reschedule(id);
    }

    /// Sees to it that a timer event is in the queue not later than the node wants it.
    fn reschedule(&mut self, id: NodeId) {
        let seat = &mut self.seats[id.0];
        let Some(local) = seat.node.deadline().filter(|_| seat.is_on) else { return };
        let at = self.inner.clocks[id.0].world(local).max(self.inner.now);
        if seat.scheduled.is_some_and(|scheduled| scheduled <= at) {
            return;
        }
        let lane = self.inner.lanes[id.0];
        let lag = self.inner.choices.range(lane, 0, seat.timer_lag.as_micros());
        let at = at + Duration::from_micros(lag);
        seat.scheduled = Some(at);
        self.inner.queue.push(at, Event::Timer(id));
    }
}

impl Inner {
    fn tell(&mut self, happening: &Happening<'_>) {
        self.trace.add(self.now, happening);
        self.watch(|observer, at| observer.on(at, happening));
    }

    fn watch(&mut self, see: impl Fn(&mut dyn Observer, Instant) -> Result<(), Failure>) {
        let mut found = Vec::new();
        for observer in &mut self.observers {
            if let Err(failure) = see(observer.as_mut(), self.now) {
                found.push(failure);
            }
        }
        found.into_iter().for_each(|failure| self.fail(failure));
    }

    fn fail(&mut self, failure: Failure) {
        let Some(row) = why_off(&failure.check) else {
            self.failure.get_or_insert(failure);
            return;
        };
        let text = format!("switched off ({}): {}: {}", row.row, failure.check, failure.text);
        self.trace.add(self.now, &Happening::Scene { text: &text });
        self.excused.push(failure);
    }

    fn send(&mut self, node: NodeId, datagram: Datagram) {
        self.packets += 1;
        let packet = Packet { id: self.packets, sender: node, sent_at: self.now, datagram };
        self.tell(&Happening::Sent { node, packet: &packet });
        let Some(link) = self.net.link_of(node, packet.datagram.from.ip()) else {
            let place = Place::Node(node);
            return self.tell(&Happening::Lost { place, why: Loss::NoRoute, packet: &packet });
        };
        let Self { net, choices, now, steps, .. } = self;
        net.cross(*now, choices, link, Direction::Up, packet, steps);
        self.follow();
    }

    /// Carries out what came of steps through the networks. What arrives at once goes on at once,
    /// but into a node only by way of the queue.
    fn follow(&mut self) {
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Arrives { at, link, direction, packet } if at > self.now => {
                    self.queue.push(at, Event::Out { link, direction, packet });
                }
                Step::Arrives { link, direction, packet, .. } => {
                    let Self { net, choices, now, steps, .. } = self;
                    net.come_out(*now, choices, link, direction, packet, steps);
                }
                Step::Lost { place, why, packet } => {
                    self.tell(&Happening::Lost { place, why, packet: &packet });
                }
                Step::TooBig { place, packet, mtu } => {
                    self.tell(&Happening::Lost { place, why: Loss::TooLong, packet: &packet });
                    let (node, datagram) = (packet.sender, packet.datagram);
                    self.queue.push(self.now, Event::TooBig { node, datagram, mtu });
                }
                Step::Deliver { node, packet } => {
                    self.queue.push(self.now, Event::Deliver { node, packet });
                }
            }
        }
        if let (Some(captures), Some(record)) = (&mut self.net.captures, self.trace.record_mut()) {
            record.capture(captures);
        }
    }

    fn send_frame(&mut self, node: NodeId, port: PortId, frame: &[u8]) {
        self.tell(&Happening::FrameSent { node, port, frame });
        let lan = self.net.ports[port.0].lan;
        if let Some(record) = self.trace.record_mut() {
            record.capture(&mut vec![crate::net::Captured {
                at: self.now,
                wire: Wire::Lan(lan),
                direction: Direction::Up,
                lost: None,
                content: Content::Frame(frame.to_vec()),
            }]);
        }
        let others = (0..self.net.ports.len()).filter(|&other| other != port.0);
        for other in others.collect::<Vec<_>>() {
            let Self { net, choices, now, .. } = self;
            let far = &mut net.ports[other];
            if far.lan != lan {
                continue;
            }
            let port = PortId(other);
            let len = frame.len().saturating_sub(ETHERNET_HEADER_LEN);
            match far.way.carry(*now, choices, far.lane, len, frame.len()) {
                Fate::Lost(why) => self.tell(&Happening::FrameLost { port, why, frame }),
                Fate::TooBig(_) => {
                    self.tell(&Happening::FrameLost { port, why: Loss::TooLong, frame });
                }
                Fate::Arrives { at, copy_at, flip } => {
                    let mut frame = frame.to_vec();
                    if let Some(at) = copy_at {
                        self.queue.push(at, Event::Frame { port, frame: frame.clone() });
                    }
                    if let Some((octet, bit)) = flip {
                        frame[octet] ^= 1 << bit;
                    }
                    self.queue.push(at, Event::Frame { port, frame });
                }
            }
        }
    }
}

/// What the clock shows in the beginning of a world: not 0, so that nobody takes that for granted.
pub const START: Duration = Duration::from_secs(1_000);
/// Seconds since a world began.
pub(crate) fn seconds(at: Instant) -> f64 {
    at.as_micros().saturating_sub(START.as_micros()) as f64 / 1e6
}

/// Timers of one node at one time that are no loop yet.
const SPINS_MAX: u32 = 1_000;
/// Octets in front of a frame's payload.
const ETHERNET_HEADER_LEN: usize = 14;

#[cfg(test)]
mod tests;
