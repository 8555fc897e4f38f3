//! A client as a node of a world: a [`Client`] of its own, and the person who uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use kumihimo_core::addr::Outer;
use kumihimo_core::time::{Duration, Instant};

use super::frame::{Ip, Mark};
use crate::check::esp::{Kind, kind_of};
use crate::net::Datagram;
use crate::peer::{Again, Client, Event, Informed, Input, Output, Setup};
use crate::profile::Profile;
use crate::trace::Key;
use crate::world::{Node, NodeCx, Stimulus};

/// A client.
pub struct ClientNode {
    profile: &'static Profile,
    setup: Setup,
    /// Number of the hub that its user belongs to.
    hub: u8,
    client: Option<Client>,
    /// Whether its user wants it to be up.
    is_wanted: bool,
    /// How long its user waits before the next dial.
    patience: Duration,
    redial_at: Option<Instant>,
    /// When its user gives up a dial that has not ended.
    give_up_at: Option<Instant>,
    count: u32,
    pongs: BTreeMap<Ipv4Addr, u32>,
    heard: Option<Vec<u8>>,
    record: Log,
}

/// What became of a client's dials.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// How often it was up.
    pub ups: u32,
    /// How often it went down, or a dial failed.
    pub downs: u32,
    /// How many of its pings were answered.
    pub pongs: u32,
    /// When it was up last.
    pub up_at: Instant,
    /// The last event that was not good.
    pub trouble: Option<Event>,
    /// What a DHCP server told it last.
    pub informed: Option<Informed>,
}

/// What a client saw or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFact {
    /// It has this address and carries traffic.
    Opened(Ipv4Addr),
    /// It does not carry traffic any more, or the dial failed.
    Closed(Event),
    /// A DHCP server told it more.
    Informed(Informed),
    /// A ping or shout came, or the answer to a ping.
    Heard {
        /// From which address.
        from: Ipv4Addr,
        /// Who really sent it.
        mark: Mark,
        /// Number of the hub on which this client is.
        hub: u8,
        /// Whether it is an answer.
        is_answer: bool,
    },
}

impl fmt::Display for ClientFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(address) => write!(f, "has {address}"),
            Self::Closed(event) => write!(f, "{event:?}"),
            Self::Informed(Informed { server, routes, .. }) => {
                write!(f, "informed by {server:?}, {} octets of routes", routes.len())
            }
            Self::Heard { from, mark, is_answer: true, .. } => {
                write!(f, "pong {} from {from}", mark.count)
            }
            Self::Heard { from, mark, .. } => write!(f, "ping {} from {from}", mark.count),
        }
    }
}

impl ClientNode {
    /// A client that dials as soon as it lives; its user belongs to hub `hub`.
    pub const fn new(profile: &'static Profile, setup: Setup, hub: u8) -> Self {
        Self {
            profile,
            setup,
            hub,
            client: None,
            is_wanted: true,
            patience: PATIENCE,
            redial_at: None,
            give_up_at: None,
            count: 0,
            pongs: BTreeMap::new(),
            heard: None,
            record: Log {
                ups: 0,
                downs: 0,
                pongs: 0,
                up_at: Instant::ZERO,
                trouble: None,
                informed: None,
            },
        }
    }

    /// The same, but it waits until it is told to dial.
    #[must_use]
    pub const fn idle(mut self) -> Self {
        self.is_wanted = false;
        self
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.address().is_some()
    }

    /// Its address, while it is up.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.client.as_ref().and_then(Client::address)
    }

    /// How often a layer of PPP that was open had to begin again.
    pub fn relapses(&self) -> u64 {
        self.client.as_ref().map_or(0, |client| client.counters().relapses)
    }

    /// Whether its user wants it to be up.
    pub const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// What became of its dials.
    pub const fn log(&self) -> &Log {
        &self.record
    }

    /// The number of the last ping to `to` that was answered; 0 before the first.
    pub fn ponged(&self, to: Ipv4Addr) -> u32 {
        self.pongs.get(&to).copied().unwrap_or(0)
    }

    /// Dials, now and whenever it is down.
    pub fn dial(&mut self, cx: &mut NodeCx<'_>) {
        self.is_wanted = true;
        self.redial_at = None;
        self.give_up_at = Some(cx.now() + GIVE_UP_AFTER);
        cx.state("dialling");
        self.give(cx, Input::Dial);
    }

    /// Says goodbye, and stays down.
    pub fn hang_up(&mut self, cx: &mut NodeCx<'_>) {
        self.is_wanted = false;
        self.redial_at = None;
        self.give_up_at = None;
        self.give(cx, Input::HangUp);
        cx.state("down");
    }

    /// Goes down without a word, and stays down.
    pub fn vanish(&mut self, cx: &mut NodeCx<'_>) {
        self.is_wanted = false;
        self.redial_at = None;
        self.give_up_at = None;
        self.give(cx, Input::Vanish);
        cx.state("gone");
    }

    /// Does a step of its dial once more.
    pub fn again(&mut self, cx: &mut NodeCx<'_>, again: Again) {
        self.give(cx, Input::Again(again));
    }

    /// Sends a ping, if it is up; tells its number.
    pub fn ping(&mut self, cx: &mut NodeCx<'_>, to: Ipv4Addr) -> Option<u32> {
        let (from, mark) = (self.address()?, self.mark(cx));
        self.give(cx, Input::Packet(Ip::ping(from, to, &mark).emit()));
        Some(self.count)
    }

    /// Sends a ping of `len` octets of IP, if it is up; tells its number.
    pub fn ping_of(&mut self, cx: &mut NodeCx<'_>, to: Ipv4Addr, len: usize) -> Option<u32> {
        let (from, mark) = (self.address()?, self.mark(cx));
        self.give(cx, Input::Packet(Ip::ping(from, to, &mark).padded(len).emit()));
        Some(self.count)
    }

    /// Sends a datagram that everyone on its hub may hear, if it is up.
    pub fn shout(&mut self, cx: &mut NodeCx<'_>, to: Ipv4Addr) {
        let Some(from) = self.address() else { return };
        let mark = self.mark(cx);
        self.give(cx, Input::Packet(Ip::shout(from, to, &mark).emit()));
    }

    /// Sends any IPv4 packet, if it is up.
    pub fn put(&mut self, cx: &mut NodeCx<'_>, packet: Vec<u8>) {
        self.give(cx, Input::Packet(packet));
    }

    /// The last IPv4 packet that came out of the tunnel and was no ping.
    pub fn heard(&self) -> Option<&[u8]> {
        self.heard.as_deref()
    }

    /// Goes on as if it had sent so many packets on each of its IPsec SAs.
    pub fn age(&mut self, sent: u32) {
        if let Some(client) = &mut self.client {
            client.age(sent);
        }
    }

    /// Moves it to another network, where it has another address.
    pub fn relocate(&mut self, local: std::net::IpAddr) {
        self.setup.local = local;
        if let Some(client) = &mut self.client {
            client.relocate(local);
        }
    }

    fn is_time_to_dial(&self, now: Instant) -> bool {
        [self.redial_at, self.give_up_at].into_iter().flatten().any(|at| at <= now)
    }

    fn mark(&mut self, cx: &NodeCx<'_>) -> Mark {
        self.count += 1;
        let sender = cx.me().index() as u16;
        Mark { hub: self.hub, sender, is_host: false, count: self.count }
    }

    fn start(&mut self, cx: &mut NodeCx<'_>) {
        let (choices, lane) = cx.choices();
        // On a shrunk tape all have drawn the same; twins would choose the same SPIs.
        let seed = u64::from_be_bytes(choices.octets(lane)) ^ (cx.me().index() as u64) << 40;
        self.client = Some(Client::new(self.profile, self.setup.clone(), seed));
        if self.is_wanted {
            self.dial(cx);
        }
    }

    fn give(&mut self, cx: &mut NodeCx<'_>, input: Input) {
        let now = cx.now();
        let Some(client) = &mut self.client else { return };
        client.handle(now, input);
        self.drain(cx);
    }

    fn drain(&mut self, cx: &mut NodeCx<'_>) {
        let now = cx.now();
        while let Some(output) = self.client.as_mut().and_then(|client| client.poll(now)) {
            match output {
                Output::Datagram { local, remote, bytes } => {
                    let label = label_of(remote.port(), &bytes);
                    cx.send(Datagram { label, ..Datagram::udp(local, remote, bytes) });
                }
                Output::Esp { local, remote, bytes } => {
                    let (from, to) = ((local, 0).into(), (remote, 0).into());
                    let (outer, label) = (Outer::Esp, "ESP");
                    cx.send(Datagram { outer, from, to, payload: bytes, label });
                }
                Output::Packet(bytes) => self.on_packet(cx, &bytes),
                Output::Event(event) => self.on_event(cx, event),
            }
        }
        self.give_keys(cx);
    }

    /// Gives away what the captures are decrypted with.
    fn give_keys(&self, cx: &mut NodeCx<'_>) {
        let Some(client) = self.client.as_ref().filter(|_| cx.is_recorded()) else { return };
        client.ike_keys().into_iter().for_each(|key| cx.key(Key::Ike(key)));
        let esp = client.esp_keys();
        let new = &esp[esp.len().saturating_sub(NEW_KEYS)..];
        new.iter().for_each(|key| cx.key(Key::Esp(key.clone())));
    }

    fn on_packet(&mut self, cx: &mut NodeCx<'_>, bytes: &[u8]) {
        let Some(packet) = Ip::parse(bytes) else { return };
        let Some((is_answer, mark)) = packet.mark() else {
            self.heard = Some(bytes.to_vec());
            return;
        };
        let (from, hub) = (packet.from, self.hub);
        cx.fact(&ClientFact::Heard { from, mark, hub, is_answer });
        if is_answer {
            self.pongs.insert(from, mark.count);
            self.record.pongs += 1;
        }
    }

    fn on_event(&mut self, cx: &mut NodeCx<'_>, event: Event) {
        match event {
            Event::Up { address, .. } => {
                self.record.ups += 1;
                self.record.up_at = cx.now();
                self.give_up_at = None;
                cx.fact(&ClientFact::Opened(address));
                cx.state("up");
            }
            Event::Failed { .. } | Event::Down { .. } => {
                self.record.downs += 1;
                self.give_up_at = None;
                self.record.trouble = Some(event.clone());
                cx.fact(&ClientFact::Closed(event));
                cx.state("down");
                self.redial_at = self.is_wanted.then(|| cx.now() + self.patience);
            }
            Event::Informed(informed) => {
                self.record.informed = Some(informed.clone());
                cx.fact(&ClientFact::Informed(informed));
            }
            Event::Told { .. } => self.record.trouble = Some(event),
        }
    }
}

impl Node for ClientNode {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Start => self.start(cx),
            Stimulus::Datagram(Datagram { outer: Outer::Udp, from, to, payload, .. }) => {
                self.give(cx, Input::Datagram { local: to, remote: from, bytes: payload });
            }
            Stimulus::Datagram(Datagram { from, to, payload, .. }) => {
                let (local, remote) = (to.ip(), from.ip());
                self.give(cx, Input::Esp { local, remote, bytes: payload });
            }
            Stimulus::Timer if self.is_time_to_dial(cx.now()) => self.dial(cx),
            Stimulus::Timer => self.drain(cx),
            Stimulus::Frame { .. } | Stimulus::TooBig { .. } => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let client = self.client.as_ref().and_then(Client::deadline);
        [client, self.redial_at, self.give_up_at].into_iter().flatten().min()
    }
}

fn label_of(port: u16, bytes: &[u8]) -> &'static str {
    match kind_of(Outer::Udp, port, bytes) {
        Kind::Esp { .. } => "ESP",
        Kind::Ike { .. } => "IKE",
        Kind::Keepalive => "NAT keepalive",
        Kind::Other => "L2TP",
    }
}

/// As many keys of IPsec SAs as can be new after one call.
const NEW_KEYS: usize = 8;
/// How long a user waits before the next dial.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a user watches a dial that does not end: some steps of L2TP and PPP have no timer on
/// the client's side.
const GIVE_UP_AFTER: Duration = Duration::from_secs(90);
