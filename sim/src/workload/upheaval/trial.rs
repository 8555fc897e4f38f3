//! The trial: an honest client dials, and sends a ping again and again.

use kumihimo_core::time::Duration;

use super::Stage;
use crate::node::client::ClientNode;
use crate::node::host::Host;
use crate::node::server::ServerNode;
use crate::observe::Failure;
use crate::story::plot::node;
use crate::world::World;

impl Stage {
    /// The honest client dials, must be up in time, and keeps its packets while others change
    /// settings that are none of its business.
    pub(super) fn trial(&mut self, world: &mut World) -> Result<(), Failure> {
        let reloads = if self.themes.reloads { world.below(4) } else { 0 };
        let stays = world.below(2) == 1;
        let pings = [8, 40][world.below(2) as usize];
        self.restore_law(world);
        world.run_for(Duration::from_millis(1))?;
        if !node(world, self.honest).is_up() {
            if !self.has_room(world) {
                return Ok(());
            }
            world.scene("an honest client dials");
            world.with(self.honest.id, |node: &mut ClientNode, cx| node.dial(cx));
            let is_up = world.run_until(DIAL_MAX, |world| node(world, self.honest).is_up())?;
            if !is_up {
                let log = node(world, self.honest).log().clone();
                let check = self.named("honest-dial", world);
                world.fail(check, format!("it is not up after {} s: {log:?}", DIAL_MAX.as_secs()));
                world.with(self.honest.id, |node: &mut ClientNode, cx| node.hang_up(cx));
                return world.run_for(Duration::ZERO);
            }
        }
        self.keep_packets(world, pings, reloads)?;
        if !stays {
            world.with(self.honest.id, |node: &mut ClientNode, cx| node.hang_up(cx));
        }
        world.run_for(Duration::ZERO)
    }

    /// Sends pings, four a second, while settings change at `reloads` moments.
    fn keep_packets(&mut self, world: &mut World, pings: u64, reloads: u64) -> Result<(), Failure> {
        let hub = usize::from(self.honest.hub);
        let host = self.crowd.town.hubs[hub].hosts.first().and_then(|&id| world.node::<Host>(id));
        let Some(to) = host.map(Host::ip) else { return Ok(()) };
        let before = node(world, self.honest).log().pongs;
        let apart = pings / 4;
        for round in 0..pings {
            if round % apart == 1 && round / apart < reloads {
                self.reload_elsewhere(world);
            }
            world.with(self.honest.id, |node: &mut ClientNode, cx| node.ping(cx, to));
            world.run_for(Duration::from_millis(250))?;
        }
        let log = node(world, self.honest).log().clone();
        let back = u64::from(log.pongs - before);
        if back * 100 < pings * KEPT_PERCENT {
            let check = self.named("honest-packets", world);
            world.fail(check, format!("of {pings} pings {back} were answered: {log:?}"));
        }
        world.run_for(Duration::ZERO)
    }

    /// Whether the server has room for one more session, as far as those who have proven
    /// themselves leave it.
    fn has_room(&self, world: &World) -> bool {
        let server = world.node::<ServerNode>(self.crowd.town.server);
        self.is_besieged || server.is_some_and(|it| it.turn().census.calls + 2 < it.limits().calls)
    }

    /// The name of a check, by those who are there beside the honest client.
    fn named(&self, check: &str, world: &World) -> &'static str {
        let is_riot = self.riot_until > world.now();
        match (check, self.is_besieged, is_riot) {
            ("honest-dial", true, _) => "honest-dial-beside-key-holders",
            ("honest-dial", _, true) => "honest-dial-beside-users",
            ("honest-dial", ..) => "honest-dial",
            (_, true, _) => "honest-packets-beside-key-holders",
            (_, _, true) => "honest-packets-beside-users",
            _ => "honest-packets",
        }
    }
}

/// In this time a dial on a perfect link is up.
const DIAL_MAX: Duration = Duration::from_secs(30);
/// How many of its pings must be answered.
const KEPT_PERCENT: u64 = 95;
