//! What one address, and one prefix, may take of us before it has proven anything.
//!
//! Counts are kept in a table of fixed size, by keyed hash. Addresses that share a place share
//! its counts, which can only make a limit stricter.

use core::hash::{Hash as _, Hasher as _};
use core::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::addr::limit_prefix;
use crate::canary::{Fault, is_planted};
use crate::store::{Backing, Empty};
use crate::time::{Duration, Instant};

/// One place of [`Quotas`].
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// IKE SAs of this address that exist.
    held: u32,
    /// Of those, how many are being negotiated.
    half_open: u32,
    /// Octets spent; falls with time.
    spent: u32,
    spent_at: Instant,
}

impl Empty for Quota {
    const EMPTY: Self = Self { held: 0, half_open: 0, spent: 0, spent_at: Instant::ZERO };
}

/// The quotas of all addresses and prefixes.
#[derive(Debug)]
pub(super) struct Quotas<'a> {
    places: Backing<'a, Quota>,
    key: [u8; 16],
}

impl<'a> Quotas<'a> {
    pub(super) fn new(mut places: Backing<'a, Quota>, key: [u8; 16]) -> Self {
        places.fill(Quota::EMPTY);
        Self { places, key }
    }

    /// IKE SAs that `address` holds, and how many of them are half open.
    pub(super) fn held(&mut self, address: IpAddr) -> (usize, usize) {
        let place = self.place(address, 0);
        place.map_or((usize::MAX, usize::MAX), |place| {
            (place.held as usize, place.half_open as usize)
        })
    }

    /// The same of all addresses together.
    pub(super) fn sums(&self) -> (usize, usize) {
        self.places.iter().fold((0, 0), |(held, half_open), place| {
            (held + place.held as usize, half_open + place.half_open as usize)
        })
    }

    /// `address` begins a negotiation.
    pub(super) fn open(&mut self, address: IpAddr) {
        if let Some(place) = self.place(address, 0) {
            place.held = place.held.saturating_add(1);
            place.half_open = place.half_open.saturating_add(1);
        }
    }

    /// A negotiation of `address` is over, well or not.
    pub(super) fn settle(&mut self, address: IpAddr) {
        if let Some(place) = self.place(address, 0) {
            place.half_open = place.half_open.saturating_sub(1);
        }
    }

    /// An IKE SA of `address` is gone.
    pub(super) fn close(&mut self, address: IpAddr) {
        if let Some(place) = self.place(address, 0) {
            place.held = place.held.saturating_sub(1);
        }
    }

    /// Spends `octets` on `address`; `false` and nothing spent if its budget or that of its
    /// prefix does not suffice.
    pub(super) fn spend(&mut self, now: Instant, address: IpAddr, octets: usize) -> bool {
        let places = [(address, 0, ADDRESS_BURST), (limit_prefix(address), 1, PREFIX_BURST)];
        let fits = places.into_iter().all(|(address, salt, burst)| {
            self.place(address, salt).is_some_and(|place| {
                place.fade(now, burst);
                octets <= burst.saturating_sub(place.spent) as usize
            })
        });
        let fits = fits || is_planted(Fault::UnprovenBudgetOff);
        if fits {
            for (address, salt, _) in places {
                if let Some(place) = self.place(address, salt) {
                    place.spent = place.spent.saturating_add(octets as u32);
                }
            }
        }
        fits
    }

    fn place(&mut self, address: IpAddr, salt: u8) -> Option<&mut Quota> {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        (address, salt).hash(&mut hasher);
        let index = (hasher.finish() as usize).checked_rem(self.places.len())?;
        self.places.get_mut(index)
    }
}

impl Quota {
    /// Forgets in proportion to the time that passed: a whole burst in [`REFILL`].
    fn fade(&mut self, now: Instant, burst: u32) {
        let passed = now.since(self.spent_at).as_micros().min(REFILL.as_micros());
        let back = u64::from(burst) * passed / REFILL.as_micros();
        if back > 0 {
            self.spent = self.spent.saturating_sub(back as u32);
            self.spent_at = now;
        }
    }
}

/// Octets beyond what came in that one address may get at once before it has proven itself.
pub(super) const ADDRESS_BURST: u32 = 8 * 1024;
/// The same for all addresses of a prefix together.
const PREFIX_BURST: u32 = 64 * 1024;
/// Time in which a spent budget is whole again.
const REFILL: Duration = Duration::from_secs(60);
