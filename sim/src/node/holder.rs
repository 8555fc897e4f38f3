//! Someone who has the pre-shared key and no user: opens all that the key opens, from one address
//! or from several, and leaves it, or stays.

use std::net::{IpAddr, SocketAddr};

use kumihimo_core::time::{Duration, Instant};

use super::setup::{PSK, STRANGER};
use crate::net::Datagram;
use crate::peer::{Again, Carrier, Client, Input, Output, Reach, Setup};
use crate::profile::Profile;
use crate::world::{Node, NodeCx, Stimulus};

/// What a key holder wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appetite {
    /// How far each dial goes.
    pub reach: Reach,
    /// What it does there.
    pub then: Then,
    /// Between two dials.
    pub every: Duration,
    /// How many dials.
    pub dials: u32,
}

/// What a key holder does with a dial that has come as far as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Leaves it, without a word.
    Leave,
    /// Answers and renews as a client does.
    Stay,
    /// Opens more of the same on it, and stays.
    Multiply,
}

/// Someone who has the key.
pub struct KeyHolder {
    profile: &'static Profile,
    addresses: Vec<IpAddr>,
    server: IpAddr,
    appetite: Option<Appetite>,
    next_at: Option<Instant>,
    begun: u32,
    dials: Vec<Dial>,
}

/// One of its dials.
struct Dial {
    client: Client,
    is_there: bool,
}

impl KeyHolder {
    /// Someone at these addresses who is quiet yet.
    pub const fn new(profile: &'static Profile, addresses: Vec<IpAddr>, server: IpAddr) -> Self {
        let dials = Vec::new();
        Self { profile, addresses, server, appetite: None, next_at: None, begun: 0, dials }
    }

    /// Begins.
    pub fn begin(&mut self, now: Instant, appetite: Appetite) {
        self.appetite = Some(appetite);
        self.next_at = Some(now);
    }

    /// Is gone, without a word.
    pub fn vanish(&mut self) {
        self.appetite = None;
        self.next_at = None;
        self.dials.clear();
    }

    fn dial(&mut self, cx: &mut NodeCx<'_>) {
        let Some(appetite) = &mut self.appetite else { return };
        let Some(left) = appetite.dials.checked_sub(1) else { return self.next_at = None };
        appetite.dials = left;
        self.next_at = Some(cx.now() + appetite.every);
        let number = self.begun as usize;
        self.begun += 1;
        let local = self.addresses[number % self.addresses.len()];
        let psk = String::from_utf8_lossy(PSK);
        let setup = Setup::new(self.server, local, &psk, STRANGER, "a guess");
        // As many as come out of one NAT box.
        let port = FIRST_PORT + 2 * number as u16;
        let local_ports = [port, port + 1, 1_701];
        let setup = Setup { local_ports, carrier: Carrier::IpsecInUdp, ..setup };
        let (choices, lane) = cx.choices();
        let seed = u64::from_be_bytes(choices.octets(lane)) ^ (1 + number as u64) << 40;
        let mut client = Client::new(self.profile, setup, seed);
        client.handle(cx.now(), Input::Dial);
        self.dials.push(Dial { client, is_there: false });
    }

    fn drain(&mut self, cx: &mut NodeCx<'_>) {
        let now = cx.now();
        for dial in &mut self.dials {
            while let Some(output) = dial.client.poll(now) {
                if let Output::Datagram { local, remote, bytes } = output {
                    cx.send(Datagram {
                        label: "key holder",
                        ..Datagram::udp(local, remote, bytes)
                    });
                }
            }
        }
    }

    /// Does what it does once a dial has come as far as it should.
    fn arrive(&mut self, now: Instant) {
        let Some(Appetite { reach, then, .. }) = self.appetite else { return };
        let is_there = |dial: &Dial| dial.is_there || dial.client.reach() >= reach;
        if then == Then::Leave {
            self.dials.retain(|dial| !is_there(dial));
            return;
        }
        for dial in self.dials.iter_mut().filter(|dial| dial.client.reach() >= reach) {
            if !std::mem::replace(&mut dial.is_there, true) && then == Then::Multiply {
                multiply(now, &mut dial.client, reach);
            }
        }
    }
}

/// Opens more of what a dial has opened.
fn multiply(now: Instant, client: &mut Client, reach: Reach) {
    let mut again = |what| client.handle(now, Input::Again(what));
    match reach {
        Reach::Call => again(Again::Calls(CALLS)),
        Reach::Tunnel => again(Again::Tunnel),
        Reach::IpsecSa => again(Again::QuickMode),
        _ => again(Again::MainMode),
    }
}

impl Node for KeyHolder {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        let now = cx.now();
        if let Stimulus::Datagram(Datagram { from, to, payload, .. }) = stimulus {
            let own = |dial: &&mut Dial| is_at(&dial.client, to);
            if let Some(dial) = self.dials.iter_mut().find(own) {
                let input = Input::Datagram { local: to, remote: from, bytes: payload };
                dial.client.handle(now, input);
            }
        }
        if self.next_at.is_some_and(|at| at <= now) {
            self.dial(cx);
        }
        self.drain(cx);
        self.arrive(now);
        self.drain(cx);
    }

    fn deadline(&self) -> Option<Instant> {
        let dials = self.dials.iter().filter_map(|dial| dial.client.deadline());
        dials.chain(self.next_at).min()
    }
}

fn is_at(client: &Client, to: SocketAddr) -> bool {
    let setup = client.setup();
    setup.local == to.ip() && setup.local_ports[..2].contains(&to.port())
}

/// The port of the first dial.
const FIRST_PORT: u16 = 20_000;
/// Calls that are asked for on one tunnel: more than a server of the swarm has.
const CALLS: u16 = 60;
