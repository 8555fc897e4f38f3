//! Opens what a configuration needs of the machine: sockets and TAP devices.
//!
//! All or nothing: an error leaves what was open before as it was.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use kumihimo_core::addr::{IKE_PORT, L2TP_PORT, NATT_PORT, Outer};
use kumihimo_core::config::EncapsulationPolicy;
use kumihimo_core::server::BridgeId;

use crate::config_file::Settings;
use crate::holder::{self, Held};
use crate::linux::{Change, Service, Socket, Tap};
use crate::sys;
use crate::sys::tap::Device;

/// What is open, by name.
#[derive(Clone, Debug, Default)]
pub struct Open {
    services: Vec<Service>,
    taps: Vec<String>,
}

/// What came of opening.
#[derive(Debug, Default)]
pub struct Opened {
    /// For the packet thread.
    pub change: Change,
    /// What will be open then.
    pub open: Open,
    /// What does not work but keeps nobody from starting: one line each.
    pub warnings: Vec<String>,
}

/// Opens what `settings` need and `open` does not have.
///
/// # Errors
/// One line: what cannot be had, why, what to do.
pub fn open(settings: &Settings, open: &Open) -> Result<Opened, String> {
    open_by(settings, open, sys::socket::open, sys::tap::open)
}

/// The same with the machine's `socket` and `tap`.
fn open_by(
    settings: &Settings,
    open: &Open,
    mut socket: impl FnMut(Outer, SocketAddr) -> io::Result<OwnedFd>,
    mut tap: impl FnMut(&str) -> io::Result<Device>,
) -> Result<Opened, String> {
    let mut opened = Opened::default();
    for wanted in services(settings) {
        let service = wanted.service;
        let old = open.services.contains(&service);
        if !old {
            match socket(service.outer, service.address) {
                Ok(fd) => opened.change.opened.push(Socket { service, fd }),
                Err(error) if wanted.optional && missing(&error) => {
                    opened.warnings.extend(wanted.without.map(str::to_owned));
                    continue;
                }
                Err(error) => {
                    let ours = open.services.iter().find(|open| shares_port(open, service));
                    let in_use = error.raw_os_error() == Some(libc::EADDRINUSE);
                    return Err(match ours.filter(|_| in_use) {
                        Some(&ours) => own_port(service, ours),
                        None => why(service, &error),
                    });
                }
            }
        }
        opened.change.services.push(service);
    }
    for (bridge, name) in bridges(settings) {
        if !open.taps.contains(&name) {
            let device = tap(&name).map_err(|error| why_tap(&name, &error))?;
            opened.change.taps.push(Tap { bridge, name: name.clone(), device });
        }
        opened.change.bridges.push((bridge, name));
    }
    opened.open.services.clone_from(&opened.change.services);
    opened.open.taps = opened.change.bridges.iter().map(|(_, name)| name.clone()).collect();
    Ok(opened)
}

/// A socket that a configuration needs.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// What and where.
    pub service: Service,
    /// Whether the server starts without it where the machine has no such thing.
    optional: bool,
    /// What does not work then.
    without: Option<&'static str>,
}

impl Wanted {
    /// The line of `kumihimo check` where the socket cannot be opened.
    pub fn finding(&self, error: &io::Error) -> String {
        match self.without {
            Some(without) if self.optional && missing(error) => without.to_owned(),
            _ => why(self.service, error),
        }
    }
}

/// The sockets that `settings` need.
pub fn services(settings: &Settings) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let ipsec = &settings.ipsec;
    let auto = ipsec.encapsulation == EncapsulationPolicy::Auto;
    for &ip in &settings.server.listen {
        // A machine without IPv6 serves IPv4.
        let any_ipv6 = ip.is_ipv6() && ip.is_unspecified();
        let mut want = |outer, port, optional, without| {
            let service = Service { outer, address: SocketAddr::new(ip, port) };
            wanted.push(Wanted { service, optional, without });
        };
        if ipsec.l2tp {
            want(Outer::Udp, IKE_PORT, any_ipv6, any_ipv6.then_some(NO_IPV6));
            want(Outer::Udp, NATT_PORT, any_ipv6, None);
        }
        if ipsec.l2tp_raw {
            want(Outer::Udp, L2TP_PORT, any_ipv6, None);
        }
        // Over IPv4 with `encapsulation = "udp"` no client sends protocol 50.
        if ipsec.l2tp && (auto || ip.is_ipv6()) {
            want(Outer::Esp, 0, !auto, Some(NO_RAW));
        }
    }
    wanted
}

fn bridges(settings: &Settings) -> Vec<(BridgeId, String)> {
    let mut bridges = Vec::new();
    for (hub, settings) in settings.hubs.iter().enumerate() {
        for (bridge, tap) in settings.bridges.iter().enumerate() {
            // Both are bounded by the limits that the configuration was checked against.
            let id = BridgeId { hub: hub as u16, bridge: bridge as u16 };
            bridges.push((id, tap.clone()));
        }
    }
    bridges
}

/// Whether one of the two has the port on all addresses, and with it that of the other.
fn shares_port(open: &Service, wanted: Service) -> bool {
    let (a, b) = (open.address, wanted.address);
    let is_all = a.ip().is_unspecified() || b.ip().is_unspecified();
    open.outer == wanted.outer && a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && is_all
}

/// The one line for a port that is this server's own until the change is made.
fn own_port(wanted: Service, open: Service) -> String {
    let (wanted, open) = (name_of(wanted), name_of(open));
    format!("{wanted} shares its port with {open}, which is open; restart the server for this")
}

/// Whether the machine or the privilege for an optional socket is missing, rather than the port.
fn missing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPERM | libc::EPROTONOSUPPORT)
    )
}

/// The one line for a socket that could not be opened.
pub fn why(service: Service, error: &io::Error) -> String {
    let name = name_of(service);
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => taken(service),
        Some(libc::EACCES | libc::EPERM) if service.outer == Outer::Esp => {
            format!("{name}: no privilege; {}", privilege("CAP_NET_RAW"))
        }
        Some(libc::EACCES | libc::EPERM) => {
            format!("{name}: no privilege; {}", privilege("CAP_NET_BIND_SERVICE"))
        }
        Some(libc::EADDRNOTAVAIL) => {
            let ip = service.address.ip();
            format!("{name}: this machine has no address {ip}; correct server.listen")
        }
        Some(libc::EAFNOSUPPORT) => {
            format!("{name}: this machine has no IPv6; take it out of server.listen")
        }
        _ => format!("{name}: {error}; check server.listen"),
    }
}

/// The one line for a port that somebody else holds.
pub fn taken(service: Service) -> String {
    let name = name_of(service);
    let held = holder::held(service.outer, service.address);
    let holders = held.iter().map(holder::holder);
    match holders.flatten().next() {
        Some(holder) => format!("{name} is taken by {holder}; {}", holder.remedy()),
        None if held.iter().any(Held::is_kernel) => {
            format!("{name} is taken by the kernel itself, for a tunnel; see ip l2tp show tunnel")
        }
        None => format!(
            "{name} is taken by a process that cannot be seen from here; as root, \
             run kumihimo check"
        ),
    }
}

/// `UDP 0.0.0.0:500`, `ESP [::]`.
pub fn name_of(service: Service) -> String {
    match (service.outer, service.address) {
        (Outer::Udp, address) => format!("UDP {address}"),
        (Outer::Esp, SocketAddr::V4(address)) => format!("ESP {}", address.ip()),
        (Outer::Esp, SocketAddr::V6(address)) => format!("ESP [{}]", address.ip()),
    }
}

fn why_tap(name: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            format!("TAP device {name}: no privilege; {}", privilege("CAP_NET_ADMIN"))
        }
        Some(libc::EBUSY) => {
            format!("TAP device {name}: another process uses it; stop that or choose another name")
        }
        Some(libc::EINVAL) => {
            format!("TAP device {name}: another kind of device has this name; choose another one")
        }
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            format!("TAP device {name}: the kernel has no TUN/TAP driver; modprobe tun")
        }
        _ => format!("TAP device {name}: {error}; choose another name"),
    }
}

/// How to get a capability.
pub fn privilege(capability: &str) -> String {
    let program = std::env::current_exe();
    let program = program.map_or("kumihimo".to_owned(), |path| path.display().to_string());
    let all = "cap_net_bind_service,cap_net_raw,cap_net_admin+ep";
    let some = format!("{}+ep", capability.to_lowercase());
    // With encapsulation and bridges more than one is needed, and setcap replaces what was there.
    let caps = if capability == "CAP_NET_BIND_SERVICE" { some.as_str() } else { all };
    format!("run as root, or give it {capability}: setcap {caps} {program}")
}

const NO_IPV6: &str = "this machine has no IPv6: serving IPv4 only";
const NO_RAW: &str =
    "no CAP_NET_RAW: clients that reach this server over IPv6 without NAT cannot connect";

#[cfg(test)]
mod tests;
