//! What a configuration file says, checked and owned.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use kumihimo_core::addr::MacAddr;
use kumihimo_core::config::{
    Config, EncapsulationPolicy, HubConfig, IpsecConfig, Policy, SecureNatConfig, UserConfig,
};
use kumihimo_core::time::Duration;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Everything that a configuration file says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[server]`
    pub server: ServerSettings,
    /// `[ipsec]`
    pub ipsec: IpsecSettings,
    /// `[[hub]]`
    pub hubs: Vec<HubSettings>,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Addresses of UDP 500, 4500, 1701 and raw ESP.
    pub listen: Vec<IpAddr>,
    /// Run-time state.
    pub state_dir: PathBuf,
    /// Sizes every table.
    pub max_sessions: usize,
}

/// `[ipsec]`
#[derive(Clone)]
pub struct IpsecSettings {
    /// L2TP over IPsec.
    pub l2tp: bool,
    /// L2TP without IPsec.
    pub l2tp_raw: bool,
    /// The pre-shared key.
    pub psk: Zeroizing<Vec<u8>>,
    /// The hub of names without one, spelt as the hub is.
    pub default_hub: String,
    /// Acceptable algorithms.
    pub policy: Policy,
    /// Whether ESP may travel without UDP.
    pub encapsulation: EncapsulationPolicy,
    /// Of an IKE SA.
    pub ike_lifetime: Duration,
    /// Of an IPsec SA.
    pub esp_lifetime: Duration,
    /// Silence after which a peer is given up.
    pub dead_after: Duration,
}

/// `[[hub]]`
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// Its name.
    pub name: String,
    /// `[hub.secure-nat]`
    pub secure_nat: Option<SecureNatSettings>,
    /// The TAP devices of `[[hub.bridge]]`.
    pub bridges: Vec<String>,
    /// `[[hub.user]]`
    pub users: Vec<UserSettings>,
}

/// `[hub.secure-nat]`
#[derive(Clone, Debug)]
pub struct SecureNatSettings {
    /// The router's MAC address, if it is not to be the one that this machine gives it.
    pub mac: Option<MacAddr>,
    /// The router's address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix_len: u8,
    /// Whether the virtual DHCP server runs.
    pub dhcp: bool,
    /// First and last address that it gives.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// Lease time.
    pub lease: Duration,
    /// DNS servers that it names.
    pub dns: Vec<Ipv4Addr>,
}

/// `[[hub.user]]`
#[derive(Clone)]
pub struct UserSettings {
    /// Name.
    pub name: String,
    /// NT hash of the password.
    pub nt_hash: [u8; 16],
    /// Most sessions at once.
    pub max_sessions: Option<u32>,
}

impl Settings {
    /// Calls `use_it` with the settings in the core's form, which borrows from them.
    pub fn with_core<T>(&self, use_it: impl FnOnce(&Config<'_>) -> T) -> T {
        let users: Vec<Vec<UserConfig<'_>>> = self.hubs.iter().map(HubSettings::users).collect();
        let hubs = self.hubs.iter().zip(&users).map(|(hub, users)| HubConfig {
            name: &hub.name,
            secure_nat: hub.secure_nat.as_ref().map(|secure_nat| secure_nat.core(&hub.name)),
            users,
            bridges: hub.bridges.len(),
        });
        let hubs: Vec<HubConfig<'_>> = hubs.collect();
        use_it(&Config { ipsec: self.ipsec.core(), hubs: &hubs, host_name: HOST_NAME })
    }
}

impl ServerSettings {
    /// What holds where the file in `folder` says nothing.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            listen: vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            state_dir: folder.join("state"),
            max_sessions: 1_000,
        }
    }
}

impl Default for IpsecSettings {
    fn default() -> Self {
        Self {
            l2tp: true,
            l2tp_raw: false,
            psk: Zeroizing::default(),
            default_hub: "DEFAULT".to_owned(),
            policy: Policy::default(),
            encapsulation: EncapsulationPolicy::default(),
            ike_lifetime: Duration::from_secs(8 * 3_600),
            esp_lifetime: Duration::from_secs(3_600),
            dead_after: Duration::from_secs(120),
        }
    }
}

impl IpsecSettings {
    fn core(&self) -> IpsecConfig<'_> {
        IpsecConfig {
            l2tp: self.l2tp,
            l2tp_raw: self.l2tp_raw,
            psk: &self.psk,
            default_hub: &self.default_hub,
            policy: self.policy,
            encapsulation: self.encapsulation,
            ike_lifetime: self.ike_lifetime,
            esp_lifetime: self.esp_lifetime,
            dead_after: self.dead_after,
        }
    }
}

impl fmt::Debug for IpsecSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IpsecSettings")
            .field("l2tp", &self.l2tp)
            .field("l2tp_raw", &self.l2tp_raw)
            .field("default_hub", &self.default_hub)
            .field("policy", &self.policy)
            .field("encapsulation", &self.encapsulation)
            .finish_non_exhaustive()
    }
}

impl HubSettings {
    fn users(&self) -> Vec<UserConfig<'_>> {
        let users = self.users.iter().map(|user| UserConfig {
            name: &user.name,
            nt_hash: user.nt_hash,
            max_sessions: user.max_sessions,
        });
        users.collect()
    }
}

impl SecureNatSettings {
    fn core(&self, hub: &str) -> SecureNatConfig<'_> {
        SecureNatConfig {
            mac: self.mac.unwrap_or_else(|| router_mac(hub)),
            address: self.address,
            prefix_len: self.prefix_len,
            dhcp: self.dhcp,
            pool: self.pool,
            lease: self.lease,
            dns: &self.dns,
            // Without NAT the virtual router leads nowhere.
            gateway: false,
        }
    }
}

impl fmt::Debug for UserSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether two names are the same to the server: case does not matter.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    folded(a) == folded(b)
}

/// What two names have in common that are the same to the server.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// The MAC address of a hub's virtual router: the same after every start, another one on every
/// machine, so that two servers can share a LAN.
fn router_mac(hub: &str) -> MacAddr {
    let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
    let digest = Sha256::new()
        .chain_update(b"kumihimo router")
        .chain_update(machine)
        .chain_update(hub.to_lowercase())
        .finalize();
    let mut mac = [0; 6];
    mac.iter_mut().zip(digest).for_each(|(octet, random)| *octet = random);
    mac[0] = 0x5e;
    MacAddr(mac)
}

/// How the server calls itself before anyone has proven anything: the name of the machine is
/// not for strangers.
const HOST_NAME: &str = "kumihimo";
