//! Links: what a wire does to packets (after Linux' netem).

use std::net::IpAddr;

use kumihimo_core::time::{Duration, Instant};

use super::{Datagram, End, USUAL_DELAY, ZoneId};
use crate::choice::{Choices, Lane, Odds};
use crate::observe::Loss;

/// Which way a packet goes on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the node into the zone.
    Up,
    /// From the zone to the node.
    Down,
}

/// Both directions of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// From the node into the zone.
    pub up: Way,
    /// From the zone to the node.
    pub down: Way,
}

impl LinkConfig {
    /// The same both ways.
    pub fn both(way: Way) -> Self {
        Self { up: way.clone(), down: way }
    }

    /// Without faults and without delay: how servers are attached.
    pub fn perfect() -> Self {
        Self::both(Way { delay: Duration::ZERO, ..Way::default() })
    }
}

/// One direction of a link. The default has a delay and no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// How long a packet takes.
    pub delay: Duration,
    /// Up to how much longer it may take. Packets keep their order.
    pub jitter: Duration,
    /// How often a packet is lost.
    pub loss: Odds,
    /// Losses in a row.
    pub burst: Option<Burst>,
    /// How often a packet comes twice.
    pub duplicate: Odds,
    /// How often a packet takes `reorder_by` longer, so that later ones overtake it.
    pub reorder: Odds,
    /// How much longer that is.
    pub reorder_by: Duration,
    /// How often a bit of a packet is flipped. UDP's checksum then has it lost; ESP is spoilt.
    pub corrupt: Odds,
    /// Octets of the longest IP packet, or Ethernet payload, that passes.
    pub mtu: u16,
    /// What happens to longer ones.
    pub oversize: Oversize,
    /// Octets in a second; 0 for no bound.
    pub rate: u64,
    /// Octets that may wait for their turn if there is a rate.
    pub queue: u64,
    /// Whether nothing passes at all.
    pub is_cut: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            delay: USUAL_DELAY,
            jitter: Duration::ZERO,
            loss: Odds::NEVER,
            burst: None,
            duplicate: Odds::NEVER,
            reorder: Odds::NEVER,
            reorder_by: Duration::ZERO,
            corrupt: Odds::NEVER,
            mtu: 1_500,
            oversize: Oversize::Fragment,
            rate: 0,
            queue: 65_536,
            is_cut: false,
        }
    }
}

impl Way {
    /// The same way without its faults: the delay, the MTU and the rate stay.
    #[must_use]
    pub fn healed(&self) -> Self {
        Self {
            delay: self.delay,
            mtu: self.mtu,
            oversize: self.oversize,
            rate: self.rate,
            queue: self.queue,
            ..Self::default()
        }
    }
}

/// Losses in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// How often they begin.
    pub start: Odds,
    /// Longest row.
    pub longest: u32,
}

/// What happens to a packet that is longer than the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// It passes in fragments, each of which can be lost.
    Fragment,
    /// It is lost, and nobody is told.
    BlackHole,
    /// It is lost, and its sender is told the MTU.
    Report,
}

/// A link and what it is doing.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) zone: ZoneId,
    pub(crate) end: End,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) up: WayState,
    pub(crate) down: WayState,
    lanes: [Lane; 2],
}

impl Link {
    pub(crate) fn new(
        name: &str,
        zone: ZoneId,
        end: End,
        config: LinkConfig,
        choices: &mut Choices,
    ) -> Self {
        let lanes = ["up", "down"].map(|way| choices.lane(&format!("link/{name}/{way}")));
        Self {
            name: name.into(),
            zone,
            end,
            addresses: Vec::new(),
            up: WayState::new(config.up),
            down: WayState::new(config.down),
            lanes,
        }
    }

    pub(super) fn leading_to(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(crate) fn carry(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        direction: Direction,
        datagram: &Datagram,
    ) -> Fate {
        let [up, down] = self.lanes;
        let (way, lane) = match direction {
            Direction::Up => (&mut self.up, up),
            Direction::Down => (&mut self.down, down),
        };
        way.carry(now, choices, lane, datagram.ip_len(), datagram.payload.len())
    }
}

/// What becomes of a packet on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost(Loss),
    /// Lost, and its sender learns the MTU.
    TooBig(u16),
    Arrives {
        at: Instant,
        /// When a copy of it arrives.
        copy_at: Option<Instant>,
        /// Octet of the payload and bit that is flipped.
        flip: Option<(usize, u32)>,
    },
}

impl Fate {
    pub(crate) const fn arrives(at: Instant) -> Self {
        Self::Arrives { at, copy_at: None, flip: None }
    }

    /// The same, but a datagram whose checksum tells that it is spoilt is lost.
    pub(super) fn checked(self, datagram: &Datagram) -> Self {
        match self {
            Self::Arrives { flip: Some(_), copy_at, .. } if datagram.has_checksum() => {
                copy_at.map_or(Self::Lost(Loss::Checksum), Self::arrives)
            }
            other => other,
        }
    }

    pub(crate) const fn loss(self) -> Option<Loss> {
        match self {
            Self::Lost(why) => Some(why),
            Self::TooBig(_) => Some(Loss::TooLong),
            Self::Arrives { .. } => None,
        }
    }
}

/// One direction of a link, and what it is doing.
#[derive(Debug)]
pub(crate) struct WayState {
    pub(crate) way: Way,
    /// No packet that keeps the order arrives before this.
    last_at: Instant,
    /// Until when the line is busy with what is in its queue.
    busy_until: Instant,
    /// Packets that are still to be lost in a row.
    burst_left: u64,
}

impl WayState {
    pub(crate) const fn new(way: Way) -> Self {
        Self { way, last_at: Instant::ZERO, busy_until: Instant::ZERO, burst_left: 0 }
    }

    /// Takes a packet of `len` octets whose payload has `payload_len`.
    pub(crate) fn carry(
        &mut self,
        now: Instant,
        choices: &mut Choices,
        lane: Lane,
        len: usize,
        payload_len: usize,
    ) -> Fate {
        if self.way.is_cut {
            return Fate::Lost(Loss::Cut);
        }
        let mut fragments = 1;
        if len > usize::from(self.way.mtu) {
            match self.way.oversize {
                Oversize::Fragment => fragments = len.div_ceil(usize::from(self.way.mtu)),
                Oversize::BlackHole => return Fate::Lost(Loss::TooLong),
                Oversize::Report => return Fate::TooBig(self.way.mtu),
            }
        }
        for _ in 0..fragments {
            if let Some(why) = self.lose(choices, lane) {
                return Fate::Lost(why);
            }
        }
        let Some(sent_at) = self.queue(now, len as u64) else {
            return Fate::Lost(Loss::QueueFull);
        };
        let mut at = sent_at + self.way.delay + self.jitter(choices, lane);
        if choices.chance(lane, self.way.reorder) {
            at += self.way.reorder_by;
        } else {
            at = at.max(self.last_at);
            self.last_at = at;
        }
        let copy_at =
            choices.chance(lane, self.way.duplicate).then(|| at + self.jitter(choices, lane));
        let is_flipped = payload_len > 0 && choices.chance(lane, self.way.corrupt);
        let flip = is_flipped.then(|| {
            let bit = choices.below(lane, payload_len as u64 * 8);
            ((bit / 8) as usize, (bit % 8) as u32)
        });
        Fate::Arrives { at, copy_at, flip }
    }

    fn lose(&mut self, choices: &mut Choices, lane: Lane) -> Option<Loss> {
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return Some(Loss::Burst);
        }
        if let Some(burst) = self.way.burst
            && choices.chance(lane, burst.start)
        {
            self.burst_left = choices.below(lane, u64::from(burst.longest));
            return Some(Loss::Burst);
        }
        choices.chance(lane, self.way.loss).then_some(Loss::Chance)
    }

    /// When the last octet of `len` has left, if the queue takes them.
    fn queue(&mut self, now: Instant, len: u64) -> Option<Instant> {
        if self.way.rate == 0 {
            return Some(now);
        }
        let start = self.busy_until.max(now);
        let waiting = start.since(now).as_micros().saturating_mul(self.way.rate) / 1_000_000;
        if waiting + len > self.way.queue {
            return None;
        }
        let takes = Duration::from_micros(len.saturating_mul(1_000_000) / self.way.rate);
        self.busy_until = start + takes;
        Some(self.busy_until)
    }

    fn jitter(&self, choices: &mut Choices, lane: Lane) -> Duration {
        Duration::from_micros(choices.range(lane, 0, self.way.jitter.as_micros()))
    }
}
