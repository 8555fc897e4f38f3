//! Those who use the server in all honesty, as far as they know their passwords.

use kumihimo_core::time::Duration;

use super::sessions::Sessions;
use crate::node::client::ClientNode;
use crate::node::host::Host;
use crate::observe::Failure;
use crate::story::plot::{Resident, node};
use crate::story::town::Town;
use crate::world::World;

/// A town and its clients.
pub(super) struct Crowd {
    pub(super) town: Town,
    pub(super) clients: Vec<Resident>,
    /// Clients that do not know their password.
    pub(super) pretenders: Vec<Resident>,
}

impl Crowd {
    pub(super) const fn new(town: Town) -> Self {
        Self { town, clients: Vec::new(), pretenders: Vec::new() }
    }

    pub(super) fn some_client(&self, world: &mut World) -> Option<Resident> {
        let number = world.below(self.clients.len().max(1) as u64) as usize;
        self.clients.get(number).copied()
    }

    /// Someone sends something to someone.
    pub(super) fn talk(&self, world: &mut World) {
        let Some(client) = self.some_client(world) else { return };
        let hub = &self.town.hubs[usize::from(client.hub)];
        let whom = world.below(5);
        let other = self.some_client(world).and_then(|other| node(world, other).address());
        let host = hub.hosts.first().copied();
        match (whom, host) {
            (3, Some(host)) => {
                let to = node(world, client).address().unwrap_or_else(|| hub.address(77));
                world.with(host, |host: &mut Host, cx| host.ping(cx, to));
                return;
            }
            (4, _) => {
                let to = hub.address(255);
                world.with(client.id, |node: &mut ClientNode, cx| node.shout(cx, to));
                return;
            }
            _ => {}
        }
        let host_ip = host.and_then(|host| world.node::<Host>(host)).map(Host::ip);
        let to = match whom {
            1 => other.unwrap_or_else(|| hub.address(99)),
            2 => host_ip.unwrap_or_else(|| hub.address(98)),
            _ => hub.router(world),
        };
        let len = LENGTHS[world.below(LENGTHS.len() as u64) as usize];
        world.with(client.id, |node: &mut ClientNode, cx| node.ping_of(cx, to, len));
    }

    pub(super) fn toggle(&self, world: &mut World) {
        let Some(client) = self.some_client(world) else { return };
        world.with(
            client.id,
            |node: &mut ClientNode, cx| {
                if node.is_wanted() { node.hang_up(cx) } else { node.dial(cx) }
            },
        );
    }

    pub(super) fn vanish(&mut self, world: &mut World) {
        let Some(client) = self.some_client(world) else { return };
        let comes_back = world.below(2) == 1;
        world.with(client.id, |node: &mut ClientNode, cx| {
            node.vanish(cx);
            if comes_back {
                node.dial(cx);
            }
        });
    }

    /// Waits until everyone is up and reaches the router.
    ///
    /// Who believes in a session that the server does not know any more notices that, or its user
    /// does, and dials again.
    pub(super) fn converge(&self, world: &mut World) -> Result<(), Failure> {
        let end = world.now() + CONVERGE;
        for &client in &self.clients {
            let router = self.town.hubs[usize::from(client.hub)].router(world);
            let mut misses = 0;
            loop {
                if self.town.pings_once(world, client, router)? {
                    break;
                }
                misses += u32::from(node(world, client).is_up());
                if misses > MISSES_MAX && is_stale(world, &self.town, client) {
                    misses = 0;
                    world.with(client.id, |node: &mut ClientNode, cx| {
                        node.vanish(cx);
                        node.dial(cx);
                    });
                }
                if world.now() >= end {
                    let name = world.name(client.id).to_owned();
                    let log = node(world, client).log().clone();
                    let is_up = node(world, client).is_up();
                    world.fail("converge", format!("{name} is up: {is_up}; {log:?}"));
                }
                world.run_for(Duration::from_secs(1))?;
            }
        }
        Ok(())
    }

    /// Everyone leaves, some without a word, and the server must notice.
    pub(super) fn end(&self, world: &mut World) -> Result<(), Failure> {
        for &client in self.clients.iter().chain(&self.pretenders) {
            let is_polite = world.below(2) == 0;
            world.with(
                client.id,
                |node: &mut ClientNode, cx| {
                    if is_polite { node.hang_up(cx) } else { node.vanish(cx) }
                },
            );
        }
        self.town.must_end_empty(world, &[], FORGET)
    }
}

/// Whether the server does not know the session that a client believes in, or knows it by an
/// address that leads nowhere.
fn is_stale(world: &World, town: &Town, client: Resident) -> bool {
    let plan = &town.hubs[usize::from(client.hub)].plan;
    let (hub, net) = (plan.name, plan.net);
    let client = node(world, client);
    let Some(address) = client.address() else { return false };
    // Its hub has another network by now.
    if address.octets()[2] != net {
        return true;
    }
    let sessions = world.observer::<Sessions>().map(|it| it.up.as_slice()).unwrap_or_default();
    !sessions.iter().any(|up| {
        // One that came up after the client was up is another's.
        up.hub == hub && up.address == address && up.at <= client.log().up_at
    })
}

/// Octets of pings: the least, what fits into every path, and what is cut into fragments.
const LENGTHS: [usize; 4] = [0, 500, 1_200, 1_400];
/// Time after the faults in which everyone must be up and reach the hub: a server may need
/// `dead-after`, 120 s, to see that an old session is dead, and a client's dial 60 s to fail.
const CONVERGE: Duration = Duration::from_secs(400);
/// Pings without an answer after which a user dials again.
const MISSES_MAX: u32 = 10;
/// Time in which a server forgets those who left: `dead-after` for each layer, and goodbyes.
const FORGET: Duration = Duration::from_secs(600);
