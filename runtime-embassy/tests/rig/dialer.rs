//! A stock client's stack (the simulator's, which shares nothing with the core) on the LAN, or
//! behind its router.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kumihimo_core::time::Instant;
use kumihimo_core::wire::ipv4::{Packet, Protocol};
use kumihimo_core::wire::udp::Datagram;
use kumihimo_sim::peer::{Client, Event, Input, Output, Setup};
use kumihimo_sim::profile::Profile;

use super::host::{Host, Station, datagram, esp};

/// A machine on the LAN that carries one client: it is the client's host, or its router.
pub struct Dialer {
    pub station: Station,
    pub client: Client,
    pub events: Vec<Event>,
    /// IPv4 packets that came through the tunnel.
    pub received: Vec<Vec<u8>>,
    now: u64,
}

impl Dialer {
    /// A client with an address of the LAN.
    pub fn near(number: u8, profile: &'static Profile, user: &str, password: &str) -> Self {
        let station = Station::new(number);
        let local = station.ip;
        Self::new(station, local, profile, user, password)
    }

    /// A client far away, behind a router of its own.
    pub fn far(
        number: u8,
        local: [u8; 4],
        profile: &'static Profile,
        user: &str,
        password: &str,
    ) -> Self {
        let mut station = Station::new(number);
        station.behind.push(local.into());
        Self::new(station, local.into(), profile, user, password)
    }

    fn new(
        station: Station,
        local: Ipv4Addr,
        profile: &'static Profile,
        user: &str,
        password: &str,
    ) -> Self {
        let server = IpAddr::from(super::BOARD);
        let setup = Setup::new(server, local.into(), super::PSK, user, password);
        let client = Client::new(profile, setup, u64::from(station.mac[5]));
        Self { station, client, events: Vec::new(), received: Vec::new(), now: 0 }
    }

    pub fn tell(&mut self, input: Input) {
        self.client.handle(Instant::from_micros(self.now), input);
        self.poll_client();
    }

    /// The client's address, while it is up.
    pub fn address(&self) -> Option<Ipv4Addr> {
        match self.events.last() {
            Some(Event::Up { address, .. }) => Some(*address),
            _ => None,
        }
    }

    fn poll_client(&mut self) {
        while let Some(output) = self.client.poll(Instant::from_micros(self.now)) {
            match output {
                Output::Datagram { local, remote, bytes } => {
                    self.station.send_ip(datagram(local, remote, &bytes));
                }
                Output::Esp { local, remote, bytes } => {
                    self.station.send_ip(esp(local, remote, &bytes));
                }
                Output::Packet(packet) => self.received.push(packet),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let packet = Packet::parse(bytes).expect("the station looked at it");
        let (from, to) = (packet.header.source, packet.header.destination);
        if packet.header.protocol == Protocol(50) {
            let bytes = packet.payload.to_vec();
            self.tell(Input::Esp { local: to.into(), remote: from.into(), bytes });
        } else if packet.header.protocol == Protocol::UDP {
            let datagram = Datagram::parse(packet.payload, from, to).expect("a sound datagram");
            let local = SocketAddr::new(to.into(), datagram.destination);
            let remote = SocketAddr::new(from.into(), datagram.source);
            let bytes = datagram.payload.to_vec();
            self.tell(Input::Datagram { local, remote, bytes });
        }
    }
}

impl Host for Dialer {
    fn handle(&mut self, now: u64, frame: &[u8]) {
        self.now = now;
        self.station.handle(now, frame);
        for packet in std::mem::take(&mut self.station.heard) {
            self.hear(&packet);
        }
    }

    fn poll(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.now = now;
        if self.client.deadline().is_some_and(|at| at.as_micros() <= now) {
            self.poll_client();
        }
        self.station.poll(now)
    }
}
