//! The `[[hub]]` sections: names, users, bridges, SecureNAT.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use kumihimo_core::config::{BRIDGES_MAX, NAME_LEN};
use kumihimo_core::crypto::mschap;
use kumihimo_core::limits::Limits;
use kumihimo_core::time::Duration;

use super::reader::{Section, quoted};
use super::settings::{HubSettings, SecureNatSettings, UserSettings, folded, same_name};
use super::{span, value};

/// Reads all hubs; what is wrong with one is noted and the rest is read all the same.
pub(super) fn read(sections: Vec<Section<'_>>, max_sessions: usize) -> Vec<HubSettings> {
    let limits = Limits::server(max_sessions);
    let mut hubs: Vec<HubSettings> = Vec::new();
    let mut taps = Vec::new();
    let (mut users, mut bridges) = (0, 0);
    for section in sections {
        let hub = hub(section, &mut taps);
        if hubs.iter().any(|other| same_name(&other.name, &hub.name)) {
            section.wrong("name", format_args!("a hub {} exists", quoted(&hub.name)), RENAME);
        }
        if hubs.len() == limits.hubs {
            section.wrong("name", format_args!("more than {} hubs", limits.hubs), "remove some");
        }
        if hub.bridges.len() > BRIDGES_MAX {
            let what = format!("more than {BRIDGES_MAX} bridges of one hub");
            section.wrong("bridge", what, "remove some");
        }
        users += hub.users.len();
        bridges += hub.bridges.len();
        hubs.push(hub);
        if users > limits.users {
            section.wrong("user", format_args!("more than {} users", limits.users), "remove some");
        }
        if bridges > MAX_BRIDGES {
            section.wrong("bridge", format_args!("more than {MAX_BRIDGES} bridges"), "remove some");
        }
    }
    hubs
}

fn hub<'f>(section: Section<'f>, taps: &mut Vec<&'f str>) -> HubSettings {
    let name = name(section, "hub").unwrap_or_default();
    let secure_nat = section.section("secure-nat").and_then(secure_nat);
    let bridges = section.sections("bridge");
    let bridges = bridges.into_iter().filter_map(|section| bridge(section, taps)).collect();
    let (mut users, mut names) = (Vec::new(), BTreeSet::new());
    for section in section.sections("user") {
        let Some(user) = user(section) else { continue };
        if !names.insert(folded(&user.name)) {
            section.wrong("name", format_args!("a user {} exists", quoted(&user.name)), RENAME);
        }
        users.push(user);
    }
    HubSettings { name, secure_nat, bridges, users }
}

/// The name of a hub or user: what can be typed as `user@hub` and `hub\user`.
fn name(section: Section<'_>, whose: &str) -> Option<String> {
    if !section.has("name") {
        section.wrong("name", "is missing", format_args!("give the {whose} a name"));
    }
    let name = section.text("name")?;
    let strange = |c: char| c.is_control() || matches!(c, '@' | '\\');
    if name.is_empty() || name.trim() != name {
        section.wrong("name", "is empty or has blanks around it", "write a name");
    } else if name.len() > NAME_LEN {
        let remedy = format!("write at most {NAME_LEN} octets");
        section.wrong("name", format_args!("has {} octets", name.len()), remedy);
    } else if let Some(character) = name.chars().find(|&c| strange(c)) {
        let what = format!("{character:?} cannot be part of a name");
        section.wrong("name", what, "it would not survive user@hub and hub\\user: leave it out");
    } else if name == "*" {
        section.not_yet("name", "\"*\"", "name each user");
    }
    Some(name.to_owned())
}

fn user(section: Section<'_>) -> Option<UserSettings> {
    let name = name(section, "user");
    let ways = ["password", "radius", "nt-domain", "certificate", "anonymous"];
    let way = section.choice("auth", &ways.map(|way| (way, way))).unwrap_or("password");
    if way != "password" {
        section.not_yet("auth", quoted(way), "write \"password\"");
        return None;
    }
    let max_sessions = section.number("max-sessions", 0..u32::MAX).filter(|&most| most > 0);
    Some(UserSettings { name: name?, nt_hash: nt_hash(section)?, max_sessions })
}

fn nt_hash(section: Section<'_>) -> Option<[u8; 16]> {
    match (section.has("password"), section.has("nt-hash")) {
        (true, true) => {
            section.wrong("password", "stands beside nt-hash", "remove one of them");
            None
        }
        (false, false) => {
            section.wrong("password", "is missing", "add password = \"…\" or nt-hash = \"…\"");
            None
        }
        (true, false) => section.text("password").map(mschap::nt_hash),
        (false, true) => {
            let hash = value::nt_hash(section.text("nt-hash")?);
            if hash.is_none() {
                section.wrong("nt-hash", "is not valid", "write 32 hexadecimal digits");
            }
            hash
        }
    }
}

fn bridge<'f>(section: Section<'f>, taps: &mut Vec<&'f str>) -> Option<String> {
    if !section.has("tap") {
        if !section.has("device") {
            section.wrong("tap", "is missing", "write tap = \"vpn0\"");
        }
        return None;
    }
    let tap = section.text("tap")?;
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | '%' | ':');
    if tap.is_empty() || tap.len() > DEVICE_NAME_LEN || tap.starts_with('.') || tap.contains(odd) {
        let what = format!("{} is not the name of a device", quoted(tap));
        section.wrong("tap", what, "write 1 to 15 letters and digits, as in \"vpn0\"");
        return None;
    }
    if taps.contains(&tap) {
        let what = format!("{} is the device of another bridge", quoted(tap));
        section.wrong("tap", what, "each bridge needs a device of its own");
    }
    taps.push(tap);
    Some(tap.to_owned())
}

fn secure_nat(section: Section<'_>) -> Option<SecureNatSettings> {
    if section.flag("nat") == Some(true) {
        section.not_yet("nat", "true", "write false; bridge the hub to a TAP and let Linux route");
    }
    let dhcp = section.flag("dhcp").unwrap_or(true);
    let expected = "write address/prefix, as in \"192.168.30.1/24\"";
    let subnet = if section.has("address") {
        section.parsed("address", expected, value::subnet)
    } else {
        Some(DEFAULT_SUBNET)
    };
    let leases = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));
    let lease = span(section, "lease", leases).unwrap_or(Duration::from_secs(7_200));
    let dns = section.list("dns", "write an IPv4 address", |text| text.parse().ok());
    let (address, prefix_len) = subnet?;
    let (network, broadcast) = value::bounds(address, prefix_len);
    if address == network || address == broadcast {
        section.wrong("address", "is the subnet's own or broadcast address", expected);
    }
    let pool = pool(section, (address, prefix_len))?;
    let dns = dns.unwrap_or_default();
    Some(SecureNatSettings { mac: None, address, prefix_len, dhcp, pool, lease, dns })
}

fn pool(section: Section<'_>, subnet: (Ipv4Addr, u8)) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let remedy = "write first-last, as in \"192.168.30.10-192.168.30.200\"";
    let (address, prefix_len) = subnet;
    if !section.has("pool") {
        if subnet == DEFAULT_SUBNET {
            return Some(DEFAULT_POOL);
        }
        section.wrong("pool", "is missing", remedy);
        return None;
    }
    let (first, last) = section.parsed("pool", remedy, value::pool)?;
    let (network, broadcast) = value::bounds(address, prefix_len);
    if first <= network || last >= broadcast {
        let remedy = format!("stay between {network} and {broadcast}");
        section.wrong("pool", "leaves the subnet of address", remedy);
    } else if (first..=last).contains(&address) {
        section.wrong("pool", format_args!("holds {address}, the router"), "leave it out");
    }
    Some((first, last))
}

const RENAME: &str = "names differ in more than case; rename one";
const DEVICE_NAME_LEN: usize = 15;
const MAX_BRIDGES: usize = 64;
const DEFAULT_SUBNET: (Ipv4Addr, u8) = (Ipv4Addr::new(192, 168, 30, 1), 24);
const DEFAULT_POOL: (Ipv4Addr, Ipv4Addr) =
    (Ipv4Addr::new(192, 168, 30, 10), Ipv4Addr::new(192, 168, 30, 200));
