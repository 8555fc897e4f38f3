//! Who holds a port: found in `/proc`, so that the message can name the process.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use kumihimo_core::addr::Outer;

/// A process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// The systemd service that it belongs to.
    pub unit: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

impl Holder {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match (self.name.as_str(), &self.unit) {
            ("kumihimo", Some(unit)) => format!("the server runs already: systemctl stop {unit}"),
            ("kumihimo", None) => format!("the server runs already: kill {}", self.pid),
            ("vpnserver", None) => {
                "switch off SoftEther's IPsec functions (IPsecEnable) or stop it".to_owned()
            }
            (_, Some(unit)) => format!("systemctl disable --now {unit}"),
            (_, None) => format!("stop it: kill {}", self.pid),
        }
    }
}

/// A socket that stands where another one wants to be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Its inode; 0 for a socket of the kernel itself.
    inode: u64,
}

impl Held {
    /// Whether no process has it open.
    pub fn is_kernel(&self) -> bool {
        self.inode == 0
    }
}

/// The sockets that keep a socket of `outer` from being bound to `address`.
pub fn held(outer: Outer, address: SocketAddr) -> Vec<Held> {
    if outer == Outer::Esp {
        // Any number of raw sockets share a protocol.
        return Vec::new();
    }
    held_in(|list| fs::read_to_string(list).unwrap_or_default(), address)
}

/// The sockets in the way of `address`, from the kernel's lists as `read` reads them.
///
/// The kernel hands out a long list page by page. A socket that another process opens or closes
/// between two pages moves the rest: a line comes twice or not at all. So a list in which nothing
/// is found is read again.
fn held_in(mut read: impl FnMut(&str) -> String, address: SocketAddr) -> Vec<Held> {
    let mut found = Vec::new();
    for _ in 0..READINGS {
        // An IPv6 socket that takes IPv4 too holds the port of both, so both lists count.
        for (list, ipv4) in [("/proc/net/udp", true), ("/proc/net/udp6", false)] {
            let text = read(list);
            for held in text.lines().skip(1).filter_map(|line| parse(line, ipv4)) {
                let is_there = held.address.port() == address.port() && collides(&held, address);
                if is_there && !found.contains(&held) {
                    found.push(held);
                }
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// The process behind a socket; `None` if it is the kernel's, or cannot be seen from here.
pub fn holder(held: &Held) -> Option<Holder> {
    if held.inode == 0 {
        return None;
    }
    let wanted = format!("socket:[{}]", held.inode);
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        if targets.any(|target| target.as_os_str() == wanted.as_str()) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let cgroup = fs::read_to_string(process.path().join("cgroup")).unwrap_or_default();
            return Some(Holder { name: name.trim().to_owned(), pid, unit: unit(&cgroup) });
        }
    }
    None
}

fn collides(held: &Held, wanted: SocketAddr) -> bool {
    match (held.address.ip(), wanted.ip()) {
        (a, b) if a.is_ipv4() == b.is_ipv4() => a == b || a.is_unspecified() || b.is_unspecified(),
        // `::` collides with IPv4 unless it is IPv6 only, which /proc does not tell; it is
        // looked at only where a bind has failed.
        (IpAddr::V6(held), IpAddr::V4(_)) => held.is_unspecified(),
        _ => false,
    }
}

/// The service of a process, from the path of its control group.
fn unit(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let unit = path.trim().rsplit('/').find(|part| part.ends_with(".service"))?;
    // A login session is a service of its user, not of what runs in it.
    (!unit.starts_with("user@")).then(|| unit.to_owned())
}

/// A line of `/proc/net/udp` or `/proc/net/udp6`.
fn parse(line: &str, ipv4: bool) -> Option<Held> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (ip, port) = fields.get(1)?.split_once(':')?;
    let ip: IpAddr = if ipv4 {
        Ipv4Addr::from(word(ip.get(..8)?)?).into()
    } else {
        let mut octets = [0; 16];
        for (index, quad) in octets.chunks_exact_mut(4).enumerate() {
            quad.copy_from_slice(&word(ip.get(index * 8..index * 8 + 8)?)?);
        }
        Ipv6Addr::from(octets).into()
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.get(9)?.parse().ok()?;
    Some(Held { address: (ip, port).into(), inode })
}

/// Four octets, printed as a number in the machine's order.
fn word(hex: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
}

/// How often a list is read in which nothing is found.
const READINGS: usize = 8;

#[cfg(test)]
mod tests;
