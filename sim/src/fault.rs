//! Draws faults for the swarm: how links are, how a server's machine and its workers are.
//!
//! Each seed has some kinds of faults and not others (swarm testing): mixed all at once they
//! would hide each other. Decision 0 is no fault.

use kumihimo_core::time::Duration;

use crate::choice::Odds;
use crate::net::{Burst, LinkConfig, Oversize, Way};
use crate::node::cable::CableLimits;
use crate::node::server::Workers;
use crate::scenario::NodeKind;
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
    /// Paths carry less than 1500 octets.
    pub narrows: bool,
    /// A board's Ethernet takes few frames at a time.
    pub queues: bool,
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
            narrows: has(),
            queues: has(),
        }
    }

    /// Draws what a link is like.
    pub fn link(&self, world: &mut World, kind: NodeKind) -> LinkConfig {
        let (up, down) = (self.way(world), self.way(world));
        let (mtu, oversize) =
            if self.narrows { narrow(world) } else { (1_500, Oversize::Fragment) };
        // What a board sends may be cut into fragments on its way, so that nobody tells it.
        let is_told = oversize != Oversize::Report || kind != NodeKind::Embassy;
        let below = if is_told { oversize } else { Oversize::Fragment };
        LinkConfig {
            up: Way { mtu, oversize: Oversize::Fragment, ..up },
            down: Way { mtu, oversize: below, ..down },
        }
    }

    /// Draws what a board's Ethernet takes at a time.
    pub fn cable(&self, world: &mut World) -> CableLimits {
        if !self.queues {
            return CableLimits::default();
        }
        CableLimits {
            inbound: [64, 8, 4, 2][world.below(4) as usize],
            outbound: 4 - world.below(4) as usize,
            piece_len: [1_480, 1_256, 552][world.below(3) as usize],
        }
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

/// Draws the longest packet of a path, and what becomes of longer ones.
fn narrow(world: &mut World) -> (u16, Oversize) {
    let mtu = [1_500, 1_492, 1_400, 1_280][world.below(4) as usize];
    let kinds = [Oversize::Fragment, Oversize::Report, Oversize::BlackHole];
    (mtu, kinds[world.below(3) as usize])
}

/// The most that a server's timers are late.
pub const LAG_MAX_MS: u64 = 3_000;
