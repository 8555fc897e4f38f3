//! Who gives way when there is no room for one more negotiation.
//!
//! Whoever forges addresses can begin negotiations and never goes on with one, and a refused
//! newcomer could be kept out for as long as that lasts. A client goes on within a round trip. So
//! one that has had its time for that makes room, and only then a newcomer is refused. Who has
//! proven its address stays, and so does whoever has not had its time: a flood that is too fast
//! for that refuses newcomers, but takes no place from one that has got in.
//!
//! Also a negotiation that has done its work gives way: it is kept for a lost last message.

use core::net::IpAddr;

use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::Event;
use crate::time::{Duration, Instant};

use super::action::{Action, Out};
use super::table::{Negotiation, NegotiationKey, Step};
use super::{Cx, Ike};

impl Ike<'_> {
    /// Forgets a negotiation, of `address` if one is named, if there is one that should go.
    ///
    /// Looks at a few places that nobody can foresee; the oldest of them goes.
    pub(super) fn make_room(&mut self, cx: &mut Cx<'_>, address: Option<IpAddr>, out: &mut Out) {
        let Some(key) = self.oldest_of_some(cx.now, cx.rng, address) else { return };
        let remote = self.negotiations.find(key).map(|found| found.first_path.remote);
        self.forget_negotiation(key);
        if self.alarms.may_ring(cx.now) {
            out.push(Action::Event(Event::Refused { remote, reason: DropReason::HalfOpenQuota }));
        }
    }

    fn oldest_of_some(
        &self,
        now: Instant,
        rng: &mut Rng,
        address: Option<IpAddr>,
    ) -> Option<NegotiationKey> {
        let count = self.negotiations.capacity() as u32;
        let probes = (0..count.min(PROBES)).filter_map(|place| {
            let place = if count <= PROBES { place } else { rng.u32() % count };
            let key = self.negotiations.key_at(place)?;
            let found = self.negotiations.find(key)?;
            let is_of = address.is_none_or(|address| found.first_path.remote.ip() == address);
            (is_of && gives_way(now, found)).then_some((found, key))
        });
        let is_done = |found: &Negotiation| matches!(found.step, Step::Done);
        let first = probes.min_by_key(|(found, _)| (is_done(found), found.began));
        first.map(|(_, key)| key)
    }
}

fn gives_way(now: Instant, negotiation: &Negotiation) -> bool {
    let age = now.since(negotiation.began);
    match negotiation.step {
        Step::AwaitKe => age >= HURRY_TIME,
        Step::Done => age >= REPEAT_TIME,
        _ => false,
    }
}

/// Places that are looked at: all of a board's, some of a server's.
const PROBES: u32 = 16;
/// Most clients send message 3 within this time after message 1.
const HURRY_TIME: Duration = Duration::from_secs(1);
/// A client whose message 6 was lost has sent message 5 again within this time after message 1.
const REPEAT_TIME: Duration = Duration::from_secs(15);
