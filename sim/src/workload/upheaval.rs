//! The second swarm: upheaval. Whatever an administrator can change is changed at any moment;
//! clients begin again in the middle; key holders without a user and users who mean harm do their
//! worst. Beside all that an honest client dials, on a perfect link and on a hub that nobody
//! changes, and must get what it is there for.

mod hostile;
mod reload;
mod trial;

use std::net::{IpAddr, Ipv4Addr};

use kumihimo::config_file::Settings;
use kumihimo_core::addr::{NATT_PORT, Outer, Path};
use kumihimo_core::time::{Duration, Instant};

use super::crowd::Crowd;
use super::sessions::Sessions;
use crate::check::in_force::InForce;
use crate::check::isolation::Isolation;
use crate::fault::Mix;
use crate::net::{INTERNET, LinkConfig};
use crate::node::client::ClientNode;
use crate::node::dhcp::DhcpServer;
use crate::node::holder::KeyHolder;
use crate::node::server::ServerNode;
use crate::node::setup::{self, ServerSetup, USERS};
use crate::observe::Failure;
use crate::peer::{Again, Carrier};
use crate::profile;
use crate::scenario::{NodeKind, Scenario};
use crate::story::plot::{Person, Resident};
use crate::story::town::{HubPlan, Plan, SERVER_IP, Town};
use crate::world::{NodeId, World};

/// Upheaval.
pub const UPHEAVAL: Scenario = Scenario {
    name: "upheaval",
    about: "reloads, clients that begin again, and people who mean harm; honest ones beside them",
    play: upheaval,
};

fn upheaval(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let mut stage = Stage::build(world, kind);
    let acts = world.below(ACTS_MAX);
    for _ in 0..acts {
        stage.act(world)?;
        let pause_ms = PAUSES_MS[world.below(PAUSES_MS.len() as u64) as usize];
        world.run_for(Duration::from_millis(pause_ms))?;
    }
    stage.settle(world)?;
    stage.crowd.converge(world)?;
    stage.trial(world)?;
    stage.end(world)
}

/// What a seed has of it.
#[derive(Clone, Copy, Debug)]
struct Themes {
    reloads: bool,
    again: bool,
    holders: bool,
    users: bool,
    paths: bool,
}

impl Themes {
    fn draw(world: &mut World) -> Self {
        let mut has = || world.below(3) != 0;
        Self { reloads: has(), again: has(), holders: has(), users: has(), paths: has() }
    }
}

/// Everyone who takes part.
struct Stage {
    kind: NodeKind,
    themes: Themes,
    crowd: Crowd,
    /// The settings of the beginning, which are those of the end.
    home: Settings,
    honest: Resident,
    holder: NodeId,
    /// Whether key holders have begun.
    is_besieged: bool,
    /// Users who mean harm, on the hub of the honest one.
    hostile: Vec<Resident>,
    /// Until when they do.
    riot_until: Instant,
    /// DHCP servers of LANs that are switched off for a virtual one.
    shelved: Vec<Option<DhcpServer>>,
    /// Hubs whose LAN has lost sight of a session or of its DHCP server.
    disturbed: Vec<bool>,
}

impl Stage {
    fn build(world: &mut World, kind: NodeKind) -> Self {
        let themes = Themes::draw(world);
        let mix = if world.below(4) == 3 { Mix::draw(world) } else { Mix::default() };
        let count = world.below(CLIENTS_MAX);
        let plan = draw_plan(world);
        let town = Town::build_with(world, kind, &plan, prepare);
        world.observe(Sessions::default());
        world.observe(InForce::default());
        if let Some(isolation) = world.observer_mut::<Isolation>() {
            (0..2).for_each(|hub| isolation.allow(hub, reload::other_net(hub)));
        }
        let home = world.node::<ServerNode>(town.server).map(|it| it.settings().clone());
        let home = home.expect("a server");
        let hub = town.hubs.len() as u8 - 1;
        let honest = Person { user: HONEST, hub, link: LinkConfig::perfect(), ..person(900) };
        let honest = town.client_with(world, &honest, ClientNode::idle);
        let hostile = (0..world.below(if themes.users { 4 } else { 1 }) as u16).map(|number| {
            let carrier = [Carrier::Bare, Carrier::Ipsec][usize::from(number) % 2];
            let link = LinkConfig::perfect();
            let eve = Person { user: HOSTILE, hub, carrier, link, ..person(800 + number) };
            town.client_with(world, &eve, ClientNode::idle)
        });
        let hostile = hostile.collect();
        let count_of_addresses = 1 + world.below(4) as u8;
        let at = |last| IpAddr::V4(Ipv4Addr::new(198, 51, 100, last));
        let addresses: Vec<_> = (1..=count_of_addresses).map(at).collect();
        let holder = KeyHolder::new(&hostile::CP_CHEAP, addresses.clone(), SERVER_IP);
        let holder = world.add("key-holder", holder);
        world.attach(holder, INTERNET, &addresses, LinkConfig::perfect());
        let hubs = town.hubs.len();
        let mut stage = Self {
            kind,
            themes,
            crowd: Crowd::new(town),
            home,
            honest,
            holder,
            is_besieged: false,
            hostile,
            riot_until: world.now(),
            shelved: vec![None; hubs],
            disturbed: vec![false; hubs],
        };
        for number in 0..count {
            stage.add_client(world, &mix, number as u16);
        }
        stage
    }

    fn add_client(&mut self, world: &mut World, mix: &Mix, number: u16) {
        let mut person = Person { link: mix.link(world, self.kind), ..Person::new(number) };
        person.profile = profile::ALL[world.below(profile::ALL.len() as u64) as usize];
        person.carrier =
            [Carrier::Ipsec, Carrier::Bare, Carrier::IpsecInUdp][world.below(3) as usize];
        person.user = USERS[world.below(USERS.len() as u64) as usize];
        let hubs = self.crowd.town.hubs.len().saturating_sub(1).max(1);
        person.hub = world.below(hubs as u64) as u8;
        let client = self.crowd.town.client(world, &person);
        self.crowd.clients.push(client);
    }

    /// Lets one thing happen.
    fn act(&mut self, world: &mut World) -> Result<(), Failure> {
        let Themes { reloads, again, holders, users, paths } = self.themes;
        match world.below(16) {
            0 => {}
            1 => self.crowd.talk(world),
            2 => self.crowd.toggle(world),
            3 => self.crowd.vanish(world),
            4..=7 if reloads => self.reload(world),
            8..=9 if again => self.begin_again(world),
            10 if holders => self.besiege(world)?,
            11 if users => self.riot(world)?,
            12 if paths => self.tell_mtu(world),
            13 => self.trial(world)?,
            14 => {
                let secs = [10, 60, 200, 2_000][world.below(4) as usize];
                world.run_for(Duration::from_secs(secs))?;
            }
            _ => self.crowd.talk(world),
        }
        Ok(())
    }

    fn begin_again(&self, world: &mut World) {
        let Some(client) = self.crowd.some_client(world) else { return };
        let again = AGAIN[world.below(AGAIN.len() as u64) as usize];
        world.scene(&format!("a client begins again: {again:?}"));
        world.with(client.id, |node: &mut ClientNode, cx| node.again(cx, again));
    }

    fn tell_mtu(&self, world: &mut World) {
        let mtu = [1_500, 1_492, 1_400, 1_280, 600, 100][world.below(6) as usize];
        let number = world.below(1 + self.crowd.clients.len() as u64);
        let remote = Ipv4Addr::new(198, 18, 0, number as u8).into();
        let port = NATT_PORT;
        let path = Path {
            local: (SERVER_IP, port).into(),
            remote: std::net::SocketAddr::new(remote, port),
            outer: Outer::Udp,
        };
        world.scene(&format!("the network tells an MTU of {mtu}"));
        let server = self.crowd.town.server;
        world.with(server, |server: &mut ServerNode, _| server.tell_mtu(path, mtu));
    }

    /// Ends what does harm, and puts back what was changed; everyone wants to be up.
    fn settle(&mut self, world: &mut World) -> Result<(), Failure> {
        world.heal();
        world.with(self.holder, |holder: &mut KeyHolder, _| holder.vanish());
        for &eve in &self.hostile {
            world.with(eve.id, |node: &mut ClientNode, cx| node.vanish(cx));
        }
        self.riot_until = world.now();
        self.put_back(world);
        for client in self.crowd.clients.clone() {
            world.with(client.id, |node: &mut ClientNode, cx| {
                if !node.is_wanted() {
                    node.dial(cx);
                }
            });
        }
        world.run_for(Duration::from_millis(1))
    }

    /// Everyone leaves; then nothing is left, here and on the LANs.
    fn end(&self, world: &mut World) -> Result<(), Failure> {
        world.with(self.honest.id, |node: &mut ClientNode, cx| node.hang_up(cx));
        self.crowd.end(world)?;
        // What was said last is on its way.
        world.run_for(Duration::from_secs(1))?;
        for (hub, _) in self.crowd.town.hubs.iter().zip(&self.disturbed).filter(|(_, it)| !**it) {
            let held = hub.hosts.first().and_then(|&host| {
                let dhcp = world.node::<crate::node::host::Host>(host)?.dhcp()?;
                dhcp.leases(world.now()).next()
            });
            if let Some((address, _)) = held {
                let name = hub.plan.name;
                world.fail("lease-back", format!("{address} of hub {name} was not given back"));
            }
        }
        world.run_for(Duration::ZERO)
    }
}

/// Someone at an address of its own.
fn person(number: u16) -> Person {
    Person::new(number)
}

fn draw_plan(world: &mut World) -> Plan {
    let mut hubs = Vec::new();
    let changing = 1 + world.below(2) as usize;
    for (number, name) in ["DEFAULT", "OTHER"].into_iter().enumerate().take(changing) {
        hubs.push(HubPlan { name, net: 30 + number as u8, ..draw_hub(world) });
    }
    hubs.push(HubPlan { name: "CALM", net: 40, ..draw_hub(world) });
    Plan { sessions: SESSIONS, hubs }
}

fn draw_hub(world: &mut World) -> HubPlan {
    let lease_secs = [7_200, 600, 60][world.below(3) as usize];
    HubPlan {
        is_dhcp_on_lan: world.below(2) == 1,
        pool_len: 30,
        lease: Duration::from_secs(lease_secs),
        hosts: 1,
        ..HubPlan::default()
    }
}

/// Everyone's hubs have the honest user, and the one who means harm with what he may have.
fn prepare(setup: &mut ServerSetup) {
    setup.limits.half_open = HALF_OPEN;
    for hub in &mut setup.settings.hubs {
        hub.users.push(setup::user(HONEST.0, HONEST.1));
        let mut eve = setup::user(HOSTILE.0, HOSTILE.1);
        eve.max_sessions = Some(HOSTILE_MAX);
        hub.users.push(eve);
    }
}

/// Most things that happen.
const ACTS_MAX: u64 = 20;
/// One more than there may be clients, beside the honest one.
const CLIENTS_MAX: u64 = 5;
/// Sessions that a server has room for: more than all clients and what they leave.
const SESSIONS: usize = 24;
/// Main modes that may be under way: more than all honest clients begin.
const HALF_OPEN: usize = 16;
const PAUSES_MS: [u64; 5] = [0, 20, 500, 4_000, 30_000];
const HONEST: (&str, &str) = ("sota", "honest");
const HOSTILE: (&str, &str) = ("eve", "evil");
const HOSTILE_MAX: u32 = 3;
/// What a client does once more.
const AGAIN: [Again; 5] =
    [Again::Link, Again::Network, Again::QuickMode, Again::MainMode, Again::Proof];
