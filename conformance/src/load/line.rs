//! One client's line to the server: a whole protocol stack, or the floor's bare encapsulation.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kumihimo_core::crypto::Rng;
use kumihimo_core::crypto::transform::{Opener, Sealer};
use kumihimo_core::time::Instant;
use kumihimo_sim::peer::{Carrier, Client, Event, Input, Output, Reason, Setup, Stage};
use kumihimo_sim::profile::Profile;

use super::options::Options;
use crate::compare::{FLOOR_BASE, FLOOR_KEY, FLOOR_SPI, FLOOR_SUITE};

/// What comes out of a line.
#[derive(Debug)]
pub(super) enum Came {
    /// To be sent to this port of the server.
    Datagram(SocketAddr, Vec<u8>),
    /// To be sent to the server as protocol 50.
    Esp(SocketAddr, Vec<u8>),
    /// An IP packet arrived.
    Packet(Vec<u8>),
    Up,
    /// It failed or is down, with a reason.
    Down(String),
    /// Something that the server said and that helps to understand a failure.
    Note(u16),
}

/// A line.
pub(super) enum Line {
    Client(Box<Client>),
    Floor(Box<Floor>),
}

impl Line {
    pub(super) fn new(
        options: &Options,
        profile: &'static Profile,
        index: usize,
        local: IpAddr,
    ) -> Self {
        if options.floor {
            return Self::Floor(Box::new(Floor::new(index as u32, options.server)));
        }
        let mut setup =
            Setup::new(options.server, local, &options.psk, &options.user, &options.password);
        // Without a NAT, and with the real ports, ESP goes bare by itself.
        setup.carrier = if options.is_bare { Carrier::Ipsec } else { Carrier::IpsecInUdp };
        let seed = u64::from(std::process::id()) << 32 | index as u64;
        Self::Client(Box::new(Client::new(profile, setup, seed)))
    }

    pub(super) fn dial(&mut self, now: Instant) {
        match self {
            Self::Client(client) => client.handle(now, Input::Dial),
            Self::Floor(floor) => floor.came.push(Came::Up),
        }
    }

    pub(super) fn hang_up(&mut self, now: Instant) {
        if let Self::Client(client) = self {
            client.handle(now, Input::HangUp);
        }
    }

    /// Sends an IP packet.
    pub(super) fn send(&mut self, now: Instant, packet: Vec<u8>) {
        match self {
            Self::Client(client) => client.handle(now, Input::Packet(packet)),
            Self::Floor(floor) => floor.seal(&packet),
        }
    }

    /// Takes what came as protocol 50.
    pub(super) fn receive_esp(&mut self, now: Instant, remote: SocketAddr, bytes: Vec<u8>) {
        if let Self::Client(client) = self {
            let (local, remote) = (client.setup().local, remote.ip());
            client.handle(now, Input::Esp { local, remote, bytes });
        }
    }

    /// Takes a datagram from the server's port.
    pub(super) fn receive(&mut self, now: Instant, remote: SocketAddr, bytes: Vec<u8>) {
        match self {
            Self::Client(client) => {
                let setup = client.setup();
                let at = setup.server_ports.iter().position(|&port| port == remote.port());
                let Some(at) = at else { return };
                let local = SocketAddr::new(setup.local, setup.local_ports[at]);
                client.handle(now, Input::Datagram { local, remote, bytes });
            }
            Self::Floor(floor) => floor.open(bytes),
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Came> {
        match self {
            Self::Client(client) => loop {
                return Some(match client.poll(now)? {
                    Output::Datagram { remote, bytes, .. } => Came::Datagram(remote, bytes),
                    Output::Esp { remote, bytes, .. } => {
                        Came::Esp(SocketAddr::new(remote, 0), bytes)
                    }
                    Output::Packet(packet) => Came::Packet(packet),
                    Output::Event(Event::Up { .. }) => Came::Up,
                    Output::Event(Event::Failed { stage, reason }) => {
                        Came::Down(why(stage, &reason))
                    }
                    Output::Event(Event::Down { reason }) => Came::Down(format!("{reason:?}")),
                    Output::Event(Event::Told { notification, .. }) => Came::Note(notification),
                    // Routes are nothing to it.
                    Output::Event(Event::Informed(_)) => continue,
                });
            },
            Self::Floor(floor) => (!floor.came.is_empty()).then(|| floor.came.remove(0)),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Client(client) => client.deadline(),
            Self::Floor(_) => None,
        }
    }

    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Client(client) => client.address(),
            Self::Floor(floor) => Some(floor.address),
        }
    }
}

/// A failed dial in words.
fn why(stage: Stage, reason: &Reason) -> String {
    match (stage, reason) {
        (Stage::MainMode, Reason::Silence) => {
            "no answer in main mode, as with a wrong pre-shared key".to_owned()
        }
        (Stage::Authentication, Reason::Refused { code, .. }) => {
            format!("wrong user or password ({code})")
        }
        (stage, Reason::Silence) => format!("no answer in {stage:?}"),
        (stage, reason) => format!("{reason:?} in {stage:?}"),
    }
}

/// ESP around IP packets with a fixed key, as the program `floor` has it.
pub(super) struct Floor {
    server: SocketAddr,
    address: Ipv4Addr,
    spi: u32,
    sequence: u32,
    opener: Opener,
    sealer: Sealer,
    rng: Rng,
    came: Vec<Came>,
}

impl Floor {
    fn new(index: u32, server: IpAddr) -> Self {
        let message = "the floor's key has the right length";
        Self {
            server: SocketAddr::new(server, 4_500),
            address: Ipv4Addr::from(FLOOR_BASE + index),
            spi: FLOOR_SPI + index,
            sequence: 0,
            opener: Opener::new(FLOOR_SUITE, &FLOOR_KEY).expect(message),
            sealer: Sealer::new(FLOOR_SUITE, &FLOOR_KEY).expect(message),
            rng: Rng::from_seed([index as u8; 32]),
            came: Vec::new(),
        }
    }

    fn seal(&mut self, packet: &[u8]) {
        self.sequence += 1;
        let pad = (packet.len() + 2).next_multiple_of(16) - packet.len() - 2;
        let mut sealed = Vec::with_capacity(packet.len() + 64);
        sealed.extend(self.spi.to_be_bytes());
        sealed.extend(self.sequence.to_be_bytes());
        sealed.extend(self.rng.array::<16>());
        sealed.extend_from_slice(packet);
        sealed.extend(1..=pad as u8);
        sealed.extend([pad as u8, 4]);
        sealed.extend([0; 12]);
        if self.sealer.seal(&mut sealed).is_ok() {
            self.came.push(Came::Datagram(self.server, sealed));
        }
    }

    fn open(&mut self, mut bytes: Vec<u8>) {
        let Ok(text) = self.opener.open(&mut bytes) else { return };
        let Some(&pad) = bytes.get(text.end - 2) else { return };
        let end = (text.end - 2).saturating_sub(pad.into());
        if let Some(packet) = bytes.get(text.start..end) {
            self.came.push(Came::Packet(packet.to_vec()));
        }
    }
}
