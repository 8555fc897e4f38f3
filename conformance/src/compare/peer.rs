//! The peers: started and configured, in a namespace with a TAP device and a wire to the clients.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::lab::{Namespace, Outcome, PASSWORD, PSK, Process, USER, softether};
use crate::{expect, fail};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The server of this project.
    Kumihimo,
    /// `SoftEther` VPN of Debian's `softether-vpnserver`.
    SoftEther,
    /// A forwarder with the same sockets and ciphers, and no protocol.
    Floor,
}

/// Everything that stands while a peer is measured.
#[derive(Debug)]
pub struct Stand {
    /// Where the clients are.
    pub clients: Namespace,
    /// Where the server and its TAP device are.
    pub server: Namespace,
    /// The server, or what started it.
    pub process: Process,
    /// The process that serves.
    pub pid: u32,
    /// The folder with the peer's logs.
    pub folder: PathBuf,
}

/// The server's address on the wire.
pub(super) const SERVER: &str = "10.9.0.1";
/// The machine at the hub's TAP device.
pub(super) const STATION: &str = "172.20.0.9";
/// The router of the hub's `SecureNAT`.
pub(super) const ROUTER: &str = "172.20.0.1";
/// The first address of clients on the wire, and how many there are.
pub(super) const CLIENTS: (&str, u32) = ("10.9.1.1", 64);

impl Peer {
    /// All, in the order of their turns.
    pub const ALL: [Self; 3] = [Self::Kumihimo, Self::SoftEther, Self::Floor];

    /// The peer that a user names.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.to_string() == name)
    }

    /// For headings.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kumihimo => "Kumihimo",
            Self::SoftEther => "SoftEther",
            Self::Floor => "floor",
        }
    }

    /// For bars.
    pub const fn colour(self) -> &'static str {
        match self {
            Self::Kumihimo => "#2f6f9f",
            Self::SoftEther => "#d08a2e",
            Self::Floor => "#b9bec4",
        }
    }

    /// Starts it in `folder`; the programs of this project are in `programs`.
    pub fn start(self, programs: &Path, folder: &Path) -> Outcome<Stand> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let (server, clients) = wire()?;
        let (process, tap) = match self {
            Self::Kumihimo => (start_kumihimo(&server, programs, folder)?, "vpn0"),
            Self::SoftEther => {
                (softether::start_in(&server, folder, &softether_commands())?, softether::TAP)
            }
            Self::Floor => (start_floor(&server, programs, folder)?, "vpn0"),
        };
        server.wait_for(tap)?;
        server.up(tap, &[&format!("{STATION}/16")])?;
        let pid = largest(process.pid());
        Ok(Stand { clients, server, process, pid, folder: folder.to_owned() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kumihimo => "kumihimo",
            Self::SoftEther => "softether",
            Self::Floor => "floor",
        })
    }
}

/// Of a process and those it started, the one with the most memory: `vpnserver` only watches
/// over a child of its own.
fn largest(pid: u32) -> u32 {
    let resident = |pid: u32| {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_u64)
    };
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let below = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(largest);
    below.chain([pid]).max_by_key(|&pid| resident(pid)).unwrap_or(pid)
}

/// Two namespaces on one wire.
fn wire() -> Outcome<(Namespace, Namespace)> {
    let server = Namespace::create("compare", "server")?;
    let clients = Namespace::create("compare", "clients")?;
    server.veth("wire", &clients, "wire")?;
    server.up("wire", &[&format!("{SERVER}/16")])?;
    let [a, b, c, d] = parse(CLIENTS.0)?;
    for number in 0..CLIENTS.1 {
        let last = u32::from(d) + number;
        clients.ip(&format!("addr add {a}.{b}.{c}.{last}/16 dev wire"))?;
    }
    clients.ip("link set wire up")?;
    Ok((server, clients))
}

fn parse(address: &str) -> Outcome<[u8; 4]> {
    match address.parse::<std::net::Ipv4Addr>() {
        Ok(address) => Ok(address.octets()),
        Err(error) => fail!("{address}: {error}"),
    }
}

fn start_kumihimo(server: &Namespace, programs: &Path, folder: &Path) -> Outcome<Process> {
    let config = folder.join("kumihimo.toml");
    fs::write(
        &config,
        format!(
            r#"[server]
listen = ["0.0.0.0"]
state-dir = "state"
max-sessions = 1500

[ipsec]
l2tp = true
psk = "{PSK}"
default-hub = "DEFAULT"

[[hub]]
name = "DEFAULT"

[hub.secure-nat]
nat = false
dhcp = true
address = "172.20.0.1/16"
pool = "172.20.1.1-172.20.8.250"
lease = "2h"

[[hub.bridge]]
tap = "vpn0"

[[hub.user]]
name = "{USER}"
auth = "password"
password = "{PASSWORD}"
"#
        ),
    )?;
    let mut command = command(server, programs, "kumihimo")?;
    command.args(["serve", "--config"]).arg(config);
    ready(&mut command, folder)
}

fn start_floor(server: &Namespace, programs: &Path, folder: &Path) -> Outcome<Process> {
    let mut command = command(server, programs, "floor")?;
    ready(command.args(["0.0.0.0", "vpn0"]), folder)
}

fn command(server: &Namespace, programs: &Path, name: &str) -> Outcome<Command> {
    let program = programs.join(name);
    expect!(program.is_file(), "{} is not built", program.display());
    Ok(server.command(&program.display().to_string()))
}

fn ready(command: &mut Command, folder: &Path) -> Outcome<Process> {
    let mut process = Process::start(command, &folder.join("server.log"))?;
    process.wait_for_output("ready", Duration::from_secs(20))?;
    Ok(process)
}

/// The same network as Kumihimo's hub has.
fn softether_commands() -> String {
    "SecureNatHostSet /MAC:none /IP:172.20.0.1 /MASK:255.255.0.0\n\
     DhcpSet /START:172.20.1.1 /END:172.20.8.250 /MASK:255.255.0.0 /EXPIRE:7200 \
     /GW:172.20.0.1 /DNS:172.20.0.1 /DNS2:none /DOMAIN:none /LOG:no\n"
        .to_owned()
}
