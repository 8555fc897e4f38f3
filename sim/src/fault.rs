//! Draws faults for the swarm: how links are, how a server's machine and its workers are.
//!
//! Each seed has some kinds of faults and not others (swarm testing): mixed all at once they
//! would hide each other. Decision 0 is no fault.

use kumihimo_core::time::Duration;

use crate::choice::Odds;
use crate::net::{Burst, LinkConfig, Way};
use crate::node::server::Workers;
use crate::world::World;

/// The kinds of faults that a seed has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mix {
    /// Packets are lost, one by one.
    pub loss: bool,
    /// Packets are lost in rows.
    pub bursts: bool,
    /// Packets come twice.
    pub copies: bool,
    /// Packets overtake each other.
    pub reorder: bool,
    /// Bits flip.
    pub corruption: bool,
    /// Links are cut.
    pub cuts: bool,
    /// The server's timers come late.
    pub lag: bool,
    /// The server's clock leaps forward.
    pub leaps: bool,
    /// The server restarts.
    pub restarts: bool,
    /// Buffers run out.
    pub hunger: bool,
    /// Workers are slow, forgetful, or say it twice.
    pub workers: bool,
    /// DHCP servers on LANs come and go.
    pub dhcp: bool,
    /// Strangers repeat, distort and knock.
    pub strangers: bool,
    /// NAT boxes forget.
    pub nats: bool,
    /// Administrators end sessions and renew keys.
    pub orders: bool,
}

impl Mix {
    /// Draws a mix.
    pub fn draw(world: &mut World) -> Self {
        let mut has = || world.below(3) == 2;
        Self {
            loss: has(),
            bursts: has(),
            copies: has(),
            reorder: has(),
            corruption: has(),
            cuts: has(),
            lag: has(),
            leaps: has(),
            restarts: has(),
            hunger: has(),
            workers: has(),
            dhcp: has(),
            strangers: has(),
            nats: has(),
            orders: has(),
        }
    }

    /// Draws what a link is like.
    pub fn link(&self, world: &mut World) -> LinkConfig {
        LinkConfig { up: self.way(world), down: self.way(world) }
    }

    fn way(&self, world: &mut World) -> Way {
        let mut odds = |is_on: bool, most: u64| {
            if is_on { Odds::percent(world.below(most) as u32) } else { Odds::NEVER }
        };
        let loss = odds(self.loss, 31);
        let start = odds(self.bursts, 6);
        let duplicate = odds(self.copies, 31);
        let reorder = odds(self.reorder, 31);
        let corrupt = odds(self.corruption, 11);
        let delay = Duration::from_millis(10 + world.below(100));
        let jitter = Duration::from_millis(world.below(20));
        let reorder_by = Duration::from_millis(20 + world.below(300));
        let burst = self.bursts.then_some(Burst { start, longest: 8 });
        Way {
            delay,
            jitter,
            loss,
            burst,
            duplicate,
            reorder,
            reorder_by,
            corrupt,
            ..Way::default()
        }
    }

    /// Draws how late the server's timers may come.
    pub fn timer_lag(&self, world: &mut World) -> Duration {
        let lags_ms = [0, 5, 200, LAG_MAX_MS];
        let lag_ms = if self.lag { lags_ms[world.below(4) as usize] } else { 0 };
        Duration::from_millis(lag_ms)
    }

    /// Draws what the server's workers are like.
    pub fn workers(&self, world: &mut World) -> Workers {
        if !self.workers {
            return Workers::default();
        }
        Workers {
            delay: Duration::from_millis(2 + world.below(500)),
            jitter: Duration::from_millis(world.below(1_000)),
            loss: Odds::percent(world.below(21) as u32),
            twice: Odds::percent(world.below(21) as u32),
        }
    }
}

/// The most that a server's timers are late.
pub const LAG_MAX_MS: u64 = 3_000;
