//! The table of leases.
//!
//! A lease is in one of four lists of its pool. Within a list all run for the same time, so each
//! is in the order in which its leases run out; what ran out moves to the *free* list, the
//! longest unused in front. A free lease keeps its client's claim until its place or its address
//! is needed.

use core::net::Ipv4Addr;

use sha2::{Digest as _, Sha256};

use super::{Counted, DhcpStorage, LeaseStatus, Settings};
use crate::addr::MacAddr;
use crate::canary::{Fault, is_planted};
use crate::config::ConfigError;
use crate::ids::HubId;
use crate::store::{Backing, Index, Key, Place, Slab};
use crate::time::{Duration, Instant};
use crate::wire::dhcpv4::Message;

/// Who has or had a lease: its client identifier (RFC 2132 §9.14), or its hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    len: u8,
    bytes: [u8; CLIENT_KEY_LEN],
}

impl ClientKey {
    /// No one.
    const NONE: Self = Self { len: 0, bytes: [0; CLIENT_KEY_LEN] };

    /// The sender of a message. Without an identifier it is what most clients send: the kind of
    /// hardware and the address.
    pub(super) fn of(message: &Message<'_>) -> Self {
        if !message.options.client_id.is_empty() {
            return Self::from_bytes(message.options.client_id);
        }
        let hardware = &message.hardware;
        let mut bytes = [0; 17];
        let (kind, address) = bytes.split_at_mut(1);
        kind.fill(hardware.kind);
        address.copy_from_slice(&hardware.bytes);
        let len = usize::from(hardware.len) + 1;
        Self::from_bytes(bytes.get(..len).unwrap_or(&bytes))
    }

    /// Long identifiers are kept as a hash.
    fn from_bytes(id: &[u8]) -> Self {
        let mut key = Self::NONE;
        if let Some(room) = key.bytes.get_mut(..id.len()) {
            room.copy_from_slice(id);
            key.len = id.len() as u8;
        } else {
            let digest: [u8; 32] = Sha256::digest(id).into();
            for (octet, value) in key.bytes.iter_mut().zip(digest) {
                *octet = value;
            }
            key.len = u8::MAX;
        }
        key
    }
}

/// What a lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Offered, and kept for the client for a moment.
    Offered,
    /// Granted.
    Bound,
    /// Found in use by someone else.
    Declined,
    /// No longer granted; its client gets it back if it comes first.
    Free,
}

/// An address of a pool and its client.
#[derive(Debug)]
pub struct Lease {
    hub: HubId,
    pub(super) address: Ipv4Addr,
    pub(super) client: ClientKey,
    mac: Option<MacAddr>,
    state: State,
    until: Instant,
    next: u32,
    previous: u32,
}

impl Lease {
    /// What it is at `now`, whether or not someone noticed.
    pub(super) fn state(&self, now: Instant) -> State {
        if self.until <= now { State::Free } else { self.state }
    }
}

/// The addresses of one hub.
#[derive(Debug)]
pub struct Pool {
    hub: HubId,
    pub(super) settings: Settings,
    /// Whether its server runs; one that does not still knows who has what.
    is_running: bool,
    /// Where the search for an address without a lease goes on.
    next: u32,
    /// Leases in the table.
    len: u32,
    lists: [List; 4],
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

impl Pool {
    fn list_mut(&mut self, state: State) -> &mut List {
        let [offered, bound, declined, free] = &mut self.lists;
        match state {
            State::Offered => offered,
            State::Bound => bound,
            State::Declined => declined,
            State::Free => free,
        }
    }
}

/// The leases of all hubs.
#[derive(Debug)]
pub(super) struct Leases<'a> {
    pools: Backing<'a, Place<Pool>>,
    leases: Slab<'a, Key, Lease>,
    by_client: Index<'a>,
    by_address: Index<'a>,
    hand: usize,
}

impl<'a> Leases<'a> {
    pub(super) fn new(mut storage: DhcpStorage<'a>, key: [u8; 16]) -> Self {
        storage.pools.iter_mut().for_each(|pool| *pool = Place::Free);
        Self {
            pools: storage.pools,
            leases: Slab::new(storage.leases),
            by_client: Index::new(storage.by_client, key),
            by_address: Index::new(storage.by_address, key),
            hand: 0,
        }
    }

    pub(super) fn configure(&mut self, hub: HubId, settings: Settings) -> Result<(), ConfigError> {
        if let Some(pool) = self.pool_mut(hub) {
            pool.next = settings.first;
            pool.settings = settings;
            pool.is_running = true;
            return Ok(());
        }
        let slot = self.pools.get_mut(hub.index() as usize).ok_or(ConfigError::TooMany)?;
        let next = settings.first;
        let (is_running, len, lists) = (true, 0, [EMPTY; 4]);
        *slot = Place::Taken(Pool { hub, settings, is_running, next, len, lists });
        Ok(())
    }

    /// Serves nobody until it is configured again. Clients live on with what they have leased, so
    /// that its leases stay.
    pub(super) fn stop_pool(&mut self, hub: HubId) {
        if let Some(pool) = self.pool_mut(hub) {
            pool.is_running = false;
        }
    }

    /// Its leases go along: a pool that comes back counts and lists only leases of its own.
    pub(super) fn remove_pool(&mut self, hub: HubId) {
        for slot in 0..self.leases.capacity() as u32 {
            if self.lease(slot).is_some_and(|lease| lease.hub == hub) {
                self.remove(slot);
            }
        }
        if let Some(slot) = self.pools.get_mut(hub.index() as usize) {
            slot.take_if(|pool| pool.hub == hub);
        }
    }

    pub(super) fn settings(&self, hub: HubId) -> Option<&Settings> {
        self.pool(hub).filter(|pool| pool.is_running).map(|pool| &pool.settings)
    }

    /// The lease of this client.
    pub(super) fn of_client(&self, hub: HubId, client: &ClientKey) -> Option<(u32, &Lease)> {
        let hash = self.by_client.hash(&(hub, client));
        let is_it = |slot| self.lease(slot).is_some_and(|l| l.hub == hub && l.client == *client);
        let slot = self.by_client.find(hash, is_it)?;
        Some((slot, self.lease(slot)?))
    }

    /// The lease of this address.
    pub(super) fn of_address(&self, hub: HubId, address: Ipv4Addr) -> Option<(u32, &Lease)> {
        let hash = self.by_address.hash(&(hub, address));
        let is_it = |slot| self.lease(slot).is_some_and(|l| l.hub == hub && l.address == address);
        let slot = self.by_address.find(hash, is_it)?;
        Some((slot, self.lease(slot)?))
    }

    /// Reserves `address`, which no one has, for `client`, which has none. A free lease of the
    /// address, or a free one anywhere if the table is full, gives way.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        hub: HubId,
        address: Ipv4Addr,
        client: ClientKey,
        mac: Option<MacAddr>,
    ) -> Option<u32> {
        if let Some((slot, lease)) = self.of_address(hub, address) {
            if lease.state(now) != State::Free {
                return None;
            }
            self.remove(slot);
        }
        if self.leases.len() == self.leases.capacity() {
            self.make_room(now, hub);
        }
        let (state, until) = (State::Free, now);
        let lease = Lease { hub, address, client, mac, state, until, next: NONE, previous: NONE };
        let slot = self.leases.insert(lease).ok()?.index;
        let by_address = self.by_address.insert(self.by_address.hash(&(hub, address)), slot);
        let by_client = self.by_client.insert(self.by_client.hash(&(hub, client)), slot);
        debug_assert!(by_address.is_ok() && by_client.is_ok(), "an index outlasts its table");
        self.pool_mut(hub)?.len += 1;
        self.link(slot, State::Free);
        Some(slot)
    }

    /// Puts a lease into another state, for `span` from now on.
    pub(super) fn set(&mut self, now: Instant, slot: u32, state: State, span: Duration) {
        self.unlink(slot);
        if let Some(lease) = self.lease_mut(slot) {
            lease.state = state;
            lease.until = now + span;
        }
        self.link(slot, state);
    }

    /// Notes the MAC address that a client has now.
    pub(super) fn set_mac(&mut self, slot: u32, mac: Option<MacAddr>) {
        if let Some(lease) = self.lease_mut(slot) {
            lease.mac = mac;
        }
    }

    /// Keeps an address from everyone, its client too.
    pub(super) fn decline(&mut self, now: Instant, slot: u32, span: Duration) {
        let Some(lease) = self.lease(slot) else { return };
        let (hub, address) = (lease.hub, lease.address);
        self.remove(slot);
        if let Some(slot) = self.insert(now, hub, address, ClientKey::NONE, None) {
            self.set(now, slot, State::Declined, span);
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.unlink(slot);
        let Some(key) = self.leases.key_at(slot) else { return };
        let Some(lease) = self.leases.take(key) else { return };
        self.by_address.remove(self.by_address.hash(&(lease.hub, lease.address)), slot);
        self.by_client.remove(self.by_client.hash(&(lease.hub, lease.client)), slot);
        if let Some(pool) = self.pool_mut(lease.hub) {
            pool.len -= 1;
        }
    }

    /// An address that no one has: one without a lease, or the one that is free the longest.
    pub(super) fn choose(&mut self, now: Instant, hub: HubId) -> Option<Ipv4Addr> {
        self.expire(now, hub);
        if is_planted(Fault::DuplicateLease) {
            let given =
                self.leases.iter().find(|(_, l)| l.hub == hub && l.state(now) == State::Bound);
            let given = given.map(|(key, lease)| (key.index, lease.address));
            if let Some((slot, address)) = given {
                self.remove(slot);
                return Some(address);
            }
        }
        if let Some(address) = self.next_without_lease(hub) {
            return Some(address);
        }
        // Leases of a former pool may be in front.
        for _ in 0..SEARCH_FREE {
            let pool = self.pool_mut(hub)?;
            let slot = pool.list_mut(State::Free).first;
            let address = self.lease(slot)?.address;
            if self.settings(hub)?.is_leasable(address) {
                return Some(address);
            }
            self.remove(slot);
        }
        None
    }

    pub(super) fn counted(&self) -> Counted {
        Counted {
            leases: self.leases.len(),
            of_pools: self.pools.iter().flatten().map(|pool| pool.len as usize).sum(),
            names: self.by_client.len() + self.by_address.len(),
        }
    }

    pub(super) fn has_leased(&self, hub: HubId, mac: MacAddr, address: Ipv4Addr) -> bool {
        let lease = self.of_address(hub, address);
        lease.is_some_and(|(_, lease)| lease.state == State::Bound && lease.mac == Some(mac))
    }

    pub(super) fn bound(&self, now: Instant, hub: HubId) -> impl Iterator<Item = LeaseStatus> {
        let leases = self.leases.iter().map(|(_, lease)| lease);
        let own = leases.filter(move |l| l.hub == hub && l.state(now) == State::Bound);
        own.map(|lease| LeaseStatus {
            address: lease.address,
            mac: lease.mac,
            expires_at: lease.until,
        })
    }

    /// Walks a few addresses of the pool and remembers where it stopped.
    fn next_without_lease(&mut self, hub: HubId) -> Option<Ipv4Addr> {
        for _ in 0..SEARCH_ADDRESSES {
            let pool = self.pool_mut(hub)?;
            let (first, last) = (pool.settings.first, pool.settings.last);
            if u64::from(pool.len) > u64::from(last - first) {
                return None;
            }
            let address = Ipv4Addr::from(pool.next);
            pool.next = if pool.next < last { pool.next + 1 } else { first };
            let is_leasable = pool.settings.is_leasable(address);
            if is_leasable && self.of_address(hub, address).is_none() {
                return Some(address);
            }
        }
        None
    }

    /// Moves leases that ran out to the free ones: a few of each kind.
    fn expire(&mut self, now: Instant, hub: HubId) {
        for state in [State::Offered, State::Bound, State::Declined] {
            for _ in 0..EXPIRE_AT_ONCE {
                let Some(pool) = self.pool_mut(hub) else { return };
                let slot = pool.list_mut(state).first;
                if self.lease(slot).is_none_or(|lease| lease.state(now) != State::Free) {
                    break;
                }
                self.unlink(slot);
                if let Some(lease) = self.lease_mut(slot) {
                    lease.state = State::Free;
                }
                self.link(slot, State::Free);
            }
        }
    }

    /// Frees a place of the table: our longest free lease, or what is free or of a server that
    /// is stopped among the next few places.
    fn make_room(&mut self, now: Instant, hub: HubId) {
        let first = self.pool_mut(hub).map(|pool| pool.list_mut(State::Free).first);
        if let Some(first) = first.filter(|&first| first != NONE) {
            self.remove(first);
            return;
        }
        for _ in 0..SEARCH_PLACES {
            self.hand = if self.hand + 1 < self.leases.capacity() { self.hand + 1 } else { 0 };
            let slot = self.hand as u32;
            let Some(lease) = self.lease(slot) else { continue };
            let is_served = self.settings(lease.hub).is_some();
            if lease.state(now) == State::Free || !is_served {
                self.remove(slot);
                return;
            }
        }
    }

    /// Appends a lease to a list of its pool.
    fn link(&mut self, slot: u32, state: State) {
        let Some(hub) = self.lease(slot).map(|lease| lease.hub) else { return };
        let Some(pool) = self.pool_mut(hub) else { return };
        let list = pool.list_mut(state);
        let last = core::mem::replace(&mut list.last, slot);
        if last == NONE {
            list.first = slot;
        }
        if let Some(last) = self.lease_mut(last) {
            last.next = slot;
        }
        if let Some(lease) = self.lease_mut(slot) {
            lease.previous = last;
            lease.next = NONE;
        }
    }

    /// Takes a lease out of its list.
    fn unlink(&mut self, slot: u32) {
        let Some(lease) = self.lease(slot) else { return };
        let (next, previous, state, hub) = (lease.next, lease.previous, lease.state, lease.hub);
        let Some(pool) = self.pool_mut(hub) else { return };
        let list = pool.list_mut(state);
        if list.first == slot {
            list.first = next;
        }
        if list.last == slot {
            list.last = previous;
        }
        if let Some(next) = self.lease_mut(next) {
            next.previous = previous;
        }
        if let Some(previous) = self.lease_mut(previous) {
            previous.next = next;
        }
    }

    fn pool(&self, hub: HubId) -> Option<&Pool> {
        let pool = self.pools.get(hub.index() as usize)?;
        pool.as_ref().filter(|pool| pool.hub == hub)
    }

    fn pool_mut(&mut self, hub: HubId) -> Option<&mut Pool> {
        let pool = self.pools.get_mut(hub.index() as usize)?;
        pool.as_mut().filter(|pool| pool.hub == hub)
    }

    fn lease(&self, slot: u32) -> Option<&Lease> {
        self.leases.find(self.leases.key_at(slot)?)
    }

    fn lease_mut(&mut self, slot: u32) -> Option<&mut Lease> {
        self.leases.find_mut(self.leases.key_at(slot)?)
    }
}

/// Octets of a client identifier that is kept as it is.
const CLIENT_KEY_LEN: usize = 31;
/// Addresses that one search looks at.
const SEARCH_ADDRESSES: usize = 64;
/// Free leases that one search looks at.
const SEARCH_FREE: usize = 8;
/// Places of the table that one search looks at.
const SEARCH_PLACES: usize = 16;
/// Leases of each kind that one message may move to the free ones.
const EXPIRE_AT_ONCE: usize = 4;
const NONE: u32 = u32::MAX;
