//! A client of its own: IKEv1, ESP, L2TPv2, PPP and a little IPv4, as a stock client has them.
//!
//! It shares nothing with the core but the types of time: it is the oracle that the core is held
//! against, so it must not repeat the core's mistakes. It is sans-IO too: the simulator puts it
//! into a world, the `dial` command and the load generator put it on sockets.
//!
//! # Use
//! ```
//! use kumihimo_core::time::Instant;
//! use kumihimo_sim::peer::{Client, Input, Output, Setup};
//! use kumihimo_sim::profile::CP_WIN;
//!
//! let server = "192.0.2.1".parse().unwrap();
//! let local = "198.51.100.7".parse().unwrap();
//! let mut client = Client::new(&CP_WIN, Setup::new(server, local, "psk", "jiro", "pass"), 1);
//! let now = Instant::ZERO;
//! client.handle(now, Input::Dial);
//! while let Some(output) = client.poll(now) {
//!     let Output::Datagram { local, remote, bytes } = output else { continue };
//!     assert_eq!((local.port(), remote.port()), (500, 500));
//!     assert_eq!(bytes[16], 1, "an SA payload");
//! }
//! assert!(client.deadline().is_some_and(|at| at > now), "it will say it again");
//! ```
//! After each [`Client::handle`], call [`Client::poll`] until it returns `None`; at
//! [`Client::deadline`], poll again (or handle [`Input::Tick`], which does the same). The same
//! seed and the same inputs give the same outputs.
//!
//! Not there: aggressive mode, IPv6 inside, fragments, TCP.

mod algorithm;
mod esp;
mod exchange_key;
mod ike;
mod inform;
pub mod ip;
mod keys;
mod l2tp;
mod mschap;
mod ppp;
mod random;
mod resend;
mod sadb;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kumihimo_core::time::Instant;

use crate::profile::Profile;
pub use algorithm::{Cipher, EspCipher, Hash};
pub use exchange_key::Group;
pub use ike::IkeKey;
use ike::{Action, Cx, Ends, Ike};
use inform::Inform;
pub use inform::Informed;
use ip::{Ipv4, udp_header};
pub use keys::{EspKey, esp_sa_table, ikev1_decryption_table};
use l2tp::Lac;
use ppp::Link;
use random::Random;
use sadb::Sadb;

/// What carries L2TP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// ESP, in UDP where a NAT is found.
    #[default]
    Ipsec,
    /// ESP, always in UDP: for where only UDP can be sent.
    IpsecInUdp,
    /// Nothing but UDP 1701.
    Bare,
}

/// Whom a client dials and as whom.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The server's address.
    pub server: IpAddr,
    /// The server's ports for IKE, NAT traversal and bare L2TP: 500, 4500, 1701.
    pub server_ports: [u16; 3],
    /// The client's own address as it knows it.
    pub local: IpAddr,
    /// Its own ports as it knows them, for the same.
    pub local_ports: [u16; 3],
    /// What carries L2TP.
    pub carrier: Carrier,
    /// The pre-shared key.
    pub psk: Vec<u8>,
    /// The name that it gives.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl Setup {
    /// The usual ports, with IPsec.
    pub fn new(server: IpAddr, local: IpAddr, psk: &str, user: &str, password: &str) -> Self {
        Self {
            server,
            server_ports: [500, 4_500, 1_701],
            local,
            local_ports: [500, 4_500, 1_701],
            carrier: Carrier::Ipsec,
            psk: psk.as_bytes().to_vec(),
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }
}

/// What a client is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A UDP datagram came.
    Datagram {
        /// To which of its addresses and ports.
        local: SocketAddr,
        /// From where.
        remote: SocketAddr,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// A packet of IP protocol 50 came.
    Esp {
        /// To which of its addresses.
        local: IpAddr,
        /// From where.
        remote: IpAddr,
        /// What follows the IP header.
        bytes: Vec<u8>,
    },
    /// Send this IPv4 packet through the tunnel. It is dropped unless the client is up.
    Packet(Vec<u8>),
    /// Dial; what is under way is forgotten.
    Dial,
    /// Say goodbye and be down.
    HangUp,
    /// Be down without a word, as when the power fails.
    Vanish,
    /// Do once more what was done already, at a time that no profile would choose.
    Again(Again),
    /// Time has passed.
    Tick,
}

/// What a client can do once more, as far as it has come there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Main mode, from whose SA the next quick modes hang.
    MainMode,
    /// Quick mode, for another pair of SAs.
    QuickMode,
    /// LCP: an open link is negotiated anew, with the proof and IPCP after it.
    Link,
    /// Its answer to the challenge, or its name and password.
    Proof,
    /// IPCP.
    Network,
    /// SCCRQ, for another tunnel on the same SAs; the one before is left alone.
    Tunnel,
    /// ICRQ, so many times, for calls that it never connects.
    Calls(u16),
}

/// How far a dial has come: what the server holds for it at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nothing came back.
    Nothing,
    /// Message 2 of main mode came.
    Offer,
    /// Message 4 of main mode came.
    Keys,
    /// There is an IKE SA.
    IkeSa,
    /// There is a pair of IPsec SAs.
    IpsecSa,
    /// There is a tunnel.
    Tunnel,
    /// There is a call, and PPP has begun.
    Call,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// It sends a UDP datagram.
    Datagram {
        /// From which of its addresses and ports.
        local: SocketAddr,
        /// To where.
        remote: SocketAddr,
        /// Its payload.
        bytes: Vec<u8>,
    },
    /// It sends a packet of IP protocol 50.
    Esp {
        /// From which of its addresses.
        local: IpAddr,
        /// To where.
        remote: IpAddr,
        /// What follows the IP header.
        bytes: Vec<u8>,
    },
    /// An IPv4 packet came through the tunnel. An echo request for its own address was answered
    /// already.
    Packet(Vec<u8>),
    /// Something happened.
    Event(Event),
}

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has an address and can send.
    Up {
        /// Its address.
        address: Ipv4Addr,
        /// The address that the server calls its own.
        gateway: Option<Ipv4Addr>,
        /// Name servers.
        dns: Vec<Ipv4Addr>,
    },
    /// A DHCP server on the hub answered what the client asked for besides its address.
    Informed(Informed),
    /// The server sent an error that may be the reason of a later failure.
    Told {
        /// During what.
        stage: Stage,
        /// Type of the notification (RFC 2408 §3.14.1).
        notification: u16,
    },
    /// The dial failed.
    Failed {
        /// During what.
        stage: Stage,
        /// Why.
        reason: Reason,
    },
    /// It was up, and is down.
    Down {
        /// Why.
        reason: Reason,
    },
}

/// The stages of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// IKE main mode.
    MainMode,
    /// IKE quick mode.
    QuickMode,
    /// The L2TP tunnel.
    Tunnel,
    /// The L2TP call.
    Call,
    /// LCP.
    Link,
    /// PAP or MS-CHAPv2.
    Authentication,
    /// IPCP.
    Network,
}

/// Why something ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No answer, however often it was asked.
    Silence,
    /// The server could not prove that it knows the key or the password.
    WrongProof,
    /// The server refused.
    Refused {
        /// Its code: of L2TP, or 691 for credentials.
        code: u16,
        /// Its words.
        text: String,
    },
    /// The server did not give an address.
    NoAddress,
    /// The server said something that makes no sense.
    Malformed,
    /// The server does not answer probes.
    DeadPeer,
    /// The server ended it.
    PeerClosed,
    /// This side ended it.
    HungUp,
}

/// What passed through a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams and ESP packets sent.
    pub sent: u64,
    /// Datagrams and ESP packets received.
    pub received: u64,
    /// ESP packets that did not verify, came twice or belong to no SA.
    pub refused: u64,
    /// How often a layer of PPP that was open had to begin again.
    pub relapses: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Up(Ipv4Addr),
}

/// A client.
pub struct Client {
    profile: &'static Profile,
    setup: Setup,
    random: Random,
    state: State,
    ike: Option<Ike>,
    sadb: Sadb,
    lac: Option<Lac>,
    link: Option<Link>,
    inform: Option<Inform>,
    l2tp_port: u16,
    outputs: VecDeque<Output>,
    counters: Counters,
    ike_keys: Vec<IkeKey>,
    esp_keys: Vec<EspKey>,
}

impl Client {
    /// A client that has not dialled yet.
    pub fn new(profile: &'static Profile, setup: Setup, seed: u64) -> Self {
        Self {
            profile,
            setup,
            random: Random::new(seed),
            state: State::Idle,
            ike: None,
            sadb: Sadb::default(),
            lac: None,
            link: None,
            inform: None,
            l2tp_port: 0,
            outputs: VecDeque::new(),
            counters: Counters::default(),
            ike_keys: Vec::new(),
            esp_keys: Vec::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Datagram { local, remote, bytes } => {
                if remote.ip() == self.setup.server {
                    self.counters.received += 1;
                    self.on_datagram(now, local.port(), bytes);
                }
            }
            Input::Esp { remote, bytes, .. } => {
                if remote == self.setup.server {
                    self.counters.received += 1;
                    self.on_esp(now, bytes);
                }
            }
            Input::Packet(packet) => self.send_packet(now, &packet),
            Input::Dial => self.dial(now),
            Input::HangUp => self.hang_up(now),
            Input::Vanish => self.forget(),
            Input::Again(again) => self.do_again(now, again),
            Input::Tick => self.handle_timeout(now),
        }
        self.settle(now);
    }

    /// What is to be done next; what is due at `now` is done first.
    pub fn poll(&mut self, now: Instant) -> Option<Output> {
        if self.outputs.is_empty() && self.deadline().is_some_and(|at| at <= now) {
            self.handle_timeout(now);
            self.settle(now);
        }
        self.outputs.pop_front()
    }

    /// When it wants to be polled without an input.
    pub fn deadline(&self) -> Option<Instant> {
        let parts = [
            self.ike.as_ref().and_then(Ike::deadline),
            self.sadb.deadline(),
            self.lac.as_ref().and_then(Lac::deadline),
            self.link.as_ref().and_then(Link::deadline),
            self.inform.as_ref().and_then(Inform::deadline),
        ];
        parts.into_iter().flatten().min()
    }

    /// Its address inside the tunnel, while it is up.
    pub const fn address(&self) -> Option<Ipv4Addr> {
        match self.state {
            State::Up(address) => Some(address),
            State::Idle | State::Dialling => None,
        }
    }

    /// Whether it is neither up nor on its way there.
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// How far its dial has come.
    pub fn reach(&self) -> Reach {
        let tunnel = self.lac.as_ref().is_some_and(Lac::has_tunnel);
        match (&self.link, tunnel, self.sadb.is_empty(), &self.ike) {
            (Some(_), ..) => Reach::Call,
            (_, true, ..) => Reach::Tunnel,
            (_, _, false, _) => Reach::IpsecSa,
            (.., Some(ike)) => ike.reach(),
            (.., None) => Reach::Nothing,
        }
    }

    /// Its profile.
    pub const fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Its setup.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Gives it another address, as when a machine moves to another network. What is under way
    /// goes on from there.
    pub fn relocate(&mut self, local: IpAddr) {
        self.setup.local = local;
    }

    /// Goes on as if it had sent so many packets on each of its IPsec SAs.
    pub fn age(&mut self, sent: u32) {
        self.sadb.age(sent);
    }

    /// What passed through it.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Keys of all its IKE SAs so far, for a dissector.
    pub fn ike_keys(&self) -> Vec<IkeKey> {
        let live = self.ike.iter().flat_map(|ike| ike.keys());
        self.ike_keys.iter().chain(live).cloned().collect()
    }

    /// Keys of all its ESP SAs so far, for a dissector.
    pub fn esp_keys(&self) -> &[EspKey] {
        &self.esp_keys
    }

    fn dial(&mut self, now: Instant) {
        self.forget();
        self.state = State::Dialling;
        let drawn = self.random.id16() | 0x8000;
        self.l2tp_port = self.profile.l2tp.source_port.unwrap_or(drawn);
        if self.setup.carrier == Carrier::Bare {
            return self.open_tunnel(now);
        }
        let at = |ip, ports: [u16; 3]| [0, 1].map(|which| SocketAddr::new(ip, ports[which]));
        let ends = Ends {
            local: at(self.setup.local, self.setup.local_ports),
            server: at(self.setup.server, self.setup.server_ports),
            psk: self.setup.psk.clone(),
            forces_udp: self.setup.carrier == Carrier::IpsecInUdp,
            l2tp_port: self.l2tp_port,
        };
        self.ike = Some(Ike::new(self.profile, ends));
        self.with_ike(now, Ike::dial);
    }

    fn do_again(&mut self, now: Instant, again: Again) {
        match again {
            Again::MainMode => self.with_ike(now, Ike::begin_again),
            Again::QuickMode => self.with_ike(now, Ike::pair),
            Again::Link | Again::Proof | Again::Network => {
                if let Some(link) = &mut self.link {
                    link.begin_again(now, again);
                }
            }
            Again::Tunnel if self.lac.is_some() => self.open_tunnel(now),
            Again::Tunnel => {}
            Again::Calls(count) => {
                if let Some(lac) = &mut self.lac {
                    lac.ask_for_calls(now, count);
                }
            }
        }
    }

    fn open_tunnel(&mut self, now: Instant) {
        let mut lac = Lac::new(&self.profile.l2tp, &mut self.random);
        lac.dial(now);
        self.lac = Some(lac);
    }

    fn hang_up(&mut self, now: Instant) {
        let was_idle = self.is_idle();
        self.say_goodbye(now);
        if !was_idle {
            self.tell(Event::Down { reason: Reason::HungUp });
        }
    }

    /// Ends every layer, from the top, and forgets them.
    fn say_goodbye(&mut self, now: Instant) {
        if let Some(link) = &mut self.link {
            link.hang_up();
        }
        self.send_frames(now);
        if let Some(lac) = &mut self.lac {
            lac.hang_up(now);
        }
        self.send_messages(now);
        for spi_in in self.sadb.spis() {
            self.with_ike(now, |ike, cx| ike.delete_pair(cx, spi_in));
        }
        self.with_ike(now, Ike::hang_up);
        self.forget();
    }

    fn forget(&mut self) {
        self.state = State::Idle;
        if let Some(ike) = self.ike.take() {
            self.ike_keys.extend_from_slice(ike.keys());
        }
        self.sadb = Sadb::default();
        self.lac = None;
        self.link = None;
        self.inform = None;
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// The dial failed, or what was up is down.
    fn end(&mut self, now: Instant, stage: Stage, reason: Reason) {
        let event = match self.state {
            State::Idle => return,
            State::Dialling => Event::Failed { stage, reason },
            State::Up(_) => Event::Down { reason },
        };
        self.say_goodbye(now);
        self.tell(event);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.with_ike(now, Ike::handle_timeout);
        let due = self.sadb.handle_timeout(now);
        for spi_in in due.deleted {
            self.with_ike(now, |ike, cx| ike.delete_pair(cx, spi_in));
        }
        if due.wants_pair {
            self.with_ike(now, Ike::pair);
        }
        if let Some(lac) = &mut self.lac {
            lac.handle_timeout(now);
        }
        if let Some(link) = &mut self.link {
            link.handle_timeout(now);
        }
        if let Some(packet) = self.inform.as_mut().and_then(|it| it.handle_timeout(now)) {
            self.send_packet(now, &packet);
        }
    }

    fn with_ike(&mut self, now: Instant, act: impl FnOnce(&mut Ike, &mut Cx<'_>)) {
        let Some(ike) = &mut self.ike else { return };
        let mut out = Vec::new();
        act(ike, &mut Cx { now, random: &mut self.random, out: &mut out });
        for action in out {
            self.carry_out(now, action);
        }
    }

    fn carry_out(&mut self, now: Instant, action: Action) {
        match action {
            Action::Send { floated: false, message } => self.send_datagram(0, message),
            Action::Send { floated: true, mut message } => {
                // A keepalive has no marker.
                if message.len() > 1 {
                    message.splice(0..0, [0; 4]);
                }
                self.send_datagram(1, message);
            }
            Action::Install(pair) => {
                let ends = [self.setup.local, self.setup.server];
                self.esp_keys.extend(EspKey::of_pair(&pair, ends));
                if self.sadb.install(now, &pair, &self.profile.esp) && self.lac.is_none() {
                    self.open_tunnel(now);
                }
            }
            Action::Activate { spi_in } => self.sadb.activate(spi_in),
            Action::Remove { spi_out } => {
                if self.sadb.remove(spi_out) {
                    // The server wants no more of it.
                    self.end(now, Stage::QuickMode, Reason::PeerClosed);
                }
            }
            Action::Failed(stage, reason) if self.sadb.is_empty() => self.end(now, stage, reason),
            // A renewal failed: what is there lives to its end.
            Action::Failed(..) => {}
            Action::Gone(reason) => self.end(now, Stage::MainMode, reason),
            Action::Note(stage, notification) => self.tell(Event::Told { stage, notification }),
        }
    }

    fn send_datagram(&mut self, port: usize, bytes: Vec<u8>) {
        self.counters.sent += 1;
        let local = SocketAddr::new(self.setup.local, self.setup.local_ports[port]);
        let remote = SocketAddr::new(self.setup.server, self.setup.server_ports[port]);
        self.outputs.push_back(Output::Datagram { local, remote, bytes });
    }

    fn on_datagram(&mut self, now: Instant, port: u16, bytes: Vec<u8>) {
        let [ike, natt, bare] = self.setup.local_ports;
        if self.setup.carrier == Carrier::Bare {
            if port == bare {
                self.on_l2tp(now, &bytes);
            }
        } else if port == ike {
            self.with_ike(now, |ike, cx| ike.handle(cx, &bytes));
        } else if port == natt {
            match bytes.strip_prefix(&[0; 4]) {
                Some(message) => self.with_ike(now, |ike, cx| ike.handle(cx, message)),
                None if bytes == [0xff] => {}
                None => self.on_esp(now, bytes),
            }
        }
    }

    fn on_esp(&mut self, now: Instant, mut bytes: Vec<u8>) {
        let Some(opened) = self.sadb.open(&mut bytes) else {
            self.counters.refused += 1;
            return;
        };
        if opened.is_first {
            self.with_ike(now, |ike, cx| ike.note_use(cx, opened.spi_in));
        }
        if let Some(ike) = &mut self.ike {
            ike.note_life(now);
        }
        // The checksum covers addresses that a NAT may have changed; ESP has verified more.
        if let [_, _, high, low, len_high, len_low, ..] = bytes[opened.range.clone()]
            && u16::from_be_bytes([high, low]) == self.l2tp_port
        {
            let len = usize::from(u16::from_be_bytes([len_high, len_low]));
            let Some(message) = bytes[opened.range].get(8..len) else { return };
            let message = message.to_vec();
            self.on_l2tp(now, &message);
        }
    }

    fn on_l2tp(&mut self, now: Instant, message: &[u8]) {
        let Some(frame) = self.lac.as_mut().and_then(|lac| lac.handle(now, message)) else {
            return;
        };
        let Some(link) = &mut self.link else { return };
        let Some(packet) = link.handle(now, &mut self.random, frame) else { return };
        let State::Up(address) = self.state else { return };
        let parsed = Ipv4::parse(packet).filter(|parsed| parsed.to == address);
        let pong = parsed.and_then(|parsed| parsed.pong());
        let informed = self.inform.as_mut().zip(parsed).and_then(|(it, parsed)| it.handle(&parsed));
        if let Some(informed) = informed {
            self.tell(Event::Informed(informed));
        }
        self.outputs.push_back(Output::Packet(packet.to_vec()));
        if let Some(pong) = pong {
            self.send_packet(now, &pong);
        }
    }

    /// Lets the layers talk to each other until they are silent.
    fn settle(&mut self, now: Instant) {
        loop {
            let lac_events = self.lac.as_mut().map(Lac::take_events).unwrap_or_default();
            for event in lac_events {
                match event {
                    l2tp::Event::CallUp => self.open_link(now),
                    l2tp::Event::Failed(stage, reason) => self.end(now, stage, reason),
                    l2tp::Event::Closed(reason) => self.end(now, Stage::Call, reason),
                }
            }
            let link_events = self.link.as_mut().map(Link::take_events).unwrap_or_default();
            for event in link_events {
                match event {
                    ppp::Event::Up { address, gateway, dns } => {
                        self.state = State::Up(address);
                        if self.profile.ppp.informs {
                            self.inform = Some(Inform::new(now, address, &mut self.random));
                        }
                        self.tell(Event::Up { address, gateway, dns });
                    }
                    ppp::Event::Relapsed => self.counters.relapses += 1,
                    ppp::Event::Failed(stage, reason) => self.end(now, stage, reason),
                    ppp::Event::Closed(reason) => self.end(now, Stage::Link, reason),
                }
            }
            // ICCN goes before the first frame.
            if !self.send_messages(now) && !self.send_frames(now) {
                return;
            }
        }
    }

    fn open_link(&mut self, now: Instant) {
        let who = (&self.setup.user[..], &self.setup.password[..]);
        let mut link = Link::new(&self.profile.ppp, who, &mut self.random);
        link.open(now);
        self.link = Some(link);
    }

    /// Sends the link's frames; tells whether there were any.
    fn send_frames(&mut self, now: Instant) -> bool {
        let frames = self.link.as_mut().map(Link::take_frames).unwrap_or_default();
        let is_some = !frames.is_empty();
        for frame in frames {
            let Some(lac) = self.lac.as_ref().filter(|lac| lac.is_up()) else { continue };
            let header = lac.data_header(frame.len());
            self.send_l2tp(now, &[&header, &frame]);
        }
        is_some
    }

    /// Sends the tunnel's messages; tells whether there were any.
    fn send_messages(&mut self, now: Instant) -> bool {
        let messages = self.lac.as_mut().map(Lac::take_sent).unwrap_or_default();
        messages.iter().for_each(|message| self.send_l2tp(now, &[message]));
        !messages.is_empty()
    }

    fn send_packet(&mut self, now: Instant, packet: &[u8]) {
        let Some(link) = self.link.as_ref().and_then(Link::ipv4_header) else { return };
        let Some(lac) = self.lac.as_ref().filter(|lac| lac.is_up()) else { return };
        let header = lac.data_header(link.len() + packet.len());
        self.send_l2tp(now, &[&header, link, packet]);
    }

    fn send_l2tp(&mut self, now: Instant, parts: &[&[u8]]) {
        if self.setup.carrier == Carrier::Bare {
            return self.send_datagram(2, parts.concat());
        }
        let ends = [self.setup.local, self.setup.server];
        let whole = parts.concat();
        let header = udp_header(ends, [self.l2tp_port, L2TP_PORT], &[&whole]);
        match self.sadb.seal(&[&header, &whole]) {
            Some((bytes, true)) => self.send_datagram(1, bytes),
            Some((bytes, false)) => {
                self.counters.sent += 1;
                let [local, remote] = ends;
                self.outputs.push_back(Output::Esp { local, remote, bytes });
            }
            // The packet is lost; a new pair is worth having.
            None => self.with_ike(now, Ike::pair),
        }
    }
}

const L2TP_PORT: u16 = 1_701;
