//! Where the server stands and where its clients sit: wires, routers and address translators.

use std::process::Command;

use crate::fail;
use crate::lab::{Lab, Namespace, Outcome, Process};

/// A place for a guest: a TAP device in some namespace, and the guest's addresses on it.
#[derive(Debug)]
pub struct Seat {
    namespace: String,
    /// The device in the namespace.
    pub tap: String,
    /// The guest's own IPv4 address.
    pub address: String,
    gateway: Option<String>,
    address6: Option<String>,
}

/// A server's namespace, the way to it, and seats for clients.
#[derive(Debug)]
pub struct Site {
    /// Ends first, while its device is there, to say what it missed.
    _capture: Process,
    /// Seats, in the order the constructor names them.
    pub seats: Vec<Seat>,
    /// What clients dial.
    pub address: &'static str,
    /// Where the server runs.
    pub server: Namespace,
    /// Routers between; kept alive with the site.
    pub routers: Vec<Namespace>,
}

/// Counts what reaches the server as ESP in UDP and as ESP.
const COUNTERS: &str = "table inet lab {
    counter natt { }
    counter bare { }
    counter asked { }
    counter answered { }
    chain count {
        type filter hook input priority -300;
        udp dport 4500 counter name natt
        meta l4proto esp counter name bare
        udp dport { 500, 1701, 4500 } counter name asked
    }
    chain answer {
        type filter hook output priority -300;
        udp sport { 500, 1701, 4500 } counter name answered
    }
}";

const MASQUERADE: &str = "table ip lab {
    chain out { type nat hook postrouting priority 100; oifname out masquerade; }
}";

/// One packet in ten from the server is lost. In a router: a drop at the sender itself would be
/// an error that the sender sees.
const LOSSY: &str = "table ip lab {
    chain back { type filter hook forward priority 0; iifname out numgen random mod 100 < 10 drop; }
}";

/// Only UDP 500 and 4500 reach the server; nothing else enters or starts from inside.
const PORT_FORWARD: &str = "table ip lab {
    chain forwarded {
        type nat hook prerouting priority -100;
        ip daddr 203.0.113.1 udp dport { 500, 4500 } dnat to 192.168.77.2
    }
    chain through {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ct status dnat accept
    }
    chain own { type filter hook input priority 0; policy drop; }
}";

impl Seat {
    fn new(namespace: &Namespace, tap: &str, address: &str, gateway: Option<&str>) -> Self {
        Self {
            namespace: namespace.name().to_owned(),
            tap: tap.to_owned(),
            address: address.to_owned(),
            gateway: gateway.map(str::to_owned),
            address6: None,
        }
    }

    /// A command in the namespace of the TAP device.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.namespace, program]);
        command
    }

    /// The kernel arguments that tell the guest its addresses.
    pub fn environment(&self) -> Vec<String> {
        let mut arguments = vec![format!("address={}/24", self.address)];
        arguments.extend(self.gateway.iter().map(|gateway| format!("gateway={gateway}")));
        arguments.extend(self.address6.iter().map(|address| format!("address6={address}/64")));
        arguments
    }
}

impl Site {
    /// One client on the server's own wire, with IPv4 and IPv6.
    pub fn direct(lab: &Lab<'_>) -> Outcome<Self> {
        let server = lab.namespace("server")?;
        server.tap("wire", &["10.9.0.1/24", "fd09::1/64"])?;
        let mut seat = Seat::new(&server, "wire", "10.9.0.2", None);
        seat.address6 = Some("fd09::2".to_owned());
        Self::new(lab, "10.9.0.1", server, Vec::new(), vec![seat])
    }

    /// The same, but the client dials another address of the server than the first.
    pub fn second_address(lab: &Lab<'_>) -> Outcome<Self> {
        let site = Self::direct(lab)?;
        site.server.ip("addr add 10.9.0.77/24 dev wire")?;
        Ok(Self { address: "10.9.0.77", ..site })
    }

    /// Clients behind one router that masquerades.
    pub fn masqueraded(lab: &Lab<'_>, seats: u8) -> Outcome<Self> {
        Self::routed(lab, seats, MASQUERADE)
    }

    /// From here on the router gives every flow another port; those that stand are forgotten.
    pub fn move_ports(&self) -> Outcome<()> {
        let Some(router) = self.routers.first() else { fail!("no router") };
        router.nft("flush chain ip lab out\nadd rule ip lab out oifname out masquerade random")?;
        // Masquerading forgets its flows when the address goes.
        router.ip("addr del 10.9.0.254/24 dev out")?;
        router.ip("addr add 10.9.0.254/24 dev out")
    }

    /// Clients behind a router that loses one packet in ten on the way back to them.
    pub fn lossy(lab: &Lab<'_>, seats: u8) -> Outcome<Self> {
        Self::routed(lab, seats, LOSSY)
    }

    fn routed(lab: &Lab<'_>, seats: u8, rules: &str) -> Outcome<Self> {
        let server = lab.namespace("server")?;
        let router = lab.namespace("router")?;
        server.veth("wire", &router, "out")?;
        server.up("wire", &["10.9.0.1/24"])?;
        router.up("out", &["10.9.0.254/24"])?;
        server.ip("route add 10.8.0.0/16 via 10.9.0.254")?;
        router.sysctl("net.ipv4.ip_forward=1")?;
        router.nft(rules)?;
        let seats = (1..=seats).map(|n| behind(&router, n)).collect::<Outcome<Vec<_>>>()?;
        Self::new(lab, "10.9.0.1", server, vec![router], seats)
    }

    /// Two homes, each behind its own masquerade, whose clients have the same inner address.
    pub fn two_homes(lab: &Lab<'_>) -> Outcome<Self> {
        let server = lab.namespace("server")?;
        let internet = lab.namespace("internet")?;
        server.veth("wire", &internet, "south")?;
        server.up("wire", &["10.9.0.1/24"])?;
        server.ip("route add default via 10.9.0.254")?;
        internet.up("south", &["10.9.0.254/24"])?;
        internet.sysctl("net.ipv4.ip_forward=1")?;
        let (mut routers, mut seats) = (Vec::new(), Vec::new());
        for n in 1..=2 {
            let home = lab.namespace(&format!("home{n}"))?;
            internet.veth(&format!("home{n}"), &home, "out")?;
            internet.up(&format!("home{n}"), &[&format!("198.51.{n}.1/24")])?;
            home.up("out", &[&format!("198.51.{n}.2/24")])?;
            home.ip(&format!("route add default via 198.51.{n}.1"))?;
            home.sysctl("net.ipv4.ip_forward=1")?;
            home.nft(MASQUERADE)?;
            seats.push(behind(&home, 1)?);
            routers.push(home);
        }
        routers.push(internet);
        Self::new(lab, "10.9.0.1", server, routers, seats)
    }

    /// The server behind a port forward; one client on the public wire, one behind a masquerade.
    pub fn port_forwarded(lab: &Lab<'_>) -> Outcome<Self> {
        let (server, edge, home) =
            (lab.namespace("server")?, lab.namespace("edge")?, lab.namespace("home")?);
        server.veth("wire", &edge, "inside")?;
        server.up("wire", &["192.168.77.2/24"])?;
        server.ip("route add default via 192.168.77.1")?;
        edge.up("inside", &["192.168.77.1/24"])?;
        edge.tap("public", &["203.0.113.1/24"])?;
        edge.veth("uplink", &home, "out")?;
        edge.up("uplink", &["198.51.100.1/24"])?;
        edge.sysctl("net.ipv4.ip_forward=1")?;
        edge.nft(PORT_FORWARD)?;
        home.up("out", &["198.51.100.2/24"])?;
        home.ip("route add default via 198.51.100.1")?;
        home.sysctl("net.ipv4.ip_forward=1")?;
        home.nft(MASQUERADE)?;
        let public = Seat::new(&edge, "public", "203.0.113.2", Some("203.0.113.1"));
        let seats = vec![public, behind(&home, 1)?];
        Self::new(lab, "203.0.113.1", server, vec![edge, home], seats)
    }

    /// An office: a LAN, which is a bridge in one namespace, with a board at `address` on the TAP
    /// device `board`; clients sit elsewhere, behind the namespace as a router.
    pub fn office(lab: &Lab<'_>, address: &'static str, seats: u8) -> Outcome<Self> {
        let office = lab.namespace("office")?;
        office.ip("link add wire type bridge")?;
        office.up("wire", &["10.9.0.1/24"])?;
        office.tap("board", &[])?;
        office.ip("link set board master wire")?;
        office.sysctl("net.ipv4.ip_forward=1")?;
        let seats = (1..=seats).map(|n| behind(&office, n)).collect::<Outcome<Vec<_>>>()?;
        Self::new(lab, address, office, Vec::new(), seats)
    }

    fn new(
        lab: &Lab<'_>,
        address: &'static str,
        server: Namespace,
        routers: Vec<Namespace>,
        seats: Vec<Seat>,
    ) -> Outcome<Self> {
        server.nft(COUNTERS)?;
        let capture = lab.capture(&server, "wire", "")?;
        Ok(Self { seats, address, server, routers, _capture: capture })
    }

    /// Packets of ESP in UDP and of bare ESP that reached the server.
    pub fn esp_counters(&self) -> Outcome<(u64, u64)> {
        Ok((self.server.counter("natt")?.packets, self.server.counter("bare")?.packets))
    }

    /// Bytes that came to the server's UDP ports, and bytes that left them.
    pub fn udp_bytes(&self) -> Outcome<(u64, u64)> {
        Ok((self.server.counter("asked")?.bytes, self.server.counter("answered")?.bytes))
    }
}

fn behind(router: &Namespace, n: u8) -> Outcome<Seat> {
    let (tap, gateway) = (format!("seat{n}"), format!("10.8.{n}.1"));
    router.tap(&tap, &[&format!("{gateway}/24")])?;
    Ok(Seat::new(router, &tap, &format!("10.8.{n}.2"), Some(&gateway)))
}
