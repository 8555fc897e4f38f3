//! `kumihimo check`: what is wrong with the configuration and this machine, one line each.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use kumihimo_core::addr::{IKE_PORT, L2TP_PORT, NATT_PORT};

use crate::config_file::{self, Settings};
use crate::serve::DEFAULT_FILE;
use crate::sys::xfrm::{self, Policy};
use crate::{outside, sys, weak};

/// Everything that is found, with what to do; empty if all is well.
pub fn findings(config: Option<&Path>) -> Vec<String> {
    let file = config.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_path_buf);
    let settings = if config.is_none() && !file.exists() {
        // What the first run would serve.
        config_file::first_settings()
    } else {
        config_file::load(&file)
    };
    match settings {
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
        Ok(settings) => {
            let mut findings: Vec<String> = weak::psk_warning(&settings).into_iter().collect();
            findings.extend(sockets(&settings));
            findings.extend(taps(&settings));
            findings.extend(policies());
            findings
        }
    }
}

/// Binds every socket for a moment.
fn sockets(settings: &Settings) -> Vec<String> {
    let mut findings = Vec::new();
    for wanted in outside::services(settings) {
        if let Err(error) = sys::socket::open(wanted.service.outer, wanted.service.address) {
            findings.push(wanted.finding(&error));
        }
    }
    findings.dedup();
    findings
}

/// Looks at the names of TAP devices without making any.
fn taps(settings: &Settings) -> Vec<String> {
    let names: Vec<&String> = settings.hubs.iter().flat_map(|hub| &hub.bridges).collect();
    let Some(first) = names.first() else { return Vec::new() };
    if !Path::new("/dev/net/tun").exists() {
        return vec![format!("TAP device {first}: the kernel has no TUN/TAP driver; modprobe tun")];
    }
    if !has_net_admin() {
        let remedy = outside::privilege("CAP_NET_ADMIN");
        return vec![format!("TAP device {first}: no privilege; {remedy}")];
    }
    let taken = names.into_iter().filter(|name| Path::new("/sys/class/net").join(name).exists());
    taken
        .map(|name| format!("TAP device {name}: a device of this name exists; choose another name"))
        .collect()
}

/// Whether this process may configure the network, from its effective capabilities.
fn has_net_admin() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    capabilities.is_some_and(|set| set >> CAP_NET_ADMIN & 1 == 1)
}

/// The kernel's IPsec policies that would take our packets.
fn policies() -> Option<String> {
    let remedy = "list them with ip xfrm policy, stop the IKE daemon that made them (strongswan, \
                  libreswan), then ip xfrm policy flush";
    match xfrm::policies() {
        Ok(policies) => {
            let ours = sys::ifaddrs::addresses().unwrap_or_default();
            let count = policies.iter().filter(|policy| is_in_the_way(policy, &ours)).count();
            (count > 0).then(|| format!("kernel IPsec: {count} policies are in the way; {remedy}"))
        }
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            Some("kernel IPsec: policies cannot be seen; run kumihimo check as root".to_owned())
        }
        // A kernel without IPsec has nothing in the way.
        Err(_) => None,
    }
}

/// Whether a policy applies to our ports towards clients anywhere.
fn is_in_the_way(policy: &Policy, ours: &[IpAddr]) -> bool {
    let (port, mask) = policy.local_port;
    let ports = [IKE_PORT, NATT_PORT, L2TP_PORT];
    let names_port = mask != 0 && ports.iter().any(|ours| ours & mask == port & mask);
    let anywhere = policy.remote.1 == 0;
    matches!(policy.protocol, 0 | UDP)
        && (names_port || (mask == 0 && anywhere))
        && ours.iter().any(|&ip| !ip.is_loopback() && covers(policy.local, ip))
}

fn covers((network, prefix_len): (IpAddr, u8), ip: IpAddr) -> bool {
    let same = |a: u128, b: u128, bits: u8| {
        (a ^ b).checked_shr(u32::from(bits.saturating_sub(prefix_len))).unwrap_or(0) == 0
    };
    match (network, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

const UDP: u8 = 17;
const CAP_NET_ADMIN: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(local: &str, prefix: u8, remote_prefix: u8, protocol: u8, port: u16) -> Policy {
        Policy {
            local: (local.parse().unwrap(), prefix),
            remote: ("0.0.0.0".parse().unwrap(), remote_prefix),
            protocol,
            local_port: (port, if port == 0 { 0 } else { 0xffff }),
        }
    }

    #[test]
    fn policies_are_in_the_way_only_where_they_meet_our_packets() {
        let ours = ["127.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        let meets = |policy| is_in_the_way(&policy, &ours);
        assert!(meets(policy("192.0.2.1", 32, 32, 17, 1701)));
        assert!(meets(policy("192.0.2.0", 24, 0, 0, 0)));
        assert!(meets(policy("0.0.0.0", 0, 0, 17, 0)));
        assert!(!meets(policy("192.0.2.0", 24, 24, 0, 0)), "another site's network");
        assert!(!meets(policy("198.51.100.0", 24, 0, 0, 0)), "not our address");
        assert!(!meets(policy("192.0.2.1", 32, 0, 6, 0)), "TCP");
        assert!(!meets(policy("192.0.2.1", 32, 0, 17, 53)), "DNS");
    }

    #[test]
    fn a_broken_file_is_reported_line_by_line() {
        let file = std::env::temp_dir().join(format!("kumihimo-check-{}", std::process::id()));
        std::fs::write(&file, "[ipsec]\npks = \"x\"\n[srever]\n").unwrap();
        let found = findings(Some(&file));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found.iter().any(|line| line.contains(":2: ipsec.pks: unknown key")));
    }
}
