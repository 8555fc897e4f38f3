//! The virtual DHCP servers of all hubs (RFC 2131 §4.3, RFC 2132).
//!
//! A server leases the addresses of its pool. A client that comes back gets the address it had,
//! as long as the table remembers it. The table knows every lease by client and by address, and
//! keeps the leases of a pool in four lists in the order in which they run out, so that no
//! message costs a walk through the pool or the table.
//!
//! The server is *authoritative* for its pool: after it lost its table it grants again what a
//! client claims to have, if no one else has it, and refuses what is of another subnet or
//! another's. It keeps quiet about addresses of the subnet outside its pool: they may be another
//! server's. Relay agents (`giaddr`) are not served. Nothing is probed before it is offered.

mod lease;
mod server;

use core::net::Ipv4Addr;

use crate::addr::MacAddr;
use crate::config::{ConfigError, SecureNatConfig};
use crate::ids::HubId;
use crate::outbox::{Outbox, Span};
use crate::store::{Bucket, Place, Slot, tables};
use crate::time::{Duration, Instant};
use crate::wire::dhcpv4::AddressList;
use crate::wire::ipv4;

pub use lease::{Lease, Pool};

use lease::Leases;

/// What a server wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put this Ethernet frame on the hub, from the router's port.
    Frame(Span),
}

/// Room for the actions of one call.
pub type Actions = Outbox<Action, 1, REPLY_LEN>;

/// The DHCP servers of all hubs.
#[derive(Debug)]
pub struct Dhcp<'a> {
    leases: Leases<'a>,
}

tables! {
    /// The memory of [`Dhcp`].
    pub struct DhcpStorage, Arrays for limits {
        /// Pools, one for each hub.
        pools: [Place<Pool>; limits.hubs],
        /// Leases.
        leases: [Slot<Lease>; limits.leases],
        /// Index of leases.
        by_client: [Bucket; limits.leases * 2],
        /// Index of leases.
        by_address: [Bucket; limits.leases * 2],
    }
}

/// A lease as an administrator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseStatus {
    /// The leased address.
    pub address: Ipv4Addr,
    /// The client's MAC address, if it has one.
    pub mac: Option<MacAddr>,
    /// When the lease ends.
    pub expires_at: Instant,
}

impl<'a> Dhcp<'a> {
    /// No servers. `key` keeps clients from choosing names that collide in our tables.
    pub fn new(storage: DhcpStorage<'a>, key: [u8; 16]) -> Self {
        Self { leases: Leases::new(storage, key) }
    }

    /// Whether [`Self::configure`] would take `config`.
    ///
    /// # Errors
    /// [`ConfigError::BadSubnet`].
    pub fn validate(config: &SecureNatConfig<'_>) -> Result<(), ConfigError> {
        Settings::try_from(config).map(|_| ())
    }

    /// Starts the server of `hub`, or changes its settings. Leases outside a changed pool are
    /// refused when they are renewed.
    ///
    /// # Errors
    /// [`ConfigError::BadSubnet`], [`ConfigError::TooMany`].
    pub fn configure(
        &mut self,
        hub: HubId,
        config: &SecureNatConfig<'_>,
    ) -> Result<(), ConfigError> {
        self.leases.configure(hub, Settings::try_from(config)?)
    }

    /// Stops the server of `hub`. Clients live on with their leases, and so those stay for when
    /// it is started again.
    pub fn stop(&mut self, hub: HubId) {
        self.leases.stop_pool(hub);
    }

    /// Stops the server of a hub that is gone; its leases are forgotten.
    pub fn remove(&mut self, hub: HubId) {
        self.leases.remove_pool(hub);
    }

    /// Counts everything. It walks the table of pools: for tests and for reports.
    pub fn counted(&self) -> Counted {
        self.leases.counted()
    }

    /// Whether the host `mac` on `hub` has leased `address`, whether or not the lease is over.
    pub fn has_leased(&self, hub: HubId, mac: MacAddr, address: Ipv4Addr) -> bool {
        self.leases.has_leased(hub, mac, address)
    }

    /// The leases in force on `hub`, for administration.
    pub fn leases(&self, now: Instant, hub: HubId) -> impl Iterator<Item = LeaseStatus> {
        self.leases.bound(now, hub)
    }
}

/// What the servers count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Leases in the table: those in force, and those that are remembered for a former client.
    pub leases: usize,
    /// Leases, as their pools count them.
    pub of_pools: usize,
    /// Names by which leases are found.
    pub names: usize,
}

/// What a server hands out.
#[derive(Clone, Debug)]
struct Settings {
    mac: MacAddr,
    address: Ipv4Addr,
    prefix_len: u8,
    first: u32,
    last: u32,
    lease: Duration,
    dns: AddressList,
    gateway: bool,
}

impl TryFrom<&SecureNatConfig<'_>> for Settings {
    type Error = ConfigError;

    fn try_from(config: &SecureNatConfig<'_>) -> Result<Self, ConfigError> {
        let (first, last) = config.pool;
        let is_inside = |address| ipv4::same_subnet(address, config.address, config.prefix_len);
        if config.prefix_len > 32 || !is_inside(first) || !is_inside(last) || first > last {
            return Err(ConfigError::BadSubnet);
        }
        let mut dns = AddressList::new();
        dns.extend(config.dns.iter().copied().take(dns.capacity()));
        Ok(Self {
            mac: config.mac,
            address: config.address,
            prefix_len: config.prefix_len,
            first: first.into(),
            last: last.into(),
            lease: config.lease.max(LEASE_MIN),
            dns,
            gateway: config.gateway,
        })
    }
}

impl Settings {
    /// Whether a client may have `address`.
    fn is_leasable(&self, address: Ipv4Addr) -> bool {
        let number = u32::from(address);
        let is_host = |address: Ipv4Addr| {
            let network = u32::from(address) & u32::from(ipv4::mask_of(self.prefix_len));
            let has_network_address = self.prefix_len < 31;
            Some(address) != ipv4::subnet_broadcast(self.address, self.prefix_len)
                && !(has_network_address && number == network)
        };
        (self.first..=self.last).contains(&number) && address != self.address && is_host(address)
    }

    fn is_in_subnet(&self, address: Ipv4Addr) -> bool {
        ipv4::same_subnet(address, self.address, self.prefix_len)
    }
}

/// The shortest lease: shorter ones would leave no time to renew.
const LEASE_MIN: Duration = Duration::from_secs(15);
/// Octets of the longest reply.
const REPLY_LEN: usize = 768;

#[cfg(test)]
mod tests;
