//! The first swarm: a network and a machine full of faults; what is configured stays as it is.

use std::net::{Ipv4Addr, SocketAddr};

use kumihimo_core::server::Command;
use kumihimo_core::time::Duration;

use super::crowd::Crowd;
use super::sessions::Sessions;
use crate::check::counted::Counted;
use crate::check::lease::Leases;
use crate::fault::{LAG_MAX_MS, Mix};
use crate::net::{Direction, LinkConfig, Mapping, NatBox, NatConfig, Ports};
use crate::node::client::ClientNode;
use crate::node::frame::{Ethernet, IPV4};
use crate::node::host::Host;
use crate::node::server::ServerNode;
use crate::node::setup::{STRANGER, ServerSetup, USERS};
use crate::node::stranger::{Overheard, REMEMBERED, Stranger};
use crate::observe::Failure;
use crate::peer::Carrier;
use crate::profile::{self, CP_WIN, PppHabits, Profile};
use crate::scenario::{NodeKind, Scenario};
use crate::story::plot::{Person, node};
use crate::story::town::{HubPlan, Plan, SERVER_IP, Town};
use crate::world::{NodeId, World};

/// The swarm.
pub const SWARM: Scenario = Scenario {
    name: "swarm",
    about: "random clients, things to do and faults; then all must heal, and then all must end",
    play: swarm,
};

fn swarm(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let mut stage = Stage::build(world, kind);
    let acts = world.below(ACTS_MAX);
    for _ in 0..acts {
        stage.act(world)?;
        let pause_ms = PAUSES_MS[world.below(PAUSES_MS.len() as u64) as usize];
        world.run_for(Duration::from_millis(pause_ms))?;
    }
    stage.heal(world);
    stage.crowd.converge(world)?;
    stage.crowd.end(world)
}

/// Everyone who takes part.
struct Stage {
    kind: NodeKind,
    mix: Mix,
    crowd: Crowd,
    nats: Vec<NatBox>,
    stranger: NodeId,
    hoarded: bool,
}

impl Stage {
    fn build(world: &mut World, kind: NodeKind) -> Self {
        let mix = Mix::draw(world);
        let count = 1 + world.below(CLIENTS_MAX);
        let plan = draw_plan(world);
        let is_small = world.below(4) == 3;
        let cable = mix.cable(world);
        let town = Town::build_with(world, kind, &plan, |setup| {
            setup.cable = cable;
            if is_small {
                make_small(setup, count as usize + 2);
            }
        });
        let (lag, workers) = (mix.timer_lag(world), mix.workers(world));
        world.lag_timers(town.server, lag);
        world.with(town.server, |server: &mut ServerNode, _| *server.workers_mut() = workers);
        if let Some(leases) = world.observer_mut::<Leases>() {
            leases.allow(Duration::from_millis(LAG_MAX_MS));
        }
        let stranger = world.add("stranger", Stranger);
        let link = LinkConfig::perfect();
        world.attach(stranger, crate::net::INTERNET, &[STRANGER_IP.into()], link);
        world.observe(Overheard::new(town.server, stranger));
        world.observe(Sessions::default());
        if let Some(counted) = world.observer_mut::<Counted>() {
            counted.distrust(stranger);
        }
        let nats = (0..world.below(3)).map(|number| draw_nat(world, &town, number)).collect();
        let mut stage = Self { kind, mix, crowd: Crowd::new(town), nats, stranger, hoarded: false };
        for number in 0..count {
            stage.add_client(world, number as u16);
        }
        stage
    }

    fn add_client(&mut self, world: &mut World, number: u16) {
        let mut person = Person { link: self.mix.link(world, self.kind), ..Person::new(number) };
        person.profile = profile::ALL[world.below(profile::ALL.len() as u64) as usize];
        person.carrier =
            [Carrier::Ipsec, Carrier::Bare, Carrier::IpsecInUdp][world.below(3) as usize];
        person.user = USERS[world.below(USERS.len() as u64) as usize];
        person.hub = world.below(self.crowd.town.hubs.len() as u64) as u8;
        let home = world.below(1 + self.nats.len() as u64) as usize;
        if let Some(nat) = home.checked_sub(1).and_then(|home| self.nats.get(home)) {
            person = person.behind(nat, [10, 0, 0, 2 + number as u8]);
        } else if world.below(4) == 3 && self.kind != NodeKind::Embassy {
            person = person.on_ipv6();
        }
        if world.below(12) == 11 {
            person = Person { user: (STRANGER, "a guess"), ..person.with(&CP_PAP) };
            let pretender = self.crowd.town.client(world, &person);
            self.crowd.pretenders.push(pretender);
        } else {
            let client = self.crowd.town.client(world, &person);
            self.crowd.clients.push(client);
        }
    }

    /// Lets one thing happen.
    fn act(&mut self, world: &mut World) -> Result<(), Failure> {
        match world.below(19) {
            0 => {}
            1..=3 => self.crowd.talk(world),
            4 => self.crowd.toggle(world),
            5 => self.crowd.vanish(world),
            6 if self.mix.nats => self.rebind(world),
            7 if self.mix.cuts => self.cut(world),
            8 if self.mix.orders => self.order(world),
            9 if self.mix.restarts => self.crowd.town.restart(world),
            10 if self.mix.leaps => {
                let secs = [1, 10, 100, 4_000][world.below(4) as usize];
                world.scene("the server's clock leaps");
                world.jump_clock(self.crowd.town.server, Duration::from_secs(secs));
            }
            11 if self.mix.hunger => self.starve(world),
            12 if self.mix.dhcp => self.bother_dhcp(world),
            13..=14 if self.mix.strangers => self.bother_server(world),
            15 => self.put_noise_on_lan(world),
            17 if self.mix.strangers => self.race(world)?,
            16 => {
                let secs = [10, 60, 200, 2_000][world.below(4) as usize];
                world.run_for(Duration::from_secs(secs))?;
            }
            _ => self.crowd.talk(world),
        }
        Ok(())
    }

    fn rebind(&mut self, world: &mut World) {
        let number = world.below(self.nats.len().max(1) as u64) as usize;
        if let Some(nat) = self.nats.get(number) {
            world.scene("a NAT box forgets");
            world.rebind(nat.id);
        }
    }

    fn cut(&mut self, world: &mut World) {
        let Some(client) = self.crowd.some_client(world) else { return };
        let direction = [Direction::Up, Direction::Down][world.below(2) as usize];
        let is_whole = world.below(2) == 1;
        let secs = [1, 20, 150, 400][world.below(4) as usize];
        world.scene("a link is cut");
        world.way_mut(client.link, direction).is_cut = true;
        if is_whole {
            world.cut(client.link, true);
        }
        world.after(Duration::from_secs(secs), move |world| world.cut(client.link, false));
    }

    fn order(&mut self, world: &mut World) {
        let is_rekey = world.below(2) == 0;
        let sessions = world.observer::<Sessions>().map(|it| it.up.len()).unwrap_or_default();
        let number = world.below(sessions.max(1) as u64) as usize;
        let session = world.observer::<Sessions>().and_then(|it| it.up.get(number)).map(|up| up.id);
        let command = match session {
            Some(session) if !is_rekey => Command::Disconnect(session),
            _ => Command::Rekey,
        };
        world.scene("an order");
        world.with(self.crowd.town.server, |server: &mut ServerNode, _| server.command(command));
    }

    fn starve(&mut self, world: &mut World) {
        self.hoarded = !self.hoarded;
        let count = if self.hoarded { usize::MAX } else { 0 };
        world.scene(if self.hoarded { "buffers run out" } else { "buffers are back" });
        world.with(self.crowd.town.server, |server: &mut ServerNode, _| server.hoard(count));
    }

    fn bother_dhcp(&mut self, world: &mut World) {
        let number = world.below(self.crowd.town.hubs.len() as u64) as usize;
        let hub = &self.crowd.town.hubs[number];
        let Some(&host) = hub.hosts.first().filter(|_| hub.plan.is_dhcp_on_lan) else { return };
        match world.below(3) {
            0 => world.power(host, true),
            1 => {
                world.scene("a DHCP server is off");
                world.power(host, false);
            }
            _ => {
                world.scene("a DHCP server forgets");
                if let Some(leases) = world.observer_mut::<Leases>() {
                    leases.forgive(hub.plan.name);
                }
                world.with(host, |host: &mut Host, _| {
                    if let Some(dhcp) = host.dhcp_mut() {
                        dhcp.forget();
                    }
                });
            }
        }
    }

    fn bother_server(&mut self, world: &mut World) {
        let number = world.below(REMEMBERED as u64) as usize;
        let heard = world.observer::<Overheard>().and_then(|heard| heard.nth(number).cloned());
        let kind = world.below(4);
        if kind == 0 {
            self.try_to_move_a_client(world, number);
            return;
        }
        let port = [4_500, 500, 1_701][world.below(3) as usize];
        let own = SocketAddr::new(STRANGER_IP.into(), port);
        world.with(self.stranger, |stranger: &mut Stranger, cx| match (kind, heard) {
            (1, Some(heard)) => stranger.distort(cx, own, &heard),
            (2, _) => {
                let from = SocketAddr::new(VICTIM_IP.into(), 500);
                let count = 1 + cx.below(600);
                stranger.knock(cx, from, SocketAddr::new(SERVER_IP, 500), count);
            }
            _ => stranger.noise(cx, own, SocketAddr::new(SERVER_IP, port)),
        });
    }

    /// A stranger repeats what a client sent, and those on the LANs then speak to everyone.
    fn try_to_move_a_client(&self, world: &mut World, number: usize) {
        let heard = world.observer::<Overheard>().and_then(|heard| heard.nth(number).cloned());
        let Some(heard) = heard else { return };
        let own = SocketAddr::new(STRANGER_IP.into(), heard.from.port());
        world.with(self.stranger, |stranger: &mut Stranger, cx| stranger.repeat(cx, own, &heard));
        for &client in &self.crowd.clients {
            let host = self.crowd.town.hubs[usize::from(client.hub)].hosts.first().copied();
            let address = node(world, client).address();
            if let Some((host, to)) = host.zip(address) {
                world.with(host, |host: &mut Host, cx| host.ping(cx, to));
            }
        }
    }

    /// A stranger is faster than a client's message 5, and sends it spoiled, in its name.
    fn race(&self, world: &mut World) -> Result<(), Failure> {
        let Some(client) = self.crowd.some_client(world) else { return Ok(()) };
        world.with(client.id, |node: &mut ClientNode, cx| {
            node.vanish(cx);
            node.dial(cx);
        });
        if let Some(heard) = world.observer_mut::<Overheard>() {
            heard.listen(client.id);
        }
        let in_flight =
            |world: &World| world.observer::<Overheard>().and_then(|it| it.in_flight().cloned());
        world.run_until(Duration::from_secs(5), |world| in_flight(world).is_some())?;
        if let Some(message) = in_flight(world) {
            world.scene("a stranger is faster");
            world.with(self.stranger, |stranger: &mut Stranger, cx| {
                stranger.spoil(cx, &message);
            });
        }
        Ok(())
    }

    fn put_noise_on_lan(&self, world: &mut World) {
        let number = world.below(self.crowd.town.hubs.len() as u64) as usize;
        let Some(&host) = self.crowd.town.hubs[number].hosts.first() else { return };
        let to = [[0xff; 6], [2, 0, 0, 0, 0, 0x77], [0x33, 0x33, 0, 0, 0, 1]];
        let to = to[world.below(3) as usize];
        world.with(host, |host: &mut Host, cx| {
            let payload = cx.choices();
            let payload = payload.0.octets::<60>(payload.1).to_vec();
            let to = kumihimo_core::addr::MacAddr(to);
            host.put(cx, &Ethernet { to, from: host.mac(), kind: IPV4, payload });
        });
    }

    /// Ends all faults.
    fn heal(&mut self, world: &mut World) {
        world.heal();
        for link in world.links() {
            world.cut(link, false);
        }
        for host in self.crowd.town.hubs.iter().flat_map(|hub| hub.hosts.clone()) {
            world.power(host, true);
        }
        world.with(self.crowd.town.server, |server: &mut ServerNode, _| {
            server.hoard(0);
            *server.workers_mut() = crate::node::server::Workers::default();
        });
        for client in self.crowd.clients.clone() {
            world.with(client.id, |node: &mut ClientNode, cx| {
                if !node.is_wanted() {
                    node.dial(cx);
                }
            });
        }
    }
}

fn draw_plan(world: &mut World) -> Plan {
    let mut hubs = Vec::new();
    for number in 0..=world.below(2) as usize {
        let lease_secs = [60, 600, 7_200][world.below(3) as usize];
        hubs.push(HubPlan {
            name: ["DEFAULT", "OTHER"][number],
            net: 30 + number as u8,
            is_dhcp_on_lan: world.below(2) == 1,
            pool_len: 30,
            lease: Duration::from_secs(lease_secs),
            hosts: 1 + world.below(2) as u8,
        });
    }
    Plan { sessions: 12, hubs }
}

/// Small tables, large enough for `count` clients and what is left of their last dials.
fn make_small(setup: &mut ServerSetup, count: usize) {
    let limits = &mut setup.limits;
    limits.batch = 2;
    limits.half_open = count * 2;
    limits.outputs = 40;
    limits.frames = 8;
    limits.floods = 1;
    limits.requests = 4;
    setup.buffers = 64;
}

fn draw_nat(world: &mut World, town: &Town, number: u64) -> NatBox {
    let kinds = [Mapping::EndpointIndependent, Mapping::AddressDependent, Mapping::Symmetric];
    let ports = [Ports::Preserve, Ports::Sequential, Ports::Random];
    let config = NatConfig {
        mapping: kinds[world.below(3) as usize],
        ports: ports[world.below(3) as usize],
        timeout: Duration::from_secs([120, 30, 600][world.below(3) as usize]),
        ..NatConfig::default()
    };
    town.nat(world, ["nat-a", "nat-b"][number as usize % 2], config)
}

/// A Windows client that proves itself by PAP, so that a wrong password shows on our side alone.
static CP_PAP: Profile = Profile {
    name: "CP-PAP",
    ppp: PppHabits { methods: &[profile::Method::Pap], ..CP_WIN.ppp },
    ..CP_WIN
};

/// Most things that happen.
const ACTS_MAX: u64 = 25;
/// Most clients.
const CLIENTS_MAX: u64 = 5;
const PAUSES_MS: [u64; 5] = [0, 20, 500, 4_000, 30_000];
const STRANGER_IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
const VICTIM_IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 99);
