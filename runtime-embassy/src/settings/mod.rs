//! What an administrator decides about a board, in fixed room.
//!
//! The same values stand under the same names in `kumihimo.toml` (`docs/CONTRACT.md`). A board
//! has one hub, bridged to its Ethernet, so there is neither SecureNAT nor a second hub here.

mod record;
#[cfg(feature = "toml")]
pub mod toml;

pub use record::{RECORD_LEN, RecordError};

use core::net::Ipv4Addr;

use kumihimo_core::config::{
    Config, ConfigError, EncapsulationPolicy, HubConfig, IpsecConfig, Policy, UserConfig,
};
use kumihimo_core::crypto::mschap;
use kumihimo_core::time::Duration;
use zeroize::Zeroize as _;

/// A name of a hub, user or board.
pub type Name = heapless::String<NAME_LEN>;

/// Everything a board is configured with.
#[derive(Clone)]
pub struct Settings {
    psk: heapless::Vec<u8, PSK_LEN>,
    users: heapless::Vec<User, USERS>,
    /// The hub's name: what clients may write behind an `@`.
    pub hub: Name,
    /// The board's own IPv4 address.
    pub addressing: Addressing,
    /// The board's MAC address, if not its hardware's.
    pub mac: Option<[u8; 6]>,
    /// Which algorithms are acceptable.
    pub policy: Policy,
    /// Whether ESP may travel without UDP.
    pub encapsulation: EncapsulationPolicy,
}

/// Where the board's own address comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// From the LAN's DHCP server.
    #[default]
    Dhcp,
    /// From the administrator.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// Length of the subnet's prefix, at most 30.
        prefix_len: u8,
        /// The way out of the LAN.
        gateway: Option<Ipv4Addr>,
    },
}

/// A user who may dial in.
#[derive(Clone, Default)]
pub struct User {
    /// Name, compared without case.
    pub name: Name,
    /// MD4 of the password: as good as the password itself.
    nt_hash: [u8; 16],
    /// Most sessions at once; 0 for no limit.
    pub max_sessions: u8,
}

/// Why a setting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key is empty or longer than [`PSK_LEN`].
    BadPsk,
    /// A name is empty, too long, or holds something that cannot be typed into a client.
    BadName,
    /// There is a user of that name.
    UserExists,
    /// There is no user of that name.
    NoUser,
    /// There are as many users as there is room for.
    TooManyUsers,
    /// Not an address that a host of a LAN can have.
    BadAddress,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            psk: heapless::Vec::new(),
            users: heapless::Vec::new(),
            hub: Name::try_from("DEFAULT").unwrap_or_default(),
            addressing: Addressing::Dhcp,
            mac: None,
            policy: Policy::Compat,
            encapsulation: EncapsulationPolicy::Udp,
        }
    }
}

impl Settings {
    /// Whether there is a key: without one the board serves nobody.
    pub fn has_psk(&self) -> bool {
        !self.psk.is_empty()
    }

    /// Sets the pre-shared key.
    ///
    /// # Errors
    /// [`Refused::BadPsk`].
    pub fn set_psk(&mut self, psk: &[u8]) -> Result<(), Refused> {
        if psk.is_empty() || psk.len() > PSK_LEN {
            return Err(Refused::BadPsk);
        }
        self.psk.as_mut_slice().zeroize();
        self.psk.clear();
        self.psk.extend_from_slice(psk).map_err(|_| Refused::BadPsk)
    }

    /// Sets the board's own address.
    ///
    /// # Errors
    /// [`Refused::BadAddress`] if no host of a LAN can have it.
    pub fn set_addressing(&mut self, addressing: Addressing) -> Result<(), Refused> {
        if let Addressing::Static { address, prefix_len, gateway } = addressing
            && !is_usable(address, prefix_len, gateway)
        {
            return Err(Refused::BadAddress);
        }
        self.addressing = addressing;
        Ok(())
    }

    /// Sets the board's MAC address; `None` is its hardware's.
    ///
    /// # Errors
    /// [`Refused::BadAddress`] for a group address and for zeros.
    pub fn set_mac(&mut self, mac: Option<[u8; 6]>) -> Result<(), Refused> {
        if mac.is_some_and(|mac| mac[0] & 1 == 1 || mac == [0; 6]) {
            return Err(Refused::BadAddress);
        }
        self.mac = mac;
        Ok(())
    }

    /// Names the hub.
    ///
    /// # Errors
    /// [`Refused::BadName`].
    pub fn set_hub(&mut self, name: &str) -> Result<(), Refused> {
        self.hub = checked_name(name)?;
        Ok(())
    }

    /// The users.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Adds a user with a password.
    ///
    /// # Errors
    /// Why not.
    pub fn add_user(&mut self, name: &str, password: &str) -> Result<(), Refused> {
        self.add_user_hash(name, mschap::nt_hash(password), 0)
    }

    /// Adds a user with the NT hash of a password.
    ///
    /// # Errors
    /// Why not.
    pub fn add_user_hash(
        &mut self,
        name: &str,
        nt_hash: [u8; 16],
        max_sessions: u8,
    ) -> Result<(), Refused> {
        let name = checked_name(name)?;
        if self.users.iter().any(|user| user.name.eq_ignore_ascii_case(&name)) {
            return Err(Refused::UserExists);
        }
        let user = User { name, nt_hash, max_sessions };
        self.users.push(user).map_err(|_| Refused::TooManyUsers)
    }

    /// Removes a user, whose sessions end.
    ///
    /// # Errors
    /// [`Refused::NoUser`].
    pub fn remove_user(&mut self, name: &str) -> Result<(), Refused> {
        let place = self.users.iter().position(|user| user.name.eq_ignore_ascii_case(name));
        self.users.remove(place.ok_or(Refused::NoUser)?);
        Ok(())
    }

    /// Lends the settings as the core takes them. `stand_in` is a key that nobody knows, for a
    /// board without one.
    pub fn with_core<R>(&self, stand_in: &[u8; 32], take: impl FnOnce(&Config<'_>) -> R) -> R {
        let users: heapless::Vec<UserConfig<'_>, USERS> = self.users.iter().map(to_core).collect();
        let hub =
            HubConfig { name: self.hub.as_str(), secure_nat: None, users: &users, bridges: 1 };
        take(&Config {
            ipsec: IpsecConfig {
                l2tp: self.has_psk(),
                l2tp_raw: cfg!(feature = "l2tp-raw"),
                psk: if self.has_psk() { &self.psk } else { stand_in },
                default_hub: self.hub.as_str(),
                policy: self.policy,
                encapsulation: self.encapsulation,
                ike_lifetime: Duration::from_secs(8 * 3_600),
                esp_lifetime: Duration::from_secs(3_600),
                dead_after: Duration::from_secs(120),
            },
            hubs: &[hub],
            host_name: HOST_NAME,
        })
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        self.psk.as_mut_slice().zeroize();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.nt_hash.zeroize();
    }
}

impl Refused {
    /// What to tell the administrator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadPsk => "the key must have 1 to 64 octets",
            Self::BadName => "a name has 1 to 32 characters, no spaces, no @ and no backslash",
            Self::UserExists => "there is a user of that name",
            Self::NoUser => "there is no user of that name",
            Self::TooManyUsers => "no room for another user",
            Self::BadAddress => "not an address that a host of a LAN can have",
        }
    }

    /// The core's word for what a record was refused for.
    pub const fn of_core(error: ConfigError) -> Self {
        match error {
            ConfigError::BadPsk => Self::BadPsk,
            ConfigError::BadName | ConfigError::NoDefaultHub => Self::BadName,
            ConfigError::DuplicateName => Self::UserExists,
            ConfigError::TooMany => Self::TooManyUsers,
            ConfigError::BadSubnet => Self::BadAddress,
        }
    }
}

fn to_core(user: &User) -> UserConfig<'_> {
    let max_sessions = (user.max_sessions > 0).then_some(u32::from(user.max_sessions));
    UserConfig { name: user.name.as_str(), nt_hash: user.nt_hash, max_sessions }
}

fn checked_name(name: &str) -> Result<Name, Refused> {
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '@' | '\\');
    if name.is_empty() || name.contains(is_bad) {
        return Err(Refused::BadName);
    }
    Name::try_from(name).map_err(|_| Refused::BadName)
}

/// Whether a host can have `address` in a subnet with this prefix, and reach `gateway`.
fn is_usable(address: Ipv4Addr, prefix_len: u8, gateway: Option<Ipv4Addr>) -> bool {
    if !(1..=30).contains(&prefix_len) {
        return false;
    }
    let hosts = u32::MAX >> prefix_len;
    let is_host = |address: Ipv4Addr| {
        let part = address.to_bits() & hosts;
        part != 0 && part != hosts && !address.is_loopback() && !address.is_multicast()
    };
    let is_near = |other: Ipv4Addr| (address.to_bits() ^ other.to_bits()) & !hosts == 0;
    is_host(address)
        && !address.is_unspecified()
        && gateway.is_none_or(|gateway| is_host(gateway) && is_near(gateway) && gateway != address)
}

/// `dhcp`, or `ADDRESS/LENGTH [GATEWAY]`. Whether it fits together, the settings say.
#[cfg(any(feature = "net", feature = "toml"))]
pub(crate) fn parse_address(value: &str) -> Option<Addressing> {
    if value == "dhcp" {
        return Some(Addressing::Dhcp);
    }
    let (network, gateway) = value.split_once(' ').unwrap_or((value, ""));
    let (address, prefix_len) = network.split_once('/')?;
    let gateway: Option<Ipv4Addr> = match gateway.trim() {
        "" => None,
        gateway => Some(gateway.parse().ok()?),
    };
    Some(Addressing::Static {
        address: address.parse().ok()?,
        prefix_len: prefix_len.parse().ok()?,
        gateway,
    })
}

#[cfg(any(feature = "net", feature = "toml"))]
pub(crate) fn parse_mac(value: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = value.split([':', '-']);
    for octet in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// Octets of the longest name.
pub const NAME_LEN: usize = 32;
/// Octets of the longest pre-shared key.
pub const PSK_LEN: usize = 64;
/// Most users.
pub const USERS: usize = 8;
/// What the server calls itself towards clients.
const HOST_NAME: &str = "kumihimo";

#[cfg(test)]
pub(crate) mod tests;
