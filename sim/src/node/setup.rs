//! What a server is made of: configuration, sizes, buffers.

use std::net::Ipv4Addr;
use std::path::Path;

use kumihimo::config_file::{
    HubSettings, IpsecSettings, SecureNatSettings, ServerSettings, Settings, UserSettings,
};
use kumihimo_core::addr::MacAddr;
use kumihimo_core::crypto::mschap;
use kumihimo_core::limits::Limits;
use kumihimo_core::time::Duration;
use zeroize::Zeroizing;

use super::bare::CoreMachine;
use super::board::BoardMachine;
use super::cable::CableLimits;
use super::engine::StdMachine;
use super::machine::Machine;
use crate::scenario::NodeKind;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct ServerSetup {
    /// Sizes of its tables.
    pub limits: Limits,
    /// Its packet buffers.
    pub buffers: usize,
    /// Its configuration.
    pub settings: Settings,
    /// What its Ethernet takes at a time, if it is a board.
    pub cable: CableLimits,
}

impl ServerSetup {
    /// A server for `sessions` sessions with these hubs; the first one is the default.
    ///
    /// # Panics
    /// Without a hub.
    pub fn new(sessions: usize, hubs: Vec<HubSettings>) -> Self {
        let default_hub = hubs.first().expect("a hub").name.clone();
        let settings = Settings {
            server: ServerSettings {
                listen: vec![Ipv4Addr::UNSPECIFIED.into()],
                state_dir: Path::new("state").into(),
                max_sessions: sessions,
            },
            ipsec: IpsecSettings {
                psk: Zeroizing::new(PSK.to_vec()),
                l2tp_raw: true,
                default_hub,
                ..IpsecSettings::default()
            },
            hubs,
        };
        let limits = Limits {
            batch: 8,
            half_open: sessions + 16,
            hubs: 4,
            ports: sessions + 16,
            macs: sessions * 2 + 64,
            leases: sessions + 64,
            users: 64,
            outputs: 256,
            ..Limits::server(sessions)
        };
        let buffers = 512 + sessions * 4;
        Self { limits, buffers, settings, cable: CableLimits::default() }
    }

    /// A server of this kind; `seed` is its entropy.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn build(&self, kind: NodeKind, seed: [u8; 32]) -> Result<Box<dyn Machine>, String> {
        let Self { limits, buffers, settings, .. } = self;
        Ok(match kind {
            NodeKind::Core => settings.with_core(|config| {
                CoreMachine::new(limits, *buffers, config, seed).map(Box::new)
            })?,
            NodeKind::Std => Box::new(StdMachine::new(limits, *buffers, settings, seed)?),
            NodeKind::Embassy => Box::new(BoardMachine::new(self, seed)?),
        })
    }
}

/// A hub with the users that all hubs have, and `bridges` bridges.
pub fn hub(name: &str, secure_nat: Option<SecureNatSettings>, bridges: usize) -> HubSettings {
    HubSettings {
        name: name.into(),
        secure_nat,
        bridges: (0..bridges).map(|number| format!("{name}-{number}")).collect(),
        users: USERS
            .iter()
            .chain(&[(STRANGER, "nobody knows")])
            .map(|&(n, p)| user(n, p))
            .collect(),
    }
}

/// A user without a limit of sessions.
pub fn user(name: &str, password: &str) -> UserSettings {
    UserSettings { name: name.into(), nt_hash: mschap::nt_hash(password), max_sessions: None }
}

/// SecureNAT with a virtual DHCP server in the network `192.168.NET.0/24`, whose router is its
/// address 1 and whose pool has the addresses from 10 on.
pub fn secure_nat(net: u8, pool_len: u8, lease: Duration) -> SecureNatSettings {
    let address = |last: u8| Ipv4Addr::new(192, 168, net, last);
    SecureNatSettings {
        mac: Some(router_mac(net)),
        address: address(ROUTER),
        prefix_len: 24,
        dhcp: true,
        pool: (address(FIRST_LEASED), address(FIRST_LEASED - 1 + pool_len)),
        lease,
        dns: vec![address(ROUTER)],
    }
}

/// The MAC address of the router of such a network.
pub const fn router_mac(net: u8) -> MacAddr {
    MacAddr([0x5e, 0, 0, 0, net, ROUTER])
}

/// The pre-shared key of every server.
pub const PSK: &[u8] = b"correct horse battery staple";
/// The users of every hub, and their passwords.
pub const USERS: &[(&str, &str)] =
    &[("jiro", "pass"), ("hanako", "hana"), ("taro", "taro-taro"), ("yuki", "snow")];
/// A user of every hub whose password no client knows.
pub const STRANGER: &str = "mallory";
/// The last octet of a router's address.
pub const ROUTER: u8 = 1;
/// The last octet of the first address that a virtual DHCP server gives.
pub const FIRST_LEASED: u8 = 10;
