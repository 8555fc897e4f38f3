//! Configurations and sizes for the tests.

use core::net::Ipv4Addr;
use std::boxed::Box;
use std::vec::Vec;

use crate::addr::MacAddr;
use crate::config::{
    Config, EncapsulationPolicy, HubConfig, IpsecConfig, Policy, SecureNatConfig, UserConfig,
};
use crate::crypto::mschap;
use crate::limits::Limits;
use crate::time::Duration;

/// What a scenario starts from.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) limits: Limits,
    pub(super) config: Config<'static>,
    /// Packet buffers.
    pub(super) buffers: usize,
    /// Inputs between two rounds of `poll`.
    pub(super) batch: usize,
    pub(super) seed: u8,
    /// Percent of the datagrams that are lost, doubled and delayed, both ways.
    pub(super) loss: usize,
    pub(super) copies: usize,
    pub(super) late: usize,
}

impl Default for Setup {
    fn default() -> Self {
        let hubs = std::vec![hub("DEFAULT")];
        Self {
            limits: limits(8),
            config: config(hubs),
            buffers: 256,
            batch: 1,
            seed: 1,
            loss: 0,
            copies: 0,
            late: 0,
        }
    }
}

impl Setup {
    /// The same with these hubs.
    pub(super) fn with_hubs(hubs: Vec<HubConfig<'static>>) -> Self {
        Self { config: config(hubs), ..Self::default() }
    }

    /// The same with these sizes.
    pub(super) fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// Tables for `sessions` sessions, small enough to be made often.
pub(super) fn limits(sessions: usize) -> Limits {
    Limits {
        batch: 1,
        half_open: 16,
        peers_per_address: 16,
        hubs: 4,
        ports: sessions + 8,
        macs: 64,
        floods: 8,
        leases: 64,
        users: 16,
        outputs: 128,
        frames: 64,
        requests: 16,
        ..Limits::server(sessions)
    }
}

/// A configuration that serves L2TP with and without IPsec.
pub(super) fn config(hubs: Vec<HubConfig<'static>>) -> Config<'static> {
    let hubs: &'static [_] = Box::leak(hubs.into_boxed_slice());
    Config {
        ipsec: IpsecConfig {
            l2tp: true,
            l2tp_raw: true,
            psk: PSK,
            default_hub: hubs[0].name,
            policy: Policy::Compat,
            encapsulation: EncapsulationPolicy::Udp,
            ike_lifetime: Duration::from_secs(8 * 3_600),
            esp_lifetime: Duration::from_secs(3_600),
            dead_after: Duration::from_secs(120),
        },
        hubs,
        host_name: "kumihimo",
    }
}

/// A hub with SecureNAT, one bridge, and the users `jiro` and `hanako`.
pub(super) fn hub(name: &'static str) -> HubConfig<'static> {
    let users = std::vec![user("jiro", "pass"), user("hanako", "hana")];
    HubConfig {
        name,
        secure_nat: Some(secure_nat()),
        users: Box::leak(users.into_boxed_slice()),
        bridges: 1,
    }
}

/// The same with so many bridges.
pub(super) fn hub_with_bridges(name: &'static str, bridges: usize) -> HubConfig<'static> {
    HubConfig { bridges, ..hub(name) }
}

pub(super) fn user(name: &'static str, password: &str) -> UserConfig<'static> {
    UserConfig { name, nt_hash: mschap::nt_hash(password), max_sessions: None }
}

pub(super) fn secure_nat() -> SecureNatConfig<'static> {
    SecureNatConfig {
        mac: ROUTER_MAC,
        address: ROUTER,
        prefix_len: 24,
        dhcp: true,
        pool: (Ipv4Addr::new(192, 168, 30, 10), Ipv4Addr::new(192, 168, 30, 40)),
        lease: Duration::from_secs(7_200),
        dns: &[ROUTER],
        gateway: true,
    }
}

pub(super) const PSK: &[u8] = b"correct horse battery staple";
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
pub(super) const ROUTER_MAC: MacAddr = MacAddr([0x5e, 0, 0, 0, 0, 1]);
