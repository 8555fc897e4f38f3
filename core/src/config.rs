//! What an administrator decides, as the core needs it.
//!
//! Borrowed: the server copies what it keeps into its own tables. What holds a key or a hash
//! cannot be printed.

use core::net::Ipv4Addr;

use crate::addr::MacAddr;
use crate::time::Duration;

/// The configuration of a server.
#[derive(Clone)]
pub struct Config<'a> {
    /// IKE and IPsec.
    pub ipsec: IpsecConfig<'a>,
    /// Virtual hubs; names differ in more than case.
    pub hubs: &'a [HubConfig<'a>],
    /// Name that we call ourselves in L2TP and MS-CHAPv2.
    pub host_name: &'a str,
}

/// Settings of IKE and the protocols above it.
#[derive(Clone)]
pub struct IpsecConfig<'a> {
    /// Serve L2TP over IPsec.
    pub l2tp: bool,
    /// Serve L2TP without IPsec, on UDP 1701.
    pub l2tp_raw: bool,
    /// The pre-shared key, up to 256 octets.
    pub psk: &'a [u8],
    /// The hub of names without one.
    pub default_hub: &'a str,
    /// Which algorithms are acceptable.
    pub policy: Policy,
    /// Whether ESP may travel without UDP.
    pub encapsulation: EncapsulationPolicy,
    /// Ours for an IKE SA; the shorter of both sides' counts.
    pub ike_lifetime: Duration,
    /// Ours for an IPsec SA; the shorter of both sides' counts.
    pub esp_lifetime: Duration,
    /// Silence after which a peer is given up; at least 120 s.
    pub dead_after: Duration,
}

/// Which algorithms are acceptable, in which order. The table is in `docs/CONTRACT.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// No SHA-1, 3DES or small groups.
    Modern,
    /// Everything that today's clients need.
    #[default]
    Compat,
    /// And MD5.
    Legacy,
}

/// Whether ESP may travel without UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncapsulationPolicy {
    /// Over IPv4 every client uses UDP 4500, whatever stands between.
    #[default]
    Udp,
    /// Bare ESP where there is no NAT.
    Auto,
}

/// A virtual hub.
#[derive(Clone)]
pub struct HubConfig<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its virtual DHCP server and router, if they run.
    pub secure_nat: Option<SecureNatConfig<'a>>,
    /// Its local users.
    pub users: &'a [UserConfig<'a>],
    /// Bridges to Ethernet devices of the runtime: their number is their place here.
    pub bridges: usize,
}

/// The virtual router and DHCP server of a hub.
#[derive(Clone, Debug)]
pub struct SecureNatConfig<'a> {
    /// The router's MAC address.
    pub mac: MacAddr,
    /// The router's address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix_len: u8,
    /// Whether the virtual DHCP server runs.
    pub dhcp: bool,
    /// First and last address of the pool.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// Lease time.
    pub lease: Duration,
    /// DNS servers that it hands out.
    pub dns: &'a [Ipv4Addr],
    /// Whether it names itself as the gateway.
    pub gateway: bool,
}

/// A local user.
#[derive(Clone)]
pub struct UserConfig<'a> {
    /// Name, compared without case.
    pub name: &'a str,
    /// MD4 of the password in UTF-16LE (RFC 2759 §8.3).
    pub nt_hash: [u8; 16],
    /// Most sessions at once; `None` for no limit.
    pub max_sessions: Option<u32>,
}

/// Most bridges of one hub.
pub const BRIDGES_MAX: usize = 8;
/// Octets of the longest name of a hub or user.
pub const NAME_LEN: usize = 64;
/// Octets of the longest pre-shared key.
pub const PSK_LEN: usize = 256;

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The key is empty or longer than [`PSK_LEN`].
    BadPsk,
    /// A name is empty or longer than [`NAME_LEN`].
    BadName,
    /// Two hubs, or two users of a hub, have the same name.
    DuplicateName,
    /// The default hub does not exist.
    NoDefaultHub,
    /// The subnet, pool or router address of a hub contradict each other.
    BadSubnet,
    /// More hubs, bridges or users than the tables hold.
    TooMany,
}
